"""The runner on a real database with workers that answer as a test wants."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from relucensus.engines.protocol import OpenCube, Settlement
from relucensus.values.pattern import Cube
from relucensus.values.result import Statistics
from relucensus_service.cluster import ClusterLost, Ticket
from relucensus_service.jobs import Job, JobState, NewJob, root_cube
from relucensus_service.runner import Runner
from relucensus_service.settings import Settings
from relucensus_service.store import Database, Quota, Store
from relucensus_service.work import Answer, Concluded, Conclusion, Failure, Lost, Settled, Slice

Perform = Callable[[Slice | Conclusion], Answer | None]
Document = Callable[..., dict[str, Any]]
DEPTH = 4


@dataclass(eq=False)
class FakeTicket:
    outcome: Answer | None
    abandoned: bool = False

    def done(self) -> bool:
        return self.outcome is not None

    def answer(self) -> Answer:
        assert self.outcome is not None
        return self.outcome

    def abandon(self) -> None:
        self.abandoned = True


@dataclass
class FakeCluster:
    """Performs at once; None is an answer that never comes."""

    perform: Perform
    size: int = 2
    compiled: bool = True
    seen: list[Slice | Conclusion] = field(default_factory=list)
    tickets: list[FakeTicket] = field(default_factory=list)

    def workers(self) -> int:
        return self.size

    def ready(self) -> bool:
        return self.compiled

    def submit(self, work: Slice | Conclusion, on_done: Callable[[], None]) -> Ticket:
        self.seen.append(work)
        self.tickets.append(FakeTicket(self.perform(work)))
        on_done()
        return self.tickets[-1]

    def close(self) -> None:
        pass

    @property
    def slices(self) -> list[Slice]:
        return [work for work in self.seen if isinstance(work, Slice)]


def binary(work: Slice | Conclusion) -> Answer:
    """A full binary tree of depth DEPTH; every leaf is a region."""
    if isinstance(work, Conclusion):
        return concluded(work)
    prefix = work.cube.cube
    if prefix.depth == DEPTH:
        return Settled(Settlement(regions=1, prefixes=(1,)), "brute")
    return Settled(Settlement(open=tuple(OpenCube(prefix.extended(symbol), 1, 99) for symbol in (0, 1))), "brute")


def concluded(work: Conclusion) -> Concluded:
    found = work.counted.regions + sum(cube.found for cube in work.open_cubes)
    count = {"value": found, "status": "lower_bound" if work.open_cubes else "exact"}
    return Concluded({"counts": {"activation_regions": count}, "engine": work.engine, "cross_checked_by": None})


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    database = Database(sqlite_url)
    yield Store.on(database, lease_seconds=0.5)
    database.close()


@pytest.fixture
def queue(store: Store, model: str, request_document: Document) -> Callable[..., None]:
    def queue(name: str = "job", *, deadline: float | None = None, owner: str | None = None, **request: Any) -> None:
        document = request_document(**request)
        store.jobs.create(NewJob(name, model, document, root_cube(DEPTH), deadline=deadline, owner=owner))

    return queue


Queue = Callable[..., None]


def job_of(store: Store, name: str = "job") -> Job:
    job = store.jobs.find(name)
    assert job is not None
    return job


def runner_on(
    store: Store, perform: Perform = binary, name: str = "runner", **settings: Any
) -> tuple[Runner, FakeCluster]:
    cluster = FakeCluster(perform)
    return Runner(store, cluster, Settings(lease_seconds=0.5, heartbeat_seconds=0.1, **settings), name), cluster


def run_until_done(runner: Runner, store: Store, *names: str, turns: int = 400) -> None:
    for _ in range(turns):
        runner.turn()
        if all(job_of(store, name).state.done for name in names or ("job",)):
            return
        time.sleep(0.002)
    raise AssertionError(f"not done after {turns} turns")


def values(job: Job) -> tuple[int, str]:
    assert job.result is not None
    count = job.result["counts"]["activation_regions"]
    return count["value"], count["status"]


def test_a_job_waits_in_the_queue_while_the_engines_are_compiled(store: Store, queue: Queue) -> None:
    queue()
    runner, cluster = runner_on(store)
    cluster.compiled = False
    runner.turn()
    assert job_of(store).state is JobState.QUEUED
    cluster.compiled = True
    run_until_done(runner, store)
    assert values(job_of(store)) == (2**DEPTH, "exact")


def test_a_job_runs_to_its_exact_count(store: Store, queue: Queue) -> None:
    queue()
    runner, cluster = runner_on(store)
    run_until_done(runner, store)
    job = job_of(store)
    assert job.state is JobState.SUCCEEDED
    assert values(job) == (2**DEPTH, "exact")
    assert (job.regions, job.open_cubes, job.engine) == (2**DEPTH, 0, "brute")
    assert len(cluster.slices) == 2 ** (DEPTH + 1) - 1
    assert job.seconds_spent > 0


def test_slices_grow_with_the_age_of_the_job_up_to_a_limit(store: Store, queue: Queue) -> None:
    queue()
    runner, cluster = runner_on(store, first_slice_seconds=0.06, slice_seconds=0.09)
    runner.turn()
    time.sleep(0.4)
    run_until_done(runner, store)
    seconds = [work.budget.seconds or 0 for work in cluster.slices]
    assert seconds[0] == 0.06
    assert max(seconds) == 0.09


def test_a_cube_that_comes_back_unsplit_gets_more_time_each_time(store: Store, queue: Queue) -> None:
    def stubborn(work: Slice | Conclusion) -> Answer:
        if isinstance(work, Slice) and (work.budget.seconds or 0) < 3:
            return Settled(Settlement(open=(work.cube,)), "brute")
        return Settled(Settlement(regions=5), "brute") if isinstance(work, Slice) else concluded(work)

    queue()
    runner, cluster = runner_on(store, stubborn, first_slice_seconds=0.5)
    run_until_done(runner, store)
    assert [work.budget.seconds for work in cluster.slices] == [0.5, 1.0, 2.0, 4.0]
    assert values(job_of(store)) == (5, "exact")


def test_jobs_take_turns(store: Store, queue: Queue) -> None:
    domains = {name: {"kind": "box", "lower": 0, "upper": upper} for name, upper in (("long", 2), ("short", 3))}
    for name, domain in domains.items():
        queue(name, domain=domain)
    runner, cluster = runner_on(store)
    runner.turn()
    runner.turn()
    assert [work.assignment.domain for work in cluster.slices[:2]] == list(domains.values())
    run_until_done(runner, store, "long", "short")


def test_a_killed_runner_is_replaced_without_losing_or_doubling_anything(store: Store, queue: Queue) -> None:
    queue()
    generations = 0
    while not job_of(store).state.done:
        generations += 1
        runner, _ = runner_on(store, name="embedded")
        for _ in range(3):
            runner.turn()
    assert generations > 2
    assert values(job_of(store)) == (2**DEPTH, "exact")


def test_two_runners_one_of_them_asleep_count_once(store: Store, queue: Queue) -> None:
    queue()
    sleepy, cluster = runner_on(store, name="sleepy")
    sleepy.turn()
    assert cluster.slices
    time.sleep(0.6)
    other, _ = runner_on(store, name="other")
    run_until_done(other, store)
    sleepy.turn()
    sleepy.turn()
    assert values(job_of(store)) == (2**DEPTH, "exact")
    assert job_of(store).regions == 2**DEPTH


def test_a_cube_that_keeps_killing_its_worker_fails_the_job_by_name(store: Store, queue: Queue) -> None:
    def deadly(work: Slice | Conclusion) -> Answer:
        if isinstance(work, Slice) and work.cube.cube == Cube.from_text("01"):
            return Lost("worker tcp://1.2.3.4 died", guilty=True)
        return binary(work)

    queue()
    runner, cluster = runner_on(store, deadly)
    run_until_done(runner, store)
    job = job_of(store)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert (job.error["type"], job.error["cube"]) == ("urn:relucensus:problem:cube-failed", "01")
    assert "died" in job.error["detail"]
    assert sum(work.cube.cube.to_text() == "01" for work in cluster.slices) == 4


def test_failures_are_counted_across_restarts(store: Store, queue: Queue) -> None:
    queue()
    for _ in range(4):
        runner, _ = runner_on(store, lambda _: Failure("ValueError", "Traceback\nValueError: odd"), name="embedded")
        runner.turn()
        runner.turn()
    job = job_of(store)
    assert job.error is not None
    assert job.error["attempts"] == 4
    assert job.error["detail"].endswith("ValueError: odd")


def test_a_cube_that_fails_once_is_tried_again(store: Store, queue: Queue) -> None:
    failed: list[str] = []

    def flaky(work: Slice | Conclusion) -> Answer:
        if isinstance(work, Slice) and work.cube.cube.to_text() not in failed:
            failed.append(work.cube.cube.to_text())
            return Failure("SolverFailure", "try again")
        return binary(work)

    queue()
    run_until_done(runner_on(store, flaky)[0], store)
    assert values(job_of(store)) == (2**DEPTH, "exact")


def test_work_lost_with_the_scheduler_is_nobodys_fault(store: Store, queue: Queue) -> None:
    lost: list[Slice | Conclusion] = []

    def forgetful(work: Slice | Conclusion) -> Answer:
        lost.append(work)
        return Lost("cancelled", guilty=False) if len(lost) % 3 else binary(work)

    queue()
    run_until_done(runner_on(store, forgetful)[0], store, turns=2000)
    assert values(job_of(store)) == (2**DEPTH, "exact")


def test_what_an_engine_cannot_serve_fails_the_job_with_its_words(store: Store, queue: Queue) -> None:
    queue()
    runner, cluster = runner_on(store, lambda _: Failure("UnsupportedProblem", "brute serves up to 16 neurons"))
    run_until_done(runner, store)
    error = job_of(store).error
    assert error is not None
    assert (error["status"], error["type"]) == (422, "urn:relucensus:problem:unsupported-problem")
    assert error["detail"] == "brute serves up to 16 neurons"
    assert len(cluster.slices) == 1


def test_a_conclusion_that_keeps_failing_fails_the_job(store: Store, queue: Queue) -> None:
    def perform(work: Slice | Conclusion) -> Answer:
        return binary(work) if isinstance(work, Slice) else Lost("worker died", guilty=True)

    queue()
    run_until_done(runner_on(store, perform)[0], store)
    error = job_of(store).error
    assert error is not None
    assert error["type"] == "urn:relucensus:problem:conclusion-failed"


def test_a_limit_on_regions_gives_a_lower_bound(store: Store, queue: Queue) -> None:
    queue(limits={"seconds": None, "regions": 5})
    runner, cluster = runner_on(store)
    run_until_done(runner, store)
    job = job_of(store)
    assert job.state is JobState.SUCCEEDED
    value, status = values(job)
    assert status == "lower_bound"
    assert 5 <= value < 2**DEPTH
    assert job.open_cubes > 0
    assert cluster.slices[0].budget.regions == 5


def test_a_limit_on_seconds_holds_across_restarts(store: Store, queue: Queue) -> None:
    queue(limits={"seconds": 0.5, "regions": None})
    started = time.monotonic()
    while not job_of(store).state.done:
        runner, _ = runner_on(store, lambda work: binary(work) if isinstance(work, Conclusion) else None, "embedded")
        stop = threading.Event()
        timer = threading.Timer(0.3, stop.set)
        timer.start()
        runner.run(stop)
        timer.join()
        assert time.monotonic() - started < 8
    assert values(job_of(store)) == (1, "lower_bound")


def test_a_cancelled_job_ends_within_a_slice_with_what_was_found(store: Store, queue: Queue) -> None:
    def slow(work: Slice | Conclusion) -> Answer | None:
        return None if isinstance(work, Slice) and work.cube.cube.depth == 2 else binary(work)

    queue()
    runner, cluster = runner_on(store, slow, slice_seconds=0.1)
    for _ in range(5):
        runner.turn()
    store.jobs.cancel("job")
    started = time.monotonic()
    run_until_done(runner, store, turns=3000)
    assert time.monotonic() - started < 2
    assert job_of(store).state is JobState.CANCELLED
    assert values(job_of(store))[1] == "lower_bound"
    assert any(ticket.abandoned for ticket in cluster.tickets)


def test_a_job_cancelled_before_it_started_has_a_result(store: Store, queue: Queue) -> None:
    queue()
    store.jobs.cancel("job")
    runner, cluster = runner_on(store)
    run_until_done(runner, store)
    assert job_of(store).state is JobState.CANCELLED
    assert values(job_of(store)) == (1, "lower_bound")
    assert not cluster.slices


def test_a_cancelled_job_ends_though_the_runner_has_its_hands_full(store: Store, queue: Queue) -> None:
    queue("long")
    runner, _ = runner_on(store, lambda work: concluded(work) if isinstance(work, Conclusion) else None, jobs_at_once=1)
    runner.turn()
    queue("waiting")
    queue("late", limits={"seconds": None, "regions": None}, deadline=time.time() + 0.05)
    runner.turn()
    assert job_of(store, "waiting").state is JobState.QUEUED
    store.jobs.cancel("waiting")
    time.sleep(0.1)
    run_until_done(runner, store, "waiting", "late")
    assert (job_of(store, "waiting").state, job_of(store, "late").state) == (JobState.CANCELLED, JobState.SUCCEEDED)
    assert values(job_of(store, "late")) == (1, "lower_bound")
    assert not job_of(store, "long").state.done


def test_a_deadline_stops_a_running_job(store: Store, queue: Queue) -> None:
    queue(deadline=time.time() + 2.0)
    runner, cluster = runner_on(store, lambda work: concluded(work) if isinstance(work, Conclusion) else None)
    runner.turn()
    assert (cluster.slices[0].budget.seconds or 9) <= 2.0
    assert not job_of(store).state.done
    run_until_done(runner, store, turns=15000)
    assert values(job_of(store)) == (1, "lower_bound")
    assert not job_of(store).exact


def test_a_job_that_a_limit_stopped_goes_on_to_the_same_count(store: Store, queue: Queue) -> None:
    queue(limits={"seconds": None, "regions": 5})
    runner, _ = runner_on(store)
    counts = []
    for _ in range(9):
        run_until_done(runner, store)
        counts.append(values(job_of(store)))
        if job_of(store).exact:
            break
        store.jobs.retry("job")
    assert counts[-1] == (2**DEPTH, "exact")
    assert len(counts) > 2
    assert [value for value, _ in counts] == sorted({value for value, _ in counts})


def test_a_failed_job_goes_on_once_the_reason_is_gone(store: Store, queue: Queue) -> None:
    broken = True

    def perform(work: Slice | Conclusion) -> Answer:
        if broken and isinstance(work, Slice) and work.cube.cube == Cube.from_text("01"):
            return Failure("MemoryError", "out of memory")
        return binary(work)

    queue()
    runner, _ = runner_on(store, perform)
    run_until_done(runner, store)
    assert job_of(store).state is JobState.FAILED
    broken = False
    store.jobs.retry("job")
    run_until_done(runner, store)
    assert values(job_of(store)) == (2**DEPTH, "exact")
    assert job_of(store).error is None


def test_a_check_that_was_stopped_goes_on(store: Store, queue: Queue) -> None:
    stuck = True

    def perform(work: Slice | Conclusion) -> Answer | None:
        return None if stuck and isinstance(work, Slice) and work.engine == "milp" else checked(7)(work)

    queue(engine="brute", cross_check="milp")
    runner, _ = runner_on(store, perform, slice_seconds=0.1)
    for _ in range(10):
        runner.turn()
    store.jobs.cancel("job")
    run_until_done(runner, store, turns=3000)
    assert not job_of(store).exact
    stuck = False
    store.jobs.retry("job")
    run_until_done(runner, store)
    job = job_of(store)
    assert job.result is not None
    assert (values(job), job.result["cross_checked_by"]) == ((7, "exact"), "milp")


def test_a_disagreement_stays_one_when_asked_to_go_on(store: Store, queue: Queue) -> None:
    queue(engine="brute", cross_check="milp")
    runner, _ = runner_on(store, checked(8))
    for _ in range(2):
        run_until_done(runner, store)
        error = job_of(store).error
        assert error is not None
        assert error["counts"] == {"brute": {"activation_regions": 7}, "milp": {"activation_regions": 8}}
        store.jobs.retry("job")


def test_a_job_ends_when_its_key_has_no_seconds_left(store: Store, queue: Queue) -> None:
    key, _ = store.keys.create("user", Quota(cpu_seconds=5))

    def costly(work: Slice | Conclusion) -> Answer:
        answer = binary(work)
        if isinstance(answer, Settled):
            return replace(answer, settlement=replace(answer.settlement, statistics=Statistics(cpu_seconds=1.5)))
        return answer

    queue(owner=key.id)
    runner, cluster = runner_on(store, costly)
    run_until_done(runner, store)
    assert values(job_of(store))[1] == "lower_bound"
    assert len(cluster.slices) < 8


def test_a_runner_says_what_it_has_done(store: Store, queue: Queue) -> None:
    queue()
    runner, _ = runner_on(store)
    run_until_done(runner, store)
    time.sleep(0.15)
    runner.turn()
    (beat,) = store.leases.beats(10)
    assert (beat.figures.slices, beat.figures.regions, beat.figures.taken_over) == (2 ** (DEPTH + 1) - 1, 2**DEPTH, 0)


def test_a_job_taken_over_from_a_silent_runner_is_counted(store: Store, queue: Queue) -> None:
    queue()
    runner_on(store, lambda _: None, name="silent")[0].turn()
    time.sleep(0.6)
    runner, _ = runner_on(store, name="other")
    run_until_done(runner, store)
    time.sleep(0.15)
    runner.turn()
    assert {beat.name: beat.figures.taken_over for beat in store.leases.beats(10)} == {"silent": 0, "other": 1}


def test_stopping_waits_for_the_slices_that_are_out(store: Store, queue: Queue) -> None:
    queue()
    runner, cluster = runner_on(store, lambda _: None)
    stop = threading.Event()
    serving = threading.Thread(target=runner.run, args=(stop,))
    serving.start()
    while not cluster.tickets:
        time.sleep(0.01)
    stop.set()
    time.sleep(0.1)
    cluster.tickets[0].outcome = binary(cluster.slices[0])
    serving.join()
    assert job_of(store).open_cubes == 2
    assert len(cluster.slices) == 1


def test_a_lost_cluster_hands_everything_back(store: Store, queue: Queue) -> None:
    queue()
    runner, cluster = runner_on(store, lambda _: None)
    runner.turn()

    def lost() -> int:
        raise ClusterLost("gone")

    cluster.workers = lost  # type: ignore[method-assign]
    with pytest.raises(ClusterLost):
        runner.run(threading.Event())
    assert store.leases.claim("other", ()) is not None


def test_a_deleted_job_is_let_go(store: Store, queue: Queue) -> None:
    queue()
    runner, cluster = runner_on(store, lambda _: None)
    runner.turn()
    store.jobs.delete("job")
    time.sleep(0.25)
    runner.turn()
    assert all(ticket.abandoned for ticket in cluster.tickets)


def checked(second: int, engine: str = "milp") -> Perform:
    def perform(work: Slice | Conclusion) -> Answer:
        if isinstance(work, Slice):
            return Settled(Settlement(regions=second if work.engine == engine else 7), work.engine)
        return concluded(work)

    return perform


def test_a_second_engine_confirms(store: Store, queue: Queue) -> None:
    queue(engine="brute", cross_check="milp")
    runner, cluster = runner_on(store, checked(7))
    run_until_done(runner, store)
    job = job_of(store)
    assert job.result is not None
    assert (job.result["engine"], job.result["cross_checked_by"], job.state) == ("brute", "milp", JobState.SUCCEEDED)
    assert [work.also for work in cluster.slices] == ["milp", None]
    assert (job.regions, job.engine) == (7, "brute")


def test_a_disagreement_fails_the_job_with_both_counts(store: Store, queue: Queue) -> None:
    queue(engine="brute", cross_check="milp")
    run_until_done(runner_on(store, checked(8))[0], store)
    job = job_of(store)
    assert job.state is JobState.FAILED
    assert job.result is None
    assert job.error is not None
    assert job.error["type"] == "urn:relucensus:problem:disagreement"
    assert job.error["counts"] == {"brute": {"activation_regions": 7}, "milp": {"activation_regions": 8}}
    assert "7" in job.error["detail"]
    assert "8" in job.error["detail"]


def test_a_check_that_is_stopped_leaves_the_first_result(store: Store, queue: Queue) -> None:
    def perform(work: Slice | Conclusion) -> Answer | None:
        return None if isinstance(work, Slice) and work.engine == "milp" else checked(7)(work)

    queue(engine="brute", cross_check="milp")
    runner, _ = runner_on(store, perform, slice_seconds=0.1)
    for _ in range(10):
        runner.turn()
    store.jobs.cancel("job")
    run_until_done(runner, store, turns=3000)
    job = job_of(store)
    assert job.state is JobState.CANCELLED
    assert values(job) == (7, "exact")
    assert job.result is not None
    assert job.result["cross_checked_by"] is None


def test_a_mistake_with_one_job_does_not_stop_the_others(
    store: Store, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue("bad")
    queue("good")
    settled = type(store.frontier).settled

    def broken(self: Any, job_id: str, phase: int) -> Settlement:
        if job_id == "bad":
            raise RuntimeError("a mistake")
        return settled(self, job_id, phase)

    monkeypatch.setattr(type(store.frontier), "settled", broken)
    run_until_done(runner_on(store)[0], store, "bad", "good")
    error = job_of(store, "bad").error
    assert error is not None
    assert error["type"] == "urn:relucensus:problem:internal-error"
    assert values(job_of(store, "good")) == (2**DEPTH, "exact")


def test_stopping_hands_the_jobs_back(store: Store, queue: Queue) -> None:
    queue()
    stop = threading.Event()
    runner, _ = runner_on(store, lambda _: None)
    threading.Timer(0.2, stop.set).start()
    runner.run(stop)
    assert store.leases.beats(10) == []
    assert store.leases.claim("other", ()) is not None
