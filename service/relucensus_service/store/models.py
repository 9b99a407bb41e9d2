"""Queries on the networks that were uploaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import RowMapping, select
from sqlalchemy.dialects import postgresql, sqlite

from relucensus_service.store.database import Database, database_clock
from relucensus_service.store.tables import models, uploads

_MODEL: Final = select(models.c.digest, models.c.summary, models.c.created_at)


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A network in the store. `summary` is what was read: sizes, format of the file, notes of the reader."""

    digest: str
    summary: Mapping[str, Any]
    created_at: float


@dataclass(frozen=True, slots=True)
class NewModel:
    """A file that was read. `network` is `Network.to_bytes()`."""

    digest: str
    file_sha256: str
    activation: str
    file: bytes
    network: bytes
    summary: Mapping[str, Any]


class Models:
    """Networks by digest. The same network is kept once, with the file it first came in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, model: NewModel, *, owner: str | None = None) -> StoredModel:
        """Keep the network unless it is known; the stored one either way, which the owner may name from now on."""
        values = {
            "digest": model.digest,
            "file_sha256": model.file_sha256,
            "activation": model.activation,
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
            return _model(connection.execute(_MODEL.where(models.c.digest == model.digest)).mappings().one())

    def find(self, digest: str, *, owner: str | None = None) -> StoredModel | None:
        """The network with this digest, if this owner has uploaded it; whoever knows it where access is open."""
        query = _MODEL.where(models.c.digest == digest)
        if owner is not None:
            query = query.join(uploads, uploads.c.digest == models.c.digest).where(uploads.c.owner == owner)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return _model(row) if row is not None else None

    def find_file(self, file_sha256: str, activation: str, *, owner: str | None = None) -> StoredModel | None:
        """The network that was read from this very file, if this owner has uploaded it before."""
        query = _MODEL.where(models.c.file_sha256 == file_sha256, models.c.activation == activation)
        if owner is not None:
            query = query.join(uploads, uploads.c.digest == models.c.digest).where(uploads.c.owner == owner)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return _model(row) if row is not None else None

    def network(self, digest: str) -> bytes:
        """The network of a known digest as `Network.to_bytes()` wrote it."""
        with self._database.read() as connection:
            found: bytes = connection.execute(select(models.c.network).where(models.c.digest == digest)).scalar_one()
        return found


def _model(row: RowMapping) -> StoredModel:
    return StoredModel(row["digest"], row["summary"], row["created_at"])
