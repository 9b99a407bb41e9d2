"""A service that answers from a script: behind `MockTransport`, or on a real socket for the command line."""

from __future__ import annotations

import email
import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from relucensus_client import AsyncClient, Client, Retries

QUICK = Retries(attempts=3, first_pause=0.0)

RESULT: dict[str, Any] = {
    "counts": {
        "activation_regions": {"value": 2**60 + 1, "status": "exact"},
        "linear_regions": {"value": 1234, "status": "exact"},
    },
    "regions_after_layer": [7, 1234],
    "engine": "milp",
    "cross_checked_by": None,
    "network": {"digest": "sha256:ab", "inputs": 2, "hidden": [8, 8], "outputs": 1, "neurons": 16, "stable_neurons": 3},
    "domain": {"kind": "box", "lower": [-1.0, -1.0], "upper": [1.0, 1.0]},
    "bounds": {"zaslavsky": None, "montufar_2017": 5000, "unstable": {"montufar_2017": 400}},
    "statistics": {"wall_seconds": 1.5, "lps": 10},
    "certificate": None,
    "versions": {"relucensus": "0.1.0"},
    "a_later_field": [1, 2],
}
LOWER_BOUND: dict[str, Any] = RESULT | {
    "counts": {"activation_regions": {"value": 50, "status": "lower_bound", "upper_bound": 900}}
}


def job_document(**changes: Any) -> dict[str, Any]:
    """A job as the service describes it."""
    progress = {"activation_regions": 10, "open_cubes": 4, "regions_per_second": 2.5, "heartbeat_at": None}
    job = {
        "id": "job-1",
        "state": "running",
        "done": False,
        "created_at": "2026-01-02T03:04:05Z",
        "started_at": "2026-01-02T03:04:06Z",
        "finished_at": None,
        "request": {"domain": {"kind": "box", "lower": -1, "upper": 1}},
        "network": RESULT["network"],
        "progress": progress,
        "result": None,
        "error": None,
    }
    return job | changes


def finished(**changes: Any) -> dict[str, Any]:
    return job_document(**({"state": "succeeded", "done": True, "result": RESULT} | changes))


def problem(status: int, title: str = "Refused", detail: str | None = "because of that", **more: Any) -> httpx.Response:
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail} | more
    return httpx.Response(status, json=document, headers={"Content-Type": "application/problem+json"})


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes in these pieces; one that is an error breaks it off there."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.close()


def streamed(*pieces: bytes | Exception, kind: str = "application/x-ndjson") -> httpx.Response:
    return httpx.Response(200, headers={"Content-Type": kind}, stream=Stream(*pieces))


def event(name: str, number: int | str, document: dict[str, Any]) -> bytes:
    """An event as the service sends it; it asks to be asked again at once."""
    return f"event: {name}\ndata: {json.dumps(document)}\nid: {number}\nretry: 0\n\n".encode()


def events(*pieces: bytes | Exception) -> httpx.Response:
    return streamed(*pieces, kind="text/event-stream; charset=utf-8")


class ScriptedService:
    """Gives its answers in order, the last one for ever, and keeps the requests it got."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answers: list[httpx.Response | BaseException | dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, dict):
            return httpx.Response(200, json=answer)
        if isinstance(answer.stream, Stream):
            return answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def client(self, retries: Retries = QUICK, **options: Any) -> Client:
        return Client("http://service.test", transport=httpx.MockTransport(self), retries=retries, **options)

    def async_client(self, retries: Retries = QUICK, **options: Any) -> AsyncClient:
        return AsyncClient("http://service.test", transport=httpx.MockTransport(self), retries=retries, **options)

    @property
    def asked(self) -> list[str]:
        """Method and path of every request."""
        return [f"{request.method} {request.url.path}" for request in self.requests]

    def parts(self, number: int = -1) -> dict[str, tuple[str | None, bytes]]:
        """Name to (file name, content) of a multipart request."""
        request = self.requests[number]
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + request.content)
        return {
            str(part.get_param("name", header="content-disposition")): (
                part.get_filename(),
                part.get_payload(decode=True),
            )
            for part in message.get_payload()
        }

    def request_document(self, number: int = -1) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.parts(number)["request"][1])
        return document


@pytest.fixture
def service() -> ScriptedService:
    return ScriptedService()


@pytest.fixture
def served(service: ScriptedService) -> Iterator[str]:
    """The address at which the scripted service listens on a real socket."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = httpx.Request(
                self.command, f"http://service.test{self.path}", headers=dict(self.headers), content=body
            )
            response = service(request)
            self.send_response(response.status_code)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.content)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names http.server looks for

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def documents() -> type[Documents]:
    return Documents


class Documents:
    """The documents above, for tests, which cannot import this file."""

    result = RESULT
    lower_bound = LOWER_BOUND
    job = staticmethod(job_document)
    finished = staticmethod(finished)
    problem = staticmethod(problem)
    streamed = staticmethod(streamed)
    events = staticmethod(events)
    event = staticmethod(event)
    quick = QUICK
