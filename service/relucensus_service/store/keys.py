"""API keys: who may use the service, and how much.

The database has a hash of each secret, never the secret. The secrets are 256 random bits, so one round of SHA-256 is
enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import insert, select, update

from relucensus_service.store.database import Database, database_clock
from relucensus_service.store.quotas import spend_bytes, used_up
from relucensus_service.store.tables import api_keys

_PREFIX: Final = "rlc"
_SHAPE: Final = re.compile(rf"{_PREFIX}_([0-9a-f]{{12}})_([\w-]{{43}})")


class QuotaUsedUp(RuntimeError):
    """The key has used up what it may use today."""


@dataclass(frozen=True, slots=True)
class Quota:
    """The most a key may use; None is no limit."""

    open_jobs: int | None = None  # jobs that are not done, at a time
    upload_bytes: int | None = None  # a day
    cpu_seconds: float | None = None  # a day


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as the database knows it."""

    id: str
    name: str
    created_at: float
    revoked_at: float | None
    quota: Quota


class Keys:
    """API keys by id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, quota: Quota) -> tuple[ApiKey, str]:
        """A new key and its text, which nobody can find out later."""
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        values = {"id": key_id, "name": name, "secret_sha256": _hash(secret), "created_at": database_clock()}
        with self._database.write() as connection:
            connection.execute(insert(api_keys).values(values | asdict(quota)))
            row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).one()
        return _key(row), f"{_PREFIX}_{key_id}_{secret}"

    def all(self) -> list[ApiKey]:
        """Every key that was ever made, the oldest first."""
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.created_at))]

    def revoke(self, key_id: str) -> bool:
        """Let nobody in with this key any more; whether it could be used until now."""
        here = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
        with self._database.write() as connection:
            return connection.execute(update(api_keys).where(here).values(revoked_at=database_clock())).rowcount == 1

    def exist(self) -> bool:
        """Whether a key was ever made. From then on access is closed: revoking the last key must not open it."""
        with self._database.read() as connection:
            return bool(connection.execute(select(select(api_keys.c.id).exists())).scalar_one())

    def of(self, text: str) -> ApiKey | None:
        """The key with this text, if there is one and it is not revoked."""
        shape = _SHAPE.fullmatch(text)
        if shape is None:
            return None
        with self._database.read() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.id == shape[1])).one_or_none()
        if row is None or row.revoked_at is not None or not hmac.compare_digest(row.secret_sha256, _hash(shape[2])):
            return None
        return _key(row)

    def spend_upload(self, owner: str, size: int) -> None:
        """Add to the bytes uploaded today.

        Raises:
            QuotaUsedUp: the key may not upload so much any more today; nothing was added.
        """
        with self._database.write() as connection:
            if used_up(connection, owner, "upload_bytes", size):
                raise QuotaUsedUp(f"an upload of {size} bytes is more than this API key has left for today")
            spend_bytes(connection, owner, size)

    def check_cpu(self, owner: str) -> None:
        """Check that the key has CPU seconds left.

        Raises:
            QuotaUsedUp: it has none left for today.
        """
        with self._database.read() as connection:
            if used_up(connection, owner, "cpu_seconds"):
                raise QuotaUsedUp("this API key has used up its CPU seconds for today")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: Any) -> ApiKey:
    quota = Quota(row.open_jobs, row.upload_bytes, row.cpu_seconds)
    return ApiKey(row.id, row.name, row.created_at, row.revoked_at, quota)
