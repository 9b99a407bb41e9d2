"""Last operators: what classifiers do to the result of a piecewise-linear network, which is left off.

What may follow such an operator without making it anything but a last one (shapes, types, labels, 1 - p of two
classes) is listed here too; everything else that computes with its result is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.forms import Operator, Versions, operator
from relucensus.readers.onnx.tensors import Comparison, Constant, Indicator, LeftOff, Tensor, common_shape
from relucensus.values import exact_numbers

FOLLOWING: Final = frozenset(
    {
        "ArgMax",
        "ArgMin",
        "ArrayFeatureExtractor",
        "Binarizer",
        "Cast",
        "Concat",
        "Flatten",
        "Gather",
        "Greater",
        "GreaterOrEqual",
        "Hardmax",
        "Identity",
        "LabelEncoder",
        "Less",
        "LessOrEqual",
        "Log",
        "Mul",
        "Not",
        "Reshape",
        "Round",
        "Shape",
        "Slice",
        "Softmax",
        "Squeeze",
        "Sub",
        "TopK",
        "Transpose",
        "Unsqueeze",
        "Where",
        "ZipMap",
    }
)

_MOVING: Final = frozenset({"Flatten", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})
_PICKING: Final = frozenset({"Gather", "Slice"})
_EACH_ENTRY: Final = frozenset(
    {
        "Binarizer",
        "Cast",
        "Greater",
        "GreaterOrEqual",
        "LabelEncoder",
        "Less",
        "LessOrEqual",
        "Log",
        "Mul",
        "Not",
        "Round",
        "Sigmoid",
        "Sub",
        "Tanh",
        "Where",
    }
)


def following(call: Call) -> tuple[LeftOff, ...] | None:
    """What a node gives that computes with the result of a last operator; None if it does not.

    Raises:
        UnsupportedModel: the node is none that may follow.
    """
    sources = [entry for entry in call.inputs if isinstance(entry, LeftOff)]
    if not sources:
        return None
    constants = [entry for entry in call.inputs if isinstance(entry, Constant)]
    other_values = [entry for entry in call.inputs if isinstance(entry, AffineValue | Comparison | Indicator)]
    different = {id(entry.value.rows) for entry in sources}
    if call.op_type not in FOLLOWING or other_values or len(different) > 1:
        call.refuse(
            f"computes with the result of {sources[0].operator}, which is not piecewise linear; it is left off only "
            "where it is the last operator"
        )
    source = sources[0]
    if call.op_type in _MOVING and source is call.inputs[0]:
        if source.apart:
            return None
        if call.op_type in _PICKING and max(source.value.shape, default=1) < source.value.size:
            call.refuse(
                f"takes a part of what {source.operator} gives, which may depend on a part of the network before it; "
                "take that part before, or choose another output"
            )
    apart = source.apart and call.op_type in _EACH_ENTRY and common_shape([*sources, *constants]) == source.shape
    return tuple(replace(source, apart=apart) for _ in call.node.output)


def _left_off(numbers: Callable[[Call, Constant], Constant] | None = None) -> Callable[[Call], tuple[Tensor, ...]]:
    """A last operator: of a value left off, of a constant evaluated once in float64 where that is known."""

    def apply(call: Call) -> tuple[Tensor, ...]:
        apart = call.op_type in _EACH_ENTRY
        first = call.inputs[0] if call.inputs else None
        if isinstance(first, Constant) and numbers is not None:
            return (numbers(call, first),)
        if isinstance(first, Comparison):
            return tuple(LeftOff(first.difference, call.op_type, first.shape, apart) for _ in call.node.output)
        value = call.plain(first)
        if not isinstance(value, AffineValue):
            call.refuse(f"applies {call.op_type} to constants, which is not evaluated")
        return tuple(LeftOff(value.fork(), call.op_type, value.shape, apart) for _ in call.node.output)

    return apply


def _function(of: Callable[[np.ndarray], np.ndarray]) -> Callable[[Call, Constant], Constant]:
    def evaluated(call: Call, constant: Constant) -> Constant:
        with np.errstate(all="ignore"):
            return Constant(of(exact_numbers.rounded(call.finite(constant, "X"))), constant.kind)

    return evaluated


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.array([1 / (1 + math.exp(-v)) if v > -700 else 0.0 for v in x.ravel().tolist()]).reshape(x.shape)


_ML: Final = "ai.onnx.ml"
_AXIS: Final[Versions] = {(1, 11, 13): "input ; axis"}
_PLACES: Final[Versions] = {(1, 11): "data ; axis keepdims", (12, 13): "data ; axis keepdims select_last_index"}
_KEYS: Final = "default_float default_int64 default_string keys_floats keys_int64s keys_strings"
_LABELS: Final = "values_floats values_int64s values_strings"

OPERATORS: Final[dict[str, Operator]] = {
    "ArgMax": operator(_left_off(), _PLACES),
    "ArgMin": operator(_left_off(), _PLACES),
    "Binarizer": operator(_left_off(), {(1,): "X ; threshold"}, _ML),
    "Hardmax": operator(_left_off(), _AXIS),
    "LabelEncoder": operator(
        _left_off(),
        {
            (1,): "X ; classes_strings default_int64 default_string",
            (2,): f"X ; {_KEYS} {_LABELS}",
            (4,): f"X ; {_KEYS} {_LABELS} default_tensor keys_tensor values_tensor",
        },
        _ML,
    ),
    "LogSoftmax": operator(_left_off(), _AXIS),
    "Sigmoid": operator(_left_off(_function(_sigmoid)), {(6, 13): "X ;"}),
    "Softmax": operator(_left_off(), _AXIS),
    "Tanh": operator(_left_off(_function(np.tanh)), {(6, 13): "input ;"}),
    "TopK": operator(_left_off(), {(1,): "X ; axis k", (10,): "X K ; axis", (11, 24): "X K ; axis largest sorted"}),
    "ZipMap": operator(_left_off(), {(1,): "X ; classlabels_int64s classlabels_strings"}, _ML),
}
