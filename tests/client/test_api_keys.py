"""API keys, and the exceptions that mirror problem documents, against the real application in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from relucensus_client import (
    AsyncClient,
    Client,
    Conflict,
    InvalidArgument,
    NotFound,
    RequestRefused,
    Retries,
    TooManyRequests,
    Unauthorized,
)
from relucensus_service.app import create_app
from relucensus_service.settings import Settings
from relucensus_service.store import Database, Quota, Store
from relucensus_service.store.schema import upgrade

MODEL = Path(__file__).parent.parent / "cases" / "planar_8x3.onnx"
HASTY = Retries(attempts=2, first_pause=0.0, longest_retry_after=0.0)

Scenario = Callable[[Callable[..., AsyncClient]], Coroutine[Any, Any, None]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    yield Store.on(database)
    database.close()


@pytest.fixture
def play(store: Store) -> Callable[[Scenario], None]:
    """Run a scenario with clients of the application, each with its key."""

    def play(scenario: Scenario) -> None:
        async def work() -> None:
            app = create_app(Settings(), store)
            async with app.router.lifespan_context(app):
                transport = httpx.ASGITransport(app)

                def client(key: str | None = None) -> AsyncClient:
                    return AsyncClient("http://service.test", api_key=key, transport=transport, retries=HASTY)

                await scenario(client)

        asyncio.run(work())

    return play


def test_a_key_opens_a_service_that_has_keys(store: Store, play: Any) -> None:
    _, mine = store.keys.create("me", Quota())
    _, other = store.keys.create("another", Quota())

    async def scenario(client: Callable[..., AsyncClient]) -> None:
        for key in (None, "rlc_wrong"):
            with pytest.raises(Unauthorized, match="An API key is needed") as caught:
                await client(key).submit(MODEL, lower=-1, upper=1)
            assert (caught.value.status, caught.value.problem.name) == (401, "unauthorized")
        job = await client(mine).submit(MODEL, lower=-1, upper=1)
        assert job.latest.state == "queued"
        assert [found.id async for found in client(mine).jobs()] == [job.id]
        assert [found.id async for found in client(other).jobs()] == []
        with pytest.raises(NotFound) as unseen:
            await client(other).job(job.id)
        assert unseen.value.problem.name == "unknown-job"

    play(scenario)


def test_refusals_of_the_service_arrive_with_their_names(store: Store, play: Any) -> None:
    _, key = store.keys.create("me", Quota(open_jobs=1))

    async def scenario(client: Callable[..., AsyncClient]) -> None:
        me = client(key)
        with pytest.raises(RequestRefused) as refused:
            await me.submit(MODEL, lower=[-1] * 3, upper=1)
        assert refused.value.problem.name == "invalid-domain"
        with pytest.raises(RequestRefused) as refused:
            await me.submit(b"not a network", lower=-1, upper=1)
        assert (refused.value.status, refused.value.problem.name) == (415, "unreadable-model")
        with pytest.raises(RequestRefused) as refused:
            await me.submit(MODEL, lower=-1, upper=1, engine="magic", definitions=["spots"])
        assert refused.value.problem.name == "invalid-request"
        assert {error.field for error in refused.value.problem.errors or ()} == {"engine", "definitions[0]"}
        job = await me.submit(MODEL, lower=-1, upper=1, idempotency_key="k")
        assert (await me.submit(MODEL, lower=-1, upper=1, idempotency_key="k")).id == job.id
        with pytest.raises(RequestRefused) as refused:
            await me.submit(MODEL, lower=-2, upper=1, idempotency_key="k")
        assert refused.value.problem.name == "idempotency-key-reused"
        with pytest.raises(TooManyRequests) as full:
            await me.submit(MODEL, lower=-2, upper=1)
        assert full.value.problem.name == "too-many-jobs"
        with pytest.raises(Conflict) as early:
            await job.regions()
        assert early.value.problem.name == "not-finished"

    play(scenario)


def test_jobs_are_cancelled_listed_in_pages_and_deleted(play: Any) -> None:
    async def scenario(client: Callable[..., AsyncClient]) -> None:
        async with client() as me:
            jobs = [await me.submit(MODEL, lower=-1, upper=upper, fresh=True) for upper in (1, 2, 3)]
            assert (await jobs[0].retry()).state == "queued"  # nothing to do: it is not done
            assert (await jobs[0].cancel()).state == (await jobs[0].cancel()).state == "cancelling"
            page = await me.jobs_page(page_size=2)
            assert [status.id for status in page.jobs] == [jobs[2].id, jobs[1].id]
            page = await me.jobs_page(page_size=2, cursor=page.next_cursor)
            assert ([status.id for status in page.jobs], page.next_cursor) == ([jobs[0].id], None)
            assert [job.id async for job in me.jobs(state=["cancelling", "failed"], page_size=1)] == [jobs[0].id]
            await jobs[0].delete()
            await jobs[0].delete()
            with pytest.raises(NotFound):
                await jobs[0].status()

    play(scenario)


def test_the_key_is_an_argument_or_of_the_environment(
    service: Any, documents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.answers = [documents.job()]

    def sent(**options: Any) -> str | None:
        with service.client(**options) as client:
            client.job("job-1")
        header: str | None = service.requests[-1].headers.get("Authorization")
        return header

    monkeypatch.delenv("RELUCENSUS_API_KEY", raising=False)
    assert sent() is None
    assert sent(api_key="rlc_1") == "Bearer rlc_1"
    monkeypatch.setenv("RELUCENSUS_API_KEY", "rlc_2")
    assert sent() == "Bearer rlc_2"
    assert sent(api_key="rlc_1") == "Bearer rlc_1"
    monkeypatch.setenv("RELUCENSUS_API_KEY", "")
    assert sent() is None


@pytest.mark.parametrize("key", ["", "rlc 1", "rlc\n1", "schlüssel"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(InvalidArgument, match="api_key is empty or has a space") as caught:
        Client(api_key=key)
    assert not key or key not in str(caught.value)


def test_the_address_is_an_argument_or_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELUCENSUS_URL", raising=False)
    with Client() as client:
        assert client.url == "http://127.0.0.1:8000"
    monkeypatch.setenv("RELUCENSUS_URL", "http://lab.test/")
    with Client() as client, Client("http://other.test") as other:
        assert (client.url, other.url) == ("http://lab.test", "http://other.test")
