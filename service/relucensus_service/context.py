"""What every route needs, made once by `create_app`."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from relucensus_service.jobs import Job
from relucensus_service.metrics import Metrics
from relucensus_service.problems import Refusal, problem, shown
from relucensus_service.settings import Settings
from relucensus_service.store import ApiKey, Store

_READERS_AT_ONCE = 2
_ID = re.compile(r"[0-9A-Za-z-]{1,40}")


@dataclass(frozen=True)
class Context:
    """The store and the settings; `stopping` is set at shutdown, so that long polls end."""

    settings: Settings
    store: Store
    metrics: Metrics
    listings: asyncio.Semaphore
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    readers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_READERS_AT_ONCE))


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


InContext = Annotated[Context, Depends(_context)]


def _caller(request: Request, context: InContext) -> ApiKey | None:
    """The API key of the request; None where access is open, because no key was ever made.

    Raises:
        Refusal: access is closed, and the request has no key that is valid.
    """
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        key = context.store.keys.of(text.strip())
        if key is not None:
            request.state.key = key.id
            return key
    elif not context.store.keys.exist():
        return None
    raise Refusal(
        problem("unauthorized", "needed is a header `Authorization: Bearer KEY` with an API key that is valid")
    )


Caller = Annotated[ApiKey | None, Depends(_caller)]


def owner_of(caller: ApiKey | None) -> str | None:
    """Whose jobs these are."""
    return caller.id if caller is not None else None


def known_job(job: Job | None, job_id: str, caller: ApiKey | None) -> Job:
    """The job, if there is one and it is the caller's.

    Raises:
        Refusal: otherwise; the job of another caller is as good as none.
    """
    if job is None or job.owner != owner_of(caller):
        raise Refusal(problem("unknown-job", f"there is no job {shown(job_id)}; it may have been deleted"))
    return job


def _job(job_id: str, context: InContext, caller: Caller) -> Job:
    # No database is asked for a text that no id can be: PostgreSQL does not take every text.
    job = context.store.jobs.find(job_id) if _ID.fullmatch(job_id) else None
    return known_job(job, job_id, caller)


InJob = Annotated[Job, Depends(_job)]
