"""`/`, `/healthz`, `/readyz`, `/metrics`: for people who look and machines that watch."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Header, Request
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse, PlainTextResponse, Response

from relucensus_service.context import Context, InContext
from relucensus_service.problems import Refusal, problem
from relucensus_service.routes.documentation import problems_for
from relucensus_service.routes.page import page, wants_page
from relucensus_service.store.schema import at_head

router = APIRouter(tags=["operations"])


@router.get(
    "/",
    response_class=JSONResponse,
    responses={200: {"description": "The web page for a browser, else JSON", "content": {"text/html": {}}}},
    summary="What this is",
)
async def root(
    request: Request, accept: Annotated[str, Header(description="`text/html` asks for the web page")] = "*/*"
) -> Response:
    """The web page, for a browser; for others the name of the service and where to go on."""
    if wants_page(accept):
        return _varying(await page(request))
    addresses = {name: f"/{name}" for name in ("count", "models", "metrics")}
    document = {"name": "relucensus", "version": version("relucensus"), **addresses}
    return _varying(JSONResponse({**document, "documentation": "/docs", "openapi": "/openapi.json"}))


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> dict[str, str]:
    """Answers as long as the API process runs."""
    return {"status": "ok"}


@router.get("/readyz", responses=problems_for(503), summary="Can a count be served now?")
def readyz(context: InContext) -> JSONResponse:
    """Whether the database answers, its schema is the newest, and a runner with workers was heard of lately."""
    checks = _checks(context)
    failed = [f"{name}: {state}" for name, state in checks.items() if state != "ok"]
    if failed:
        raise Refusal(problem("not-ready", "; ".join(failed), checks=checks))
    return JSONResponse({"status": "ok", "checks": checks})


@router.get("/metrics", response_class=PlainTextResponse, summary="Figures for Prometheus")
def metrics(context: InContext) -> Response:
    """Jobs by state, age of the queue, open cubes, what each runner has done, requests answered."""
    return Response(context.metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _varying(response: Response) -> Response:
    response.headers["Vary"] = "Accept"
    return response


def _checks(context: Context) -> dict[str, str]:
    unknown = "not known without the database"
    try:
        migrated = at_head(context.store.database)
    except SQLAlchemyError:
        return {"database": "does not answer", "schema": unknown, "runner": unknown, "scheduler": unknown}
    if not migrated:
        schema = "not the newest; run: relucensus migrate"
        return {"database": "ok", "schema": schema, "runner": unknown, "scheduler": unknown}
    beats = context.store.leases.beats(context.settings.runner_stale_seconds)
    scheduler = "ok" if any(beat.workers for beat in beats) else "has no workers, or cannot be reached"
    return {
        "database": "ok",
        "schema": "ok",
        "runner": "ok" if beats else "none was heard of lately",
        "scheduler": scheduler if beats else "not known without a runner",
    }
