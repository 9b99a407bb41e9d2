"""Request bodies: never more bytes than allowed, and a form with exactly the parts that are needed."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relucensus_service.problems import Refusal, problem

_LARGEST_DOCUMENT: Final = 4 * 2**20  # bytes of the `request` part; a box of a million inputs fits
_DISCARDED_AT_MOST: Final = 4  # times the limit
_DISCARDING_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Form:
    """The parts of a multipart form that were sent."""

    model: bytes | None
    request: str | None


class UploadLimit:
    """ASGI middleware that answers 413 as soon as a body is, or says it is, larger than allowed."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the bytes of the body while they arrive."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        too_large = announced.isdigit() and int(announced) > self._limit
        received = 0
        refused = False

        async def limited() -> Message:
            nonlocal received, refused
            if refused:
                return {"type": "http.disconnect"}
            message: Message = {"type": "http.request"} if too_large else await receive()
            received += len(message.get("body", b""))
            if too_large or received > self._limit:
                refused = True
                if message.get("more_body", too_large):
                    await self._discard(receive)
                raise HTTPException(413, f"the body of the request is larger than the {self._limit} bytes allowed")
            return message

        await self._app(scope, limited, send)

    async def _discard(self, receive: Receive) -> None:
        """Read on for a while: a client whose connection closes while it is sending may never see the answer."""
        discarded = 0
        end = time.monotonic() + _DISCARDING_SECONDS
        while discarded <= _DISCARDED_AT_MOST * self._limit and time.monotonic() < end:
            message = await receive()
            discarded += len(message.get("body", b""))
            if not message.get("more_body", False):
                return


async def read_form(request: Request, parts: Collection[str]) -> Form:
    """The form in the body of the request.

    Raises:
        Refusal: not a multipart form, or one with other parts than these.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        detail = f"the body is {kind or 'of no stated type'}; needed is multipart/form-data with {', '.join(parts)}"
        raise Refusal(problem("unsupported-media-type", detail))
    async with request.form(max_files=4, max_fields=8, max_part_size=_LARGEST_DOCUMENT) as form:
        unknown = sorted(set(form) - set(parts))
        if unknown:
            detail = f"the form has a part {unknown[0]!r}; known are {', '.join(parts)}"
            raise Refusal(problem("invalid-request", detail))
        twice = [name for name in form if len(form.getlist(name)) > 1]
        if twice:
            raise Refusal(problem("invalid-request", f"the form has the part {twice[0]!r} more than once"))
        return Form(await _bytes(form.get("model")), await _text(form.get("request")))


async def _bytes(part: UploadFile | str | None) -> bytes | None:
    if isinstance(part, str):
        raise Refusal(problem("invalid-request", "the part 'model' has no file name; needed is a file"))
    return await part.read() if part is not None else None


async def _text(part: UploadFile | str | None) -> str | None:
    if not isinstance(part, UploadFile):
        return part
    try:
        return (await part.read()).decode()
    except UnicodeDecodeError:
        raise Refusal(problem("invalid-request", "the part 'request' is not UTF-8 text")) from None
