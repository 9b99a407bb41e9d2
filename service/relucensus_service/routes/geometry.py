"""`/count/{id}/picture`, `/count/{id}/geometry`, `/models/{digest}/distances`: regions as geometry."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import numpy as np
from fastapi import APIRouter, Depends, Header, Path, Query, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from relucensus.values.domain import Slice, domain_from_json
from relucensus_service.context import Caller, Context, InContext, InJob
from relucensus_service.documents import parsed
from relucensus_service.geometry import Geometry
from relucensus_service.geometry_schemas import DistancesRequest, DistancesView, GeometryView
from relucensus_service.jobs import Job
from relucensus_service.problems import Refusal, problem
from relucensus_service.request_schemas import problem_of_validation
from relucensus_service.routes.documentation import problems_for
from relucensus_service.routes.models import known_model

router = APIRouter(tags=["geometry"])

_MEDIA_TYPES: Final = {"png": "image/png", "svg": "image/svg+xml", "json": "application/json"}
_BINARY: Final[Any] = {"schema": {"type": "string", "format": "binary"}}
_LARGEST_BODY: Final = 8 * 2**20
_MOST_POINTS: Final = 10_000
SHOWN: Final = (1, 2)  # coordinates that a picture shows
_MEASURED: Final = (1, 2, 3)
# A browser keeps what one API key was given for that key only.
_KEPT: Final = {"Cache-Control": "private, max-age=600", "Vary": "Accept, Authorization"}


def _geometry(request: Request) -> Geometry:
    geometry: Geometry = request.app.state.geometry
    return geometry


InGeometry = Annotated[Geometry, Depends(_geometry)]


@router.get(
    "/count/{job_id}/picture",
    response_class=Response,
    responses={
        200: {"description": "The picture", "content": dict.fromkeys(_MEDIA_TYPES.values(), _BINARY)},
        **problems_for(401, 404, 409, 422, 500, 501, 503),
    },
    summary="The picture of the regions",
)
async def get_picture(  # noqa: PLR0913 - one parameter per option
    job: InJob,
    context: InContext,
    geometry: InGeometry,
    *,
    format: Annotated[Literal["png", "svg", "json"] | None, Query(description="else by `Accept`; else png")] = None,
    colour: Annotated[
        Literal["region", "output", "layer", "map", "none"], Query(description="what the polygons' colours mean")
    ] = "region",
    output: Annotated[int, Query(ge=0, description="whose value is shown, with `colour=output`")] = 0,
    edges: Annotated[bool, Query(description="draw the boundaries, coloured by layer")] = True,
    decision: Annotated[bool, Query(description="draw the decision boundary")] = False,
    theme: Annotated[Literal["light", "dark"], Query()] = "light",
    width: Annotated[int, Query(ge=64, le=4096, description="pixels")] = 800,
    height: Annotated[int, Query(ge=64, le=4096, description="pixels")] = 720,
    accept: Annotated[str | None, Header(description="`image/png`, `image/svg+xml` or `application/json`")] = None,
) -> Response:
    """The regions of a domain on which two coordinates vary, or the function on a line, drawn or as numbers."""
    _check(job, SHOWN, "a picture shows")
    chosen = format or _accepted(accept or "")
    drawn = {
        "colour": colour,
        "output": output,
        "edges": edges,
        "decision": decision,
        "theme": theme,
        "width": width,
        "height": height,
    }
    found = await geometry.answer("picture", await _network(context, job), **_about(job), format=chosen, options=drawn)
    return Response(found, media_type=_MEDIA_TYPES[chosen], headers=_KEPT)


@router.get(
    "/count/{job_id}/geometry",
    response_model=GeometryView,
    responses=problems_for(401, 404, 409, 422, 500, 503),
    summary="Volumes and boundaries of the regions",
)
async def get_geometry(
    job: InJob,
    context: InContext,
    geometry: InGeometry,
    volumes: Annotated[
        Literal["none", "float", "exact"], Query(description="a volume for each region, exact as a fraction in text")
    ] = "none",
) -> Response:
    """The total size of the boundaries, by layer, and the volumes of the regions; on a line, the breakpoints."""
    _check(job, _MEASURED, "volumes are computed for")
    found = await geometry.answer("geometry", await _network(context, job), **_about(job), volumes=volumes)
    return Response(found, media_type="application/json", headers=_KEPT)


@router.post(
    "/models/{digest}/distances",
    response_model=DistancesView,
    responses=problems_for(400, 401, 404, 408, 413, 422, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": DistancesRequest.model_json_schema()}},
        }
    },
    summary="Distances of inputs to the nearest boundaries",
)
async def post_distances(
    digest: Annotated[str, Path(examples=["sha256:4a1f…"])],
    request: Request,
    context: InContext,
    geometry: InGeometry,
    caller: Caller,
) -> Response:
    """How far inputs are from the nearest boundary of their region; the walls of a box are no boundaries."""
    model = await run_in_threadpool(known_model, context, digest, caller)
    asked = await run_in_threadpool(_distances_request, await _body(request))
    network = await run_in_threadpool(context.store.models.network, model.digest)
    found = await geometry.answer("distances", network, points=asked.points, exact=asked.exact)
    return Response(found, media_type="application/json")


def varying(job: Job) -> int:
    """The number of coordinates that vary on the job's domain."""
    domain = domain_from_json(job.request["domain"], job.network["inputs"])
    box = domain.parameters if isinstance(domain, Slice) else domain
    return int(np.count_nonzero(box.lower < box.upper))


