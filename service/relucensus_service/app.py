"""The HTTP application: wiring only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse

from relucensus.errors import CensusError
from relucensus_service import problems
from relucensus_service.context import Context
from relucensus_service.geometry import Geometry
from relucensus_service.intake import Intake
from relucensus_service.metrics import Metrics
from relucensus_service.observing import Observed
from relucensus_service.problems import MEDIA_TYPE, Problem, Refusal
from relucensus_service.request_schemas import problem_of_field_errors
from relucensus_service.routes import certificates, count, events, geometry, models, operations, page, regions
from relucensus_service.routes.documentation import methods_of, with_request_schema
from relucensus_service.settings import Settings
from relucensus_service.store import Store
from relucensus_service.uploads import UploadLimit

log: Final = logging.getLogger(__name__)
_LONGEST_ADDRESS: Final = 200  # characters of it in an answer

_DESCRIPTION: Final = (
    "Exact counts of the activation regions and linear regions of a piecewise-linear network on a bounded box. "
    "Every error is a problem document (RFC 9457)."
)


def create_app(settings: Settings, store: Store) -> FastAPI:
    """The application on this store."""
    app = FastAPI(title="relucensus", version=version("relucensus"), description=_DESCRIPTION, lifespan=_lifespan)
    metrics = Metrics(store)
    listings = asyncio.Semaphore(settings.regions_at_once)
    app.state.context = Context(settings, store, metrics, listings)
    app.state.intake = Intake(settings)
    app.state.geometry = Geometry(settings)
    app.add_middleware(
        UploadLimit,
        limit=settings.upload_limit,
        silence=settings.silence_seconds,
        seconds=settings.upload_seconds,
    )
    if settings.cors_origins:
        origins = [origin.strip() for origin in settings.cors_origins.split(",")]
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(Observed, metrics=metrics)
    for part in (count, events, regions, geometry, certificates, models, operations, page):
        app.include_router(part.router)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(CensusError, _refused_by_the_library)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused_by_the_framework)
    app.add_exception_handler(OperationalError, _without_database)
    app.add_exception_handler(Exception, _mistaken)
    derived = app.openapi
    app.openapi = cache(lambda: with_request_schema(derived()))  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await run_in_threadpool(app.state.intake.close)
    await app.state.geometry.close()


def _answer(problem: Problem, headers: Any = None) -> JSONResponse:
    return JSONResponse(problem.to_json(), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


async def _refused(request: Request, error: Any) -> JSONResponse:
    return _answer(error.problem, error.headers)


async def _refused_by_the_library(request: Request, error: Any) -> JSONResponse:
    return _answer(problems.problem_of_error(error))


async def _invalid(request: Request, error: Any) -> JSONResponse:
    return _answer(problem_of_field_errors([(entry["loc"], entry["msg"]) for entry in error.errors()]))


async def _refused_by_the_framework(request: Request, error: Any) -> JSONResponse:
    detail = f"{request.method} {request.url.path[:_LONGEST_ADDRESS]}: {error.detail}"
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(methods_of(request.app.openapi(), request.url.path)) or headers["Allow"]}
    return _answer(problems.problem_of_status(error.status_code, detail), headers)


async def _without_database(request: Request, error: Any) -> JSONResponse:
    log.error("the database does not answer: %s", error)
    refusal = Refusal(problems.problem("not-ready", "the database does not answer at the moment; try again"))
    return _answer(refusal.problem, refusal.headers)


async def _mistaken(request: Request, error: Exception) -> JSONResponse:
    return _answer(problems.problem("internal-error", "the mistake is in the service's log; please report it"))
