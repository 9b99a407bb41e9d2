"""A crash right before or right after each commit of a job's life: the count that comes out is the count."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import Connection

from chaos.workloads import Workload, certified, merging, small
from relucensus import read_model, verify
from relucensus.values.problem import Budget
from relucensus_service import worker
from relucensus_service.jobs import Job, NewJob, root_of
from relucensus_service.runner import Runner
from relucensus_service.settings import Settings
from relucensus_service.store import Database, NewModel, Store
from relucensus_service.work import Answer, Conclusion, Slice

pytestmark = pytest.mark.timeout(240)
SETTINGS = Settings(lease_seconds=30.0, first_slice_seconds=0.001, slice_seconds=0.001)
REGIONS_A_SLICE = 3


class Crash(BaseException):
    """The process is gone."""


class CrashingDatabase(Database):
    """Crashes at its n-th transaction that writes, before or after it is committed."""

    def __init__(self, url: str, at: int, *, committed: bool) -> None:
        super().__init__(url)
        self._left = at
        self._committed = committed

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self._left -= 1
        with super().write() as connection:
            yield connection
            if self._left == 0 and not self._committed:
                raise Crash
        if self._left == 0 and self._committed:
            raise Crash


class Ticket:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def done(self) -> bool:
        return True

    def answer(self) -> Answer:
        return self._answer

    def abandon(self) -> None: ...


class ShuffledCluster:
    """The real worker in this process, on small slices; it is asked for several at once, in an order by chance."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def workers(self) -> int:
        return self._random.randint(1, 4)

    def ready(self) -> bool:
        return True

    def submit(self, work: Slice | Conclusion, on_done: Callable[[], None]) -> Ticket:
        if isinstance(work, Slice):
            work = replace(work, budget=Budget(regions=REGIONS_A_SLICE))
        on_done()
        return Ticket(worker.perform(work))

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def workload() -> Workload:
    """Four activation regions, one linear region: the cubes have to be merged."""
    (found,) = [each for each in small() if each.name == "dead_second_layer"]
    return found


@pytest.fixture
def queue(store: Store) -> Callable[[str, Workload], str]:
    """Queue a job, to be confirmed by a second engine."""

    def queue(name: str, workload: Workload) -> str:
        network = read_model(workload.file).network
        summary = {"digest": network.digest, "inputs": network.inputs, "neurons": network.neurons}
        file = NewModel(network.digest, "sha256:0", "relu", workload.file, network.to_bytes(), summary)
        options = {"strategy": "cubes", "limits": {"seconds": None, "regions": None}, "cross_check": "skeleton"}
        request = {"certificate": False, **workload.request, **options, "engine": "tree"}
        return store.jobs.create(NewJob(name, store.models.save(file).digest, request, root_of(summary))).id

    return queue


Queue = Callable[[str, Workload], str]


def finished(runner: Runner, store: Store, name: str) -> Job:
    for _ in range(3000):
        runner.turn()
        job = store.jobs.find(name)
        assert job is not None
        if job.state.done:
            return job
    raise AssertionError("the job does not end")


def check(job: Job, workload: Workload, store: Store) -> None:
    assert job.result is not None, job.error
    assert {name: count["value"] for name, count in job.result["counts"].items()} == workload.counts
    assert job.exact
    assert job.result["cross_checked_by"] == "skeleton"
    assert job.regions == workload.counts["activation_regions"]
    if job.certified:
        pieces = [store.certificates.data(piece) or b"" for piece in store.certificates.pieces(job.id)]
        proven = verify(read_model(workload.file).network, BytesIO(b"".join(pieces)))
        assert proven.counts == workload.counts


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("proven", [False, True], ids=["plain", "certified"])
def test_a_crash_at_any_commit_of_a_runner_changes_nothing(
    database: Database, store: Store, queue: Queue, workload: Workload, *, committed: bool, proven: bool
) -> None:
    workload = certified(workload) if proven else workload
    url = database.engine.url.render_as_string(hide_password=False)
    for at in range(1, 1000):
        name = queue(f"job{at}", workload)
        crashing = CrashingDatabase(url, at, committed=committed)
        try:
            check(
                finished(Runner(Store.on(crashing), ShuffledCluster(at), SETTINGS, "runner"), store, name),
                workload,
                store,
            )
            break
        except Crash:
            check(finished(Runner(store, ShuffledCluster(-at), SETTINGS, "runner"), store, name), workload, store)
        finally:
            crashing.close()
    assert at > 8, f"{at} commits are too few for a test"


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
def test_a_crash_while_a_job_is_accepted_leaves_one_job_or_none(
    database: Database, store: Store, queue: Queue, workload: Workload, *, committed: bool
) -> None:
    first = store.jobs.find(queue("first", workload))
    assert first is not None
    url = database.engine.url.render_as_string(hide_password=False)
    crashing = CrashingDatabase(url, 1, committed=committed)
    new = NewJob("again", first.model, first.request, root_of(first.network))
    with pytest.raises(Crash):
        Store.on(crashing).jobs.create(new)
    crashing.close()
    assert (store.jobs.find("again") is not None) == committed
    created = store.jobs.create(new)
    assert (created.id, created.open_cubes) == ("again", 1)
    assert len(store.jobs.page(states=[], below=None, limit=9)) == 2


def test_results_do_not_depend_on_the_order_of_the_slices(store: Store, queue: Queue) -> None:
    workload = merging()
    results: list[dict[str, Any]] = []
    for seed in range(2):
        job = finished(Runner(store, ShuffledCluster(seed), SETTINGS, "runner"), store, queue(f"job{seed}", workload))
        check(job, workload, store)
        assert job.result is not None
        results.append(
            {name: job.result[name] for name in job.result if name not in ("statistics", "network", "bounds")}
        )
    assert results[0] == results[1]


def test_an_id_that_comes_back_with_another_request_gets_its_own_count(
    store: Store, queue: Queue, workload: Workload
) -> None:
    for each in (workload, merging(), certified(merging()), workload):
        check(finished(Runner(store, ShuffledCluster(1), SETTINGS, "runner"), store, queue("job", each)), each, store)
        store.jobs.delete("job")
