"""Operators that write entries of one tensor into another, at constant places."""

from __future__ import annotations

from typing import Final

import numpy as np

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.limits import shape_text
from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.forms import Operator, operator
from relucensus.readers.onnx.operators.layout import concatenation, indices_of, inside
from relucensus.readers.onnx.operators.maxima import greatest, least
from relucensus.readers.onnx.tensors import Constant, Tensor, combined, rearranged
from relucensus.values.exact_numbers import Ints
from relucensus.values.exact_rows import ExactRows

Plain = Constant | AffineValue


def _elements(call: Call) -> Tensor:
    data, indices, updates = call.tensor("data"), indices_of(call), call.tensor("updates")
    axis = call.axis(len(data.shape), 0)
    if indices.shape != updates.shape or indices.ndim != len(data.shape):
        call.fail(f"has indices of shape {shape_text(indices.shape)} and updates of {shape_text(updates.shape)}")
    where: list[Ints] = list(np.indices(indices.shape))
    where[axis] = inside(call, indices, data.shape[axis])
    if any(n > m for i, (n, m) in enumerate(zip(indices.shape, data.shape, strict=True)) if i != axis):
        call.fail(f"has indices of shape {shape_text(indices.shape)} for data of {shape_text(data.shape)}")
    return _written(call, data, updates, tuple(where))


def _points(call: Call) -> Tensor:
    data, indices, updates = call.tensor("data"), indices_of(call), call.tensor("updates")
    depth = indices.shape[-1] if indices.ndim else 0
    if not 1 <= depth <= len(data.shape) or updates.shape != (*indices.shape[:-1], *data.shape[depth:]):
        call.fail(f"has indices of shape {shape_text(indices.shape)} and updates of {shape_text(updates.shape)}")
    return _written(call, data, updates, tuple(inside(call, indices[..., k], data.shape[k]) for k in range(depth)))


def _written(call: Call, data: Plain, updates: Plain, where: tuple[Ints, ...]) -> Tensor:
    """The data with the updates at these places, or what the reduction makes of both."""
    reduction = call.word("reduction", "none")
    positions = np.arange(data.size).reshape(data.shape)
    places = np.broadcast_to(positions[where], updates.shape).ravel()
    flat = [call.plain(rearranged(one, np.arange(one.size))) for one in (data, updates)]
    whole = concatenation(call, flat, 0)
    match reduction:
        case "none":
            if len(np.unique(places)) != len(places):
                call.refuse("writes an entry twice, in an order that is not defined")
            positions[where] = data.size + np.arange(updates.size).reshape(updates.shape)
            return rearranged(whole, positions)
        case "add":
            rows = np.concatenate([np.arange(data.size), places])
            outer = ExactRows.from_entries((data.size, whole.size), rows, np.arange(whole.size), np.ones(whole.size))
            return combined(whole, outer, data.shape)
        case "max" | "min":
            groups = _groups(data.size, places)
            return (greatest if reduction == "max" else least)(call, whole, groups, data.shape)
        case _:
            call.refuse(f"has reduction = {reduction[:20]!r}; supported are none, add, max and min")


def _groups(size: int, places: Ints) -> Ints:
    """For each entry of the data its own number, and those of the updates that are written to it; -1 for none."""
    order = np.argsort(places, kind="stable")
    counts = np.bincount(places, minlength=size)
    found = np.full((size, 1 + int(counts.max(initial=0))), -1)
    found[:, 0] = np.arange(size)
    column = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    found[places[order], 1 + column] = size + order
    return found


OPERATORS: Final[dict[str, Operator]] = {
    "Scatter": operator(_elements, {(9, 11): "data indices updates ; axis"}),
    "ScatterElements": operator(
        _elements, {(11, 13): "data indices updates ; axis", (16, 18): "data indices updates ; axis reduction"}
    ),
    "ScatterND": operator(_points, {(11, 13): "data indices updates ;", (16, 18): "data indices updates ; reduction"}),
}
