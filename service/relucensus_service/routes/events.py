"""`/count/{id}/events`: a job as server-sent events."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from relucensus_service.context import Context, InContext, InJob
from relucensus_service.jobs import Job
from relucensus_service.routes.documentation import problems_for
from relucensus_service.schemas import job_view

router = APIRouter(tags=["count"])

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 1.0
_SILENCE: Final = 15.0  # seconds after which a comment says that the connection lives
_RECONNECT: Final = 2000  # milliseconds


@router.get(
    "/count/{job_id}/events",
    response_class=Response,
    responses={
        200: {"description": "`progress` events, and `done` at the end", "content": {"text/event-stream": {}}},
        204: {"description": "The client has seen the end already"},
        **problems_for(401, 404),
    },
    summary="Follow a job",
)
async def count_events(
    job: InJob,
    context: InContext,
    last_event_id: Annotated[str | None, Header(description="the id of the last event that arrived")] = None,
) -> Response:
    """The job each time that it has changed: `progress` with its state and progress, `done` with the whole job.

    An event tells all that there is to tell, so who was disconnected has missed nothing but the steps between.
    """
    if job.state.done and last_event_id == _id(job):
        return Response(status_code=204)
    headers = {"X-Accel-Buffering": "no"}
    return EventSourceResponse(_events(job, context, last_event_id), headers=headers)


async def _events(job: Job, context: Context, seen: str | None) -> AsyncIterator[bytes]:
    now: Job | None = job
    pause, spoken = _FIRST_PAUSE, time.monotonic()
    while now is not None:
        if _id(now) != seen:
            seen, spoken = _id(now), time.monotonic()
            yield _event(now)
            if now.state.done:
                return
        elif time.monotonic() - spoken > _SILENCE:
            spoken = time.monotonic()
            yield KEEPALIVE_COMMENT
        if await _stopping(context, pause):
            return
        pause = min(_LONGEST_PAUSE, pause * 1.3)
        now = await run_in_threadpool(context.store.jobs.find, job.id)


async def _stopping(context: Context, seconds: float) -> bool:
    try:
        return await asyncio.wait_for(context.stopping.wait(), seconds)
    except TimeoutError:
        return False


def _event(job: Job) -> bytes:
    view = job_view(job)
    shown = view if job.state.done else {name: view[name] for name in ("id", "state", "done", "progress")}
    name = "done" if job.state.done else "progress"
    return format_sse_event(data_str=json.dumps(shown), event=name, id=_id(job), retry=_RECONNECT)


def _id(job: Job) -> str:
    """Equal for a job that has not changed in what an event tells; heartbeats alone are no news."""
    parts: list[Any] = [job.state.value, job.regions, job.found, job.open_cubes, job.phase]
    if job.state.done:
        parts = [job.state.value, f"{job.finished_at:.6f}"]
    return "-".join(str(part) for part in parts)
