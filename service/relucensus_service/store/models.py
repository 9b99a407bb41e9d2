"""Queries on the networks that were uploaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from relucensus_service.store.database import Database, database_clock
from relucensus_service.store.tables import models, readings, uploads

_MODEL: Final = select(models.c.digest, models.c.summary, models.c.created_at)
_NOBODY: Final = ""  # owner of what is sent where access is open


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A network in the store. `summary` is what was read from its file: sizes, format, notes of the reader."""

    digest: str
    summary: Mapping[str, Any]
    created_at: float


@dataclass(frozen=True, slots=True)
class NewModel:
    """A file that was read. `network` is `Network.to_bytes()`.

    `asked` is equal for readings of one file that give the same network and the same notes.
    """

    digest: str
    file_sha256: str
    asked: str
    file: bytes
    network: bytes
    summary: Mapping[str, Any]


class Models:
    """Networks by digest. The same network is kept once, with the file it first came in.

    What was read from a file, its notes too, belongs to the file and what was asked of it: another file, or the same
    one asked otherwise, may have the same network.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, model: NewModel, *, owner: str | None = None) -> StoredModel:
        """Keep the network unless it is known, and what was read; the owner may name it from now on."""
        values = {
            "digest": model.digest,
            "file": model.file,
            "network": model.network,
            "summary": dict(model.summary),
            "created_at": database_clock(),
        }
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        with self._database.write() as connection:
            connection.execute(insert(models).values(values).on_conflict_do_nothing())
            if owner is not None:
                connection.execute(insert(uploads).values(owner=owner, digest=model.digest).on_conflict_do_nothing())
            read = {"digest": model.digest, "summary": dict(model.summary), "sent_at": database_clock()}
            named = {"owner": owner or _NOBODY, "file_sha256": model.file_sha256, "asked": model.asked}
            connection.execute(
                insert(readings).values(named | read).on_conflict_do_update(index_elements=list(named), set_=read)
            )
            row = connection.execute(_MODEL.where(models.c.digest == model.digest)).mappings().one()
            return StoredModel(model.digest, model.summary, row["created_at"])

    def find(self, digest: str, *, owner: str | None = None) -> StoredModel | None:
        """The network with this digest, if this owner has uploaded it; whoever knows it where access is open.

        Its summary is that of the file with this network that the owner has sent last.
        """
        query = _MODEL.where(models.c.digest == digest)
        if owner is not None:
            query = query.join(uploads, uploads.c.digest == models.c.digest).where(uploads.c.owner == owner)
        latest = (
            select(readings.c.summary)
            .where(readings.c.digest == digest, readings.c.owner == (owner or _NOBODY))
            .order_by(readings.c.sent_at.desc(), readings.c.id.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
            read = connection.execute(latest).scalar_one_or_none()
        return StoredModel(digest, read or row["summary"], row["created_at"]) if row is not None else None

    def find_file(self, file_sha256: str, asked: str, *, owner: str | None = None) -> StoredModel | None:
        """The network that was read from this very file, asked in this way, if this owner has sent it before.

        The file is the one sent last from now on.
        """
        sent = (
            (readings.c.owner == (owner or _NOBODY))
            & (readings.c.file_sha256 == file_sha256)
            & (readings.c.asked == asked)
        )
        query = (
            select(readings.c.id, readings.c.digest, readings.c.summary, models.c.created_at)
            .join(models, models.c.digest == readings.c.digest)
            .where(sent)
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        with self._database.write() as connection:
            connection.execute(update(readings).where(readings.c.id == row["id"]).values(sent_at=database_clock()))
        return StoredModel(row["digest"], row["summary"], row["created_at"])

    def network(self, digest: str) -> bytes:
        """The network of a known digest as `Network.to_bytes()` wrote it."""
        with self._database.read() as connection:
            found: bytes = connection.execute(select(models.c.network).where(models.c.digest == digest)).scalar_one()
        return found
