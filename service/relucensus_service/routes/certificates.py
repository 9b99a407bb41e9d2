"""`/count/{id}/certificate`: the proof of a job's exact counts, as the job's settlements have written it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from relucensus_service.context import InContext, InJob
from relucensus_service.jobs import Job
from relucensus_service.problems import Refusal, problem
from relucensus_service.routes.documentation import problems_for
from relucensus_service.store import Piece, Store

router = APIRouter(tags=["count"])

_MEDIA_TYPE: Final = "application/gzip"
_BINARY: Final[Any] = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "/count/{job_id}/certificate",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The certificate", "content": {_MEDIA_TYPE: _BINARY}},
        **problems_for(401, 404, 409),
    },
    summary="The proof of the counts",
)
def get_certificate(job: InJob, context: InContext) -> StreamingResponse:
    """The certificate of a job that asked for one and has exact counts: a file for `relucensus verify`."""
    if not job.certified:
        detail = f"job {job.id} was not asked for one; needed is a request with `certificate` true"
        raise Refusal(problem("no-certificate", detail))
    if not (job.state.done and job.exact):
        raise Refusal(problem("not-finished", f"{_standing(job)}; a certificate proves exact counts"))
    pieces = context.store.certificates.pieces(job.id)
    if not pieces:
        raise Refusal(problem("no-certificate", f"the certificate of job {job.id} is not in the database"))
    headers = {
        "Content-Disposition": f'attachment; filename="{job.id}.certificate.gz"',
        "Content-Length": str(sum(piece.size for piece in pieces)),
    }
    return StreamingResponse(_bytes_of(context.store, pieces), media_type=_MEDIA_TYPE, headers=headers)


def _standing(job: Job) -> str:
    return f"job {job.id} is {job.state.value}" if not job.state.done else f"job {job.id} has no exact count"


def _bytes_of(store: Store, pieces: list[Piece]) -> Iterator[bytes]:
    """The pieces one after the other, each read when it is needed; the connection breaks off if the job is deleted."""
    for piece in pieces:
        data = store.certificates.data(piece)
        if data is None:
            raise RuntimeError("the job was deleted while its certificate was sent")
        yield data
