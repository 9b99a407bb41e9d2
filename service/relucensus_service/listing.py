"""The regions of a job, listed by a child process: the API process itself loads no engine."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from relucensus_service.problems import Refusal, problem, problem_of_class_name

_AT_ONCE: Final = 64 * 1024
_COMMAND: Final = (sys.executable, "-m", "relucensus_service.listing_child")
# The child needs nothing of the service's secrets; compiled code is found by NUMBA_CACHE_DIR, or by the home directory.
PASSED_ON: Final = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "NUMBA_CACHE_DIR",
    "NUMBA_NUM_THREADS",
)
ONE_THREAD: Final = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}


class ListingBroken(RuntimeError):
    """The listing ended before its end, or with other regions than were counted."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What to list. `regions` is the count that the listing has to confirm, if it is known."""

    network: bytes
    domain: Mapping[str, Any]
    format: str
    columns: Sequence[str]
    regions: int | None
    seconds: float

    async def started(self) -> Process:
        """The child process, once it has said that it can do this.

        Raises:
            Refusal: it cannot.
        """
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | ONE_THREAD
        child = await asyncio.create_subprocess_exec(*_COMMAND, stdin=PIPE, stdout=PIPE, env=environment)
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(self._header() + self.network)
            await child.stdin.drain()
            line = await child.stdout.readline()
            header = json.loads(line) if line else {"error": {"kind": "", "detail": "the listing could not be started"}}
        except BaseException:
            await end(child)
            raise
        if "error" in header:
            await end(child)
            detail = header["error"]["detail"]
            raise Refusal(problem_of_class_name(header["error"]["kind"], detail) or problem("unavailable", detail))
        return child

    def _header(self) -> bytes:
        asked = {
            "size": len(self.network),
            "domain": self.domain,
            "format": self.format,
            "columns": self.columns,
            "regions": self.regions,
            "seconds": max(1, round(self.seconds)),
        }
        return json.dumps(asked).encode() + b"\n"


async def rows(child: Process) -> AsyncIterator[bytes]:
    """What the child writes, to its end.

    Raises:
        ListingBroken: the child did not end well; what came before is not to be trusted as all there is.
    """
    assert child.stdout is not None
    while chunk := await child.stdout.read(_AT_ONCE):
        yield chunk
    status = await child.wait()
    if status:
        raise ListingBroken(f"the listing of regions ended with status {status}")


async def end(child: Process) -> None:
    """Be rid of the child."""
    if child.returncode is None:
        child.kill()
        await child.wait()
