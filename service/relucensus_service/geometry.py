"""Pictures, volumes and distances, computed by a child process: the API process loads no engine and draws nothing.

A child loads what it needs while nobody waits for it: once a count was asked for that can have a picture, one is always
ready. Each answers one question, under limits, and ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from typing import Any, Final

from relucensus_service.listing import ONE_THREAD, PASSED_ON, end
from relucensus_service.problems import Refusal, problem, problem_of_class_name
from relucensus_service.settings import Settings

_COMMAND: Final = (sys.executable, "-m", "relucensus_service.geometry_child")
_FAILED: Final = "Failed"
_LONGEST_LINE: Final = 2**16
_LARGEST_ANSWER: Final = 2**28
_PATIENCE: Final = 3.0  # wall seconds for each CPU second: the machine may be busy
_STARTING: Final = 60.0


class Geometry:
    """Asks child processes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places = asyncio.Semaphore(settings.geometry_at_once)
        self._spare: asyncio.Task[Process] | None = None

    async def answer(self, task: str, network: bytes, **asked: Any) -> bytes:
        """What the child answers to a task (`geometry_child`) about a network, `Network.to_bytes()`.

        Raises:
            Refusal: the library refuses it, it takes too much, or too many others ask at this moment.
        """
        if self._places.locked():
            raise Refusal(problem("busy", "other pictures or measures are being made at this moment; try again later"))
        async with self._places:
            child = await self._child()
            try:
                async with asyncio.timeout(_STARTING + _PATIENCE * self._settings.geometry_seconds):
                    return await _exchange(child, self._header(task, network, asked) + network)
            except TimeoutError:
                raise _too_costly() from None
            finally:
                await end(child)

    def expect(self) -> None:
        """Have a child ready: somebody may soon ask."""
        if self._spare is None:
            self._spare = asyncio.create_task(_started())

    async def close(self) -> None:
        """End the child that waits."""
        spare, self._spare = self._spare, None
        if spare is not None:
            await end(await spare)

    async def _child(self) -> Process:
        spare, self._spare = self._spare, None
        child = await (spare or _started())
        if child.returncode is not None:
            child = await _started()
        self.expect()
        return child

    def _header(self, task: str, network: bytes, asked: Mapping[str, Any]) -> bytes:
        settings = self._settings
        limits = {
            "seconds": max(1, round(settings.geometry_seconds)),
            "memory": settings.geometry_memory,
            "most_regions": settings.geometry_regions,
        }
        return json.dumps({"task": task, "size": len(network), **limits, **asked}).encode() + b"\n"


async def _started() -> Process:
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | ONE_THREAD
    return await asyncio.create_subprocess_exec(
        *_COMMAND, stdin=PIPE, stdout=PIPE, env=environment, limit=_LONGEST_LINE
    )


async def _exchange(child: Process, question: bytes) -> bytes:
    """The answer of the child.

    Raises:
        Refusal: it has none.
    """
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(question)
        await child.stdin.drain()
        line = await child.stdout.readline()
        header = json.loads(line)
        if "error" not in header:
            if header["size"] > _LARGEST_ANSWER:
                raise _too_costly()
            return await child.stdout.readexactly(header["size"])
    except (ValueError, ConnectionError, asyncio.IncompleteReadError):
        raise _too_costly() from None
    kind, detail = header["error"]["kind"], header["error"]["detail"]
    if kind == _FAILED:
        raise Refusal(problem("internal-error", detail))
    raise Refusal(problem_of_class_name(kind, detail) or problem("unavailable", detail))


def _too_costly() -> Refusal:
    return Refusal(problem("too-costly", "this was stopped: it needed more than the allowed time or memory"))
