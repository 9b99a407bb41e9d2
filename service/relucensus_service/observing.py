"""What happens around every request: an id, headers that browsers heed, a line in the log, figures."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relucensus_service.logs import REQUEST_ID
from relucensus_service.metrics import Metrics

log: Final = logging.getLogger("relucensus_service.requests")

_ID: Final = re.compile(r"[\w.-]{1,64}")
_SILENT: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NOTHING: Final = "default-src 'none'; frame-ancestors 'none'"
# FastAPI's page of the documentation loads its script and style from there.
_DOCUMENTATION: Final = (
    "default-src 'none'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; style-src 'unsafe-inline' "
    "https://cdn.jsdelivr.net; img-src data: https://fastapi.tiangolo.com; connect-src 'self'; frame-ancestors 'none'"
)
# The page and its files: nothing from elsewhere, nothing written into the document; markup is never made from text.
_PAGE: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


class Observed:
    """ASGI middleware. A request id that was sent is kept, so that a proxy's log and this one fit together."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve and observe."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get("x-request-id", "")
        request_id = sent if _ID.fullmatch(sent) else uuid.uuid4().hex
        reset = REQUEST_ID.set(request_id)
        started, status = time.monotonic(), 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(MutableHeaders(scope=message), scope["path"], request_id)
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            self._report(scope, status, time.monotonic() - started)
            REQUEST_ID.reset(reset)

    def _report(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "")
        self._metrics.served(scope["method"], route, status, seconds)
        if scope["path"] in _SILENT:
            return
        figures = {
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "milliseconds": round(1000 * seconds, 1),
            "job_id": scope.get("path_params", {}).get("job_id"),
            "key": scope.get("state", {}).get("key"),
        }
        log.info("%s %r: %d in %.1f ms", scope["method"], scope["path"], status, 1000 * seconds, extra=figures)


def _add_headers(headers: MutableHeaders, path: str, request_id: str) -> None:
    headers["X-Request-ID"] = request_id
    for name, value in _SECURITY.items():
        headers[name] = value
    of_page = path == "/" or path.startswith("/web/")
    headers["Content-Security-Policy"] = _PAGE if of_page else _DOCUMENTATION if path == "/docs" else _NOTHING
    headers.setdefault("Cache-Control", "no-cache" if of_page else "no-store")
