"""The ONNX operators that are activations: continuous piecewise-linear functions of each entry."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final

import numpy as np

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.limits import shape_text
from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.forms import Operator, operator
from relucensus.readers.onnx.tensors import Constant, Tensor
from relucensus.values import exact_numbers
from relucensus.values.activation import ABS, RELU, Activation, clip, leaky_relu

Plain = Constant | AffineValue
Activations = Sequence[Activation]

_LARGEST_FLOAT32: Final = float(np.finfo(np.float32).max)


def activated(call: Call, tensor: Plain, activations: Activations) -> Plain:
    """The tensor with an activation applied to every entry, one for all or one each."""
    if isinstance(tensor, AffineValue):
        found = tensor.fork()
        found.activate(activations, call.kept)
        return found
    numbers = exact_numbers.rationals(call.finite(tensor, "X")).ravel().tolist()
    each = activations if len(activations) == len(numbers) else list(activations) * len(numbers)
    values = [one(exact_numbers.fraction(x)) for one, x in zip(each, numbers, strict=True)]
    entries = exact_numbers.of_fractions(values).reshape(tensor.shape)
    return tensor.with_entries(entries if tensor.is_float else exact_numbers.rounded(entries).astype(np.int64))


def _each(activations: Callable[[Call, Plain], Activations], first: str = "X") -> Callable[[Call], Tensor]:
    def apply(call: Call) -> Tensor:
        tensor = call.tensor(first)
        return activated(call, tensor, activations(call, tensor))

    return apply


def _number(call: Call, name: str, default: float) -> Fraction:
    found = float(call.number(name, default))
    if not math.isfinite(found):
        call.fail(f"has {name} = {found}; needed is a finite number")
    return Fraction(found)


def _leaky_relu(call: Call, _tensor: Plain) -> Activations:
    return (leaky_relu(_number(call, "alpha", float(np.float32(0.01)))),)


def _prelu(call: Call, tensor: Plain) -> Activations:
    slopes = [exact_numbers.fraction(x) for x in call.floats("slope").ravel().tolist()]
    shape = call.constant("slope").shape
    made = {slope: leaky_relu(slope) for slope in set(slopes)}
    try:
        places = np.broadcast_to(np.arange(len(slopes)).reshape(shape), tensor.shape)
    except ValueError:
        call.fail(
            f"has slopes of shape {shape_text(shape)}, which do not broadcast to the shape "
            f"{shape_text(tensor.shape)} of its input"
        )
    return tuple(made.values()) if len(made) == 1 else [made[slopes[i]] for i in places.ravel().tolist()]


def _clip(call: Call, _tensor: Plain) -> Activations:
    if "min" in call.form.attributes:
        ends = [float(call.number(name, sign * _LARGEST_FLOAT32)) for name, sign in (("min", -1), ("max", 1))]
        if math.isnan(sum(ends)):
            call.fail(f"has the ends {ends}; needed are numbers")
        if (
            not -math.inf < max(ends[0], -_LARGEST_FLOAT32) < math.inf
            or not -math.inf < min(ends[1], _LARGEST_FLOAT32) < math.inf
        ):
            call.fail(f"has the ends {ends}; needed are numbers")
        lowest = None if ends[0] <= -_LARGEST_FLOAT32 else Fraction(ends[0])
        highest = None if ends[1] >= _LARGEST_FLOAT32 else Fraction(ends[1])
        return (_between(lowest, highest),)
    return (_between(_end(call, "min", -math.inf), _end(call, "max", math.inf)),)


def _between(lowest: Fraction | None, highest: Fraction | None) -> Activation:
    """A clip; with the ends crossed, everything is the upper one, as ONNX has it: ``min(max(x, lowest), highest)``."""
    if lowest is not None and highest is not None and lowest > highest:
        return clip(highest, highest)
    return clip(lowest, highest)


def _end(call: Call, name: str, none: float) -> Fraction | None:
    """An end of a Clip, a tensor with one entry; None if it is open."""
    if call.given(name) is None:
        return None
    given = call.constant(name)
    if given.size != 1:
        call.fail(f"has a {name} of shape {shape_text(given.shape)}; needed is one number")
    end: Any = given.numbers.ravel().tolist()[0]
    if end == none:
        return None
    if isinstance(end, float) and not math.isfinite(end):
        call.fail(f"has {name} = {end}; needed is a number")
    return exact_numbers.fraction(end)


def _hard_sigmoid(call: Call, _tensor: Plain) -> Activations:
    alpha, beta = _number(call, "alpha", float(np.float32(0.2))), _number(call, "beta", 0.5)
    if not alpha:
        return (Activation.of([], [0], min(max(beta, Fraction(0)), Fraction(1))),)
    ends = sorted([-beta / alpha, (1 - beta) / alpha])
    return (Activation.of(ends, [0, alpha, 0], 0 if alpha > 0 else 1),)


def _thresholded_relu(call: Call, _tensor: Plain) -> Activations:
    alpha = _number(call, "alpha", 1.0)
    if alpha:
        call.refuse(f"jumps at alpha = {float(alpha):g}: the network is not continuous; supported is alpha = 0, a ReLU")
    return (RELU,)


def _shrink(call: Call, _tensor: Plain) -> Activations:
    lambd, bias = _number(call, "lambd", 0.5), _number(call, "bias", 0.0)
    if lambd < 0 or bias != lambd:
        call.refuse(
            f"jumps where it begins (lambd = {float(lambd):g}, bias = {float(bias):g}); supported are equal ones"
        )
    if not lambd:
        return (Activation.of([], [1]),)
    return (Activation.of([-lambd, lambd], [1, 0, 1], 0),)


def fused(call: Call, tensor: Plain) -> Plain:
    """The tensor with the activation that an operator of com.microsoft has in itself."""
    kind = call.word("activation", "")
    given = call.decimals("activation_params") or []
    names = ("activation_alpha", "activation_beta")
    numbers = given or [float(call.number(name, math.nan)) for name in names if name in call.form.attributes]
    known = [Fraction(x) for x in numbers if math.isfinite(x)]
    match kind:
        case "":
            return tensor
        case "Relu":
            return activated(call, tensor, (RELU,))
        case "LeakyRelu" if known:
            return activated(call, tensor, (leaky_relu(known[0]),))
        case "Clip" if len(known) > 1:
            return activated(call, tensor, (_between(known[0], known[1]),))
        case "HardSigmoid" if len(known) > 1 and known[0] > 0:
            ends = [-known[1] / known[0], (1 - known[1]) / known[0]]
            return activated(call, tensor, (Activation.of(ends, [0, known[0], 0], 0),))
        case _:
            call.refuse(f"has the activation {kind[:20]!r} in itself; supported are Relu, LeakyRelu, Clip, HardSigmoid")


OPERATORS: Final[dict[str, Operator]] = {
    "Abs": operator(_each(lambda _call, _tensor: (ABS,)), {(6, 13): "X ;"}),
    "Clip": operator(_each(_clip, "input"), {(6,): "input ; max min", (11, 12, 13): "input min max ;"}),
    "HardSigmoid": operator(_each(_hard_sigmoid), {(6, 22): "X ; alpha beta"}),
    "LeakyRelu": operator(_each(_leaky_relu), {(6, 16): "X ; alpha"}),
    "PRelu": operator(_each(_prelu), {(6, 7, 9, 16): "X slope ;"}),
    "Relu": operator(_each(lambda _call, _tensor: (RELU,)), {(6, 13, 14): "X ;"}),
    "Shrink": operator(_each(_shrink, "input"), {(9,): "input ; bias lambd"}),
    "ThresholdedRelu": operator(_each(_thresholded_relu), {(10, 22): "X ; alpha"}),
}
