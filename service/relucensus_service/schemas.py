"""What requests and answers look like on the wire, and how they are made from values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    FailFast,
    Field,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from relucensus.engines.protocol import writes_no_certificates
from relucensus.errors import InvalidRequest, UnsupportedModel
from relucensus.values.activation import ACTIVATIONS, activation_named
from relucensus.values.names import CERTIFYING, ENGINES, STRATEGIES
from relucensus.values.problem import DEFAULT_DEFINITIONS, Definition, check_certifiable
from relucensus_service.jobs import Job
from relucensus_service.problems import Problem, problem, shown
from relucensus_service.store import StoredModel

REQUEST_EXAMPLE: Final[dict[str, Any]] = {
    "domain": {"kind": "box", "lower": -1, "upper": [1, 1]},
    "engine": "auto",
    "limits": {"seconds": 60},
}


def _one_of(names: tuple[str, ...], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if value not in names:
            known = ", ".join(names)
            raise PydanticCustomError("unknown_name", f"{what} {shown(value)} does not exist; known are {known}")
        return value

    return AfterValidator(check)


def _kind_of_domain(value: Any) -> str:
    """Which of the domains this is meant to be; what is none is told by the box."""
    kind = value.get("kind", "box") if isinstance(value, dict) else getattr(value, "kind", "box")
    return "slice" if kind == "slice" else "box"


def _known_kind(value: Any) -> Any:
    if value != "box":
        raise PydanticCustomError("unknown_name", "the kind does not exist; known are box, slice")
    return value


def _first_mistake(value: Any) -> Any:
    """Stop at the first entry of a list that is no number: a list of mistakes would be as long as the list."""
    if isinstance(value, list):
        for i, entry in enumerate(value):
            if isinstance(entry, bool) or not isinstance(entry, int | float):
                raise PydanticCustomError("not_a_number", f"entry {i} is not a number")
    return value


def _activation(value: str) -> str:
    try:
        activation_named(value)
    except UnsupportedModel as error:
        raise PydanticCustomError("unknown_name", "{reason}", {"reason": str(error)}) from None
    return value


def _distinct(value: list[Definition]) -> list[Definition]:
    if len(set(value)) < len(value):
        raise PydanticCustomError("given_twice", "a definition is named twice")
    return value


def _moment(value: Any) -> Any:
    """A deadline in words: only text, since a bare number could be of any unit."""
    if value is not None and not isinstance(value, str):
        raise PydanticCustomError("not_a_moment", "needed is a time such as 2030-01-31T12:00:00Z")
    return value


_MOST_ERRORS: Final = 20
_MOST_REGIONS: Final = 2**63 - 1
_LONGEST_NAME: Final = 100  # characters of a field that is not known
_OF_THE_FILE: Final = ("format", "input_shape", "notes", "breakpoints")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Numbers = Annotated[list[float], BeforeValidator(_first_mistake)]
Bound = Annotated[float | list[float], BeforeValidator(_first_mistake)]
EngineName = Annotated[str, _one_of(ENGINES, "engine"), Field(json_schema_extra={"enum": list(ENGINES)})]
CheckingEngine = Annotated[str, _one_of(ENGINES[1:], "engine"), Field(json_schema_extra={"enum": list(ENGINES[1:])})]
StrategyName = Annotated[str, _one_of(STRATEGIES, "strategy"), Field(json_schema_extra={"enum": list(STRATEGIES)})]
ActivationName = Annotated[
    str, AfterValidator(_activation), Field(json_schema_extra={"examples": [*ACTIVATIONS, "leaky_relu:0.2"]})
]
DefinitionName = Annotated[Definition, Field(strict=False)]


class BoxDomain(_Strict):
    """A closed box. A number stands for the same bound in every coordinate."""

    kind: Annotated[Literal["box"], BeforeValidator(_known_kind)] = "box"
    lower: Bound = Field(description="one number, or one for each input", examples=[-1])
    upper: Bound = Field(description="one number, or one for each input", examples=[[1, 1]])


class SliceDomain(_Strict):
    """A line or plane through inputs, or more: x = origin + the sum of u[i] * directions[i], for u in a box."""

    kind: Literal["slice"]
    origin: Numbers = Field(description="the input at u = 0", examples=[[0, 0]])
    directions: Annotated[list[Numbers], FailFast()] = Field(
        min_length=1, description="one list of numbers for each coordinate of u", examples=[[[1, 1]]]
    )
    lower: Bound = Field(description="bounds of u: one number, or one for each direction", examples=[0])
    upper: Bound = Field(description="one number, or one for each direction", examples=[1])


Domain = Annotated[
    Annotated[BoxDomain, Tag("box")] | Annotated[SliceDomain, Tag("slice")], Discriminator(_kind_of_domain)
]


class Limits(_Strict):
    """The most that may be spent. A limit that is reached gives lower bounds, not an error."""

    seconds: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="wall seconds during which a runner works on the job"
    )
    regions: int | None = Field(default=None, ge=1, le=_MOST_REGIONS, description="activation regions counted")
    deadline: Annotated[AwareDatetime | None, BeforeValidator(_moment)] = Field(
        default=None, strict=False, description="when to stop, wherever the job is then", examples=["2030-01-31T12:00Z"]
    )


class CountRequest(_Strict):
    """What to count; everything but the domain is optional. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, json_schema_extra={"example": REQUEST_EXAMPLE})

    domain: Domain
    definitions: Annotated[list[DefinitionName], FailFast(), AfterValidator(_distinct)] = Field(
        default=list(DEFAULT_DEFINITIONS), min_length=1, description="what to count"
    )
    engine: EngineName = Field(default="auto", description="who counts")
    strategy: StrategyName = Field(default="cubes", description="how the milp engine searches")
    limits: Limits = Limits()
    certificate: bool = Field(
        default=False,
        description="whether exact counts come with a proof of the first three definitions",
    )
    cross_check: CheckingEngine | None = Field(
        default=None, description="a second engine that has to find the same counts"
    )
    activation: ActivationName = Field(
        default="relu", description="for a state_dict or safetensors file, which does not say"
    )
    model: str | None = Field(
        default=None,
        pattern=r"^sha256:[0-9a-f]{64}$",
        description="digest of a model uploaded before, instead of a file",
    )
    fresh: bool = Field(default=False, description="count even if the exact answer is known from another job")

    @model_validator(mode="after")
    def _possible(self) -> CountRequest:
        """What no network could be counted with is refused before anything is read."""
        if self.strategy != "cubes" and self.engine != "milp":
            reason = f"strategy {self.strategy!r} belongs to engine 'milp', got engine {self.engine!r}"
            raise PydanticCustomError("impossible", "{reason}", {"reason": reason})
        if self.cross_check == self.engine:
            reason = f"cross_check names {self.engine}, the engine that counts; needed is another one"
            raise PydanticCustomError("impossible", "{reason}", {"reason": reason})
        if self.certificate:
            self._check_certifiable()
        return self

    def _check_certifiable(self) -> None:
        try:
            check_certifiable(self.definitions)
        except InvalidRequest as error:
            raise PydanticCustomError("impossible", "{reason}", {"reason": str(error)}) from None
        if self.engine not in CERTIFYING:
            reason = writes_no_certificates(self.engine).reason
            raise PydanticCustomError("impossible", "{reason}", {"reason": reason})
        if self.cross_check in CERTIFYING:
            reason = (
                f"cross_check names {self.cross_check}, which counts where a certificate is wanted; needed is another"
            )
            raise PydanticCustomError("impossible", "{reason}", {"reason": reason})


