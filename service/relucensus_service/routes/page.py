"""The web page: static files, served as they lie in `relucensus_service/web`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

_FILES: Final = StaticFiles(directory=Path(__file__).parents[1] / "web")


@router.api_route("/web/{name}", methods=["GET", "HEAD"])
async def get_file(name: str, request: Request) -> Response:
    """A script, style or picture of the page; 304 if the browser has it."""
    return await _FILES.get_response(name, request.scope)


def wants_page(accepted: str) -> bool:
    """Whether an `Accept` header is that of a browser which opens a page."""
    return "text/html" in accepted


async def page(request: Request) -> Response:
    """The page itself."""
    return await _FILES.get_response("index.html", request.scope)
