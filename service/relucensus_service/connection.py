"""A connection to the API before and between its requests: what never becomes a request gets a problem, in time."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from relucensus_service.context import Context
from relucensus_service.problems import MEDIA_TYPE, problem

_SECONDS_TO_READ: Final = 2.0  # before the connection is closed: an answer may be lost if the client is still sending
_NAME_OF_STATUS: Final = {408: "too-slow", 431: "headers-too-large"}


class Connection(H11Protocol):
    """Uvicorn's, with problem documents for what is not HTTP, and not longer open than a request may take to begin."""

    _timer: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the headers of a request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what arrives; as soon as it makes a request, the application watches the time."""
        if self._refused:
            return
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._timer is None and not self._refused:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, or too much of it; called while the error is handled."""
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        self._refuse(status, f"what was sent is not a request: {error}" if error is not None else msg)

    def _wait(self) -> None:
        app: Any = self.config.app
        context: Context = app.state.context
        self._timer = self.loop.call_later(context.settings.silence_seconds, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            return
        if self.conn.their_state is h11.IDLE:
            self._refuse(408, "the headers of the request did not arrive in time")
        else:  # the rest of a body whose request has its answer already
            self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        """Answer with the problem, and close the connection when the client had time to read it."""
        self._refused = True
        self._stop_waiting()
        document = problem(_NAME_OF_STATUS.get(status, "bad-request"), detail).to_json()
        body = json.dumps(document).encode()
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
            "X-Request-ID": uuid.uuid4().hex,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        lines = [f"HTTP/1.1 {document['status']} {HTTPStatus(document['status']).phrase}"]
        head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""])
        self.transport.write(head.encode("ascii") + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_SECONDS_TO_READ, self.transport.close)
