"""What goes to the service and how its answers are read: pure functions, shared by every client."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

import httpx
from pydantic import ValidationError

from relucensus_client._answers import Answer, Problem
from relucensus_client._domain import Bound, Domain, domain_document, listed, vector
from relucensus_client._errors import InvalidArgument, UnexpectedAnswer, error_of
from relucensus_client._model_source import ModelFile
from relucensus_client._reading import READING, ReadingOptions, reading_document

_JOB_ID: Final = re.compile(r"[\w-]+")
_EXCERPT: Final = 200
_LONGEST_SILENCE: Final = 15.0  # seconds after which a stream of events sends at least a comment
_LONGEST_LISTING: Final = 3600.0  # seconds a service gives to one listing of regions, unless set otherwise
_BYTES: Final = "application/octet-stream"
_LONGEST_DRAWING: Final = 300.0  # seconds a service gives to one picture, unless set otherwise

AnyAnswer = TypeVar("AnyAnswer", bound=Answer)


class CountOptions(ReadingOptions, total=False):
    """What may be asked for besides model and domain. What is left out is the service's default; None is "not asked".

    What is in `ReadingOptions`, and:

    definitions:  which counts, for example ``["activation_regions", "linear_regions"]``
    engine:       ``"auto"`` or the name of an engine
    strategy:     ``"cubes"``, or ``"plain"`` for one solve a region
    seconds:      stop after this many seconds, with lower bounds
    regions:      stop after this many regions, with lower bounds
    deadline:     stop at this moment, with lower bounds: a `datetime` with its time zone
    certificate:  whether the service is to keep a proof of exact counts: `Job.certificate`, `CountResult.verify`
    cross_check:  a second engine that has to confirm the answer
    fresh:        count even if the service knows the exact answer from another job
    """

    definitions: Sequence[str] | None
    engine: str | None
    strategy: str | None
    seconds: float | None
    regions: int | None
    deadline: datetime | None
    certificate: bool | None
    cross_check: str | None
    fresh: bool | None


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to be sent, as often as it takes: `wait` is how long its answer may be held back on purpose."""

    method: str
    path: str
    params: Mapping[str, str | list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[tuple[str, tuple[str | None, bytes, str]], ...] = ()
    content: bytes | None = None
    wait: float = 0.0

    def on(self, http: httpx.Client | httpx.AsyncClient, timeout: float) -> httpx.Request:
        """The request for this connection; its read timeout is `timeout` beyond `wait`."""
        return http.build_request(
            self.method,
            self.path,
            params=dict(self.params),
            headers=dict(self.headers),
            files=list(self.parts) or None,
            content=self.content,
            timeout=httpx.Timeout(timeout, read=timeout + self.wait),
        )


def count_request(
    lower: Bound | None, upper: Bound | None, options: CountOptions, domain: Domain | None = None
) -> dict[str, Any]:
    """The request document of `POST /count`, with only what was asked for, on a box or another domain.

    Raises:
        InvalidArgument: no domain or two, a bound that is not a finite number or a list of them, a limit that is
            not a number, a deadline without a time zone, inputs fixed to something else than numbers.

    >>> count_request(-1, [1, 2], {"engine": "milp", "seconds": 5})["limits"]
    {'seconds': 5}
    """
    request: dict[str, Any] = {"domain": domain_document(lower, upper, domain)}
    asked = {name: value for name, value in options.items() if value is not None and name not in READING}
    limits: dict[str, Any] = {name: _finite(name, asked.pop(name)) for name in ("seconds", "regions") if name in asked}
    if "deadline" in asked:
        limits["deadline"] = _moment(asked.pop("deadline"))
    definitions = asked.pop("definitions", None)
    if isinstance(definitions, str) or not isinstance(definitions, (Sequence, type(None))):
        raise InvalidArgument(f"definitions is {definitions!r}; needed is a list of names")
    if definitions is not None:
        request["definitions"] = list(definitions)
    if limits:
        request["limits"] = limits
    return request | asked | reading_document(options)


def submit_call(model: ModelFile, request: Mapping[str, Any], idempotency_key: str | None = None) -> Call:
    """`POST /count` with this `Idempotency-Key` or a fresh one: it may be sent again without starting a second job."""
    document = dict(request) | ({"model": model.digest} if model.digest else {})
    text = json.dumps(document, allow_nan=False).encode()
    parts = (("request", (None, text, "application/json")),)
    headers = {"Idempotency-Key": header_text("idempotency_key", idempotency_key or str(uuid.uuid4()))}
    return Call("POST", "/count", headers=headers, parts=(*parts, *_file_parts(model)))


def upload_call(model: ModelFile, said: ReadingOptions | None = None) -> Call:
    """`POST /models` with the file and what is said about it (`ReadingOptions`); sending it twice keeps it once.

    Raises:
        InvalidArgument: a digest was given, which names a model that is already there; or as `reading_document`.
    """
    if model.digest:
        raise InvalidArgument(f"{model.digest} names an uploaded model; to upload, give the file itself")
    document = reading_document(said or {})
    params = {name: value if isinstance(value, str) else json.dumps(value) for name, value in document.items()}
    return Call("POST", "/models", params=params, parts=_file_parts(model))


def status_call(job_id: str, wait: int = 0) -> Call:
    """`GET /count/{id}`, answered when the job is done or after `wait` seconds."""
    params = {"wait": str(wait)} if wait else {}
    return Call("GET", _job_path(job_id), params=params, wait=wait)


def list_call(states: str | Sequence[str] | None, cursor: str | None, limit: int | None) -> Call:
    """`GET /count`: one page of jobs, of those in one state or in one of several."""
    listed = states if states is None or isinstance(states, str) else list(states)
    asked = {"state": listed, "cursor": cursor, "limit": None if limit is None else str(limit)}
    return Call("GET", "/count", params={name: value for name, value in asked.items() if value is not None})


def cancel_call(job_id: str) -> Call:
    """`POST /count/{id}/cancel`."""
    return Call("POST", f"{_job_path(job_id)}/cancel")


def retry_call(job_id: str) -> Call:
    """`POST /count/{id}/retry`."""
    return Call("POST", f"{_job_path(job_id)}/retry")


def events_call(job_id: str, last_event_id: str) -> Call:
    """`GET /count/{id}/events`, from after the event with this id, or from the present if it is empty."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if last_event_id:
        headers["Last-Event-ID"] = last_event_id
    return Call("GET", f"{_job_path(job_id)}/events", headers=headers, wait=_LONGEST_SILENCE)


def regions_call(job_id: str, format_: str, columns: Sequence[str] | None) -> Call:
    """`GET /count/{id}/regions`; the service may search for long between two regions.

    Raises:
        InvalidArgument: the columns are no list of names.
    """
    params: dict[str, str | list[str]] = {"format": format_}
    if columns is not None:
        if isinstance(columns, str) or not all(isinstance(name, str) for name in columns):
            raise InvalidArgument(f"columns is {columns!r}; needed is a list of names")
        params["columns"] = ",".join(columns)
    return Call("GET", f"{_job_path(job_id)}/regions", params=params, headers={"Accept": "*/*"}, wait=_LONGEST_LISTING)


def picture_call(job_id: str, format_: str, options: Mapping[str, Any]) -> Call:
    """`GET /count/{id}/picture`, with only the options that were given."""
    given = {name: str(value).lower() for name, value in options.items() if value is not None}
    path = f"{_job_path(job_id)}/picture"
    return Call("GET", path, params={"format": format_, **given}, headers={"Accept": "*/*"}, wait=_LONGEST_DRAWING)


def geometry_call(job_id: str, volumes: str) -> Call:
    """`GET /count/{id}/geometry`."""
    return Call("GET", f"{_job_path(job_id)}/geometry", params={"volumes": volumes}, wait=_LONGEST_DRAWING)


def distances_call(digest: str, points: Sequence[Sequence[float]], exact: bool) -> Call:
    """`POST /models/{digest}/distances`; to be sent again without harm."""
    content = json.dumps({"points": points, "exact": exact}, allow_nan=False).encode()
    headers = {"Content-Type": "application/json"}
    path = f"/models/{digest}/distances"
    return Call("POST", path, headers=headers, content=content, wait=_LONGEST_DRAWING)


def points_document(points: Any) -> list[list[float]]:
    """Inputs, a list or array of vectors, as the points of a request.

    Raises:
        InvalidArgument: they are not that.

    >>> points_document([[0, 1.5]])
    [[0.0, 1.5]]
    """
    return [vector(f"points[{i}]", point) for i, point in enumerate(listed("points", points))]


def certificate_call(job_id: str) -> Call:
    """`GET /count/{id}/certificate`."""
    return Call("GET", f"{_job_path(job_id)}/certificate", headers={"Accept": "*/*"})


def delete_call(job_id: str) -> Call:
    """`DELETE /count/{id}`."""
    return Call("DELETE", _job_path(job_id))


def checked(response: httpx.Response) -> httpx.Response:
    """The response itself if it is a success.

    Raises:
        ProblemError: the service refused; the kind says how.
        UnexpectedAnswer: a redirection, which the service never sends.
    """
    if response.is_success:
        return response
    if response.status_code < 400:
        raise UnexpectedAnswer(
            f"{response.request.url} answered {response.status_code} (redirection to "
            f"{response.headers.get('Location', 'nowhere')}); give the service's own address"
        )
    raise error_of(problem_of(response), response.status_code)


def problem_of(response: httpx.Response) -> Problem:
    """The problem document, or one made of what was answered instead."""
    try:
        document = response.json()
        if isinstance(document, dict) and "title" in document:
            return Problem.model_validate(document)
    except ValueError:
        pass
    return Problem(
        title=f"HTTP {response.status_code} {response.reason_phrase}".rstrip(),
        status=response.status_code,
        detail=f"{response.request.method} {response.request.url} answered: {excerpt(response.text)}",
    )


def answer_of(kind: type[AnyAnswer], response: httpx.Response) -> AnyAnswer:
    """The answer that this response holds.

    Raises:
        UnexpectedAnswer: it holds something else.
    """
    return read_answer(kind, response.content, response.request.url)


def document_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON object that this response holds.

    Raises:
        UnexpectedAnswer: it holds something else.
    """
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UnexpectedAnswer(
            f"{response.request.url} answered {excerpt(response.text)!r}, which is not a JSON object"
        )
    return document


def read_answer(kind: type[AnyAnswer], text: str | bytes, url: httpx.URL) -> AnyAnswer:
    """The answer that this text from `url` is.

    Raises:
        UnexpectedAnswer: it is something else.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise UnexpectedAnswer(
            f"{url} answered {excerpt(text)!r}, which is not a {kind.__name__} of this "
            f"service ({error.error_count()} fields are wrong, first: {error.errors()[0]['msg']})"
        ) from None


def excerpt(text: str | bytes) -> str:
    """The beginning of what was answered, on one line."""
    words = text if isinstance(text, str) else text.decode(errors="replace")
    line = " ".join(words.split())
    return line if len(line) <= _EXCERPT else line[:_EXCERPT] + "…"


def header_text(name: str, value: str) -> str:
    """The value, which may stand in a header; it is not repeated in the error, as it may be a secret.

    Raises:
        InvalidArgument: it is empty, or has characters other than letters, digits and signs of ASCII.
    """
    if not (isinstance(value, str) and value.isascii() and value.isprintable() and value and " " not in value):
        raise InvalidArgument(f"{name} is empty or has a space or other character that cannot be sent in a header")
    return value


def _finite(name: str, limit: Any) -> float:
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not math.isfinite(limit):
        raise InvalidArgument(f"limit {name} is {limit!r}; needed is a finite number")
    return limit


def _moment(deadline: Any) -> str:
    if not isinstance(deadline, datetime) or deadline.tzinfo is None:
        raise InvalidArgument(f"deadline is {deadline!r}; needed is a datetime with its time zone")
    return deadline.isoformat()


def _file_parts(model: ModelFile) -> tuple[tuple[str, tuple[str | None, bytes, str]], ...]:
    """The model, and as parts named `data` the files beside it."""
    if model.digest:
        return ()
    beside = (("data", (name, data, _BYTES)) for name, data in model.files.items())
    return ("model", (model.name, model.data, _BYTES)), *beside


def _job_path(job_id: str) -> str:
    if not _JOB_ID.fullmatch(job_id):
        raise InvalidArgument(f"{job_id!r} is not a job id; ids have letters, digits, '-' and '_' only")
    return f"/count/{job_id}"
