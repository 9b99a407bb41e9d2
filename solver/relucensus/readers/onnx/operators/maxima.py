"""Maxima and minima of several values: ``max(a, b) = b + max(a - b, 0)``, more operands in rounds.

In a round, neighbours in the order given are compared, and an odd last one passes on (docs/definitions.md). A
difference that depends on the input is the preactivation of a neuron; one that does not is decided at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.forms import Operator, Versions, operator
from relucensus.readers.onnx.operators.layout import concatenation
from relucensus.readers.onnx.operators.sums import grouped
from relucensus.readers.onnx.tensors import Constant, Tensor, broadcast, common_shape, rearranged
from relucensus.values import exact_numbers
from relucensus.values.activation import RELU

Plain = Constant | AffineValue
Groups = NDArray[np.int64]


def greatest(call: Call, operand: Plain, groups: Groups, shape: Sequence[int]) -> Plain:
    """The tensor of this shape whose entries are the greatest of each group.

    `groups` is (entries of the result, most operands): the numbers of the operand's entries, -1 for none; every group
    has one.
    """
    if isinstance(operand, Constant):
        return _greatest_constant(call, operand, groups, shape)
    order = np.argsort(groups < 0, axis=1, kind="stable")
    groups = np.take_along_axis(groups, order, axis=1)
    value = operand.fork()
    while groups.shape[1] > 1:
        value, groups = _round(call, value, groups)
    value.rearrange(groups[:, 0])
    value.reshape(shape)
    return value


def _greatest_constant(call: Call, operand: Constant, groups: Groups, shape: Sequence[int]) -> Constant:
    numbers = call.finite(operand, "X").ravel().tolist()
    most = [max((i for i in group if i >= 0), key=numbers.__getitem__) for group in groups.tolist()]
    return operand.with_entries(operand.entries.ravel()[np.array(most, dtype=np.int64)].reshape(shape))


def _round(call: Call, value: AffineValue, groups: Groups) -> tuple[AffineValue, Groups]:
    """The maxima of neighbours, with what had none; and the groups of these."""
    count = groups.shape[1]
    if count % 2:
        groups = np.concatenate([groups, np.full((len(groups), 1), -1)], axis=1)
    left, right = groups[:, 0::2], groups[:, 1::2]
    paired = (left >= 0) & (right >= 0)
    pairs, which = np.unique(np.stack([left[paired], right[paired]], axis=1), axis=0, return_inverse=True)
    passing = (left >= 0) & (right < 0)
    alone, whose = np.unique(left[passing], return_inverse=True)
    base = value.fork()
    base.rearrange(np.concatenate([pairs[:, 1], alone]))
    first = value.fork()
    first.rearrange(pairs[:, 0])
    found = _larger(call, first, base, len(pairs))
    following = np.full(left.shape, -1)
    following[paired] = which.ravel()
    following[passing] = len(pairs) + whose.ravel()
    return found, following


def _larger(call: Call, first: AffineValue, base: AffineValue, pairs: int) -> AffineValue:
    """`base` with its first entries, as many as `first` has, replaced by the larger of the two."""
    second = base.fork()
    second.rearrange(np.arange(pairs))
    difference = first.fork()
    difference.add(second, -1)
    settled = difference.rows.lengths == 0
    constants = difference.rows.constants
    won = settled & np.array([bool(c > 0) for c in constants.tolist()], dtype=np.bool_)
    bending = np.flatnonzero(~settled)
    # A constant operand is the base, whichever it is: the other one then needs no linear neuron to pass on.
    swapped = ~settled & (first.rows.lengths == 0)
    if swapped.any():
        signs = np.where(swapped, -1.0, 1.0)
        difference.scale(signs)
        won = won | swapped
    flat = [call.plain(rearranged(one, np.arange(one.size))) for one in (base, first)]
    positions = np.arange(base.size)
    positions[np.flatnonzero(won)] = base.size + np.flatnonzero(won)
    merged = rearranged(concatenation(call, flat, 0), positions)
    assert isinstance(merged, AffineValue)
    if not len(bending):
        return merged
    difference.rearrange(bending)
    difference.activate((RELU,), [*call.kept, merged])
    into = np.full(base.size, -1)
    into[bending] = np.arange(len(bending))
    difference.rearrange(into)
    merged.add(difference)
    return merged


def least(call: Call, operand: Plain, groups: Groups, shape: Sequence[int]) -> Plain:
    """As `greatest`, of the least: ``min(a, b) = -max(-a, -b)``."""
    found = greatest(call, _negative(call, operand), groups, shape)
    return _negative(call, found)


def _negative(call: Call, operand: Plain) -> Plain:
    if isinstance(operand, Constant):
        if operand.kind == "bool":
            return operand.with_entries(~operand.entries)
        numbers = exact_numbers.product(call.finite(operand, "X"), np.array(-1.0))
        return operand.with_entries(numbers if operand.is_float else -operand.entries)
    found = operand.fork()
    found.negate()
    return found


Extremum = Callable[[Call, Plain, Groups, Sequence[int]], Plain]


def _of_several(extremum: Extremum) -> Callable[[Call], Tensor]:
    def apply(call: Call) -> Tensor:
        parts = call.all_plain()
        shape = common_shape(parts)
        size = int(np.prod(shape, dtype=np.int64))
        call.limits.check_weights(size * len(parts))
        spread = [rearranged(broadcast(part, shape, call.limits), np.arange(size)) for part in parts]
        if not spread:
            call.fail("has no inputs")
        whole = concatenation(call, [call.plain(one) for one in spread], 0)
        groups = np.arange(size)[:, None] + size * np.arange(len(parts))
        return extremum(call, whole, groups, shape)

    return apply


def _reduced(extremum: Extremum) -> Callable[[Call], Tensor]:
    def apply(call: Call) -> Tensor:
        tensor = call.tensor("data")
        groups, shape = grouped(call, tensor)
        return extremum(call, tensor, groups, shape)

    return apply


_EACH: Final[Versions] = {(6, 8, 12, 13): "* ;"}
_AXES: Final[Versions] = {
    (1, 11, 12, 13): "data ; axes keepdims",
    (18, 20): "data axes ; keepdims noop_with_empty_axes",
}

OPERATORS: Final[dict[str, Operator]] = {
    "Max": operator(_of_several(greatest), _EACH),
    "Min": operator(_of_several(least), _EACH),
    "ReduceMax": operator(_reduced(greatest), _AXES),
    "ReduceMin": operator(_reduced(least), _AXES),
}
