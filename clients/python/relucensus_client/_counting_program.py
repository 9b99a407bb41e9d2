"""What runs in a `CountingProcess`: it has snapshots counted by a service, or counts them itself, one after the other.

The first line of its input are the settings: `request`, the document of `POST /count` without a model; `service`, the
address, or null to count here; `api_key`; `folder`, which is removed at the end. Each further line is an order:
`number`, `path` of the model file, `files`, the paths of those beside it by the names it has for them, `key`, and
`activation` for a file that does not name its own. Answers are lines
with the `number` and either `counts`, `engine` and `seconds`, or a `status` and a `reason`; a line with only `trouble`
says what keeps counts waiting. When the input ends, open counts are cancelled and the program ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol, TextIO

import httpx

from relucensus_client import _parts
from relucensus_client._answers import Problem
from relucensus_client._async_job import AsyncJob
from relucensus_client._connection import Connection, http_options, service_url
from relucensus_client._errors import (
    ClientError,
    ConnectionFailed,
    JobCancelled,
    JobFailed,
    NotFound,
    ServiceFailure,
    TooManyRequests,
)
from relucensus_client._model_source import ModelFile
from relucensus_client._models import CountResult, JobStatus
from relucensus_client._requests import Call, answer_of, submit_call
from relucensus_client._retries import Retries
from relucensus_client._wire import AsyncWire

_TIMEOUT: Final = 30.0
_AT_ONCE: Final = 8  # jobs on a service, so that its queue is not only ours
_PAUSE: Final = 5.0
_TO_HEAR_OF_A_JOB: Final = 2.0
_MOST_LOSSES: Final = 3
_PASSING: Final = (502, 503, 504)
_QUOTA: Final = "quota-used-up"


class Counter(Protocol):
    """How snapshots are counted."""

    at_once: int

    async def count(self, file: ModelFile, request: Mapping[str, Any], key: str) -> CountResult:
        """The result; raises a `ClientError` that says why there is none."""


class OwnCounter:
    """Counts in this process, with the solver that is installed."""

    at_once = 1

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)

    async def count(self, file: ModelFile, request: Mapping[str, Any], key: str) -> CountResult:
        """As `Counter.count`; the key is for services."""
        answer = await asyncio.get_running_loop().run_in_executor(self._thread, self._counted, file, request)
        if answer["error"] is not None:
            raise JobFailed(Problem.model_validate(answer["error"]))
        return CountResult.model_validate(answer["result"])

    def _counted(self, file: ModelFile, request: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = _parts.load(_parts.IN_PROCESS, "count")(
            file.data, request, files=file.files, workers=None, on_progress=lambda *_: None
        )
        return answer


class ServiceCounter:
    """Has a service count, and waits for one that has gone until it comes back."""

    at_once = _AT_ONCE

    def __init__(self, connection: Connection, say: TextIO) -> None:
        self._connection = connection
        self._say = say
        self._in_trouble = False

    async def count(self, file: ModelFile, request: Mapping[str, Any], key: str) -> CountResult:
        """As `Counter.count`. Sent again with the same key, it is the same job."""
        losses = 0
        while True:
            try:
                job = await self._submitted(submit_call(file, request, key))
                self._in_trouble = False
                return await job.wait(progress=False, on_interrupt="cancel")
            except NotFound:  # the service has lost the job, or somebody has deleted it
                losses += 1
                if losses > _MOST_LOSSES:
                    raise
            except (ConnectionFailed, ServiceFailure, TooManyRequests) as error:
                if not _passes(error):
                    raise
                self._tell(error)
                await asyncio.sleep(_PAUSE)

    async def _submitted(self, call: Call) -> AsyncJob:
        """The job; where this is cancelled while the request is under way, the job is too."""
        sending = asyncio.ensure_future(self._connection.send(call))
        try:
            response = await asyncio.shield(sending)
        except asyncio.CancelledError:
            with suppress(ClientError, TimeoutError):
                response = await asyncio.wait_for(sending, _TO_HEAR_OF_A_JOB)
                await AsyncJob(self._connection, answer_of(JobStatus, response)).cancel()
            raise
        return AsyncJob(self._connection, answer_of(JobStatus, response))

    def _tell(self, error: ClientError) -> None:
        if not self._in_trouble:
            self._in_trouble = True
            _say(self._say, {"trouble": str(error)})


def main() -> None:
    """Count what is ordered until the input ends."""
    say = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    settings = json.loads(sys.stdin.readline())
    asyncio.run(_main(settings, say))
    shutil.rmtree(settings["folder"], ignore_errors=True)  # also where the program that trains was killed
    say.flush()
    os._exit(0)  # a count in this process cannot be cancelled


async def _main(settings: Mapping[str, Any], say: TextIO) -> None:
    if settings["service"] is None:
        await _follow_orders(OwnCounter(), settings["request"], say)
        return
    url = service_url(settings["service"])
    async with httpx.AsyncClient(**http_options(url, settings["api_key"])) as http:
        connection = Connection(url, AsyncWire(http), _TIMEOUT, Retries())
        await _follow_orders(ServiceCounter(connection, say), settings["request"], say)


async def _follow_orders(counter: Counter, request: Mapping[str, Any], say: TextIO) -> None:
    orders: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
    threading.Thread(target=_read_orders, args=(asyncio.get_running_loop(), orders), daemon=True).start()
    places = asyncio.Semaphore(counter.at_once)
    tasks: set[asyncio.Task[None]] = set()
    while (order := await orders.get()) is not None:
        task = asyncio.create_task(_answer(counter, request, order, places, say))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _read_orders(loop: asyncio.AbstractEventLoop, orders: asyncio.Queue[dict[str, Any] | None]) -> None:
    for line in sys.stdin:
        loop.call_soon_threadsafe(orders.put_nowait, json.loads(line))
    loop.call_soon_threadsafe(orders.put_nowait, None)


async def _answer(
    counter: Counter, request: Mapping[str, Any], order: Mapping[str, Any], places: asyncio.Semaphore, say: TextIO
) -> None:
    named = {"activation": order["activation"]} if order["activation"] else {}
    async with places:
        try:
            result = await counter.count(_snapshot(order), {**request, **named}, order["key"])
        except JobCancelled as error:
            answer: dict[str, Any] = {"status": "cancelled", "reason": str(error)}
        except ClientError as error:
            answer = {"status": "failed", "reason": str(error)}
        except Exception as error:
            answer = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
        else:
            answer = result.model_dump(mode="json", include={"counts", "engine"})
            answer["seconds"] = result.statistics.wall_seconds
    _say(say, {"number": order["number"], **answer})


def _snapshot(order: Mapping[str, Any]) -> ModelFile:
    path = Path(order["path"])
    files = {name: Path(beside).read_bytes() for name, beside in order["files"].items()}
    return ModelFile(path.name, path.read_bytes(), files=files)


def _passes(error: ClientError) -> bool:
    """Whether the service may well do the same later."""
    match error:
        case ServiceFailure():
            return error.status in _PASSING
        case TooManyRequests():
            return error.problem.name != _QUOTA
        case _:
            return True


def _say(say: TextIO, document: Mapping[str, Any]) -> None:
    say.write(json.dumps(document) + "\n")
    say.flush()
