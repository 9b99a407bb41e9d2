"""What each API key has used today: a row per key and day (UTC), added up in the transaction that uses it."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Integer, cast, func, select
from sqlalchemy.dialects import postgresql, sqlite

from relucensus_service.store.database import database_clock
from relucensus_service.store.tables import api_keys, usage

_SECONDS_A_DAY: Final = 86_400.0
TODAY: Final = cast(func.floor(database_clock() / _SECONDS_A_DAY), Integer)


def spend_cpu(connection: Connection, owner: str, seconds: float) -> bool:
    """Add CPU seconds to today's; whether the key has none left."""
    _add(connection, owner, cpu_seconds=seconds)
    return used_up(connection, owner, "cpu_seconds")


def spend_bytes(connection: Connection, owner: str, size: int) -> None:
    """Add uploaded bytes to today's."""
    _add(connection, owner, upload_bytes=size)


def used_up(connection: Connection, owner: str, what: str, more: float = 0) -> bool:
    """Whether today's use, and that much more, reaches what the key is allowed."""
    allowed = connection.execute(select(api_keys.c[what]).where(api_keys.c.id == owner)).scalar_one_or_none()
    if allowed is None:
        return False
    today = select(usage.c[what]).where(usage.c.owner == owner, usage.c.day == TODAY)
    used: float = connection.execute(today).scalar_one_or_none() or 0
    return used + more > allowed or (not more and used >= allowed)


def _add(connection: Connection, owner: str, **more: Any) -> None:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(usage).values(owner=owner, day=TODAY, **more)
    added = {name: usage.c[name] + value for name, value in more.items()}
    connection.execute(statement.on_conflict_do_update(index_elements=["owner", "day"], set_=added))
