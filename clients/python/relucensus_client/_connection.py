"""A service and how it is asked: address, API key, retries, timeouts. The same for every wire."""

from __future__ import annotations

import ipaddress
import logging
import math
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx

from relucensus_client import _requests
from relucensus_client._errors import ConnectionFailed, InvalidArgument
from relucensus_client._requests import Call
from relucensus_client._retries import Retries
from relucensus_client._wire import Wire

DEFAULT_URL: Final = "http://127.0.0.1:8000"
URL_VARIABLE: Final = "RELUCENSUS_URL"
API_KEY_VARIABLE: Final = "RELUCENSUS_API_KEY"
_KEPT_ALIVE: Final = 20

_log = logging.getLogger("relucensus_client")


def service_url(url: str | None) -> str:
    """The address without a slash at its end; where none is given, that of the environment, or else of this machine.

    Raises:
        InvalidArgument: it is not an address of HTTP.
    """
    url = url if url is not None else os.environ.get(URL_VARIABLE) or DEFAULT_URL
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise InvalidArgument(f"url {url!r} is not a URL: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidArgument(f"url is {url!r}; needed is one like {DEFAULT_URL}")
    return url.rstrip("/")


def http_options(url: str, api_key: str | None) -> dict[str, Any]:
    """What an httpx client needs for the service at `url`; without a key, that of the environment is used.

    Raises:
        InvalidArgument: the key cannot be sent.
    """
    api_key = api_key if api_key is not None else os.environ.get(API_KEY_VARIABLE) or None
    headers = {"User-Agent": "relucensus-client", "Accept": "application/json"}
    if api_key is not None:
        headers["Authorization"] = f"Bearer {_requests.header_text('api_key', api_key)}"
    return {
        "base_url": url,
        "headers": headers,
        "trust_env": not _is_loopback(httpx.URL(url).host),  # a proxy cannot reach this machine's own addresses
        "limits": httpx.Limits(max_keepalive_connections=_KEPT_ALIVE),  # each job that is followed holds a connection
    }


@dataclass(frozen=True)
class Connection:
    """A wire to the service at `url`; `timeout` is how long to wait for an answer beyond what it is held back for."""

    url: str
    wire: Wire
    timeout: float
    retries: Retries
    save_certificate: Callable[[str, Path], None] | None = None  # of a job, over a connection of its own

    def patient(self) -> Connection:
        """The same with more attempts, to outlast a restart of the service."""
        return replace(self, retries=self.retries.patient())

    async def send(self, call: Call, *, deadline: float = math.inf, stream: bool = False) -> httpx.Response:
        """The successful answer to a call, after as many attempts as the policy and the deadline allow.

        Raises:
            ConnectionFailed: no answer at all.
            ProblemError: the service refused.
        """
        attempt = 0
        while True:
            try:
                response = await self._sent(call, stream)
            except httpx.TransportError as error:
                pause = self.retries.pause_after_error(attempt, error)
                if pause is None or time.monotonic() + pause > deadline:
                    raise ConnectionFailed(_no_answer(self.url, error)) from error
                _log.info("%s %s: no answer (%r); again in %.1f s", call.method, call.path, error, pause)
            else:
                pause = self.retries.pause_after_response(attempt, response)
                if pause is None or time.monotonic() + pause > deadline:
                    return _requests.checked(response)
                _log.info("%s %s: %s; again in %.1f s", call.method, call.path, response.status_code, pause)
            await self.wire.pause(pause)
            attempt += 1

    @asynccontextmanager
    async def streaming(self, call: Call) -> AsyncIterator[httpx.Response]:
        """The successful answer to a call, whose body is yet to come.

        Raises:
            ConnectionFailed, ProblemError: as `send`.
            httpx.TransportError: the body breaks off.
        """
        response = await self.send(call, stream=True)
        try:
            yield response
        finally:
            await self.wire.end(response)

    async def _sent(self, call: Call, stream: bool) -> httpx.Response:
        """The answer; one that is no success is read, as its body says why."""
        response = await self.wire.send(call.on(self.wire.http, self.timeout), stream=stream)
        if stream and not response.is_success:
            try:
                await self.wire.read(response)
            finally:
                await self.wire.end(response)
        return response


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _no_answer(url: str, error: httpx.TransportError) -> str:
    reason = str(error) or type(error).__name__
    return f"the service at {url} gave no answer ({reason}); is it running? `relucensus serve` starts one here"
