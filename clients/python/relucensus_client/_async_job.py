"""A job on the service, written once for every wire; as `AsyncJob` it is what `AsyncClient` hands out."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Final, overload

import httpx

from relucensus_client import _requests
from relucensus_client._connection import DEFAULT_URL, Connection
from relucensus_client._errors import (
    ClientError,
    Conflict,
    ConnectionFailed,
    InvalidArgument,
    JobCancelled,
    JobFailed,
    NotFound,
    UnexpectedAnswer,
    WaitTimedOut,
)
from relucensus_client._interrupts import INTERRUPTS, OnInterrupt, check_choice, explain
from relucensus_client._models import CountResult, Geometry, JobStatus
from relucensus_client._picture import Picture
from relucensus_client._regions import FORMATS, Regions, batches_of_lines, joined, regions_of, replacing
from relucensus_client._requests import Call
from relucensus_client._retries import Retries

BATCH: Final = 4096
_LONGEST_POLL: Final = 20
_SHOWING_POLL: Final = 1
_SHORTEST_TURN: Final = 0.2
_PICTURES: Final = ("png", "svg", "json")
_EVENTS: Final = ("progress", "done")

OnProgress = Callable[[JobStatus], None]


class AsyncJob:
    """A count on the service. It goes on whether or not anybody waits for it. The verbs are those of `Job`."""

    def __init__(self, connection: Connection, latest: JobStatus) -> None:
        self._connection = connection
        self.latest = latest

    def __repr__(self) -> str:
        return f"<AsyncJob {self.id} {self.latest.state}>"

    @property
    def id(self) -> str:
        """As `Job.id`."""
        return self.latest.id

    @property
    def done(self) -> bool:
        """As `Job.done`."""
        return self.latest.done

    @property
    def result(self) -> CountResult | None:
        """As `Job.result`."""
        result, save = self.latest.result, self._connection.save_certificate
        if result is not None and save is not None:
            result.locate(partial(save, self.id))
        return result

    async def status(self) -> JobStatus:
        """As `Job.status`."""
        return await self._ask(self._connection, _requests.status_call(self.id))

    async def cancel(self) -> JobStatus:
        """As `Job.cancel`."""
        return await self._ask(self._connection, _requests.cancel_call(self.id))

    async def retry(self) -> JobStatus:
        """As `Job.retry`."""
        try:
            return await self._ask(self._connection, _requests.retry_call(self.id))
        except Conflict:
            if (await self.status()).done:
                raise
            return self.latest

    async def delete(self) -> None:
        """As `Job.delete`."""
        with suppress(NotFound):
            await self._connection.send(_requests.delete_call(self.id))

    async def wait(
        self,
        timeout: float | None = None,
        *,
        progress: bool | OnProgress = True,
        on_interrupt: OnInterrupt = "detach",
    ) -> CountResult:
        """As `Job.wait`, but what interrupts it is that its task is cancelled.

        What happens to the job is then said in a note on the `asyncio.CancelledError`.
        """
        check_choice(on_interrupt)
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        try:
            with _reporting(progress) as report:
                if not self.done:
                    await self._poll_until_done(deadline, report)
        except INTERRUPTS as interrupt:
            explain(interrupt, await self._left_behind(on_interrupt))
            raise
        if self.latest.error is not None:
            raise JobFailed(self.latest.error, self.id)
        if self.result is None:
            raise JobCancelled(f"job {self.id} ended in state {self.latest.state!r} before it had any result")
        return self.result

    async def events(self) -> AsyncGenerator[JobStatus, None]:
        """As `Job.events`."""
        seen = ""
        pause: float | None = None
        while True:
            try:
                async with self._connection.patient().streaming(_requests.events_call(self.id, seen)) as response:
                    async for event in self._connection.wire.events(response):
                        pause = pause if event.retry is None else event.retry / 1000
                        seen = event.id or seen
                        if event.event not in _EVENTS:
                            continue
                        news = _requests.read_answer(JobStatus, event.data, response.request.url)
                        self.latest = self.latest.updated(news)
                        yield self.latest
                        if self.done:
                            return
            except httpx.TransportError:
                pass  # as when it ends too early: whether the service lives is asked next
            before = self.latest
            await self._ask(self._connection.patient(), _requests.status_call(self.id))
            if self.latest != before:
                yield self.latest
            if self.done:
                return
            await self._connection.wire.pause(self._connection.retries.pause_before_return(pause))

    async def region_batches(
        self, columns: Sequence[str] | None = None, *, size: int = BATCH
    ) -> AsyncGenerator[Regions, None]:
        """As `Job.region_batches`."""
        if size < 1:
            raise InvalidArgument(f"size is {size}; needed is at least 1")
        network = self.latest.network
        outputs = None if network is None else network.outputs
        found = 0
        with self._telling_what_broke():
            async with self._connection.streaming(_requests.regions_call(self.id, "ndjson", columns)) as response:
                async for lines in batches_of_lines(self._connection.wire.chunks(response), size):
                    batch = regions_of(lines, outputs)
                    found += len(batch)
                    yield batch
        if found != (self._counted() or found):
            raise UnexpectedAnswer(f"{found} regions of job {self.id} arrived, {self._counted()} were counted")

    async def regions(self, columns: Sequence[str] | None = None) -> Regions:
        """As `Job.regions`."""
        async with aclosing(self.region_batches(columns)) as batches:
            return joined([batch async for batch in batches])

    async def save_regions(
        self, path: str | os.PathLike[str], *, format: str = "parquet", columns: Sequence[str] | None = None
    ) -> None:
        """As `Job.save_regions`."""
        if format not in FORMATS:
            raise InvalidArgument(f"format is {format!r}; known are {', '.join(FORMATS)}")
        call = _requests.regions_call(self.id, format, columns)
        with replacing(Path(path)) as file:
            await self._received(call, file, "regions")

    @overload
    async def certificate(self, path: None = None) -> bytes: ...

    @overload
    async def certificate(self, path: str | os.PathLike[str]) -> None: ...

    async def certificate(self, path: str | os.PathLike[str] | None = None) -> bytes | None:
        """As `Job.certificate`."""
        call = _requests.certificate_call(self.id)
        with replacing(Path(path)) if path is not None else nullcontext(BytesIO()) as file:
            await self._received(call, file, "certificate")
            return file.getvalue() if isinstance(file, BytesIO) else None

    async def _received(self, call: Call, file: IO[bytes], what: str) -> None:
        """Write the body of the answer to the file."""
        with self._telling_what_broke(what):
            async with self._connection.streaming(call) as response:
                async for chunk in self._connection.wire.chunks(response):
                    file.write(chunk)

    async def picture(self) -> Picture:
        """As `Job.picture`."""
        response = await self._connection.send(_requests.picture_call(self.id, "json", {}))
        return Picture(_requests.document_of(response))

    async def save_picture(self, path: str | os.PathLike[str], *, format: str | None = None, **options: Any) -> None:
        """As `Job.save_picture`."""
        ending = format or Path(path).suffix.lower().lstrip(".")
        if ending not in _PICTURES:
            raise InvalidArgument(f"format is {ending!r}; known are {', '.join(_PICTURES)}")
        response = await self._connection.send(_requests.picture_call(self.id, ending, options))
        with replacing(Path(path)) as file:
            file.write(response.content)

    async def geometry(self, *, volumes: str = "none") -> Geometry:
        """As `Job.geometry`."""
        return _requests.answer_of(Geometry, await self._connection.send(_requests.geometry_call(self.id, volumes)))

    async def _poll_until_done(self, deadline: float, report: OnProgress | None) -> None:
        longest = _LONGEST_POLL if report is None else _SHOWING_POLL
        while True:
            started = time.monotonic()
            wait = int(max(0.0, min(longest, deadline - started)))
            await self._ask(self._connection.patient(), _requests.status_call(self.id, wait), deadline=deadline)
            if report is not None:
                report(self.latest)
            if self.done:
                return
            now = time.monotonic()
            if now >= deadline:
                raise WaitTimedOut(f"job {self.id} is not done yet (state {self.latest.state!r}); it goes on")
            turn = started + _SHORTEST_TURN  # a service that answers at once must not be asked without pause
            await self._connection.wire.pause(max(0.0, min(turn, deadline) - now))

    async def _ask(self, connection: Connection, call: Call, *, deadline: float = math.inf) -> JobStatus:
        response = await connection.send(call, deadline=deadline)
        self.latest = _requests.answer_of(JobStatus, response)
        return self.latest

    async def _left_behind(self, on_interrupt: OnInterrupt) -> str:
        """Does with the job what an interrupt shall do, and says so."""
        url = self._connection.url
        where = "" if url == DEFAULT_URL else f" --url {url}"
        said = "No longer waiting."
        if on_interrupt == "cancel":
            try:
                await self._ask(replace(self._connection, retries=Retries(attempts=0)), _requests.cancel_call(self.id))
                return (
                    f"No longer waiting. Job {self.id} was asked to stop; what it has counted becomes its result\n"
                    f"  to see it:      relucensus wait {self.id}{where}"
                )
            except ClientError as error:
                said = f"The job could not be cancelled: {error}."
        return (
            f"{said} Job {self.id} goes on at {url}\n"
            f"  to wait again:  relucensus wait {self.id}{where}\n"
            f"  to cancel it:   relucensus cancel {self.id}{where}"
        )

    def _counted(self) -> int | None:
        """The exact number of regions, where it was counted."""
        count = None if self.result is None else self.result.counts.get("activation_regions")
        return count.value if count is not None and count.exact else None

    @contextmanager
    def _telling_what_broke(self, what: str = "regions") -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise ConnectionFailed(
                f"the {what} of job {self.id} broke off before the end ({reason}); what came is not all. Ask again"
            ) from error


@contextmanager
def _reporting(progress: bool | OnProgress) -> Iterator[OnProgress | None]:
    """What to call with each status: the caller's function, the progress line on a terminal, or nothing."""
    if callable(progress):
        yield progress
    elif progress and sys.stderr.isatty():
        from relucensus_client._progress import ProgressLine  # noqa: PLC0415 - rich is only for terminals

        with ProgressLine() as line:
            yield line.show_job
    else:
        yield None
