"""`/`, `/healthz`, `/readyz`: for people who look and machines that watch."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse

from relucensus_service.context import Context, InContext
from relucensus_service.problems import Refusal, problem
from relucensus_service.routes.documentation import problems_for
from relucensus_service.store.schema import at_head

router = APIRouter(tags=["operations"])


@router.get("/", summary="What this is")
def root() -> dict[str, Any]:
    """The name of the service and where to go on."""
    return {
        "name": "relucensus",
        "version": version("relucensus"),
        "count": "/count",
        "models": "/models",
        "documentation": "/docs",
        "openapi": "/openapi.json",
    }


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


def _checks(context: Context) -> dict[str, str]:
    unknown = "not known without the database"
    try:
        migrated = at_head(context.store.database)
    except SQLAlchemyError:
        return {"database": "does not answer", "schema": unknown, "runner": unknown}
    if not migrated:
        return {"database": "ok", "schema": "not the newest; run: relucensus migrate", "runner": unknown}
    workers = context.store.leases.workers_alive(context.settings.runner_stale_seconds)
    runner = "ok" if workers else "none was heard of lately" if workers is None else "has no workers"
    return {"database": "ok", "schema": "ok", "runner": runner}
