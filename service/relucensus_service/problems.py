"""Errors -> problem documents (RFC 9457), in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from relucensus import errors

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document. `type` is a URN that never changes; `detail` is for people; `extra` are further members."""

    type: str
    title: str
    status: int
    detail: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The document."""
        document = {"type": self.type, "title": self.title, "status": self.status, "detail": self.detail}
        return {**document, **self.extra}


_LONGEST_NAME: Final = 100

_HEADERS: Final[Mapping[int, dict[str, str]]] = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": "60"},
    503: {"Retry-After": "5"},
}


class Refusal(Exception):
    """A request that is answered with this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer: how to be let in, when to try again."""
        return _HEADERS.get(self.problem.status, {})


# name: (status, title). The type of a problem is `urn:relucensus:problem:<name>`.
TABLE: Final[Mapping[str, tuple[int, str]]] = {
    "unreadable-model": (415, "The file is not a model of an accepted format"),
    "refused-format": (415, "The file is of a format that is refused"),
    "ambiguous-model": (422, "The file may be read in several ways"),
    "unsupported-model": (422, "The model holds something that is not supported"),
    "invalid-network": (422, "The weights do not make a network"),
    "invalid-domain": (422, "The domain does not fit the network"),
    "invalid-request": (422, "The request is not valid"),
    "unsupported-problem": (422, "The engine or definition cannot serve this problem"),
    "disagreement": (500, "Two engines found different counts"),
    "solver-failure": (500, "A solver gave no usable answer"),
    "model-too-costly": (422, "Reading the model took more than is allowed"),
    "cube-failed": (500, "A part of the domain could not be counted"),
    "conclusion-failed": (500, "The result could not be put together"),
    "idempotency-key-reused": (422, "The Idempotency-Key belongs to another request"),
    "unauthorized": (401, "An API key is needed"),
    "quota-used-up": (429, "The API key has used up what it may use"),
    "too-many-jobs": (429, "Too many jobs are not done yet"),
    "nothing-to-retry": (409, "There is nothing to go on with"),
    "not-finished": (409, "The job has no exact count"),
    "no-geometry": (409, "The domain has another dimension than this can show"),
    "too-costly": (422, "This would take more than is allowed"),
    "no-certificate": (404, "The job has no certificate"),
    "busy": (503, "The service is busy with other requests of this kind"),
    "unavailable": (501, "This installation of the service cannot do this"),
    "unknown-job": (404, "There is no such job"),
    "unknown-model": (404, "There is no such model"),
    "not-found": (404, "There is nothing at this address"),
    "method-not-allowed": (405, "This address does not serve this method"),
    "bad-request": (400, "The request cannot be read"),
    "too-large": (413, "The upload is too large"),
    "too-slow": (408, "The request did not arrive in time"),
    "headers-too-large": (431, "The headers of the request are too large"),
    "unsupported-media-type": (415, "The body of the request has another type than needed"),
    "not-ready": (503, "The service is not ready"),
    "internal-error": (500, "The service made a mistake"),
}

_NAME_OF_ERROR: Final[Mapping[type[errors.CensusError], str]] = {
    errors.UnreadableModel: "unreadable-model",
    errors.RefusedFormat: "refused-format",
    errors.AmbiguousModel: "ambiguous-model",
    errors.UnsupportedModel: "unsupported-model",
    errors.InvalidNetwork: "invalid-network",
    errors.InvalidDomain: "invalid-domain",
    errors.InvalidRequest: "invalid-request",
    errors.UnsupportedProblem: "unsupported-problem",
    errors.Disagreement: "disagreement",
    errors.SolverFailure: "solver-failure",
}
_NAME_OF_STATUS: Final = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    408: "too-slow",
    413: "too-large",
    415: "unsupported-media-type",
    431: "headers-too-large",
}
_NAME_OF_CLASS_NAME: Final = {error.__name__: name for error, name in _NAME_OF_ERROR.items()}


def problem(name: str, detail: str, **extra: Any) -> Problem:
    """The problem with this name of the table."""
    status, title = TABLE[name]
    return Problem(f"urn:relucensus:problem:{name}", title, status, detail, extra)


def problem_of_error(error: errors.CensusError) -> Problem:
    """The problem that stands for an error of the library."""
    for kind in type(error).__mro__:
        if kind in _NAME_OF_ERROR:
            return problem(_NAME_OF_ERROR[kind], str(error))
    return problem("internal-error", str(error))


def problem_of_class_name(kind: str, detail: str, **extra: Any) -> Problem | None:
    """The same for an error of another process, known by the name of its class; None for a name not in the table.

    `extra` are further members: the `option` and `choices` of an ambiguous model.
    """
    name = _NAME_OF_CLASS_NAME.get(kind)
    return problem(name, detail, **extra) if name is not None else None


def problem_of_status(status: int, detail: str) -> Problem:
    """The problem for an HTTP status that the framework chose."""
    if status in _NAME_OF_STATUS:
        return problem(_NAME_OF_STATUS[status], detail)
    return Problem("about:blank", HTTPStatus(status).phrase, status, detail)


def shown(text: str) -> str:
    """A word out of a request as it may stand in an answer: quoted, control characters escaped, not too long."""
    return repr(text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…")
