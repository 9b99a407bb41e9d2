"""What is forgotten after a time, on SQLite and PostgreSQL."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from relucensus.engines.protocol import Settlement
from relucensus.values.network import Network
from relucensus_service.jobs import COUNTING, NewJob, root_cube
from relucensus_service.store import Forgotten, Retention, Store
from relucensus_service.store.tables import jobs, models, runners

Document = Callable[..., dict[str, Any]]
DAY = 86_400.0


@pytest.fixture
def ended(store: Store, model: str, request_document: Document) -> Callable[[str, float], None]:
    """A job that ended so many days ago with its root cube still open."""

    def ended(name: str, days: float) -> None:
        store.jobs.create(NewJob(name, model, request_document(), root_cube(2)))
        claimed = store.leases.claim("runner", ())
        assert claimed is not None
        (cube,) = store.frontier.load(name, COUNTING)
        store.frontier.commit(claimed[1], COUNTING, cube, Settlement(regions=1, open=(cube.cube,)))
        store.frontier.finish(claimed[1], {"counts": {"activation_regions": {"value": 1, "status": "lower_bound"}}})
        with store.database.write() as connection:
            earlier = jobs.c.finished_at - days * DAY
            connection.execute(update(jobs).where(jobs.c.id == name).values(finished_at=earlier))

    return ended


Ended = Callable[[str, float], None]


def aged(store: Store, days: float) -> None:
    with store.database.write() as connection:
        connection.execute(update(models).values(created_at=models.c.created_at - days * DAY))


def test_nothing_is_forgotten_unless_asked_for(store: Store, ended: Ended) -> None:
    ended("old", 1000)
    assert store.retention.sweep(Retention()) == Forgotten()
    assert store.jobs.find("old") is not None


def test_old_jobs_are_forgotten_and_open_ones_never(
    store: Store, ended: Ended, model: str, request_document: Document
) -> None:
    ended("old", 8)
    ended("new", 6)
    store.jobs.create(NewJob("open", model, request_document(), root_cube(2)))
    assert store.retention.sweep(Retention(jobs=7)) == Forgotten(jobs=1)
    assert [job.id for job in store.jobs.page(states=[], below=None, limit=9)] == ["open", "new"]


def test_old_frontiers_are_forgotten_but_not_the_results(store: Store, ended: Ended) -> None:
    ended("old", 8)
    ended("new", 6)
    assert store.retention.sweep(Retention(frontiers=7)) == Forgotten(frontiers=1)
    assert store.retention.sweep(Retention(frontiers=7)) == Forgotten()
    assert store.frontier.load("old", COUNTING) == []
    assert len(store.frontier.load("new", COUNTING)) == 1
    old = store.jobs.find("old")
    assert old is not None
    assert old.result is not None


def test_networks_are_forgotten_only_when_no_job_names_them(store: Store, ended: Ended, network: Network) -> None:
    ended("job", 0)
    aged(store, 8)
    assert store.retention.sweep(Retention(models=7)) == Forgotten()
    store.jobs.delete("job")
    assert store.retention.sweep(Retention(models=9)) == Forgotten()
    assert store.retention.sweep(Retention(models=7)) == Forgotten(models=1)
    assert store.models.find(network.digest) is None


def test_runners_that_were_silent_for_a_day_are_no_longer_shown(store: Store) -> None:
    store.leases.announce("gone", 2)
    store.leases.announce("there", 2)
    with store.database.write() as connection:
        silent = runners.c.heartbeat_at - 2 * DAY
        connection.execute(update(runners).where(runners.c.name == "gone").values(heartbeat_at=silent))
    store.retention.sweep(Retention())
    assert [beat.name for beat in store.leases.beats(10 * DAY)] == ["there"]
