"""What each supported ONNX operator does to the value. The table `OPERATORS` is the list of what is supported."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from relucensus.readers.affine.normalisation import folded_normalisation
from relucensus.readers.affine.steps import FloatArray, exact_array
from relucensus.readers.affine.value import AffineValue
from relucensus.readers.onnx.activations import ACTIVATION_OPERATORS
from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.convolution import average_pool, conv, global_average_pool
from relucensus.readers.onnx.shapes import RESHAPING
from relucensus.readers.onnx.tensors import FLOAT_TYPES

Operator = Callable[[Call, AffineValue], None]


def _gemm(call: Call, value: AffineValue) -> None:
    if call.value_position != 0 or call.whole("transA", 0):
        call.refuse("has its weights on the left or transposes its input; supported is input times weights")
    weights = _matrix(call, 1)
    if len(value.shape) != 2:
        call.fail(f"needs an input with 2 axes and gets {len(value.shape)}")
    value.multiply_right(weights.T if call.whole("transB", 0) else weights)
    alpha, beta = _finite_attribute(call, "alpha"), _finite_attribute(call, "beta")
    if alpha != 1:
        value.scale(exact_array(np.array(alpha)))
    if not call.has_input(2):
        return
    bias = call.floats(2, "bias")
    rows = value.shape
    if beta == 1:
        value.shift(bias)
    else:
        value.shift_exactly(exact_array(bias) * exact_array(np.array(beta)))
    if value.shape != rows:
        call.fail("has a bias that is larger than its product")


def _matmul(call: Call, value: AffineValue) -> None:
    if call.value_position == 0:
        weights = _matrix(call, 1)
        value.multiply_right(weights)
        if _constant_axes(call, 1) == 1:
            value.reshape(value.shape[:-1])
        return
    weights = _matrix(call, 0)
    column = len(value.shape) == 1
    if column:
        value.reshape((*value.shape, 1))
    value.multiply_left(weights)
    if column:
        value.reshape(value.shape[:-1])
    if _constant_axes(call, 0) == 1:
        value.reshape((*value.shape[:-2], *value.shape[-1:]) if not column else ())


def _matrix(call: Call, position: int) -> FloatArray:
    """The constant as a matrix; a vector is a column on the right and a row on the left, as numpy has it."""
    weights = call.floats(position, "weights")
    if weights.ndim == 1:
        return weights.reshape((-1, 1) if position else (1, -1))
    if weights.ndim < 2 or math.prod(weights.shape[:-2]) != 1:
        call.refuse(f"has weights with {weights.ndim} axes; supported is a matrix")
    return weights.reshape(weights.shape[-2:])


def _constant_axes(call: Call, position: int) -> int:
    return call.constant(position, "weights").ndim


def _add(call: Call, value: AffineValue) -> None:
    if len(call.values) == 2:
        value.add(call.values[1])
        return
    value.shift(call.floats(1 - call.value_position, "summand"))


def _sub(call: Call, value: AffineValue) -> None:
    if len(call.values) == 2:
        value.add(call.values[1], sign=-1)
        return
    if call.value_position == 0:
        value.shift(-call.floats(1, "subtrahend"))
        return
    minuend = call.floats(0, "minuend")
    value.scale(exact_array(np.array(-1.0)))
    value.shift(minuend)


def _mul(call: Call, value: AffineValue) -> None:
    value.scale(exact_array(call.floats(1 - call.value_position, "factor")))


def _div(call: Call, value: AffineValue) -> None:
    if call.value_position == 1:
        call.refuse("divides by a value that depends on the input; supported is a constant divisor")
    divisors = call.floats(1, "divisor")
    if not divisors.all():
        call.fail("divides by zero")
    value.scale(1 / exact_array(divisors))


def _neg(call: Call, value: AffineValue) -> None:
    call.only_value_first()
    value.scale(exact_array(np.array(-1.0)))


def _concat(call: Call, value: AffineValue) -> None:
    axis = call.whole("axis", 0)
    parts = [
        call.floats(i, "part") if not isinstance(entry, AffineValue) else entry for i, entry in enumerate(call.inputs)
    ]
    if not -len(value.shape) <= axis < len(value.shape):
        call.fail(f"has axis {axis} for inputs with {len(value.shape)} axes")
    value.concatenate(parts, axis % len(value.shape))


def _identity(call: Call, _value: AffineValue) -> None:
    call.only_value_first()


def _dropout(call: Call, value: AffineValue) -> None:
    call.only_value_first()
    if call.has_input(2) and call.constant(2, "training mode").any():
        call.refuse("is in training mode; export the model in evaluation mode")


def _cast(call: Call, value: AffineValue) -> None:
    call.only_value_first()
    if call.whole("to", 0) not in FLOAT_TYPES:
        call.refuse(f"converts to a type that is not a float; supported are {', '.join(FLOAT_TYPES.values())}")


def _batch_normalization(call: Call, value: AffineValue) -> None:
    call.only_value_first()
    training = call.whole("training_mode", 0) or any(call.node.output[1:])
    if training or not call.whole("spatial", 1):
        call.refuse("is in training mode or not per channel; export the model in evaluation mode")
    scale, bias, mean, variance = (
        call.floats(i, what) for i, what in enumerate(("scale", "bias", "mean", "variance"), start=1)
    )
    channels = value.shape[1] if len(value.shape) > 1 else 0
    if not scale.shape == bias.shape == mean.shape == variance.shape == (channels,):
        call.fail(
            f"has statistics of shape {scale.shape}, {bias.shape}, {mean.shape}, {variance.shape}; needed is "
            f"({channels},), one for each channel"
        )
    epsilon = float(call.number("epsilon", float(np.float32(1e-5))))
    factors, offsets = folded_normalisation((scale, bias), (mean, variance), epsilon, call.fail)
    axes = (channels, *(1,) * (len(value.shape) - 2))
    value.scale(exact_array(factors.reshape(axes)))
    value.shift(offsets.reshape(axes))


def _reshape(call: Call, value: AffineValue) -> None:
    call.only_value_first()
    value.reshape(RESHAPING[call.op_type](call, value.shape))


def _transpose(call: Call, value: AffineValue) -> None:
    call.only_value_first()
    value.transpose(call.numbers("perm") or list(range(len(value.shape))[::-1]))


def _finite_attribute(call: Call, name: str) -> float:
    number = float(call.number(name, 1.0))
    if not math.isfinite(number):
        call.fail(f"has {name} = {number}; needed is a finite number")
    return number


_AFFINE: Final[dict[str, Operator]] = {
    "Add": _add,
    "AveragePool": average_pool,
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Concat": _concat,
    "Conv": conv,
    "Div": _div,
    "Dropout": _dropout,
    "Flatten": _reshape,
    "Gemm": _gemm,
    "GlobalAveragePool": global_average_pool,
    "Identity": _identity,
    "MatMul": _matmul,
    "Mul": _mul,
    "Neg": _neg,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Sub": _sub,
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}

OPERATORS: Final = tuple(sorted({*_AFFINE, *ACTIVATION_OPERATORS}))

_BROADCASTING: Final = frozenset({"Add", "Sub", "Mul", "Div"})


def applied(call: Call, kept: Sequence[AffineValue]) -> AffineValue:
    """What the node computes; `kept` are the values that later nodes need, which an activation has to carry along.

    With a fixed batch, the value is that of one sample: its first axis has one entry before and after, and nodes that
    would mix samples are refused.
    """
    value = call.values[0].fork()
    before = value.shape
    if call.batch > 1:
        _refuse_mixing(call, value)
    if call.op_type in ACTIVATION_OPERATORS:
        call.only_value_first()
        value.activate(ACTIVATION_OPERATORS[call.op_type](call, value), kept)
    else:
        _AFFINE[call.op_type](call, value)
    grew = call.op_type in _BROADCASTING and len(value.shape) != len(before)
    if call.batch > 1 and (grew or value.shape[:1] != (1,)):
        _refuse_batch(call)
    return value


def _refuse_mixing(call: Call, value: AffineValue) -> None:
    rank = len(value.shape)
    match call.op_type:
        case "Flatten":
            mixes = call.whole("axis", 1) not in (1, 1 - rank)
        case "Reshape":
            mixes = call.integers(1, "shape")[:1] not in ([call.batch], [0], [-1])
        case "Transpose":
            mixes = (call.numbers("perm") or [rank])[:1] != [0]
        case "Squeeze" | "Unsqueeze":
            mixes = any(axis <= 0 for axis in call.axes() or [0])
        case "Concat":
            mixes = call.whole("axis", 0) in (0, -rank)
        case "MatMul":
            mixes = call.value_position == 1 and rank < 3
        case _:
            mixes = False
    if mixes:
        _refuse_batch(call)


def _refuse_batch(call: Call) -> None:
    call.refuse(
        f"does not treat the {call.batch} samples of the fixed batch one by one; export the model with a batch of one "
        "or a dynamic batch dimension"
    )
