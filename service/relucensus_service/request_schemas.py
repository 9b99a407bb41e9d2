"""What requests look like on the wire, and what is said of one that is not valid."""

from __future__ import annotations

from math import isfinite
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
from relucensus.values.names import BATCH_AXES, CERTIFYING, ENGINES, NNET_NORMALISATIONS, STRATEGIES
from relucensus.values.problem import DEFAULT_DEFINITIONS, Definition, check_certifiable
from relucensus_service.problems import Problem, problem, shown

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


def _finite(value: float | list[float]) -> float | list[float]:
    if not all(map(isfinite, value if isinstance(value, list) else [value])):
        raise PydanticCustomError("not_finite", "a number is too large for float64")
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
_LONGEST_GIVEN_NAME: Final = 1000


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
NnetNormalisation = Annotated[
    str,
    _one_of(NNET_NORMALISATIONS, "nnet_normalisation"),
    Field(json_schema_extra={"enum": list(NNET_NORMALISATIONS)}),
]
BatchAxis = Annotated[str, _one_of(BATCH_AXES, "batch_axis"), Field(json_schema_extra={"enum": list(BATCH_AXES)})]
Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_GIVEN_NAME)]
Fixed = Annotated[float | list[float], BeforeValidator(_first_mistake), AfterValidator(_finite)]
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


class ReadingRequest(_Strict):
    """What is said about a model where its file leaves it open; null stands for what is not said."""

    activation: ActivationName = Field(
        default="relu", description="for a state_dict or safetensors file, which does not say"
    )
    model_output: Name | None = Field(default=None, description="the one output of an ONNX model that is wanted")
    model_input: dict[Name, Fixed] | None = Field(
        default=None,
        description="inputs of an ONNX model by name, each fixed to one number, or to a number for each entry",
        examples=[{"state": [0, 0]}],
    )
    submodel: Name | None = Field(
        default=None, description="one of several networks in a file of tensors, by the prefix of their names"
    )
    batch_axis: BatchAxis | None = Field(
        default=None, description="what the first axis of an ONNX input is that is fixed and longer than 1"
    )
    nnet_normalisation: NnetNormalisation | None = Field(
        default=None, description="whether the normalisation of a .nnet file is applied; ignored if not said"
    )

    def choices(self) -> dict[str, Any]:
        """What is said, and nothing else."""
        return self.model_dump(mode="json", include=set(ReadingRequest.model_fields), exclude_none=True)


class CountRequest(ReadingRequest):
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
