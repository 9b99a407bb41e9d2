"""Weights that are stored quantised: DequantizeLinear is exact, QuantizeLinear of a constant rounds as defined."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from relucensus.readers.limits import shape_text
from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.forms import Operator, operator
from relucensus.readers.onnx.operators.constants import check_apart
from relucensus.readers.onnx.stored_tensors import KINDS
from relucensus.readers.onnx.tensors import RANGES, Constant, Tensor
from relucensus.values import exact_numbers
from relucensus.values.exact_numbers import Numbers


def _dequantized(call: Call) -> Tensor:
    quantised = _constant_only(call, "x")
    scale, zero = _parameters(call, quantised, "x_scale", "x_zero_point")
    difference = exact_numbers.total(quantised.numbers, zero, -1)
    kind = KINDS.get(call.whole("output_dtype", 0), call.constant("x_scale").kind)
    return Constant(exact_numbers.product(difference, scale), kind)


def _quantized(call: Call) -> Tensor:
    constant = _constant_only(call, "x")
    scale, zero = _parameters(call, constant, "y_scale", "y_zero_point")
    given = call.given("y_zero_point")
    named = KINDS.get(call.whole("output_dtype", 0), "uint8")
    kind = given.kind if isinstance(given, Constant) else named
    if kind not in RANGES or call.whole("precision", 0):
        call.refuse(f"quantises to {kind} with a precision of its own; supported are integers")
    if not exact_numbers.nonzero(scale).all():
        call.fail("has a scale of zero")
    low, high = RANGES[kind]
    quotients = exact_numbers.product(call.finite(constant, "x"), exact_numbers.reciprocal(scale)).ravel().tolist()
    exact = [exact_numbers.fraction(q) for q in quotients]
    derived = not (exact_numbers.are_floats(scale) and exact_numbers.are_floats(constant.entries))
    check_apart(call, exact, Fraction(1, 2), ties=derived)
    shifts = [int(exact_numbers.fraction(z)) for z in zero.ravel().tolist()]
    entries = [min(max(round(q) + z, low), high) for q, z in zip(exact, shifts, strict=True)]
    return Constant(np.array(entries, dtype=np.int64).reshape(constant.shape), kind)


def _constant_only(call: Call, name: str) -> Constant:
    found = call.given(name)
    if not isinstance(found, Constant):
        call.refuse(
            "quantises a value that depends on the network's input, which is not continuous; supported are quantised "
            "weights with activations that are floats: quantise weights only, or count the float model"
        )
    return found


def _parameters(call: Call, tensor: Constant, scale_name: str, zero_name: str) -> tuple[Numbers, Numbers]:
    """Scale and zero point, spread over the tensor."""
    if call.whole("block_size", 0):
        call.refuse("quantises in blocks, which is not read; supported is one scale for all, or one along an axis")
    scale = call.floats(scale_name)
    zero = call.constant(zero_name) if call.given(zero_name) is not None else None
    if zero is not None and zero.size != scale.size:
        call.fail(f"has {scale.size} scales and {zero.size} zero points")
    return _spread(call, scale, tensor), _spread(call, np.zeros(scale.shape) if zero is None else zero.numbers, tensor)


def _spread(call: Call, numbers: Numbers, tensor: Constant) -> Numbers:
    if numbers.size == 1:
        return np.broadcast_to(numbers.reshape(()), tensor.shape)
    axis = call.whole("axis", 1)
    rank = len(tensor.shape)
    if "axis" not in call.form.attributes or not -rank <= axis < rank or numbers.shape != (tensor.shape[axis],):
        call.fail(f"has scales of shape {shape_text(numbers.shape)} for a tensor of {shape_text(tensor.shape)}")
    shape = [1] * rank
    shape[axis] = numbers.size
    return np.broadcast_to(numbers.reshape(shape), tensor.shape)


OPERATORS: Final[dict[str, Operator]] = {
    "DequantizeLinear": operator(
        _dequantized,
        {
            (10,): "x x_scale x_zero_point ;",
            (13, 19): "x x_scale x_zero_point ; axis",
            (21,): "x x_scale x_zero_point ; axis block_size",
            (23, 24, 25, 28): "x x_scale x_zero_point ; axis block_size output_dtype",
        },
    ),
    "QuantizeLinear": operator(
        _quantized,
        {
            (10,): "x y_scale y_zero_point ;",
            (13,): "x y_scale y_zero_point ; axis",
            (19,): "x y_scale y_zero_point ; axis saturate",
            (21,): "x y_scale y_zero_point ; axis block_size output_dtype saturate",
            (23, 24, 25, 28): "x y_scale y_zero_point ; axis block_size output_dtype precision saturate",
        },
    ),
}
