"""One suite on SQLite and PostgreSQL."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from relucensus.engines.protocol import Mergeable, OpenCube, Settlement
from relucensus.values.network import Network
from relucensus.values.pattern import Cube
from relucensus.values.result import Statistics
from relucensus_service.jobs import COUNTING, FrontierCube, Job, JobState, Lease, LeaseLost, NewJob, root_cube
from relucensus_service.settings import InvalidSetting
from relucensus_service.store import Database, NewModel, RunnerFigures, Store, StoredModel
from relucensus_service.store.schema import at_head, upgrade
from relucensus_service.store.tables import metadata

Document = Callable[..., dict[str, Any]]


@pytest.fixture
def queued(store: Store, model: str, request_document: Document) -> Job:
    return store.jobs.create(NewJob("job", model, request_document(), root_cube(2)))


@pytest.fixture
def held(store: Store, queued: Job) -> tuple[Job, Lease]:
    claimed = store.leases.claim("runner", ())
    assert claimed is not None
    return claimed


def root(store: Store) -> FrontierCube:
    (cube,) = store.frontier.load("job", COUNTING)
    return cube


def open_cube(text: str, found: int = 0, at_most: int = 1) -> OpenCube:
    return OpenCube(Cube.from_text(text), found, at_most)


def test_the_schema_is_at_head_and_migrating_again_changes_nothing(database: Database) -> None:
    assert at_head(database)
    upgrade(database)
    assert at_head(database)


def test_the_migrations_make_the_tables_that_the_queries_expect(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_network_is_kept_once(store: Store, network: Network, model: str) -> None:
    again = NewModel(model, "sha256:11", "relu", b"another file", network.to_bytes(), {"format": "state_dict"})
    assert store.models.save(again).digest == model
    assert Network.from_bytes(store.models.network(model)).digest == model
    assert store.models.find("sha256:22") is None


def test_what_was_read_belongs_to_the_file_and_what_was_asked_of_it(store: Store, network: Network, model: str) -> None:
    def read(file: str, asked: str, note: str) -> NewModel:
        return NewModel(model, file, asked, b"a file", network.to_bytes(), {"notes": [note]})

    def notes(found: StoredModel | None) -> list[str] | None:
        return None if found is None else found.summary["notes"]

    first, second, third = (read("sha256:1", "x", "a"), read("sha256:1", "y", "b"), read("sha256:2", "x", "c"))
    assert [notes(store.models.save(new)) for new in (first, second, third)] == [["a"], ["b"], ["c"]]
    assert notes(store.models.find(model)) == ["c"]
    assert notes(store.models.find_file("sha256:1", "y")) == ["b"]
    assert notes(store.models.find(model)) == ["b"], "the file sent last"
    assert store.models.find_file("sha256:2", "y") is None
    assert notes(store.models.save(read("sha256:1", "y", "d"))) == ["d"]
    assert notes(store.models.find_file("sha256:1", "y")) == ["d"]


def test_what_one_api_key_has_sent_says_nothing_to_another(store: Store, network: Network, model: str) -> None:
    mine = NewModel(model, "sha256:1", "x", b"a file", network.to_bytes(), {"notes": ["of mine"]})
    yours = NewModel(model, "sha256:2", "x", b"a file", network.to_bytes(), {"notes": ["of yours"]})
    store.models.save(mine, owner="me")
    assert store.models.find(model, owner="you") is None
    store.models.save(yours, owner="you")
    for owner, note in (("me", "of mine"), ("you", "of yours")):
        found = store.models.find(model, owner=owner)
        assert found is not None
        assert found.summary["notes"] == [note]
    assert store.models.find_file("sha256:1", "x", owner="you") is None
    assert store.models.find_file("sha256:1", "x") is None


def test_a_new_job_is_queued_with_the_root_cube(store: Store, queued: Job) -> None:
    assert queued.state is JobState.QUEUED
    assert queued.network["inputs"] == 1
    assert (queued.open_cubes, queued.found, queued.regions) == (1, 1, 0)
    assert root(store).cube == root_cube(2)
    assert store.jobs.find("job") == queued
    assert store.jobs.find("other") is None


def test_bounds_of_a_cube_may_be_huge(store: Store, model: str, request_document: Document) -> None:
    store.jobs.create(NewJob("job", model, request_document(), root_cube(50_000)))
    assert root(store).cube.at_most == 2**50_000


def test_claiming_starts_the_job_and_nobody_else_gets_it(store: Store, held: tuple[Job, Lease]) -> None:
    job, _ = held
    assert job.state is JobState.RUNNING
    assert store.leases.claim("other", ()) is None
    found = store.jobs.find("job")
    assert found is not None
    assert found.started_at is not None
    assert found.started_at >= found.created_at


def test_an_expired_lease_may_be_claimed_and_the_old_one_is_worthless(store: Store, held: tuple[Job, Lease]) -> None:
    _, old = held
    time.sleep(0.6)
    claimed = store.leases.claim("other", ())
    assert claimed is not None
    assert claimed[1].token > old.token
    for use in (
        lambda: store.leases.renew(old),
        lambda: store.frontier.commit(old, COUNTING, root(store), Settlement(regions=5)),
        lambda: store.frontier.blame(old, root(store), "why"),
        lambda: store.frontier.finish(old, {}),
        lambda: store.frontier.fail(old, {}),
        lambda: store.frontier.begin_check(old, {}, root_cube(2)),
    ):
        with pytest.raises(LeaseLost):
            use()
    found = store.jobs.find("job")
    assert found is not None
    assert (found.regions, found.open_cubes, found.state) == (0, 1, JobState.RUNNING)


def test_a_renewed_lease_does_not_expire(store: Store, held: tuple[Job, Lease]) -> None:
    for _ in range(3):
        time.sleep(0.3)
        store.leases.renew(held[1])
    assert store.leases.claim("other", ()) is None


def test_a_restarted_runner_claims_its_own_jobs_at_once(store: Store, held: tuple[Job, Lease]) -> None:
    assert store.leases.claim("runner", ("job",)) is None
    claimed = store.leases.claim("runner", ())
    assert claimed is not None
    with pytest.raises(LeaseLost):
        store.leases.renew(held[1])


def test_a_job_handed_back_may_be_claimed_at_once(store: Store, held: tuple[Job, Lease]) -> None:
    store.leases.hand_back(held[1])
    assert store.leases.claim("other", ()) is not None


def test_only_time_under_a_lease_is_spent(store: Store, held: tuple[Job, Lease]) -> None:
    time.sleep(0.2)
    _, spent = store.leases.renew(held[1])
    assert 0.15 < spent < 0.6
    store.leases.hand_back(held[1])
    time.sleep(0.5)
    claimed = store.leases.claim("runner", ())
    assert claimed is not None
    _, later = store.leases.renew(claimed[1])
    assert later < spent + 0.3


def test_a_commit_adds_what_was_counted_and_opens_the_children(store: Store, held: tuple[Job, Lease]) -> None:
    settlement = Settlement(regions=3, open=(open_cube("0", 2, 7), open_cube("1")))
    committed = store.frontier.commit(held[1], COUNTING, root(store), settlement, engine="brute")
    assert committed.children is not None
    assert committed.children == tuple(store.frontier.load("job", COUNTING))
    assert [child.cube.cube.to_text() for child in committed.children] == ["0", "1"]
    job = store.jobs.find("job")
    assert job is not None
    assert (job.regions, job.open_cubes, job.found, job.engine) == (3, 2, 2, "brute")


def test_a_result_that_arrives_twice_changes_nothing(store: Store, held: tuple[Job, Lease]) -> None:
    cube = root(store)
    settlement = Settlement(regions=3, open=(open_cube("0"),))
    assert store.frontier.commit(held[1], COUNTING, cube, settlement).children is not None
    assert store.frontier.commit(held[1], COUNTING, cube, settlement).children is None
    job = store.jobs.find("job")
    assert job is not None
    assert (job.regions, job.open_cubes) == (3, 1)
    assert store.frontier.settled("job", COUNTING).regions == 3


def test_ids_of_cubes_are_never_used_again(store: Store, held: tuple[Job, Lease]) -> None:
    first = root(store)
    committed = store.frontier.commit(held[1], COUNTING, first, Settlement(open=(open_cube("0"),)))
    assert committed.children is not None
    assert committed.children[0].id != first.id


def test_a_cube_that_comes_back_unsplit_is_remembered(store: Store, held: tuple[Job, Lease]) -> None:
    cube = root(store)
    for returns in (1, 2):
        committed = store.frontier.commit(held[1], COUNTING, cube, Settlement(open=(cube.cube,)))
        assert committed.children is not None
        (cube,) = committed.children
        assert cube.returns == returns
    assert root(store).returns == 2


def test_settlements_add_up(store: Store, held: tuple[Job, Lease]) -> None:
    first = Settlement(
        regions=3,
        prefixes=(2, 3),
        open=(open_cube("0"),),
        affine_maps=frozenset({b"a" * 32, b"b" * 32}),
        mergeable=(Mergeable(b"\0\1", b"a" * 32),),
        patterns=4,
        statistics=Statistics(lps=5, peak_memory_bytes=100),
    )
    second = Settlement(
        regions=1,
        prefixes=(1, 1),
        affine_maps=frozenset({b"b" * 32, b""}),
        mergeable=(Mergeable(b"\1\1", b"b" * 32),),
        patterns=1,
        statistics=Statistics(lps=1, peak_memory_bytes=50),
    )
    committed = store.frontier.commit(held[1], COUNTING, root(store), first)
    assert committed.children is not None
    store.frontier.commit(held[1], COUNTING, committed.children[0], second)
    total = store.frontier.settled("job", COUNTING)
    assert (total.regions, total.prefixes, total.patterns, total.open) == (4, (3, 4), 5, ())
    assert total.affine_maps == {b"a" * 32, b"b" * 32, b""}
    assert set(total.mergeable) == {*first.mergeable, *second.mergeable}
    assert (total.statistics.lps, total.statistics.peak_memory_bytes) == (6, 100)


def test_patterns_are_unknown_when_no_settlement_counted_them(store: Store, held: tuple[Job, Lease]) -> None:
    store.frontier.commit(held[1], COUNTING, root(store), Settlement(regions=1))
    assert store.frontier.settled("job", COUNTING).patterns is None


def test_blame_is_remembered(store: Store, held: tuple[Job, Lease]) -> None:
    store.frontier.blame(held[1], root(store), "it crashed")
    assert root(store).attempts == 1
    assert [store.frontier.blame_conclusion(held[1]) for _ in range(2)] == [1, 2]


def test_a_finished_job_keeps_its_result_and_gives_up_its_lease(store: Store, held: tuple[Job, Lease]) -> None:
    store.frontier.commit(held[1], COUNTING, root(store), Settlement(regions=1, affine_maps=frozenset({b"a"})))
    result = {"counts": {"activation_regions": {"value": 2**70, "status": "exact"}}}
    assert store.frontier.finish(held[1], result) is JobState.SUCCEEDED
    job = store.jobs.find("job")
    assert job is not None
    assert job.result == result
    assert job.finished_at is not None
    assert store.leases.claim("other", ()) is None
    with pytest.raises(LeaseLost):
        store.leases.renew(held[1])


def test_a_failed_job_keeps_the_problem(store: Store, held: tuple[Job, Lease]) -> None:
    assert store.frontier.fail(held[1], {"title": "no"}) is JobState.FAILED
    job = store.jobs.find("job")
    assert job is not None
    assert (job.error, job.result) == ({"title": "no"}, None)


def test_a_job_cancelled_while_it_ends_is_cancelled(store: Store, held: tuple[Job, Lease]) -> None:
    cancelled = store.jobs.cancel("job")
    assert cancelled is not None
    assert cancelled.state is JobState.CANCELLING
    assert store.leases.renew(held[1])[0] is JobState.CANCELLING
    assert store.frontier.finish(held[1], {}) is JobState.CANCELLED
    again = store.jobs.cancel("job")
    assert again is not None
    assert again.state is JobState.CANCELLED


def test_a_queued_job_that_is_cancelled_is_still_claimed_for_its_result(store: Store, queued: Job) -> None:
    store.jobs.cancel("job")
    claimed = store.leases.claim("runner", ())
    assert claimed is not None
    assert claimed[0].state is JobState.CANCELLING
    assert store.jobs.cancel("other") is None


def test_a_deleted_job_takes_everything_with_it(store: Store, held: tuple[Job, Lease]) -> None:
    cube = root(store)
    store.frontier.commit(held[1], COUNTING, cube, Settlement(regions=1, open=(open_cube("0"),)))
    assert store.jobs.delete("job")
    assert not store.jobs.delete("job")
    assert store.frontier.load("job", COUNTING) == []
    assert store.leases.states(["job"]) == {}
    with pytest.raises(LeaseLost):
        store.frontier.commit(held[1], COUNTING, cube, Settlement(regions=1))


def test_the_check_has_a_frontier_of_its_own(store: Store, held: tuple[Job, Lease]) -> None:
    store.frontier.commit(held[1], COUNTING, root(store), Settlement(regions=3))
    store.frontier.begin_check(held[1], {"engine": "milp"}, root_cube(2))
    job = store.jobs.find("job")
    assert job is not None
    assert (job.phase, job.result, job.open_cubes) == (1, {"engine": "milp"}, 0)
    (cube,) = store.frontier.load("job", 1)
    store.frontier.commit(held[1], 1, cube, Settlement(regions=3), engine="brute")
    job = store.jobs.find("job")
    assert job is not None
    assert (job.regions, job.engine) == (3, None)
    assert store.frontier.settled("job", 0).regions == store.frontier.settled("job", 1).regions == 3


def test_jobs_are_listed_newest_first_by_state_and_page(store: Store, model: str, request_document: Document) -> None:
    for number in range(5):
        store.jobs.create(NewJob(f"job{number}", model, request_document(), root_cube(2)))
    store.jobs.cancel("job1")
    first = store.jobs.page(states=[], below=None, limit=2)
    assert [job.id for job in first] == ["job4", "job3"]
    assert [job.id for job in store.jobs.page(states=[], below=first[-1].number, limit=9)] == ["job2", "job1", "job0"]
    assert [job.id for job in store.jobs.page(states=[JobState.CANCELLING], below=None, limit=9)] == ["job1"]


def test_many_runners_claim_every_job_once(store: Store, model: str, request_document: Document) -> None:
    for number in range(12):
        store.jobs.create(NewJob(f"job{number}", model, request_document(), root_cube(2)))

    def claim(runner: str) -> list[str]:
        held: list[str] = []
        while (claimed := store.leases.claim(runner, held)) is not None:
            held.append(claimed[0].id)
        return held

    with ThreadPoolExecutor(4) as pool:
        claims = list(pool.map(claim, ["a", "b", "c", "d"]))
    assert sorted(job for held in claims for job in held) == sorted(f"job{number}" for number in range(12))


def test_a_runner_is_alive_while_it_says_so(store: Store) -> None:
    assert store.leases.beats(0.3) == []
    store.leases.announce("runner", 2)
    store.leases.announce("runner", 3, RunnerFigures(slices=5, regions=70))
    (beat,) = store.leases.beats(0.3)
    assert (beat.name, beat.workers, beat.figures) == ("runner", 3, RunnerFigures(slices=5, regions=70))
    assert 0 <= beat.silent < 0.3
    time.sleep(0.4)
    assert store.leases.beats(0.3) == []
    store.leases.announce("runner", 3)
    store.leases.withdraw("runner")
    assert store.leases.beats(0.3) == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "no url"])
def test_a_database_that_cannot_serve_is_refused(url: str) -> None:
    with pytest.raises(InvalidSetting, match="URL"):
        Database(url)
