"""The version of the schema: is it the one this program needs, and bring it there."""

from __future__ import annotations

import threading
import time
from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from relucensus_service.settings import InvalidSetting
from relucensus_service.store.database import Database

_PATIENCE: Final = 120.0  # seconds to wait for `relucensus migrate`
_ONE_AT_A_TIME = 7345270  # an arbitrary key; two `migrate` on one PostgreSQL wait for each other


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema to the newest version, or to an earlier one; does nothing when it is there."""
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def at_head(database: Database) -> bool:
    """Whether the schema is the one this program needs."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision() == head()


def wait_for_schema(database: Database, stop: threading.Event | None = None) -> None:
    """Return when the schema is the one this program needs, or `stop` is set; another process may be making it.

    Raises:
        InvalidSetting: it took too long.
    """
    stop = stop or threading.Event()
    patience = time.monotonic() + _PATIENCE
    while not _is_there(database) and not stop.wait(0.1):
        if time.monotonic() > patience:
            raise InvalidSetting("the database does not answer or has another schema; run: relucensus migrate")


def _is_there(database: Database) -> bool:
    try:
        return at_head(database)
    except OperationalError:  # not there yet, or being made at this moment
        return False


@cache
def head() -> str | None:
    """The newest version this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
