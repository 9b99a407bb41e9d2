"""Databases to test on: a SQLite file, and PostgreSQL where there is a server."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from relucensus_service.store import Database, Store
from relucensus_service.store.schema import upgrade

POSTGRES = os.environ.get("RELUCENSUS_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")


@pytest.fixture(scope="session")
def new_postgres() -> Iterator[Callable[..., str]]:
    """Make a scratch database on the server named by RELUCENSUS_TEST_POSTGRES, or the one on this machine."""
    admin = create_engine(POSTGRES, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    made: list[str] = []

    def new_postgres(options: str = "") -> str:
        name = f"relucensus_{uuid.uuid4().hex[:12]}"
        try:
            with admin.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name} {options}"))
        except OperationalError as error:
            pytest.skip(f"no PostgreSQL server at {POSTGRES}: {str(error).splitlines()[0]}")
        made.append(name)
        return admin.url.set(database=name).render_as_string(hide_password=False)

    yield new_postgres
    for name in made:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="session")
def postgres_url(new_postgres: Callable[[], str]) -> str:
    return new_postgres()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with the newest schema and nothing in it, for copying."""
    path = tmp_path_factory.mktemp("migrated") / "test.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    database.close()
    return path


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'test.db')}"


@pytest.fixture(scope="session")
def migrated_postgres_url(postgres_url: str) -> str:
    database = Database(postgres_url)
    upgrade(database)
    database.close()
    return postgres_url


@pytest.fixture(params=["sqlite_url", "migrated_postgres_url"], ids=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    database = Database(request.getfixturevalue(request.param))
    sqlite = database.is_sqlite
    yield database
    if not sqlite:
        with database.write() as connection:
            connection.execute(text("TRUNCATE jobs, models, runners, api_keys, usage RESTART IDENTITY CASCADE"))
    database.close()


@pytest.fixture
def store(database: Database) -> Store:
    return Store.on(database, lease_seconds=0.5)
