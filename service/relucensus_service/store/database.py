"""The connection to SQLite or PostgreSQL: transactions, the database's clock, the version of the schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Double, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from relucensus_service.settings import InvalidSetting

_READ_ONLY: Final = "relucensus_read_only"
_BUSY_SECONDS: Final = 30


class database_clock(FunctionElement[float]):  # noqa: N801 - a SQL function, written like one
    """Seconds since 1970 on the clock of the database, the only clock that all runners share."""

    type = Double()
    inherit_cache = True


@compiles(database_clock, "sqlite")
def _clock_of_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_clock, "postgresql")
def _clock_of_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


class Database:
    """One database. `read()` and `write()` are transactions; on SQLite a write waits for the one before it."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._reading = self._engine.execution_options(**{_READ_ONLY: True})

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a file beside the program, and not a server."""
        return self._engine.dialect.name == "sqlite"

    @property
    def engine(self) -> Engine:
        """For the migrations."""
        return self._engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self._reading.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction; committed at the end, rolled back by an exception."""
        with self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidSetting(
            f"the database URL {url!r} cannot be read; needed is sqlite:///… or postgresql://…"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite_engine(parsed.database, url)
    if backend in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(
            parsed, connect_args={"client_encoding": "utf8"}, pool_pre_ping=True, pool_size=10, max_overflow=20
        )
    raise InvalidSetting(f"the database URL names {backend!r}; needed is sqlite:///… or postgresql://…")


def _sqlite_engine(path: str | None, url: str) -> Engine:
    if not path or path == ":memory:":
        raise InvalidSetting(f"the database URL {url!r} names no file; the API and the runner share one")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver would otherwise begin transactions at moments of its own choice
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE takes the write lock at once: a read that turns into a write could not wait, it would fail.
    reading = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