def _check(job: Job, dimensions: tuple[int, ...], what: str) -> None:
    """Refuse a job without an exact count, or on whose domain another number of coordinates varies."""
    if not (job.state.done and job.exact):
        reason = f"job {job.id} is {job.state.value}" if not job.state.done else f"job {job.id} has no exact count"
        raise Refusal(problem("not-finished", f"{reason}; needed is a job that succeeded with exact counts"))
    found = varying(job)
    if found not in dimensions:
        known = f"{dimensions[0]} to {dimensions[-1]}"
        raise Refusal(problem("no-geometry", f"{what} {known} coordinates that vary; on this domain {found} do"))


def _about(job: Job) -> dict[str, Any]:
    assert job.result is not None
    counted = job.result["counts"].get("activation_regions")
    return {"domain": job.request["domain"], "regions": counted["value"] if counted is not None else None}


async def _network(context: Context, job: Job) -> bytes:
    return await run_in_threadpool(context.store.models.network, job.model)


def _accepted(accept: str) -> str:
    """The format that the header prefers; png where it prefers none.

    >>> _accepted("text/html,image/svg+xml;q=0.9,*/*;q=0.8"), _accepted("application/json"), _accepted("*/*")
    ('svg', 'json', 'png')
    """
    best, most = "png", 0.0
    for part in accept.split(","):
        kind, _, rest = part.partition(";")
        quality = rest.strip().removeprefix("q=")
        weight = float(quality) if quality.replace(".", "", 1).isdecimal() else 1.0
        name = next((name for name, media in _MEDIA_TYPES.items() if media == kind.strip().lower()), None)
        if name is not None and weight > most:
            best, most = name, weight
    return best


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise Refusal(problem("too-large", f"the body is larger than {_LARGEST_BODY} bytes; send fewer points"))
    return bytes(body)


def _distances_request(body: bytes) -> DistancesRequest:
    try:
        asked = DistancesRequest.model_validate(parsed(body.decode("utf-8", errors="replace")))
    except ValidationError as error:
        raise Refusal(problem_of_validation(error)) from None
    if len(asked.points) > _MOST_POINTS:
        raise Refusal(
            problem("invalid-request", f"there are {len(asked.points)} points; at most {_MOST_POINTS} at once")
        )
    return asked
