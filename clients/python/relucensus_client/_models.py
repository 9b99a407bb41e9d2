"""What the service answers, as frozen typed values. Fields this version does not know are kept, never refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

EXACT = "exact"


class Answer(BaseModel):
    """Base of all answers: immutable, and `to_json` gives back what was received."""

    model_config = ConfigDict(frozen=True, extra="allow")

    def to_json(self) -> dict[str, Any]:
        """The document this was read from, as JSON values."""
        return self.model_dump(mode="json", exclude_unset=True)


class FieldError(Answer):
    """What is wrong with one field of a request."""

    field: str = ""
    message: str = ""


class Problem(Answer):
    """An RFC 9457 problem document: what went wrong, in words for the user. `errors` are those of single fields.

    >>> Problem(type="urn:relucensus:problem:invalid-domain").name
    'invalid-domain'
    """

    type: str = "about:blank"
    title: str = "Error"
    status: int | None = None
    detail: str | None = None
    errors: tuple[FieldError, ...] | None = None

    @property
    def name(self) -> str:
        """The last part of `type`, which never changes for the same kind of problem."""
        return self.type.rpartition(":")[2]

    def __str__(self) -> str:
        return f"{self.title}: {self.detail}" if self.detail else self.title


class Count(Answer):
    """One count. Unless it is `exact`, `value` is proven to exist and `upper_bound` is the most that could."""

    value: int
    status: str
    upper_bound: int | None = None

    @property
    def exact(self) -> bool:
        """Whether `value` is the number itself."""
        return self.status == EXACT


class Network(Answer):
    """What was read from the model file."""

    digest: str | None = None
    inputs: int | None = None
    hidden: tuple[int, ...] = ()
    outputs: int | None = None
    neurons: int | None = None
    stable_neurons: int | None = None
    activation: str | None = None


class Domain(Answer):
    """The domain that was counted on; a number stands for the same bound in every coordinate.

    The bounds of a slice (`kind` "slice") are those of the numbers before its directions.
    """

    kind: str = "box"
    lower: float | tuple[float, ...] | None = None
    upper: float | tuple[float, ...] | None = None
    origin: tuple[float, ...] | None = None
    directions: tuple[tuple[float, ...], ...] | None = None


class Statistics(Answer):
    """What the count cost."""

    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    lps: int | None = None
    milp_solves: int | None = None
    exact_fallbacks: int | None = None
    cubes: int | None = None
    peak_memory_bytes: int | None = None


class CountResult(Answer):
    """The answer to a count: the numbers, what they speak about and what they cost.

    >>> read = {"counts": {"activation_regions": {"value": 2, "status": "exact"}}, "engine": "milp"}
    >>> result = CountResult.model_validate(read)
    >>> result.counts["activation_regions"].value, result.exact
    (2, True)
    """

    counts: dict[str, Count]
    engine: str
    regions_after_layer: tuple[int, ...] = ()
    cross_checked_by: str | None = None
    network: Network = Network()
    domain: Domain = Domain()
    bounds: dict[str, Any] = {}
    statistics: Statistics = Statistics()
    certificate: Any = None
    versions: dict[str, str] = {}

    @property
    def exact(self) -> bool:
        """Whether every count asked for is exact."""
        return all(count.exact for count in self.counts.values())


class Progress(Answer):
    """How far a running job has come; `open_cubes` is what is left to do, in pieces of unknown size."""

    activation_regions: int = 0
    open_cubes: int | None = None
    regions_per_second: float | None = None
    heartbeat_at: datetime | None = None


class JobStatus(Answer):
    """A job as the service last described it. Ask `done` whether it has ended; `state` is for people to read.

    `answered_from` is the job whose exact result this one has; nothing was counted for it.
    """

    id: str
    state: str
    done: bool
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    request: dict[str, Any] = {}
    network: Network | None = None
    progress: Progress | None = None
    result: CountResult | None = None
    error: Problem | None = None
    answered_from: str | None = None

    def updated(self, news: JobStatus) -> JobStatus:
        """This with what `news`, which may be only a part, says."""
        return self.model_copy(update={name: getattr(news, name) for name in news.model_fields_set})


class UploadedModel(Network):
    """A model kept by the service: pass it, or its `digest`, to `submit` instead of a file."""

    digest: str
    format: str | None = None
    input_shape: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()


class JobPage(Answer):
    """One page of jobs, and the cursor of the next; None on the last page."""

    jobs: tuple[JobStatus, ...]
    next_cursor: str | None = None
