"""Certificates in the store, in the runner's hands and on the wire; on SQLite and PostgreSQL."""

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from relucensus import read_model, verify
from relucensus.certify import Binding
from relucensus.engines.protocol import OpenCube, Settlement
from relucensus.proof.certificate import line, member
from relucensus.values.pattern import Cube
from relucensus.values.problem import Budget
from relucensus_service import worker
from relucensus_service.cluster import Ticket
from relucensus_service.jobs import CHECKING, COUNTING, FrontierCube, Job, JobState, Lease, LeaseLost, NewJob, root_cube
from relucensus_service.runner import Runner
from relucensus_service.settings import Settings
from relucensus_service.store import Forgotten, Retention, Store
from relucensus_service.store.tables import certificates, jobs
from relucensus_service.work import Answer, Conclusion, Failure, Slice

MODEL = (Path(__file__).parents[1] / "cases" / "planar_16x3.onnx").read_bytes()
NETWORK = read_model(MODEL).network
BINDING = Binding(b"opening ", b"merges ")
EXACT = {"counts": {"activation_regions": {"value": 2, "status": "exact"}}, "engine": "tree", "cross_checked_by": None}
STOPPED = {"counts": {"activation_regions": {"value": 2, "status": "lower_bound"}}}

Document = Callable[..., dict[str, Any]]
Expect = Callable[..., dict[str, Any]]
Listening = Callable[[Settings, Store], AbstractContextManager[httpx.Client]]


@pytest.fixture
def held(store: Store, model: str, request_document: Document) -> Callable[..., Lease]:
    def held(name: str = "job", **request: Any) -> Lease:
        document = request_document(**{"certificate": True, **request})
        store.jobs.create(NewJob(name, model, document, root_cube(2)))
        claimed = store.leases.claim("runner", ())
        assert claimed is not None
        assert claimed[0].id == name
        return claimed[1]

    return held


Held = Callable[..., Lease]


def root(store: Store, name: str = "job", phase: int = COUNTING) -> FrontierCube:
    (cube,) = store.frontier.load(name, phase)
    return cube


def halves(part: bytes) -> Settlement:
    return Settlement(part=part, open=tuple(OpenCube(Cube(bytes((symbol,))), 1, 2) for symbol in (0, 1)))


def settled(store: Store, lease: Lease) -> None:
    """Settle the job's root cube and its two halves, each with its part."""
    committed = store.frontier.commit(lease, COUNTING, root(store, lease.job_id), halves(b"root "))
    for cube, part in zip(committed.children or (), (b"left ", b"right "), strict=True):
        store.frontier.commit(lease, COUNTING, cube, Settlement(regions=1, part=part), engine="tree")


def whole(store: Store, name: str = "job") -> bytes:
    return b"".join(store.certificates.data(piece) or b"" for piece in store.certificates.pieces(name))


def kept(store: Store) -> int:
    with store.database.read() as connection:
        count: int = connection.execute(select(func.count()).select_from(certificates)).scalar_one()
    return count


def expected(*parts: bytes) -> bytes:
    return BINDING.opening + b"".join(parts) + BINDING.merges + member(line({"end": len(parts)}))


def test_parts_are_kept_with_their_settlements_and_bound_at_the_end(store: Store, held: Held) -> None:
    lease = held()
    settled(store, lease)
    assert store.certificates.pieces("job") == []
    store.frontier.finish(lease, EXACT, BINDING)
    assert whole(store) == expected(b"root ", b"left ", b"right ")
    assert sum(piece.size for piece in store.certificates.pieces("job")) == len(whole(store))


def test_a_result_that_arrives_twice_adds_no_part(store: Store, held: Held) -> None:
    lease, cube = held(), root(store)
    assert store.frontier.commit(lease, COUNTING, cube, Settlement(regions=1, part=b"first ")).children == ()
    assert store.frontier.commit(lease, COUNTING, cube, Settlement(regions=1, part=b"second ")).children is None
    store.frontier.finish(lease, EXACT, BINDING)
    assert whole(store) == expected(b"first ")


def test_a_cube_left_as_it_was_adds_no_part(store: Store, held: Held) -> None:
    lease, cube = held(), root(store)
    store.frontier.commit(lease, COUNTING, cube, Settlement(open=(cube.cube,)))
    store.frontier.commit(lease, COUNTING, root(store), Settlement(regions=1, part=b"only "))
    store.frontier.finish(lease, EXACT, BINDING)
    assert whole(store) == expected(b"only ")


def test_who_lost_the_lease_adds_no_part_and_binds_nothing(store: Store, held: Held) -> None:
    old = held()
    time.sleep(0.6)
    claimed = store.leases.claim("other", ())
    assert claimed is not None
    with pytest.raises(LeaseLost):
        store.frontier.commit(old, COUNTING, root(store), Settlement(regions=1, part=b"late "))
    with pytest.raises(LeaseLost):
        store.frontier.finish(old, EXACT, BINDING)
    with pytest.raises(LeaseLost):
        store.frontier.begin_check(old, EXACT, root_cube(2), BINDING)
    assert kept(store) == 0


