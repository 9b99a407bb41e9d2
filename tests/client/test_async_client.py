"""`AsyncClient`: the same verbs, awaited."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest

import relucensus_client
from relucensus_client import AsyncClient, AsyncJob, Client, ConnectionFailed, Job, WaitTimedOut


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def verbs(kind: type) -> dict[str, Any]:
    return {name: value for name, value in inspect.getmembers(kind) if not name.startswith("_")}


@pytest.mark.parametrize(("waiting", "awaited"), [(Client, AsyncClient), (Job, AsyncJob)])
def test_both_clients_have_the_same_verbs_with_the_same_parameters(waiting: type, awaited: type) -> None:
    assert set(verbs(waiting)) - {"latest"} == set(verbs(awaited)) - {"latest"}
    for name, verb in verbs(waiting).items():
        if callable(verb):
            ours, theirs = inspect.signature(verb), inspect.signature(verbs(awaited)[name])
            assert ours.parameters == theirs.parameters, name
            assert verb.__doc__
            assert verbs(awaited)[name].__doc__


def test_a_count_from_model_to_result(service: Any, documents: Any) -> None:
    service.answers = [documents.problem(503), httpx.ReadError("reset"), documents.job(), documents.finished()]

    async def work() -> None:
        async with service.async_client() as client:
            result = await client.count(b"123", lower=0, upper=1, engine="tree")
        assert result.counts["linear_regions"].value == 1234

    run(work())
    assert service.asked == ["POST /count"] * 3 + ["GET /count/job-1"]
    assert len({request.headers["Idempotency-Key"] for request in service.requests[:3]}) == 1
    assert service.request_document(0)["engine"] == "tree"
    assert service.requests[-1].extensions["timeout"]["read"] == 50.0


def test_every_verb_of_a_job(service: Any, documents: Any) -> None:
    stopped = documents.finished(state="cancelled", result=documents.lower_bound)
    service.answers = [
        documents.job(),
        documents.job(state="cancelling"),
        stopped,
        documents.job(state="queued"),
        documents.events(documents.event("done", 1, documents.finished())),
        httpx.Response(204),
    ]

    async def work() -> None:
        async with service.async_client() as client:
            job = await client.job("job-1")
            assert (await job.cancel()).state == "cancelling"
            assert (await job.status()).done
            assert (await job.retry()).state == "queued"
            assert [status.done async for status in job.events()] == [True]
            await job.delete()
            assert repr(job) == "<AsyncJob job-1 succeeded>"

    run(work())
    assert service.asked[3:] == ["POST /count/job-1/retry", "GET /count/job-1/events", "DELETE /count/job-1"]


def test_pages_and_regions_are_for_async_for(service: Any, documents: Any) -> None:
    rows = b'{"digest": "aa"}\n{"digest": "bb"}\n{"digest": "cc"}\n'
    service.answers = [
        {"jobs": [documents.job(id="a")], "next_cursor": "c2"},
        {"jobs": [documents.job(id="b")], "next_cursor": None},
        documents.streamed(rows[:20], rows[20:]),
        documents.streamed(rows),
        documents.streamed(rows[:20], httpx.ReadError("reset")),
    ]

    async def work() -> None:
        async with service.async_client() as client:
            jobs = [job async for job in client.jobs(state=["running", "queued"])]
            assert [job.id for job in jobs] == ["a", "b"]
            batches = [batch async for batch in jobs[0].region_batches(["digest"], size=2)]
            assert [list(batch["digest"]) for batch in batches] == [["aa", "bb"], ["cc"]]
            assert len(await jobs[0].regions(["digest"])) == 3
            with pytest.raises(ConnectionFailed, match="broke off"):
                await jobs[0].regions(["digest"])

    run(work())
    assert service.requests[0].url.params.get_list("state") == ["running", "queued"]


def test_one_loop_follows_many_jobs(service: Any, documents: Any) -> None:
    done: set[str] = set()

    async def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        if "wait" in request.url.params:
            done.add(name)
            while len(done) < 5:  # no job is done before all are waited for
                await asyncio.sleep(0)
            return httpx.Response(200, json=documents.finished(id=name))
        return httpx.Response(200, json=documents.job(id=name))

    async def work() -> None:
        async with AsyncClient("http://service.test", transport=httpx.MockTransport(answer)) as client:
            jobs = [await client.job(f"job-{n}") for n in range(5)]
            results = await asyncio.gather(*(job.wait() for job in jobs))
        assert [result.exact for result in results] == [True] * 5

    run(work())


def test_giving_up_leaves_the_job(service: Any, documents: Any) -> None:
    service.answers = [documents.job()]

    async def work() -> None:
        async with service.async_client() as client:
            with pytest.raises(WaitTimedOut, match="it goes on"):
                await (await client.job("job-1")).wait(timeout=0.05)

    run(work())
    assert set(service.asked) == {"GET /count/job-1"}


def test_the_waiting_client_works_where_a_loop_runs_already(service: Any, documents: Any) -> None:
    """As in a notebook, whose cells run in a loop."""
    service.answers = [
        {"jobs": [documents.job()], "next_cursor": None},
        documents.events(documents.event("done", 1, documents.finished())),
    ]

    async def cell() -> None:
        with service.client() as client:
            (job,) = client.jobs()
            assert [status.done for status in job.events()] == [True]

    run(cell())


def test_both_are_public() -> None:
    assert {"AsyncClient", "AsyncJob"} <= set(relucensus_client.__all__)
