"""Request bodies: no more bytes and no more time than allowed, and a form with exactly the parts that are needed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relucensus_service.problems import Refusal, problem, shown

_LARGEST_DOCUMENT: Final = 4 * 2**20  # bytes of the `request` part; a box of a million inputs fits
_DISCARDED_AT_MOST: Final = 4  # times the limit
_DISCARDING_SECONDS: Final = 10.0
_LONGEST_BOUNDARY: Final = 256  # characters; RFC 2046 allows 70
_MOST_DATA_FILES: Final = 64
_MOST_FILES: Final = _MOST_DATA_FILES + 3  # the model, the request, and one too many to be told about
_LONGEST_NAME: Final = 1024  # characters
_MOST_FIELDS: Final = 8


@dataclass(frozen=True, slots=True)
class Form:
    """The parts of a multipart form that were sent; `data` are the files beside the model by name.

    A name is what the model calls the file: it is never a path here.
    """

    model: bytes | None
    request: str | None
    data: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of the model and the files beside it."""
        return len(self.model or b"") + sum(map(len, self.data.values()))


class UploadLimit:
    """ASGI middleware: 413 as soon as a body is, or says it is, larger than allowed; 408 for one that does not come.

    `silence` are the seconds until the next bytes of a body, `seconds` those for the whole of it.
    """

    def __init__(self, app: ASGIApp, limit: int, silence: float, seconds: float) -> None:
        self._app = app
        self._limit = limit
        self._silence = silence
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the bytes of the body, and the time, while they arrive."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        too_large = announced.isdigit() and int(announced) > self._limit
        received = 0
        refused = complete = False
        end = time.monotonic() + self._seconds

        async def limited() -> Message:
            nonlocal received, refused, complete
            if refused:
                return {"type": "http.disconnect"}
            if complete:  # what is waited for now is the client's leaving
                return await receive()
            message: Message = {"type": "http.request"}
            if not too_large:
                try:
                    message = await asyncio.wait_for(receive(), min(self._silence, max(0.0, end - time.monotonic())))
                except TimeoutError:
                    refused = True
                    detail = "the body of the request did not arrive in time"
                    raise HTTPException(408, detail, headers={"Connection": "close"}) from None
            complete = not message.get("more_body", False)
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
        stated = shown(kind) if kind else "of no stated type"
        detail = f"the body is {stated}; needed is multipart/form-data with {', '.join(parts)}"
        raise Refusal(problem("unsupported-media-type", detail))
    async with _whole_form(request) as form:
        unknown = sorted(set(form) - set(parts))
        if unknown:
            detail = f"the form has a part {shown(unknown[0])}; known are {', '.join(parts)}"
            raise Refusal(problem("invalid-request", detail))
        twice = [name for name in form if name != "data" and len(form.getlist(name)) > 1]
        if twice:
            raise Refusal(problem("invalid-request", f"the form has the part {twice[0]!r} more than once"))
        return Form(
            await _bytes(form.get("model")), await _text(form.get("request")), await _named(form.getlist("data"))
        )


class _WholeParser(MultiPartParser):
    """Takes whole forms only: Starlette's parser passes over a part that was cut off."""

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None], **limits: int) -> None:
        super().__init__(headers, self._until_end(stream), **limits)
        self._ended = False

    def on_end(self) -> None:
        """The last boundary has come."""
        self._ended = True

    async def _until_end(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for chunk in stream:
            yield chunk
        if not self._ended:
            raise MultiPartException("It is cut off: its last boundary is missing.")


@asynccontextmanager
async def _whole_form(request: Request) -> AsyncGenerator[FormData]:
    parser = _WholeParser(
        Headers({"Content-Type": _form_type(request.headers["content-type"])}),
        request.stream(),
        max_files=_MOST_FILES,
        max_fields=_MOST_FIELDS,
        max_part_size=_LARGEST_DOCUMENT,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refusal(problem("bad-request", f"the form cannot be read: {error.message}")) from None
    except ClientDisconnect:
        raise Refusal(problem("bad-request", "the connection ended before the form did")) from None
    try:
        yield form
    finally:
        await form.close()


def _form_type(header: str) -> str:
    """The Content-Type with nothing but the boundary; other encodings than UTF-8 are no concern of a parser's."""
    _, options = parse_options_header(header)
    charset = options.get(b"charset", b"utf-8").decode("latin-1").lower()
    if charset not in ("utf-8", "utf8", "us-ascii"):
        detail = f"the form is said to have the charset {shown(charset)}; needed is utf-8"
        raise Refusal(problem("unsupported-media-type", detail))
    boundary = options.get(b"boundary", b"").decode("latin-1")
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY or '"' in boundary or "\\" in boundary:
        detail = f"the form has the boundary {shown(boundary)}; needed are 1 to {_LONGEST_BOUNDARY} characters"
        raise Refusal(problem("bad-request", detail))
    return f'multipart/form-data; boundary="{boundary}"'


async def _bytes(part: UploadFile | str | None) -> bytes | None:
    if isinstance(part, str):
        raise Refusal(problem("invalid-request", "the part 'model' has no file name; needed is a file"))
    return await part.read() if part is not None else None


async def _named(parts: Sequence[UploadFile | str]) -> dict[str, bytes]:
    """The files of these parts by name."""
    if len(parts) > _MOST_DATA_FILES:
        detail = f"the form has {len(parts)} parts 'data'; accepted are at most {_MOST_DATA_FILES}"
        raise Refusal(problem("invalid-request", detail))
    files: dict[str, bytes] = {}
    for part in parts:
        name = "" if isinstance(part, str) else part.filename or ""
        if isinstance(part, str) or not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
            detail = (
                "a part 'data' has no file name, or one that cannot be; needed is the name that the model has for it"
            )
            raise Refusal(problem("invalid-request", detail))
        if name in files:
            raise Refusal(problem("invalid-request", f"the form has two parts 'data' with the file name {shown(name)}"))
        files[name] = await part.read()
    return files


async def _text(part: UploadFile | str | None) -> str | None:
    if not isinstance(part, UploadFile):
        return part
    try:
        return (await part.read()).decode()
    except UnicodeDecodeError:
        raise Refusal(problem("invalid-request", "the part 'request' is not UTF-8 text")) from None
