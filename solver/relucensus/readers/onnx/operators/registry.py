"""All operators that are read, by domain and name."""

from __future__ import annotations

from typing import Final

from relucensus.readers.onnx.forms import Operator
from relucensus.readers.onnx.operators import (
    activations,
    choosing,
    constants,
    elementwise,
    last,
    layout,
    maxima,
    products,
    quantisation,
    resizing,
    scattering,
    sums,
    windows,
)

STANDARD: Final = ("", "ai.onnx")

_FAMILIES: Final = (
    activations,
    choosing,
    constants,
    elementwise,
    last,
    layout,
    maxima,
    products,
    quantisation,
    resizing,
    scattering,
    sums,
    windows,
)

OPERATORS: Final[dict[tuple[str, str], Operator]] = {
    (operator.domain, name): operator for family in _FAMILIES for name, operator in family.OPERATORS.items()
}

SUPPORTED: Final = (
    "supported are affine and piecewise-linear operators with constant weights; docs/uploads.md lists them"
)

_CURVED: Final = frozenset(
    "Attention Celu Elu FastGelu GRU Gelu GroupNormalization HardSwish InstanceNormalization LSTM LayerNormalization "
    "LpNormalization Mish RMSNormalization RNN Selu SimplifiedLayerNormalization Softplus Softsign Swish".split()
)


def why_unread(name: str) -> str:
    """What is wrong with an operator that is not read, and what can be done."""
    if name in _CURVED:
        return (
            "is not piecewise linear, so that there are no pieces to count; export the part of the network before it, "
            "or use piecewise-linear layers in its place"
        )
    return f"is not supported; {SUPPORTED}"


def operator_named(domain: str, name: str) -> Operator | None:
    """The operator, None if it is not read."""
    return OPERATORS.get(("" if domain in STANDARD else domain, name))