def test_the_second_engine_leaves_the_certificate_as_it_is(store: Store, held: Held) -> None:
    lease = held(cross_check="milp")
    settled(store, lease)
    store.frontier.begin_check(lease, EXACT, root_cube(2), BINDING)
    assert store.certificates.pieces("job") == []
    store.frontier.commit(lease, CHECKING, root(store, phase=CHECKING), Settlement(regions=2))
    store.frontier.finish(lease, EXACT | {"cross_checked_by": "milp"})
    assert whole(store) == expected(b"root ", b"left ", b"right ")


def test_a_job_that_goes_on_completes_its_certificate(store: Store, held: Held) -> None:
    lease = held()
    first, second = store.frontier.commit(lease, COUNTING, root(store), halves(b"root ")).children or ()
    store.frontier.commit(lease, COUNTING, first, Settlement(regions=1, part=b"left "))
    store.frontier.finish(lease, STOPPED)
    assert store.certificates.pieces("job") == []
    store.jobs.retry("job")
    claimed = store.leases.claim("runner", ())
    assert claimed is not None
    store.frontier.commit(claimed[1], COUNTING, second, Settlement(regions=1, part=b"right "))
    store.frontier.finish(claimed[1], EXACT, BINDING)
    assert whole(store) == expected(b"root ", b"left ", b"right ")


def test_a_job_that_begins_anew_begins_its_certificate_anew(store: Store, held: Held) -> None:
    lease = held()
    store.frontier.commit(lease, COUNTING, root(store), halves(b"root "))
    store.frontier.finish(lease, STOPPED)
    aged(store, "job", 8)
    assert store.retention.sweep(Retention(frontiers=7)) == Forgotten(frontiers=1)
    assert kept(store) == 0
    store.jobs.retry("job")
    claimed = store.leases.claim("runner", ())
    assert claimed is not None
    store.frontier.commit(claimed[1], COUNTING, root(store), Settlement(regions=2, part=b"again "))
    store.frontier.finish(claimed[1], EXACT, BINDING)
    assert whole(store) == expected(b"again ")


def test_a_job_whose_second_engine_was_stopped_begins_anew_with_the_first(store: Store, held: Held) -> None:
    lease = held(cross_check="milp")
    settled(store, lease)
    store.frontier.begin_check(lease, EXACT, root_cube(2), BINDING)
    store.jobs.cancel("job")
    store.frontier.finish(lease, EXACT)
    aged(store, "job", 8)
    assert store.retention.sweep(Retention(frontiers=7)) == Forgotten(frontiers=1)
    assert kept(store) == 0
    queued = store.jobs.retry("job")
    assert queued is not None
    assert (queued.phase, queued.result, queued.regions) == (COUNTING, None, 0)
    assert root(store).cube.cube == Cube()


def aged(store: Store, name: str, days: float) -> None:
    with store.database.write() as connection:
        earlier = jobs.c.finished_at - days * 86_400.0
        connection.execute(update(jobs).where(jobs.c.id == name).values(finished_at=earlier))


def test_a_complete_certificate_lives_as_long_as_its_job(store: Store, held: Held) -> None:
    lease = held()
    settled(store, lease)
    store.frontier.finish(lease, EXACT, BINDING)
    aged(store, "job", 8)
    assert store.retention.sweep(Retention(frontiers=7)) == Forgotten()
    assert whole(store) == expected(b"root ", b"left ", b"right ")
    assert store.retention.sweep(Retention(jobs=7)) == Forgotten(jobs=1)
    assert kept(store) == 0


def test_a_deleted_job_takes_its_certificate_along(store: Store, held: Held) -> None:
    lease = held()
    settled(store, lease)
    store.frontier.finish(lease, EXACT, BINDING)
    (piece, *_) = store.certificates.pieces("job")
    assert store.jobs.delete("job")
    assert (kept(store), store.certificates.data(piece)) == (0, None)


def answered(store: Store, answer: Job, name: str) -> Job:
    return store.jobs.create(NewJob(name, answer.model, answer.request, root_cube(2), answer=answer))


def test_a_job_that_is_answered_from_another_has_a_certificate_of_its_own(store: Store, held: Held) -> None:
    lease = held()
    settled(store, lease)
    store.frontier.finish(lease, EXACT, BINDING)
    known = store.jobs.find("job")
    assert known is not None
    assert answered(store, known, "again").state is JobState.SUCCEEDED
    assert store.jobs.delete("job")
    assert whole(store, "again") == expected(b"root ", b"left ", b"right ")


def test_an_answer_that_was_deleted_meanwhile_is_counted_again(store: Store, held: Held) -> None:
    lease = held()
    settled(store, lease)
    store.frontier.finish(lease, EXACT, BINDING)
    known = store.jobs.find("job")
    assert known is not None
    assert store.jobs.delete("job")
    late = answered(store, known, "late")
    assert (late.state, late.open_cubes, late.exact) == (JobState.QUEUED, 1, False)


class DoneTicket:
    def __init__(self, outcome: Answer) -> None:
        self._outcome = outcome

    def done(self) -> bool:
        return True

    def answer(self) -> Answer:
        return self._outcome

    def abandon(self) -> None:
        pass


