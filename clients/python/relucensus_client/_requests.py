"""What goes to the service and how its answers are read: pure functions, shared by every client."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict, TypeVar

import httpx
from pydantic import ValidationError

from relucensus_client._domain import Bound, Domain, domain_document
from relucensus_client._errors import InvalidArgument, UnexpectedAnswer, error_of
from relucensus_client._model_source import ModelFile
from relucensus_client._models import Answer, Problem

_JOB_ID: Final = re.compile(r"[\w-]+")
_EXCERPT: Final = 200

AnyAnswer = TypeVar("AnyAnswer", bound=Answer)


class CountOptions(TypedDict, total=False):
    """What may be asked for besides model and domain. What is left out is the service's default; None is "not asked".

    definitions:  which counts, for example ``["activation_regions", "linear_regions"]``
    engine:       ``"auto"`` or the name of an engine
    strategy:     ``"cubes"``, or ``"plain"`` for one solve a region
    seconds:      stop after this many seconds, with lower bounds
    regions:      stop after this many regions, with lower bounds
    cross_check:  a second engine that has to confirm the answer
    activation:   the activation of a bare `state_dict`, which does not name it: ``"relu"``, ``"leaky_relu"``,
                  ``"leaky_relu:0.2"`` with a slope, ``"relu6"``, ``"hard_tanh"`` or ``"abs"``
    """

    definitions: Sequence[str] | None
    engine: str | None
    strategy: str | None
    seconds: float | None
    regions: int | None
    cross_check: str | None
    activation: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to be sent, as often as it takes: `wait` is how long its answer may be held back on purpose."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[tuple[str, tuple[str | None, bytes, str]], ...] = ()
    wait: float = 0.0

    def on(self, http: httpx.Client | httpx.AsyncClient, timeout: float) -> httpx.Request:
        """The request for this connection; its read timeout is `timeout` beyond `wait`."""
        return http.build_request(
            self.method,
            self.path,
            params=dict(self.params),
            headers=dict(self.headers),
            files=list(self.parts) or None,
            timeout=httpx.Timeout(timeout, read=timeout + self.wait),
        )


def count_request(
    lower: Bound | None, upper: Bound | None, options: CountOptions, domain: Domain | None = None
) -> dict[str, Any]:
    """The request document of `POST /count`, with only what was asked for, on a box or another domain.

    Raises:
        InvalidArgument: no domain or two, a bound that is not a finite number or a list of them, a limit that is
            not a number.

    >>> count_request(-1, [1, 2], {"engine": "milp", "seconds": 5})["limits"]
    {'seconds': 5}
    """
    request: dict[str, Any] = {"domain": domain_document(lower, upper, domain)}
    asked = {name: value for name, value in options.items() if value is not None}
    limits = {name: asked.pop(name) for name in ("seconds", "regions") if name in asked}
    for name, value in limits.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise InvalidArgument(f"limit {name} is {value!r}; needed is a finite number")
    definitions = asked.pop("definitions", None)
    if isinstance(definitions, str) or not isinstance(definitions, (Sequence, type(None))):
        raise InvalidArgument(f"definitions is {definitions!r}; needed is a list of names")
    if definitions is not None:
        request["definitions"] = list(definitions)
    if limits:
        request["limits"] = limits
    return request | asked


def submit_call(model: ModelFile, request: Mapping[str, Any]) -> Call:
    """`POST /count` with a fresh `Idempotency-Key`, so that it may be sent again without starting a second job."""
    document = dict(request) | ({"model": model.digest} if model.digest else {})
    text = json.dumps(document, allow_nan=False).encode()
    parts = (("request", (None, text, "application/json")),)
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    return Call("POST", "/count", headers=headers, parts=(*parts, *_file_part(model)))


def upload_call(model: ModelFile, activation: str | None = None) -> Call:
    """`POST /models` with the file, for a bare one with its activation; sending it twice keeps it once.

    Raises:
        InvalidArgument: a digest was given, which names a model that is already there.
    """
    if model.digest:
        raise InvalidArgument(f"{model.digest} names an uploaded model; to upload, give the file itself")
    params = {} if activation is None else {"activation": activation}
    return Call("POST", "/models", params=params, parts=_file_part(model))


def status_call(job_id: str, wait: int = 0) -> Call:
    """`GET /count/{id}`, answered when the job is done or after `wait` seconds."""
    params = {"wait": str(wait)} if wait else {}
    return Call("GET", _job_path(job_id), params=params, wait=wait)


def list_call(state: str | None, cursor: str | None, limit: int | None) -> Call:
    """`GET /count`: one page of jobs."""
    asked = {"state": state, "cursor": cursor, "limit": None if limit is None else str(limit)}
    return Call("GET", "/count", params={name: value for name, value in asked.items() if value is not None})


def cancel_call(job_id: str) -> Call:
    """`POST /count/{id}/cancel`."""
    return Call("POST", f"{_job_path(job_id)}/cancel")


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
    raise error_of(_problem(response), response.status_code)


def answer_of(kind: type[AnyAnswer], response: httpx.Response) -> AnyAnswer:
    """The answer that this response holds.

    Raises:
        UnexpectedAnswer: it holds something else.
    """
    try:
        return kind.model_validate_json(response.content)
    except ValidationError as error:
        raise UnexpectedAnswer(
            f"{response.request.url} answered {_excerpt(response)!r}, which is not a {kind.__name__} of this "
            f"service ({error.error_count()} fields are wrong, first: {error.errors()[0]['msg']})"
        ) from None


def _file_part(model: ModelFile) -> tuple[tuple[str, tuple[str | None, bytes, str]], ...]:
    return () if model.digest else (("model", (model.name, model.data, "application/octet-stream")),)


def _job_path(job_id: str) -> str:
    if not _JOB_ID.fullmatch(job_id):
        raise InvalidArgument(f"{job_id!r} is not a job id; ids have letters, digits, '-' and '_' only")
    return f"/count/{job_id}"


def _problem(response: httpx.Response) -> Problem:
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
        detail=f"{response.request.method} {response.request.url} answered: {_excerpt(response)}",
    )


def _excerpt(response: httpx.Response) -> str:
    text = " ".join(response.text.split())
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…"
