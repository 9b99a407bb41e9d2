"""What a caller says about a model where its file leaves it open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypedDict

from relucensus_client._domain import Bound, number_or_vector
from relucensus_client._errors import InvalidArgument


class ReadingOptions(TypedDict, total=False):
    """What may be said about a model where its file leaves it open; None is "not said".

    activation:   the activation of a bare `state_dict`, which does not name it: ``"relu"``, ``"leaky_relu"``,
                  ``"leaky_relu:0.2"`` with a slope, ``"relu6"``, ``"hard_tanh"`` or ``"abs"``
    model_output: the name of the one output of an ONNX graph that is wanted
    model_input:  inputs of an ONNX graph by name, each fixed to a number for all its entries or to a list of them
    submodel:     the prefix of the names of one of several networks in a file of tensors
    batch_axis:   what the first axis of an ONNX input is, where it is fixed and longer than 1: ``"first"`` for a batch,
                  ``"none"`` for a part of one input
    nnet_normalisation: whether the normalisation of a `.nnet` file is applied, ``"apply"``, so that inputs and outputs
                  are physical quantities, or left off, ``"ignore"``
    """

    activation: str | None
    model_output: str | None
    model_input: Mapping[str, Bound] | None
    submodel: str | None
    batch_axis: str | None
    nnet_normalisation: str | None


READING: Final = tuple(ReadingOptions.__annotations__)


def reading_document(options: Mapping[str, Any]) -> dict[str, Any]:
    """What is said about the model, as fields of a request.

    Raises:
        InvalidArgument: inputs are fixed to something else than numbers.

    >>> reading_document({"model_input": {"state": (0, 1)}, "submodel": None, "engine": "tree"})
    {'model_input': {'state': [0.0, 1.0]}}
    """
    said = {name: options[name] for name in READING if options.get(name) is not None}
    inputs = said.pop("model_input", {})
    if not isinstance(inputs, Mapping):
        raise InvalidArgument(f"model_input is {inputs!r}; needed is a mapping from names of inputs to numbers")
    if inputs:
        said["model_input"] = {name: number_or_vector(f"input {name!r}", value) for name, value in inputs.items()}
    return said
