"""The verbs of a service, written once for every wire, and the client of asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from relucensus_client import _requests
from relucensus_client._answers import UploadedModel
from relucensus_client._async_job import AsyncJob, OnProgress
from relucensus_client._connection import Connection, http_options, service_url
from relucensus_client._domain import Bound, Domain
from relucensus_client._errors import InvalidArgument
from relucensus_client._interrupts import INTERRUPTS, OnInterrupt, check_choice, explain
from relucensus_client._model_source import Model, model_file
from relucensus_client._models import CountResult, Distances, JobPage, JobStatus
from relucensus_client._reading import ReadingOptions
from relucensus_client._requests import CountOptions
from relucensus_client._retries import Retries, policy_of
from relucensus_client._wire import AsyncWire


class Verbs:
    """What a service can be asked, over any wire."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def url(self) -> str:
        """The address of the service."""
        return self._connection.url

    async def count(  # noqa: PLR0913 - keyword-only, and what callers write
        self,
        model: Model,
        *,
        lower: Bound | None = None,
        upper: Bound | None = None,
        domain: Domain | None = None,
        example_input: Any = None,
        timeout: float | None = None,
        progress: bool | OnProgress = True,
        on_interrupt: OnInterrupt = "detach",
        **options: Unpack[CountOptions],
    ) -> CountResult:
        """As `Client.count`."""
        check_choice(on_interrupt)
        job = await self.submit(model, lower=lower, upper=upper, domain=domain, example_input=example_input, **options)
        return await job.wait(timeout, progress=progress, on_interrupt=on_interrupt)

    async def submit(
        self,
        model: Model,
        *,
        lower: Bound | None = None,
        upper: Bound | None = None,
        domain: Domain | None = None,
        example_input: Any = None,
        idempotency_key: str | None = None,
        **options: Unpack[CountOptions],
    ) -> AsyncJob:
        """As `Client.submit`."""
        request = _requests.count_request(lower, upper, options, domain)
        call = _requests.submit_call(model_file(model, example_input), request, idempotency_key)
        try:
            response = await self._connection.send(call)
        except INTERRUPTS as interrupt:
            key = call.headers["Idempotency-Key"]
            explain(
                interrupt,
                f"Interrupted while the request was under way: {self.url} may have begun a job. To list the jobs: "
                f"relucensus list. Who sends the same request again with the Idempotency-Key {key} gets that job",
            )
            raise
        return AsyncJob(self._connection, _requests.answer_of(JobStatus, response))

    async def upload(self, model: Model, *, example_input: Any = None, **said: Unpack[ReadingOptions]) -> UploadedModel:
        """As `Client.upload`."""
        call = _requests.upload_call(model_file(model, example_input), said)
        return _requests.answer_of(UploadedModel, await self._connection.send(call))

    async def distances(
        self,
        model: Model,
        points: Any,
        *,
        exact: bool = False,
        example_input: Any = None,
        **said: Unpack[ReadingOptions],
    ) -> Distances:
        """As `Client.distances`."""
        inputs = _requests.points_document(points)
        digest = model_file(model, example_input).digest
        given = [name for name, value in said.items() if value is not None]
        if digest and given:
            raise InvalidArgument(
                f"{given[0]} says how a file is read, and {digest} names a network that was read before; give the file"
            )
        if not digest:
            digest = (await self.upload(model, example_input=example_input, **said)).digest
        return _requests.answer_of(
            Distances, await self._connection.send(_requests.distances_call(digest, inputs, exact))
        )

    async def job(self, job_id: str) -> AsyncJob:
        """As `Client.job`."""
        response = await self._connection.send(_requests.status_call(job_id))
        return AsyncJob(self._connection, _requests.answer_of(JobStatus, response))

    async def jobs(
        self, *, state: str | Sequence[str] | None = None, page_size: int | None = None
    ) -> AsyncGenerator[AsyncJob, None]:
        """As `Client.jobs`."""
        cursor: str | None = None
        while True:
            page = await self.jobs_page(state=state, cursor=cursor, page_size=page_size)
            for status in page.jobs:
                yield AsyncJob(self._connection, status)
            cursor = page.next_cursor
            if cursor is None:
                return

    async def jobs_page(
        self, *, state: str | Sequence[str] | None = None, cursor: str | None = None, page_size: int | None = None
    ) -> JobPage:
        """As `Client.jobs_page`."""
        response = await self._connection.send(_requests.list_call(state, cursor, page_size))
        return _requests.answer_of(JobPage, response)


class AsyncClient(Verbs):
    """A connection to a relucensus service for programs of asyncio; use it with ``async with``, or await `close`.

    Its arguments and verbs are those of `Client`, and its jobs have those of `Job`. All are awaited, but `jobs`,
    `events` and `region_batches`, which are for ``async for``. `transport` is an `httpx.AsyncBaseTransport`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: float = 30.0,
        retries: int | Retries = Retries(),  # noqa: B008 - frozen
    ) -> None:
        url = service_url(url)
        self._http = httpx.AsyncClient(transport=transport, **http_options(url, api_key))
        super().__init__(Connection(url, AsyncWire(self._http), timeout, policy_of(retries)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; jobs go on."""
        await self._http.aclose()
