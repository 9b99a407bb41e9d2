"""The ONNX operators that are activations: what each applies to every entry of its input."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.limits import shape_text
from relucensus.readers.onnx.call import Call
from relucensus.values.activation import ABS, RELU, Activation, clip, leaky_relu

_FIRST_WITH_INPUTS: Final = 11
_LARGEST_FLOAT32: Final = float(np.finfo(np.float32).max)


def _relu(_call: Call, _value: AffineValue) -> Sequence[Activation]:
    return (RELU,)


def _abs(_call: Call, _value: AffineValue) -> Sequence[Activation]:
    return (ABS,)


def _leaky_relu(call: Call, _value: AffineValue) -> Sequence[Activation]:
    slope = float(call.number("alpha", float(np.float32(0.01))))
    if not math.isfinite(slope):
        call.fail(f"has alpha = {slope}; needed is a finite number")
    return (leaky_relu(slope),)


def _prelu(call: Call, value: AffineValue) -> Sequence[Activation]:
    slopes = call.floats(1, "slope")
    made = {slope: leaky_relu(slope) for slope in set(slopes.ravel().tolist())}
    if slopes.size == 1:
        return tuple(made.values())
    try:
        spread = np.broadcast_to(slopes, value.shape)
    except ValueError:
        call.fail(
            f"has slopes of shape {shape_text(slopes.shape)}, which do not broadcast to the shape "
            f"{shape_text(value.shape)} of its input"
        )
    return tuple(made.values()) if len(made) == 1 else [made[slope] for slope in spread.ravel().tolist()]


def _clip(call: Call, _value: AffineValue) -> Sequence[Activation]:
    if call.opset < _FIRST_WITH_INPUTS:
        ends = [float(call.number(name, sign * _LARGEST_FLOAT32)) for name, sign in (("min", -1), ("max", 1))]
        if math.isnan(sum(ends)):
            call.fail(f"has the ends {ends}; needed are numbers")
        return (clip(*(None if abs(end) >= _LARGEST_FLOAT32 else end for end in ends)),)
    return (clip(_end(call, 1, "min", -math.inf), _end(call, 2, "max", math.inf)),)


def _end(call: Call, position: int, what: str, none: float) -> float | None:
    """An end of a Clip, a tensor with one entry; None if it is open."""
    if not call.has_input(position):
        return None
    entries = call.constant(position, what)
    if entries.size != 1 or entries.dtype != np.float64:
        call.fail(f"has a {what} of shape {shape_text(entries.shape)}; needed is one number of a float type")
    end = float(entries.ravel()[0])
    if end == none:
        return None
    if not math.isfinite(end):
        call.fail(f"has {what} = {end}; needed is a number")
    return end


ACTIVATION_OPERATORS: Final[dict[str, Callable[[Call, AffineValue], Sequence[Activation]]]] = {
    "Abs": _abs,
    "Clip": _clip,
    "LeakyRelu": _leaky_relu,
    "PRelu": _prelu,
    "Relu": _relu,
}
