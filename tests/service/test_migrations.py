"""Databases of earlier versions, on SQLite and PostgreSQL: what they hold is still there after an upgrade."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from relucensus.values.network import Network
from relucensus_service.jobs import COUNTING, JobState
from relucensus_service.store import Database, Quota, Store
from relucensus_service.store.schema import at_head, upgrade

MODEL = (
    "INSERT INTO models (digest, file_sha256, activation, file, network, summary, created_at) "
    "VALUES (:digest, 'sha256:0', 'relu', 'file', :network, :summary, 1.0)"
)
JOB = (
    "INSERT INTO jobs (id, state, model, request, phase, created_at, seconds_spent, regions, conclusion_attempts, "
    "lease_token) VALUES (:id, :state, :model, '{}', 0, 1.0, 2.5, 7, 0, 3)"
)
CUBE = (
    "INSERT INTO cubes (job_number, phase, prefix, found, at_most, attempts, returns) "
    "SELECT number, 0, '01', 1, '0x4', 0, 0 FROM jobs"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, new_postgres: Callable[[], str], tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/old.db" if request.param == "sqlite" else new_postgres()
    database = Database(url)
    yield database
    database.close()


def test_jobs_of_the_first_version_go_on(old: Database, network: Network) -> None:
    upgrade(old, "0001")
    assert not at_head(old)
    store = Store.on(old)
    summary: dict[str, Any] = {"digest": network.digest, "inputs": 1, "neurons": network.neurons, "notes": ["a note"]}
    with old.write() as connection:
        values = {"digest": network.digest, "network": network.to_bytes(), "summary": json.dumps(summary)}
        connection.execute(text(MODEL), values)
        for name, state in (("open", "running"), ("stopped", "cancelled")):
            connection.execute(text(JOB), {"id": name, "state": state, "model": network.digest})
        connection.execute(text(CUBE))
    upgrade(old)
    assert at_head(old)
    opened, stopped = store.jobs.find("open"), store.jobs.find("stopped")
    assert opened is not None
    assert stopped is not None
    assert (opened.state, opened.regions, opened.open_cubes, opened.owner) == (JobState.RUNNING, 7, 1, None)
    assert (stopped.state, stopped.exact, stopped.open_cubes) == (JobState.CANCELLED, False, 0)
    again = store.jobs.retry("stopped")
    assert again is not None
    assert again.notes == ()
    known = store.models.find(network.digest)
    assert known is not None
    assert known.summary["notes"] == ["a note"]
    assert store.models.find_file("sha256:0", "relu") is None  # it is read again, with all that may be asked now
    assert (again.state, again.regions) == (JobState.QUEUED, 0)
    assert [cube.cube.cube.to_text() for cube in store.frontier.load("stopped", COUNTING)] == [""]


def test_a_postgresql_database_without_an_encoding_is_served(new_postgres: Callable[..., str]) -> None:
    database = Database(new_postgres("ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"))
    upgrade(database)
    assert at_head(database)
    keys = Store.on(database).keys
    keys.create("Zürich", Quota())
    assert [key.name for key in keys.all()] == ["Zürich"]
    database.close()
