"""What a caller says about a model where its file leaves it open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from relucensus.errors import InvalidRequest
from relucensus.values.activation import Activation, activation_named
from relucensus.values.names import BATCH_AXES, NNET_NORMALISATIONS

Fixed = float | Sequence[float]


class ReadingOptions(TypedDict, total=False):
    """The fields of `Choices` as keyword arguments; None stands for what was not said."""

    activation: str | None
    model_output: str | None
    model_input: Mapping[str, Fixed] | None
    submodel: str | None
    batch_axis: str | None
    nnet_normalisation: str | None


@dataclass(frozen=True, slots=True)
class Choices:
    """What was said; None, or nothing, where the file has to settle it alone.

    activation:    what stands between the layers of a file that names none (safetensors, state_dict): one of
                   `relucensus.values.activation.ACTIVATIONS`, or ``leaky_relu:0.2`` for another slope; relu if unsaid
    model_output:  the name of the one output of an ONNX graph that is wanted
    model_input:   inputs of an ONNX graph by name, each fixed to a number for all its entries or to a flat list of them
    submodel:      the prefix of the names of one of several networks in a file of tensors
    batch_axis:    what the first axis of an ONNX input is, where it is fixed and longer than 1: ``first`` for a batch,
                   ``none`` for a part of one input
    nnet_normalisation: whether the normalisation of a `.nnet` file is applied, so that inputs and outputs are the
                   physical ones: ``apply`` or ``ignore``; ignored if unsaid

    Raises:
        InvalidRequest: a batch axis or normalisation that does not exist, or a value of an input that is not a number
            or a list of them.
        UnsupportedModel: an activation that is not known.
    """

    activation: str | None = None
    model_output: str | None = None
    model_input: Mapping[str, Fixed] = field(default_factory=dict)
    submodel: str | None = None
    batch_axis: str | None = None
    nnet_normalisation: str | None = None

    def __post_init__(self) -> None:
        if self.batch_axis is not None and self.batch_axis not in BATCH_AXES:
            raise InvalidRequest(f"batch_axis is {self.batch_axis!r}; known are {', '.join(BATCH_AXES)}")
        if self.nnet_normalisation is not None and self.nnet_normalisation not in NNET_NORMALISATIONS:
            known = ", ".join(NNET_NORMALISATIONS)
            raise InvalidRequest(f"nnet_normalisation is {self.nnet_normalisation!r}; known are {known}")
        for name, value in self.model_input.items():
            entries: Sequence[Any] = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
            if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in entries):
                raise InvalidRequest(f"model_input {name!r} is not a number or a list of numbers")
        self.between  # noqa: B018 - refuses a name that is not known, before a file is read

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Choices:
        """The choices among these options of a request; others are passed over.

        >>> Choices.of({"submodel": "actor", "activation": None, "domain": {}}) == Choices(submodel="actor")
        True
        """
        names = ReadingOptions.__annotations__
        return cls(**{name: options[name] for name in names if options.get(name) is not None})

    @property
    def activation_name(self) -> str:
        """The name of the activation of a file that names none."""
        return "relu" if self.activation is None else self.activation

    @property
    def between(self) -> Activation:
        """That activation."""
        return activation_named(self.activation_name)
