"""Queries on the networks that were uploaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.dialects import postgresql, sqlite

from relucensus_service.store.database import Database, database_clock
from relucensus_service.store.tables import models


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

    def save(self, model: NewModel) -> StoredModel:
        """Keep the network unless it is known; the stored one either way."""
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
            query = select(models.c.digest, models.c.summary, models.c.created_at)
            return _model(connection.execute(query.where(models.c.digest == model.digest)).mappings().one())

    def find(self, digest: str) -> StoredModel | None:
        """The network with this digest."""
        query = select(models.c.digest, models.c.summary, models.c.created_at).where(models.c.digest == digest)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return _model(row) if row is not None else None

    def find_file(self, file_sha256: str, activation: str) -> StoredModel | None:
        """The network that was read from this very file."""
        query = select(models.c.digest, models.c.summary, models.c.created_at).where(
            models.c.file_sha256 == file_sha256, models.c.activation == activation
        )
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