class NetworkView(BaseModel):
    """The network of a job or result."""

    digest: str
    inputs: int
    hidden: list[int]
    outputs: int
    neurons: int
    activation: str
    stable_neurons: int | None = Field(default=None, description="known once the network was counted")


class ModelView(NetworkView):
    """What was read from a model file."""

    format: str = Field(examples=["onnx"])
    input_shape: list[int] | None = Field(
        default=None, description="the shape of one input in the file, before flattening"
    )
    breakpoints: int | None = Field(
        default=None, description="of all neurons together: one for a ReLU, two for a clip with two ends"
    )
    notes: list[str] = Field(description="what the reader did that one may want to know")


class Progress(BaseModel):
    """How far a job is. Regions are those proven to exist so far."""

    activation_regions: int
    open_cubes: int
    regions_per_second: float | None
    heartbeat_at: str | None


class CountView(BaseModel):
    """One count: the number itself, or a number proven to be reached and what could exist at most."""

    value: int
    status: Literal["exact", "lower_bound"]
    upper_bound: int | None = None


class ResultView(BaseModel):
    """The answer. Integers may exceed 2**53."""

    counts: dict[str, CountView]
    regions_after_layer: list[int]
    engine: str
    cross_checked_by: str | None
    network: NetworkView
    domain: dict[str, Any]
    bounds: dict[str, Any]
    statistics: dict[str, Any]
    certificate: str | None = Field(description="where to get it, if one was asked for and the counts are exact")
    versions: dict[str, str]


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class ProblemView(BaseModel):
    """A problem document, RFC 9457. Some problems have further members."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:relucensus:problem:invalid-domain"])
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None


class JobView(BaseModel):
    """A job. Poll until `done`; then either `result` or `error` is there."""

    id: str
    state: Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
    done: bool
    created_at: str
    started_at: str | None
    finished_at: str | None
    request: dict[str, Any]
    network: NetworkView
    progress: Progress
    result: ResultView | None
    error: ProblemView | None
    answered_from: str | None = Field(
        default=None, description="the job that found this exact result; nothing was counted for this one"
    )


class JobPage(BaseModel):
    """Jobs, the newest first; `next_cursor` asks for the next page."""

    jobs: list[JobView]
    next_cursor: str | None


def problem_of_validation(error: ValidationError) -> Problem:
    """The problem that lists what is wrong with each field."""
    return problem_of_field_errors([(tuple(entry["loc"]), str(entry["msg"])) for entry in error.errors()])


def problem_of_field_errors(entries: list[tuple[tuple[Any, ...], str]]) -> Problem:
    """The same, from places and messages."""
    errors = [{"field": _dotted(place), "message": message} for place, message in entries[:_MOST_ERRORS]]
    if len(entries) > _MOST_ERRORS:
        errors.append({"field": "", "message": f"and {len(entries) - _MOST_ERRORS} more"})
    detail = "; ".join(
        f"{entry['field']}: {entry['message']}" if entry["field"] else entry["message"] for entry in errors
    )
    return problem("invalid-request", detail, errors=errors)


def _dotted(place: tuple[Any, ...]) -> str:
    """domain.lower[2]; the alternatives of a union, which pydantic names too, say nothing to a user."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part not in ("float", "list[float]", "box", "slice", "body", "query"):
            name = part if len(part) <= _LONGEST_NAME else f"{part[:_LONGEST_NAME]}…"
            text += f".{name}" if text else name
    return text


