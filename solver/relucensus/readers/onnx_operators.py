"""What each supported ONNX operator does to the chain. The table `OPERATORS` is the list of what is supported."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from relucensus.readers.affine_chain import AffineChain
from relucensus.readers.affine_steps import FloatArray, exact_array
from relucensus.readers.normalisation import folded_normalisation
from relucensus.readers.onnx_nodes import Call
from relucensus.readers.onnx_shapes import RESHAPING
from relucensus.readers.onnx_tensors import FLOAT_TYPES

Operator = Callable[[Call, AffineChain], None]


def _gemm(call: Call, chain: AffineChain) -> None:
    if call.value_position != 0 or call.whole("transA", 0):
        call.refuse("has its weights on the left or transposes its input; supported is input times weights")
    weights = _matrix(call, 1)
    if len(chain.shape) != 2:
        call.fail(f"needs an input with 2 axes and gets {len(chain.shape)}")
    chain.multiply_right(weights.T if call.whole("transB", 0) else weights)
    alpha, beta = _finite_attribute(call, "alpha"), _finite_attribute(call, "beta")
    if alpha != 1:
        chain.scale(exact_array(np.array(alpha)))
    if not call.has_input(2):
        return
    bias = call.floats(2, "bias")
    rows = chain.shape
    if beta == 1:
        chain.shift(bias)
    else:
        chain.shift_exactly(exact_array(bias) * exact_array(np.array(beta)))
    if chain.shape != rows:
        call.fail("has a bias that is larger than its product")


def _matmul(call: Call, chain: AffineChain) -> None:
    if call.value_position == 0:
        weights = _matrix(call, 1)
        chain.multiply_right(weights)
        if _constant_axes(call, 1) == 1:
            chain.reshape(chain.shape[:-1])
        return
    weights = _matrix(call, 0)
    column = len(chain.shape) == 1
    if column:
        chain.reshape((*chain.shape, 1))
    chain.multiply_left(weights)
    if column:
        chain.reshape(chain.shape[:-1])
    if _constant_axes(call, 0) == 1:
        chain.reshape((*chain.shape[:-2], *chain.shape[-1:]) if not column else ())


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


def _add(call: Call, chain: AffineChain) -> None:
    chain.shift(call.floats(1 - call.value_position, "summand"))


def _sub(call: Call, chain: AffineChain) -> None:
    if call.value_position == 0:
        chain.shift(-call.floats(1, "subtrahend"))
        return
    minuend = call.floats(0, "minuend")
    chain.scale(exact_array(np.array(-1.0)))
    chain.shift(minuend)


def _mul(call: Call, chain: AffineChain) -> None:
    chain.scale(exact_array(call.floats(1 - call.value_position, "factor")))


def _div(call: Call, chain: AffineChain) -> None:
    if call.value_position == 1:
        call.refuse("divides by a value that depends on the input; supported is a constant divisor")
    divisors = call.floats(1, "divisor")
    if not divisors.all():
        call.fail("divides by zero")
    chain.scale(1 / exact_array(divisors))


def _relu(call: Call, chain: AffineChain) -> None:
    _identity(call, chain)
    chain.relu()


def _identity(call: Call, _chain: AffineChain) -> None:
    if call.value_position != 0:
        call.refuse("uses the network's value as a parameter")


def _dropout(call: Call, chain: AffineChain) -> None:
    _identity(call, chain)
    if call.has_input(2) and call.constant(2, "training mode").any():
        call.refuse("is in training mode; export the model in evaluation mode")


def _cast(call: Call, chain: AffineChain) -> None:
    _identity(call, chain)
    if call.whole("to", 0) not in FLOAT_TYPES:
        call.refuse(f"converts to a type that is not a float; supported are {', '.join(FLOAT_TYPES.values())}")


def _batch_normalization(call: Call, chain: AffineChain) -> None:
    _identity(call, chain)
    training = call.whole("training_mode", 0) or any(call.node.output[1:])
    if training or not call.whole("spatial", 1):
        call.refuse("is in training mode or not per channel; export the model in evaluation mode")
    scale, bias, mean, variance = (
        call.floats(i, what) for i, what in enumerate(("scale", "bias", "mean", "variance"), start=1)
    )
    channels = chain.shape[1] if len(chain.shape) > 1 else 0
    if not scale.shape == bias.shape == mean.shape == variance.shape == (channels,):
        call.fail(
            f"has statistics of shape {scale.shape}, {bias.shape}, {mean.shape}, {variance.shape}; needed is "
            f"({channels},), one for each channel"
        )
    epsilon = float(call.number("epsilon", float(np.float32(1e-5))))
    factors, offsets = folded_normalisation((scale, bias), (mean, variance), epsilon, call.fail)
    axes = (channels, *(1,) * (len(chain.shape) - 2))
    chain.scale(exact_array(factors.reshape(axes)))
    chain.shift(offsets.reshape(axes))


def _reshape(call: Call, chain: AffineChain) -> None:
    _identity(call, chain)
    chain.reshape(RESHAPING[call.op_type](call, chain.shape))


def _transpose(call: Call, chain: AffineChain) -> None:
    _identity(call, chain)
    chain.transpose(call.numbers("perm") or list(range(len(chain.shape))[::-1]))


def _finite_attribute(call: Call, name: str) -> float:
    number = float(call.number(name, 1.0))
    if not math.isfinite(number):
        call.fail(f"has {name} = {number}; needed is a finite number")
    return number


OPERATORS: Final[dict[str, Operator]] = {
    "Add": _add,
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Div": _div,
    "Dropout": _dropout,
    "Flatten": _reshape,
    "Gemm": _gemm,
    "Identity": _identity,
    "MatMul": _matmul,
    "Mul": _mul,
    "Relu": _relu,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Sub": _sub,
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}

_BROADCASTING: Final = frozenset({"Add", "Sub", "Mul", "Div"})


def apply(call: Call, chain: AffineChain) -> None:
    """Apply the node to the chain.

    With a fixed batch, the value is that of one sample: its first axis has one entry before and after, and nodes that
    would mix samples are refused.
    """
    before = chain.shape
    if call.batch > 1:
        _refuse_mixing(call, chain)
    OPERATORS[call.op_type](call, chain)
    grew = call.op_type in _BROADCASTING and len(chain.shape) != len(before)
    if call.batch > 1 and (grew or chain.shape[:1] != (1,)):
        _refuse_batch(call)


def _refuse_mixing(call: Call, chain: AffineChain) -> None:
    rank = len(chain.shape)
    match call.op_type:
        case "Flatten":
            mixes = call.whole("axis", 1) not in (1, 1 - rank)
        case "Reshape":
            mixes = call.integers(1, "shape")[:1] not in ([call.batch], [0], [-1])
        case "Transpose":
            mixes = (call.numbers("perm") or [rank])[:1] != [0]
        case "Squeeze" | "Unsqueeze":
            mixes = any(axis <= 0 for axis in call.axes() or [0])
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
