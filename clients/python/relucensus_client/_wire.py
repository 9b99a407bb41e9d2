"""The two ways to send: `AsyncWire` waits in an event loop, `BlockingWire` in the thread that calls.

Both have the same methods, so that what is said over a wire is written once, as coroutines. Those of `BlockingWire`
never wait for an event loop: a coroutine that uses nothing else runs from beginning to end when it is started, which
is what `completed` and `each` do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator, Iterable
from typing import Any, Protocol, TypeVar

import httpx
from httpx_sse import EventSource, ServerSentEvent

T = TypeVar("T")


class Wire(Protocol):
    """What is needed of a connection. The body of an answer that is a `stream` is taken piece by piece."""

    @property
    def http(self) -> httpx.Client | httpx.AsyncClient:
        """What builds requests for this connection."""

    async def send(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        """The answer; raises `httpx.TransportError` if there is none."""

    async def pause(self, seconds: float) -> None:
        """Do nothing for so long."""

    async def read(self, response: httpx.Response) -> None:
        """Have the whole body of a stream."""

    async def end(self, response: httpx.Response) -> None:
        """Be done with a stream."""

    def chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The body of a stream, as it comes."""

    def events(self, response: httpx.Response) -> AsyncIterator[ServerSentEvent]:
        """The server-sent events of a stream, as they come."""


class BlockingWire:
    """Sends in the thread that calls, which waits."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    async def send(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        """As `Wire.send`."""
        return self.http.send(request, stream=stream)

    async def pause(self, seconds: float) -> None:
        """As `Wire.pause`."""
        time.sleep(seconds)

    async def read(self, response: httpx.Response) -> None:
        """As `Wire.read`."""
        response.read()

    async def end(self, response: httpx.Response) -> None:
        """As `Wire.end`."""
        response.close()

    def chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """As `Wire.chunks`."""
        return _one_by_one(response.iter_bytes())

    def events(self, response: httpx.Response) -> AsyncIterator[ServerSentEvent]:
        """As `Wire.events`."""
        return _one_by_one(EventSource(response).iter_sse())


class AsyncWire:
    """Sends in the running event loop of asyncio."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def send(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        """As `Wire.send`."""
        return await self.http.send(request, stream=stream)

    async def pause(self, seconds: float) -> None:
        """As `Wire.pause`."""
        await asyncio.sleep(seconds)

    async def read(self, response: httpx.Response) -> None:
        """As `Wire.read`."""
        await response.aread()

    async def end(self, response: httpx.Response) -> None:
        """As `Wire.end`."""
        await response.aclose()

    def chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """As `Wire.chunks`."""
        return response.aiter_bytes()

    def events(self, response: httpx.Response) -> AsyncIterator[ServerSentEvent]:
        """As `Wire.events`."""
        return EventSource(response).aiter_sse()


def completed(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine over a `BlockingWire`."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("a coroutine over a blocking wire waits for an event loop")


def each(items: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """What an asynchronous generator over a `BlockingWire` yields; it ends when this ends."""
    try:
        while True:
            try:
                item = completed(items.__anext__())
            except StopAsyncIteration:
                return
            yield item
    finally:
        completed(items.aclose())


async def _one_by_one(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item
