"""What the command line can say about a model where its file leaves it open, once for every verb that reads one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any, Final

import typer

from relucensus_client._cli_domain import numbers_in
from relucensus_client._cli_options import errors_as_exit_status
from relucensus_client._errors import InvalidArgument

Activation = Annotated[
    str | None,
    typer.Option("--activation", help="Activation of a state_dict, which does not name it: relu, leaky_relu:0.2, …"),
]
ModelOutput = Annotated[
    str | None, typer.Option("--model-output", metavar="NAME", help="The one output of an ONNX model that is wanted.")
]
ModelInput = Annotated[
    list[str] | None,
    typer.Option(
        "--model-input",
        metavar="NAME=VALUES",
        help="An input of an ONNX model, fixed to a number or to numbers with commas between; may be given again.",
    ),
]
Submodel = Annotated[
    str | None,
    typer.Option("--submodel", metavar="NAME", help="Prefix of the names of one of several networks in a file."),
]
BatchAxis = Annotated[
    str | None,
    typer.Option(
        "--batch-axis",
        metavar="first|none",
        help="Whether the first axis of an ONNX input, fixed and longer than 1, is a batch (first) or not (none).",
    ),
]
NnetNormalisation = Annotated[
    str | None,
    typer.Option(
        "--nnet-normalisation",
        metavar="apply|ignore",
        help="Whether inputs and outputs of a .nnet file are physical quantities (apply) or normalised ones (ignore).",
    ),
]

_OPTIONS: Final = {
    "activation": Activation,
    "model_output": ModelOutput,
    "model_input": ModelInput,
    "submodel": Submodel,
    "batch_axis": BatchAxis,
    "nnet_normalisation": NnetNormalisation,
}


def reads_a_model(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb with an option for each of `ReadingOptions`; it gets as `said` those that were given."""
    signature = inspect.signature(verb, eval_str=True)

    @wraps(verb)
    def with_options(*given: Any, **options: Any) -> None:
        said = {name: value for name in _OPTIONS if (value := options.pop(name, None)) not in (None, [])}
        if "model_input" in said:
            with errors_as_exit_status():
                said["model_input"] = fixed_inputs(said["model_input"])
        verb(*given, **options, said=said)

    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        parameters += _options() if parameter.name == "said" else [parameter]
    with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return with_options


def _options() -> list[inspect.Parameter]:
    kind = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(name, kind, default=None, annotation=option) for name, option in _OPTIONS.items()]


def fixed_inputs(given: Sequence[str]) -> dict[str, float | list[float]]:
    """The inputs that the options fix, by name.

    Raises:
        InvalidArgument: an option is not NAME=VALUES, or names an input again.

    >>> fixed_inputs(["state=0,1", "t:0=2"])
    {'state': [0.0, 1.0], 't:0': 2.0}
    """
    inputs: dict[str, float | list[float]] = {}
    for text in given:
        name, equals, values = text.rpartition("=")
        if not (equals and name):
            raise InvalidArgument(f"--model-input is {text!r}; needed is NAME=VALUES, for example state=0,0")
        if name in inputs:
            raise InvalidArgument(f"--model-input fixes {name!r} twice")
        inputs[name] = numbers_in(f"--model-input {name}", values)
    return inputs
