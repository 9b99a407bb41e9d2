"""Nodes that compute with constants alone: what exporters leave of weights and of shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.shapes import RESHAPING
from relucensus.readers.onnx.tensors import FLOAT_TYPES, Constant, rounded_to


def folded(call: Call) -> Constant:
    """The constant that the node computes from constants.

    Raises:
        UnsupportedModel: an operator that is not evaluated on constants.
    """
    if call.op_type in RESHAPING:
        entries = call.constant(0, "input")
        shape = RESHAPING[call.op_type](call, entries.shape)
        call.limits.check_axes(len(shape))
        return entries.reshape(shape)
    if call.op_type not in _RULES:
        known = ", ".join(sorted({*_RULES, *RESHAPING}))
        call.refuse(f"computes with constants alone; supported there are {known} (simplify the model first)")
    return _RULES[call.op_type](call)


def _identity(call: Call) -> Constant:
    return call.constant(0, "input")


def _cast(call: Call) -> Constant:
    entries = call.constant(0, "input")
    target = call.whole("to", 0)
    if target in FLOAT_TYPES:
        return rounded_to(FLOAT_TYPES[target], entries)
    if target != _INT64 or entries.dtype != np.int64:
        call.refuse("converts a constant to a type that is not read; supported are float types")
    return entries


def _transpose(call: Call) -> Constant:
    entries = call.constant(0, "input")
    axes = call.numbers("perm") or list(range(entries.ndim)[::-1])
    if sorted(axes) != list(range(entries.ndim)):
        call.fail(f"has the permutation {axes[:16]} for an input with {entries.ndim} axes")
    return entries.transpose(axes)


def _concat(call: Call) -> Constant:
    lists = [call.integers(i, "input") for i in range(len(call.inputs))]
    return np.array([n for entries in lists for n in entries], dtype=np.int64)


def _gather(call: Call) -> Constant:
    entries = call.integers(0, "input")
    indices = call.constant(1, "indices")
    inside = indices.dtype == np.int64 and bool(((-len(entries) <= indices) & (indices < len(entries))).all())
    if not inside or call.whole("axis", 0) != 0:
        call.fail(f"takes entries that a list of {len(entries)} does not have")
    return np.array(entries, dtype=np.int64)[indices.astype(np.int64)]


_INT64: Final = 7
_RULES: Final[dict[str, Callable[[Call], Constant]]] = {
    "Cast": _cast,
    "Concat": _concat,
    "Constant": Call.literal,
    "Dropout": _identity,
    "Gather": _gather,
    "Identity": _identity,
    "Transpose": _transpose,
}
FOLDABLE: Final = frozenset(_RULES)
