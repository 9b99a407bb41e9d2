"""`/count/{id}/regions`: every region of a job that has an exact count, found again and streamed."""

from __future__ import annotations

from asyncio.subprocess import Process
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from relucensus_service.context import Context, InContext, InJob
from relucensus_service.jobs import Job
from relucensus_service.listing import Listing, end, rows
from relucensus_service.problems import Refusal, problem
from relucensus_service.routes.documentation import problems_for

router = APIRouter(tags=["count"])

_MEDIA_TYPES: Final = {"parquet": "application/vnd.apache.parquet", "ndjson": "application/x-ndjson"}
_DEFAULT_COLUMNS: Final = "pattern,interior_point,point_is_exact,digest"
_BINARY: Final[Any] = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "/count/{job_id}/regions",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The regions", "content": dict.fromkeys(_MEDIA_TYPES.values(), _BINARY)},
        **problems_for(401, 404, 409, 422, 501, 503),
    },
    summary="The regions themselves",
)
async def get_regions(
    job: InJob,
    context: InContext,
    format: Annotated[Literal["parquet", "ndjson"], Query(description="of the answer")] = "ndjson",
    columns: Annotated[
        str, Query(max_length=200, description="with commas; further: weights, bias, half_spaces, facets")
    ] = _DEFAULT_COLUMNS,
) -> StreamingResponse:
    """Every activation region, one a row, while they are found again: counting keeps none of them.

    The listing ends only if it has as many regions as were counted; otherwise the connection breaks off.
    """
    if not (job.state.done and job.exact):
        reason = f"job {job.id} is {job.state.value}" if not job.state.done else f"job {job.id} has no exact count"
        raise Refusal(
            problem("not-finished", f"{reason}; regions are listed for a job that succeeded with exact counts")
        )
    if context.listings.locked():
        raise Refusal(problem("busy", "other regions are being listed at this moment; try again later"))
    await context.listings.acquire()
    try:
        child = await (await _listing(context, job, format, columns)).started()
    except BaseException:
        context.listings.release()
        raise
    headers = {"Content-Disposition": f'attachment; filename="{job.id}.{format}"'}
    return _Streamed(context, child, media_type=_MEDIA_TYPES[format], headers=headers)


class _Streamed(StreamingResponse):
    """What the child writes; the child ends and the place is free however the answer ends."""

    def __init__(self, context: Context, child: Process, **options: Any) -> None:
        super().__init__(rows(child), **options)
        self._context = context
        self._child = child

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._context.listings.release()
            await end(self._child)


async def _listing(context: Context, job: Job, format_: str, columns: str) -> Listing:
    assert job.result is not None
    counted = job.result["counts"].get("activation_regions")
    return Listing(
        await run_in_threadpool(context.store.models.network, job.model),
        job.request["domain"],
        format_,
        [name.strip() for name in columns.split(",")],
        counted["value"] if counted is not None else None,
        context.settings.regions_seconds,
    )