def job_view(job: Job) -> dict[str, Any]:
    """The job on the wire (`JobView`)."""
    regions = job.regions if job.state.done else job.regions + job.found
    if job.result is not None:
        regions = job.result["counts"].get("activation_regions", {"value": regions})["value"]
    return {
        "id": job.id,
        "state": job.state.value,
        "done": job.state.done,
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "finished_at": _time(job.finished_at),
        "request": job.request,
        "network": network_view(job.network),
        "progress": {
            "activation_regions": regions,
            "open_cubes": job.open_cubes,
            "regions_per_second": round(job.regions / job.seconds_spent, 1) if job.seconds_spent > 0 else None,
            "heartbeat_at": _time(job.heartbeat_at),
        },
        "result": _result(job),
        "error": job.error,
        "answered_from": job.answered_from,
    }


def _result(job: Job) -> dict[str, Any] | None:
    if job.result is None or not job.state.done:
        return None
    certificate = f"/count/{job.id}/certificate" if job.certified and job.exact else None
    return {**job.result, "certificate": certificate}


def model_view(model: StoredModel) -> dict[str, Any]:
    """The model on the wire (`ModelView`)."""
    return dict(model.summary)


def network_view(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a model's summary that speaks about the network, not the file."""
    return {name: value for name, value in summary.items() if name not in _OF_THE_FILE}


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