class RealWork:
    """A cluster that does the work at once, with the real engines, in slices of a few regions."""

    def workers(self) -> int:
        return 2

    def ready(self) -> bool:
        return True

    def submit(self, work: Slice | Conclusion, on_done: Callable[[], None]) -> Ticket:
        outcome = worker.perform(replace(work, budget=Budget(regions=20)))
        assert not isinstance(outcome, Failure), outcome
        on_done()
        return DoneTicket(outcome)

    def close(self) -> None:
        pass


def counted(store: Store, name: str) -> Job:
    """The job once it is done, served by one runner after the other, each killed after a few turns."""
    while True:
        runner = Runner(store, RealWork(), Settings(lease_seconds=0.5), "runner")
        for _ in range(4):
            runner.turn()
            job = store.jobs.find(name)
            assert job is not None
            if job.state.done:
                return job


@pytest.mark.parametrize("cross_check", [None, "skeleton"])
def test_upload_count_download_verify(
    store: Store, listening: Listening, expect_problem: Expect, cross_check: str | None
) -> None:
    with listening(Settings(), store) as client:
        request = {"domain": {"lower": -1, "upper": 1}, "certificate": True, "cross_check": cross_check}
        asked = client.post("/count", files={"model": ("m", MODEL)}, data={"request": json.dumps(request)})
        assert asked.status_code == 202, asked.text
        path = f"/count/{asked.json()['id']}"
        expect_problem(client.get(f"{path}/certificate"), 409, "not-finished", "is queued")
        counted(store, asked.json()["id"])
        job = client.get(path).json()
        assert (job["state"], job["result"]["certificate"]) == ("succeeded", f"{path}/certificate"), job
        answer = client.get(job["result"]["certificate"])
        assert answer.headers["content-type"] == "application/gzip"
        assert answer.headers["content-disposition"] == f'attachment; filename="{job["id"]}.certificate.gz"'
        assert int(answer.headers["content-length"]) == len(answer.content)
        proven = verify(NETWORK, BytesIO(answer.content))
        assert proven.parts > 10
        assert proven.counts == {name: count["value"] for name, count in job["result"]["counts"].items()}
        again = client.post("/count", files={"model": ("m", MODEL)}, data={"request": json.dumps(request)})
        assert again.json()["answered_from"] == job["id"]
        assert client.get(again.json()["result"]["certificate"]).content == answer.content


def posted(client: httpx.Client, **request: Any) -> httpx.Response:
    document = {"domain": {"lower": -1, "upper": 1}, **request}
    return client.post("/count", files={"model": ("m", MODEL)}, data={"request": json.dumps(document)})


def test_without_a_certificate_asked_for_there_is_none(
    client: httpx.Client, api_store: Store, finish: Callable[..., None], expect_problem: Expect
) -> None:
    job = posted(client, fresh=True).json()["id"]
    finish(api_store, job, 241)
    assert client.get(f"/count/{job}").json()["result"]["certificate"] is None
    expect_problem(client.get(f"/count/{job}/certificate"), 404, "no-certificate", "not asked for")
    expect_problem(client.get("/count/nothing/certificate"), 404, "unknown-job")
    assert posted(client).status_code == 200
    assert posted(client, certificate=True).status_code == 202, "an answer without a proof was given for one with"


def test_a_lower_bound_has_no_certificate(
    client: httpx.Client, api_store: Store, finish: Callable[..., None], expect_problem: Expect
) -> None:
    job = posted(client, certificate=True, fresh=True).json()["id"]
    finish(api_store, job, 5, exact=False)
    assert client.get(f"/count/{job}").json()["result"]["certificate"] is None
    expect_problem(client.get(f"/count/{job}/certificate"), 409, "not-finished", "no exact count")


def test_the_same_key_with_and_without_a_certificate_are_two_requests(
    client: httpx.Client, expect_problem: Expect
) -> None:
    headers = {"Idempotency-Key": "with-or-without"}
    document = {"domain": {"lower": -1, "upper": 1}, "fresh": True}
    files = {"model": ("m", MODEL)}
    assert client.post("/count", files=files, data={"request": json.dumps(document)}, headers=headers).is_success
    other = {"request": json.dumps(document | {"certificate": True})}
    expect_problem(client.post("/count", files=files, data=other, headers=headers), 422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"definitions": ["activation_patterns"]}, "does not cover activation_patterns"),
        ({"definitions": ["activation_regions", "closed_linear_regions"]}, "does not cover closed_linear_regions"),
        ({"cross_check": "tree"}, "cross_check names tree"),
        ({"engine": "milp"}, "engine milp writes no certificates; engine tree does"),
        ({"engine": "skeleton"}, "engine skeleton writes no certificates; engine tree does"),
        ({"certificate": "yes"}, "certificate"),
    ],
    ids=str,
)
def test_what_cannot_be_certified_is_refused_at_once(
    client: httpx.Client, expect_problem: Expect, request_: dict[str, Any], words: str
) -> None:
    expect_problem(posted(client, **{"certificate": True, **request_}), 422, "invalid-request", words)
