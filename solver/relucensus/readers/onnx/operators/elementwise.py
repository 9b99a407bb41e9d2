"""Operators that compute entry by entry and stay affine: sums, differences, products and quotients by constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from flint import fmpq

from relucensus.readers.affine.normalisation import folded_normalisation
from relucensus.readers.affine.value import AffineValue
from relucensus.readers.onnx.call import Call, as_values
from relucensus.readers.onnx.forms import Operator, Versions, operator
from relucensus.readers.onnx.operators.choosing import chosen
from relucensus.readers.onnx.tensors import (
    Comparison,
    Constant,
    Indicator,
    Tensor,
    broadcast,
    common_shape,
    constant_of,
    of_integers,
    rearranged,
)
from relucensus.values import exact_numbers

Plain = Constant | AffineValue

_OLD_BROADCASTING: Final = 7  # before it, broadcasting is asked for by attributes


def operands(call: Call) -> tuple[Tensor, Tensor]:
    """The inputs A and B of the same shape, one of them repeated where broadcasting says so."""
    first, second = call.given("A"), call.given("B")
    if first is None or second is None:
        call.fail(f"has no input {'A' if first is None else 'B'}")
    if call.version < _OLD_BROADCASTING:
        second = _aligned(call, first, second)
    shape = common_shape([first, second])
    return broadcast(first, shape, call.limits), broadcast(second, shape, call.limits)


def _aligned(call: Call, first: Tensor, second: Tensor) -> Tensor:
    """The second operand with the axes of the first, as attributes of the first opsets say."""
    if not call.whole("broadcast", 0):
        if first.shape != second.shape:
            call.fail("has operands of different shapes and broadcast = 0")
        return second
    rank, own = len(first.shape), len(second.shape)
    axis = call.whole("axis", rank - own)
    axis += rank if axis < 0 else 0
    if not 0 <= axis <= rank - own:
        call.fail(f"broadcasts from axis {axis}, where the second operand does not fit")
    shape = (*second.shape, *(1,) * (rank - own - axis))
    return rearranged(second, np.arange(math.prod(shape)).reshape(shape))


def added(call: Call, first: Plain, second: Plain, sign: int = 1) -> Plain:
    """``first + sign * second``, both of the same shape."""
    if isinstance(first, AffineValue) and isinstance(second, AffineValue):
        found = first.fork()
        found.add(second, sign)
        return found
    if isinstance(first, AffineValue) and isinstance(second, Constant):
        found = first.fork()
        numbers = call.finite(second, "B")
        found.shift(numbers if sign == 1 else exact_numbers.product(numbers, np.array(-1.0)))
        return found
    if isinstance(second, AffineValue):
        found = second.fork()
        if sign == -1:
            found.negate()
        found.shift(call.finite(first, "A"))  # type: ignore[arg-type]
        return found
    assert isinstance(first, Constant)
    return constant_of(exact_numbers.total(call.finite(first, "A"), call.finite(second, "B"), sign), first.kind)


def _sum_of_two(sign: int) -> Callable[[Call], Tensor]:
    def apply(call: Call) -> Tensor:
        first, second = operands(call)
        return added(call, call.plain(first), call.plain(second), sign)

    return apply


def multiplied(call: Call, first: Plain, second: Plain) -> Plain:
    """The product entry by entry, both of the same shape; one is a constant."""
    if isinstance(first, Constant) and isinstance(second, Constant):
        return constant_of(exact_numbers.product(call.finite(first, "A"), call.finite(second, "B")), first.kind)
    if isinstance(first, Constant):
        first, second = second, first
    if not isinstance(second, Constant) or not isinstance(first, AffineValue):
        call.refuse(
            "multiplies two values that depend on the network's input, which is not piecewise linear; only a factor "
            "that is a constant is supported"
        )
    found = first.fork()
    found.scale(call.finite(second, "B"))
    return found


def _product(call: Call) -> Tensor:
    first, second = operands(call)
    if isinstance(first, Indicator):
        first, second = second, first
    if isinstance(second, Indicator):
        value = call.plain(first)
        nothing = np.full(math.prod(value.shape), -1).reshape(value.shape)
        return chosen(call, second.comparison, value, call.plain(rearranged(value, nothing)))
    return multiplied(call, call.plain(first), call.plain(second))


def _quotient(call: Call) -> Tensor:
    first, divisor = operands(call)
    value = call.plain(first)
    if not isinstance(divisor, Constant):
        call.refuse("divides by a value that depends on the network's input; supported is a constant divisor")
    if not divisor.entries.all():
        call.fail("divides by zero")
    if isinstance(value, Constant) and not value.is_float:
        if divisor.is_float:
            call.fail("divides whole numbers by floats")
        return of_integers(_truncated_quotient, value.kind, value, divisor)
    return multiplied(call, value, Constant(exact_numbers.reciprocal(call.finite(divisor, "B")), "float64"))


def _truncated_quotient(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _negated(call: Call) -> Tensor:
    found = call.tensor("X")
    if isinstance(found, Constant):
        return constant_of(exact_numbers.product(call.finite(found, "X"), np.array(-1.0)), found.kind)
    found = found.fork()
    found.negate()
    return found


def _sum_of_all(call: Call) -> Tensor:
    parts = call.all_plain()
    shape = common_shape(parts)
    spread = [call.plain(broadcast(part, shape, call.limits)) for part in parts]
    if not spread:
        call.fail("has no inputs")
    total = spread[0]
    for part in spread[1:]:
        total = added(call, total, part)
    return total


def _mean_of_all(call: Call) -> Tensor:
    share = np.empty((), dtype=object)
    share[()] = fmpq(1, len(call.inputs) or 1)
    total = call.plain(_sum_of_all(call))
    factor = Constant(np.broadcast_to(exact_numbers.settled(share), total.shape), "float64")
    return multiplied(call, total, factor)


def _dropout(call: Call) -> tuple[Tensor, None]:
    training = call.given("training_mode")
    if training is not None and call.constant("training_mode").entries.any():
        call.refuse("is in training mode; export the model in evaluation mode")
    if call.version < _OLD_BROADCASTING and not call.whole("is_test", 0):
        call.refuse("is in training mode (is_test = 0); export the model in evaluation mode")
    return call.tensor("data"), None


def _batch_normalization(call: Call) -> Tensor:
    value = call.tensor("X")
    old = call.version < _OLD_BROADCASTING and not call.whole("is_test", 0)
    training = old or call.whole("training_mode", 0) or any(call.node.output[1:])
    if training or not call.whole("spatial", 1):
        call.refuse("is in training mode or not per channel; export the model in evaluation mode")
    mean, variance = (name if name in call.form.inputs else f"input_{name}" for name in ("mean", "var"))
    numbers = [exact_numbers.rounded(call.floats(name)) for name in ("scale", "B", mean, variance)]
    channels = value.shape[1] if len(value.shape) > 1 else 0
    if not all(one.shape == (channels,) for one in numbers):
        call.fail(
            f"has statistics of shape {', '.join(str(one.shape) for one in numbers)}; needed is ({channels},), one for "
            "each channel"
        )
    scale, bias, means, variances = numbers
    epsilon = float(call.number("epsilon", float(np.float32(1e-5))))
    factors, offsets = folded_normalisation((scale, bias), (means, variances), epsilon, call.fail)
    axes = (channels, *(1,) * (len(value.shape) - 2))
    spread = [Constant(np.broadcast_to(one.reshape(axes), value.shape), "float64") for one in (factors, offsets)]
    return added(call, multiplied(call, value, spread[0]), spread[1])


def _scaler(call: Call) -> Tensor:
    """(x - offset) * scale, one number for all features or one each."""
    value = call.tensor("X")
    parts = [Constant(np.array(call.decimals(name) or [0.0]), "float64") for name in ("offset", "scale")]
    if any(part.size not in (1, value.shape[-1] if value.shape else 1) for part in parts):
        call.fail(f"has {parts[0].size} offsets and {parts[1].size} scales for a value of shape {value.shape}")
    offset, scale = (call.plain(broadcast(part, value.shape, call.limits)) for part in parts)
    return multiplied(call, added(call, value, offset, -1), scale)


def _linear_regressor(call: Call) -> Tensor:
    value = call.tensor("X")
    targets = call.whole("targets", 1)
    coefficients = np.array(call.decimals("coefficients") or [])
    intercepts = np.array(call.decimals("intercepts") or [0.0] * targets)
    if call.word("post_transform", "NONE") != "NONE" or len(value.shape) != 2 or not isinstance(value, AffineValue):
        call.refuse("has a post_transform or an input that is no batch of vectors; supported is a plain linear map")
    if coefficients.size != targets * value.shape[1] or intercepts.size != targets:
        call.fail(f"has {coefficients.size} coefficients for {targets} targets of {value.shape[1]} features")
    found = value.fork()
    found.multiply_right(coefficients.reshape(targets, -1).T)
    found.shift(intercepts)
    return found


def _compared(relation: str) -> Callable[[Call], Tensor]:
    """Greater, Less and their like: of constants decided, of values a `Comparison`."""

    def apply(call: Call) -> Tensor:
        first, second = (call.plain(one) for one in operands(call))
        if isinstance(first, Constant) and isinstance(second, Constant):
            sign = exact_numbers.total(call.finite(first, "A"), call.finite(second, "B"), -1)
            signs = np.array([(x > 0) - (x < 0) for x in sign.ravel().tolist()]).reshape(sign.shape)
            return Constant(_HOLDS[relation](signs), "bool")
        first, second = as_values(call, [first, second])
        difference = added(call, first, second, -1)
        assert isinstance(difference, AffineValue)
        return Comparison(difference, relation.startswith("Greater"), relation.endswith("OrEqual"))

    return apply


_HOLDS: Final[dict[str, Callable[[np.ndarray], np.ndarray]]] = {
    "Greater": lambda signs: signs > 0,
    "GreaterOrEqual": lambda signs: signs >= 0,
    "Less": lambda signs: signs < 0,
    "LessOrEqual": lambda signs: signs <= 0,
    "Equal": lambda signs: signs == 0,
}


def _equal(call: Call) -> Tensor:
    if any(not isinstance(entry, Constant) for entry in call.inputs):
        call.refuse("asks whether a value of the network is equal to another, which is not continuous")
    return _compared("Equal")(call)


_TWO: Final[Versions] = {(6,): "A B ; axis broadcast", (7, 13, 14): "A B ;"}
_ORDER: Final[Versions] = {(1,): "A B ; axis broadcast", (7, 9, 13): "A B ;"}
_EACH: Final[Versions] = {(6, 8, 13): "* ;"}

OPERATORS: Final[dict[str, Operator]] = {
    "Add": operator(_sum_of_two(1), _TWO),
    "BatchNormalization": operator(
        _batch_normalization,
        {
            (6,): "X scale B mean var ; epsilon is_test momentum spatial",
            (7,): "X scale B mean var ; epsilon momentum spatial",
            (9,): "X scale B mean var ; epsilon momentum",
            (14, 15): "X scale B input_mean input_var ; epsilon momentum training_mode",
        },
    ),
    "Div": operator(_quotient, _TWO),
    "Dropout": operator(
        _dropout,
        {(6,): "data ; is_test ratio", (7, 10): "data ; ratio", (12, 13, 22): "data ratio training_mode ; seed"},
    ),
    "Equal": operator(_equal, {(1,): "A B ; axis broadcast", (7, 11, 13, 19): "A B ;"}),
    "Greater": operator(_compared("Greater"), _ORDER),
    "GreaterOrEqual": operator(_compared("GreaterOrEqual"), {(12, 16): "A B ;"}),
    "Less": operator(_compared("Less"), _ORDER),
    "LessOrEqual": operator(_compared("LessOrEqual"), {(12, 16): "A B ;"}),
    "LinearRegressor": operator(
        _linear_regressor, {(1,): "X ; coefficients intercepts post_transform targets"}, "ai.onnx.ml"
    ),
    "Mean": operator(_mean_of_all, _EACH),
    "Mul": operator(_product, _TWO),
    "Neg": operator(_negated, {(6, 13): "X ;"}),
    "Scaler": operator(_scaler, {(1,): "X ; offset scale"}, "ai.onnx.ml"),
    "Sub": operator(_sum_of_two(-1), _TWO),
    "Sum": operator(_sum_of_all, _EACH),
}
