"""Sums and means over axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from flint import fmpq
from numpy.typing import NDArray

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.forms import Operator, Versions, operator
from relucensus.readers.onnx.operators.activations import activated
from relucensus.readers.onnx.tensors import Constant, Tensor, combined
from relucensus.values import exact_numbers
from relucensus.values.activation import ABS
from relucensus.values.exact_rows import ExactRows

Plain = Constant | AffineValue


def grouped(call: Call, tensor: Plain) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """(entries of the result, entries that are reduced to each): their numbers; and the shape of the result."""
    rank = len(tensor.shape)
    axes = call.axes(rank)
    if not axes:
        axes = [] if call.whole("noop_with_empty_axes", 0) else list(range(rank))
    kept = [axis for axis in range(rank) if axis not in axes]
    entries = np.arange(tensor.size).reshape(tensor.shape).transpose([*kept, *axes])
    count = math.prod(tensor.shape[axis] for axis in axes)
    if not count:
        call.fail("reduces an axis without entries")
    shape = [1 if axis in axes else n for axis, n in enumerate(tensor.shape)]
    if not call.whole("keepdims", 1):
        shape = [tensor.shape[axis] for axis in kept]
    return entries.reshape(-1, count), tuple(shape)


def _weighted(call: Call, tensor: Plain, weight: fmpq) -> Tensor:
    groups, shape = grouped(call, tensor)
    rows = np.repeat(np.arange(len(groups)), groups.shape[1])
    numbers = np.empty(groups.size, dtype=object)
    numbers[:] = weight
    coefficients = exact_numbers.settled(numbers)
    return combined(
        tensor, ExactRows.from_entries((len(groups), tensor.size), rows, groups.ravel(), coefficients), shape
    )


def _reduce_sum(call: Call) -> Tensor:
    return _weighted(call, call.tensor("data"), fmpq(1))


def _reduce_l1(call: Call) -> Tensor:
    return _weighted(call, activated(call, call.tensor("data"), (ABS,)), fmpq(1))


def _reduce_mean(call: Call) -> Tensor:
    tensor = call.tensor("data")
    return _weighted(call, tensor, fmpq(1, grouped(call, tensor)[0].shape[1]))


def _cumulated(call: Call) -> Tensor:
    tensor = call.tensor("x")
    named = call.constant("axis").entries
    rank = len(tensor.shape)
    axis = int(named.ravel()[0]) if named.size == 1 and named.dtype == np.int64 else rank
    if not -rank <= axis < rank:
        call.fail(f"adds up along an axis that is none of {rank}")
    length = tensor.shape[axis]
    call.limits.check_weights(tensor.size * length)
    entries = np.moveaxis(np.arange(tensor.size).reshape(tensor.shape), axis, -1)
    apart = np.arange(length)[:, None] - np.arange(length)[None, :]  # of the result's place and the entry's
    apart = -apart if call.whole("reverse", 0) else apart
    into, source = np.nonzero(apart >= (1 if call.whole("exclusive", 0) else 0))
    lines = entries.reshape(-1, length) if tensor.size else np.zeros((0, length), dtype=np.int64)
    rows, indices = lines[:, into].ravel(), lines[:, source].ravel()
    outer = ExactRows.from_entries((tensor.size, tensor.size), rows, indices, np.ones(len(rows)))
    return combined(tensor, outer, tensor.shape)


def _of_constants(function: Callable[[list[fmpq]], fmpq]) -> Callable[[Call], Tensor]:
    """A reduction of constants alone, exact."""

    def apply(call: Call) -> Tensor:
        tensor = call.tensor("data")
        if not isinstance(tensor, Constant):
            call.refuse("multiplies values that depend on the network's input, which is not piecewise linear")
        groups, shape = grouped(call, tensor)
        numbers = exact_numbers.rationals(call.finite(tensor, "data")).ravel()
        found = np.empty(len(groups), dtype=object)
        found[:] = [function(numbers[group].tolist()) for group in groups]
        kept = tensor.kind if tensor.is_float else "int64"
        return constant_like(call, found.reshape(shape), kept)

    return apply


def constant_like(call: Call, numbers: NDArray[np.object_], kind: str) -> Constant:
    """Exact numbers as a constant of this type; whole numbers where the type has no others."""
    if kind in ("float32", "float64", "float16", "bfloat16", "float8"):
        return Constant(exact_numbers.settled(numbers), kind)
    if any(x.q != 1 or abs(x.p) >= 2**63 for x in numbers.ravel().tolist()):
        call.refuse(f"computes {kind} numbers that are fractions or exceed their type")
    return Constant(np.array([int(x.p) for x in numbers.ravel()], dtype=np.int64).reshape(numbers.shape), kind)


def _product(numbers: list[fmpq]) -> fmpq:
    return math.prod(numbers, start=fmpq(1))


def _square_sum(numbers: list[fmpq]) -> fmpq:
    return sum((x * x for x in numbers), start=fmpq(0))


def _square_root_of_sum(numbers: list[fmpq]) -> fmpq:
    root = math.sqrt(exact_numbers.fraction(_square_sum(numbers)))
    found: fmpq = exact_numbers.rationals(np.array([root]))[0]
    return found


_AXES: Final[Versions] = {(1, 11, 13): "data ; axes keepdims", (18,): "data axes ; keepdims noop_with_empty_axes"}

OPERATORS: Final[dict[str, Operator]] = {
    "CumSum": operator(_cumulated, {(11, 14): "x axis ; exclusive reverse"}),
    "ReduceL1": operator(_reduce_l1, _AXES),
    "ReduceL2": operator(_of_constants(_square_root_of_sum), _AXES),
    "ReduceMean": operator(_reduce_mean, _AXES),
    "ReduceProd": operator(_of_constants(_product), _AXES),
    "ReduceSum": operator(
        _reduce_sum, {(1, 11): "data ; axes keepdims", (13,): "data axes ; keepdims noop_with_empty_axes"}
    ),
    "ReduceSumSquare": operator(_of_constants(_square_sum), _AXES),
}
