"""Long polls: wait for a job without holding a thread, and never longer than allowed."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final

from starlette.concurrency import run_in_threadpool

from relucensus_service.store import Store

_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.25
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})", re.IGNORECASE)


def preferred_wait(header: str | None) -> float:
    """The N of `Prefer: wait=N`; 0 without it."""
    found = _WAIT.search(header or "")
    return float(found[1]) if found else 0.0


async def wait_until_done(store: Store, job_id: str, seconds: float, stopping: asyncio.Event) -> None:
    """Return when the job is done, unknown, the time is over, or the service stops."""
    end = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while time.monotonic() < end and not stopping.is_set():
        state = await run_in_threadpool(store.jobs.state, job_id)
        if state is None or state.done:
            return
        await asyncio.sleep(min(pause, max(0.0, end - time.monotonic())))
        pause = min(_LONGEST_PAUSE, pause * 1.3)
