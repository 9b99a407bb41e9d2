"""Operators that move entries about: each gives the numbers of the entries that stand in the result."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.limits import shape_text
from relucensus.readers.onnx.call import Call, as_values
from relucensus.readers.onnx.forms import Operator, operator
from relucensus.readers.onnx.operators.shapes import flattened, reshaped, squeezed, unsqueezed
from relucensus.readers.onnx.tensors import Constant, Tensor, numbering, rearranged, values_in
from relucensus.values.exact_numbers import Ints
from relucensus.values.exact_rows import joined

Mover = Callable[[Call, Ints], Ints]


def _moving(move: Mover) -> Callable[[Call], Tensor]:
    """The operator that rearranges its first input."""

    def apply(call: Call) -> Tensor:
        first = call.inputs[0] if call.inputs else None
        if first is None:
            call.fail("has no input 0")
        positions = move(call, numbering(first.shape, call.limits))
        call.limits.check_axes(positions.ndim)
        return rearranged(first, positions)

    return apply


def _reshaping(shape_of: Callable[[Call, tuple[int, ...]], tuple[int, ...]]) -> Callable[[Call], Tensor]:
    return _moving(lambda call, entries: entries.reshape(shape_of(call, entries.shape)))


def _identity(call: Call) -> Tensor:
    positions = numbering(_shape_of_first(call), call.limits)
    return rearranged(call.inputs[0], positions)  # type: ignore[arg-type]


def _shape_of_first(call: Call) -> tuple[int, ...]:
    first = call.inputs[0] if call.inputs else None
    if first is None:
        call.fail("has no input 0")
    return tuple(first.shape)


def _transposed(call: Call, entries: Ints) -> Ints:
    axes = call.numbers("perm") or list(range(entries.ndim)[::-1])
    if sorted(axes) != list(range(entries.ndim)):
        call.fail(f"has axes {axes[:16]}, which do not permute a value of shape {shape_text(entries.shape)}")
    return entries.transpose(axes)


def _sliced(call: Call, entries: Ints) -> Ints:
    starts, ends = call.integers("starts"), call.integers("ends")
    if starts is None or ends is None or len(starts) != len(ends):
        call.fail("does not say where its slices start and end")
    axes = call.axes(entries.ndim) or list(range(len(starts)))
    steps = call.integers("steps") or [1] * len(starts)
    if not len(axes) == len(steps) == len(starts) <= entries.ndim or 0 in steps:
        call.fail(f"has slices {starts[:16]} to {ends[:16]} by {steps[:16]} along axes {axes[:16]}, which do not fit")
    cuts = [slice(None)] * entries.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cuts[axis] = slice(start, end, step)
    return entries[tuple(cuts)]


def _split(call: Call) -> tuple[Tensor, ...]:
    entries = numbering(_shape_of_first(call), call.limits)
    axis = call.axis(entries.ndim, 0)
    length, count = entries.shape[axis], len(call.node.output)
    sizes = call.integers("split")
    if sizes is None:
        parts = call.whole("num_outputs", count)
        if parts != count:
            call.fail(f"has num_outputs = {parts} and {count} outputs")
        size = -(-length // count) if "num_outputs" in call.form.attributes else length // count
        sizes = [size] * (count - 1) + [length - size * (count - 1)]
        if "num_outputs" not in call.form.attributes and length % count:
            call.fail(f"splits {length} entries into {count} equal parts")
    if len(sizes) != count or sum(sizes) != length or min(sizes, default=0) < 0:
        call.fail(f"splits {length} entries into parts of {sizes[:16]} for {count} outputs")
    ends = list(itertools.accumulate(sizes))
    first = call.inputs[0]
    assert first is not None
    return tuple(rearranged(first, part) for part in np.split(entries, ends[:-1], axis=axis))


def indices_of(call: Call) -> Ints:
    """The constant input `indices`."""
    found = call.constant("indices")
    if found.entries.dtype != np.int64:
        call.fail("has indices that are not integers")
    entries: Ints = found.entries
    return entries


def inside(call: Call, indices: Ints, length: int) -> Ints:
    """The indices counted from 0, all of them on an axis of this length."""
    if not ((-length <= indices) & (indices < length)).all():
        call.fail(f"takes entries that an axis of {length} does not have")
    return np.where(indices < 0, indices + length, indices)


def _gathered(call: Call, entries: Ints) -> Ints:
    axis = call.axis(entries.ndim, 0)
    indices = inside(call, indices_of(call), entries.shape[axis])
    call.limits.check_tensor("a gathered value", (*entries.shape[:axis], *indices.shape, *entries.shape[axis + 1 :]))
    return np.take(entries, indices, axis=axis)


def _gathered_elements(call: Call, entries: Ints) -> Ints:
    axis, indices = call.axis(entries.ndim, 0), indices_of(call)
    others = [(n, m) for i, (n, m) in enumerate(zip(indices.shape, entries.shape, strict=False)) if i != axis]
    if indices.ndim != entries.ndim or any(n > m for n, m in others):
        call.fail(f"has indices of shape {shape_text(indices.shape)} for a value of {shape_text(entries.shape)}")
    cut = tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(indices.shape))
    return np.take_along_axis(entries[cut], inside(call, indices, entries.shape[axis]), axis)


def _gathered_points(call: Call, entries: Ints) -> Ints:
    indices, batch = indices_of(call), call.whole("batch_dims", 0)
    depth = indices.shape[-1] if indices.ndim else 0
    if not (0 <= batch < min(entries.ndim, indices.ndim) and 1 <= depth <= entries.ndim - batch):
        call.fail(f"has indices of shape {shape_text(indices.shape)} for a value of {shape_text(entries.shape)}")
    if indices.shape[:batch] != entries.shape[:batch]:
        call.fail(f"has batches of shape {shape_text(indices.shape[:batch])} and {shape_text(entries.shape[:batch])}")
    grids = np.meshgrid(*(np.arange(n) for n in indices.shape[:-1]), indexing="ij") if indices.ndim > 1 else []
    call.limits.check_tensor("a gathered value", (*indices.shape[:-1], *entries.shape[batch + depth :]))
    named = [inside(call, indices[..., k], entries.shape[batch + k]) for k in range(depth)]
    return np.asarray(entries[(*grids[:batch], *named)])


def _expanded(call: Call, entries: Ints) -> Ints:
    target = call.integers("shape")
    if target is None or min(target, default=1) < 0:
        call.fail(f"expands to the shape {target}")
    call.limits.check_axes(len(target))
    try:
        shape = np.broadcast_shapes(entries.shape, tuple(target))
    except ValueError:
        call.fail(f"expands a value of shape {shape_text(entries.shape)} to {shape_text(target)}, which does not fit")
    call.limits.check_tensor("an expanded value", shape)
    return np.broadcast_to(entries, shape)


def _features(call: Call, entries: Ints) -> Ints:
    """Entries along the last axis, as ai.onnx.ml has it: a vector becomes a row."""
    named = call.constant("Y").entries.ravel()
    if named.dtype != np.int64 or not entries.ndim:
        call.fail("takes features by what are no integers, or of a single number")
    found = np.take(entries, inside(call, named, entries.shape[-1]), axis=-1)
    return found.reshape(1, -1) if entries.ndim == 1 else found


def _compressed(call: Call, entries: Ints) -> Ints:
    chosen = call.constant("condition").entries.astype(np.bool_).ravel()
    flat = call.whole("axis", entries.ndim) == entries.ndim
    axis = 0 if flat else call.axis(entries.ndim, 0)
    source = entries.ravel() if flat else entries
    if len(chosen) > source.shape[axis]:
        call.fail(f"chooses by {len(chosen)} truth values among {source.shape[axis]} entries")
    return np.take(source, np.flatnonzero(chosen), axis=axis)


def _tiled(call: Call, entries: Ints) -> Ints:
    repeats = call.integers("repeats")
    if repeats is None or len(repeats) != entries.ndim or min(repeats, default=1) < 0:
        call.fail(f"repeats {repeats} times along the axes of a value of shape {shape_text(entries.shape)}")
    call.limits.check_tensor("a repeated value", [n * r for n, r in zip(entries.shape, repeats, strict=True)])
    return np.tile(entries, repeats)


def _triangle(call: Call, entries: Ints) -> Ints:
    if entries.ndim < 2:
        call.fail("needs an input with at least 2 axes")
    given = call.given("k")
    numbers = [0] if given is None else call.integers("k") or []
    if len(numbers) != 1:
        call.fail(f"has {len(numbers)} numbers of a diagonal")
    diagonal = numbers[0]
    rows, columns = entries.shape[-2:]
    grid = np.arange(columns)[None, :] - np.arange(rows)[:, None]
    inside = grid >= diagonal if call.whole("upper", 1) else grid <= diagonal
    return np.where(inside, entries, -1)


def _depth_to_space(call: Call, entries: Ints) -> Ints:
    block, mode = call.whole("blocksize", 0), call.word("mode", "DCR")
    n, c, h, w = _image(call, entries)
    if block < 1 or c % block**2 or mode not in ("DCR", "CRD"):
        call.fail(f"has blocks of {block} in mode {mode[:8]!r} for {c} channels")
    if mode == "DCR":
        parts = entries.reshape(n, block, block, c // block**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        parts = entries.reshape(n, c // block**2, block, block, h, w).transpose(0, 1, 4, 2, 5, 3)
    return parts.reshape(n, c // block**2, h * block, w * block)


def _space_to_depth(call: Call, entries: Ints) -> Ints:
    block, mode = call.whole("blocksize", 0), call.word("mode", "DCR")
    n, c, h, w = _image(call, entries)
    if block < 1 or h % block or w % block or mode not in ("DCR", "CRD"):
        call.fail(f"has blocks of {block} in mode {mode[:8]!r} for a value of {h}x{w}")
    parts = entries.reshape(n, c, h // block, block, w // block, block)
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return parts.transpose(order).reshape(n, c * block**2, h // block, w // block)


def _image(call: Call, entries: Ints) -> tuple[int, int, int, int]:
    if entries.ndim != 4:
        call.fail(f"needs an input with 4 axes and gets {entries.ndim}")
    n, c, h, w = entries.shape
    return n, c, h, w


def _concatenated(call: Call) -> Tensor:
    parts = call.all_plain()
    if not parts:
        call.fail("has no inputs")
    return concatenation(call, parts, call.axis(len(parts[0].shape), 1 if call.version < 4 else 0))


def concatenation(call: Call, parts: Sequence[Constant | AffineValue], axis: int) -> Constant | AffineValue:
    """The tensors one after the other along an axis."""
    if any(isinstance(part, AffineValue) for part in parts):
        values = as_values(call, [part for part in parts if part.size])
        first = values[0].fork()
        first.concatenate(values, axis)
        return first
    constants = [part for part in parts if isinstance(part, Constant)]
    try:
        call.limits.check_tensor("joined constants", (sum(part.size for part in constants),))
        positions = np.concatenate([_numbered(constants, i) for i in range(len(constants))], axis=axis)
    except ValueError:
        shapes = ", ".join(shape_text(part.shape) for part in parts)
        call.fail(f"joins constants of the shapes {shapes} along axis {axis}, which do not fit together")
    flat = joined([part.entries.ravel() for part in constants]) if constants[0].is_float else None
    whole = np.concatenate([part.entries.ravel() for part in constants]) if flat is None else flat
    return constants[0].with_entries(whole[positions])


def _numbered(parts: Sequence[Constant], i: int) -> Ints:
    start = sum(part.size for part in parts[:i])
    return start + np.arange(parts[i].size).reshape(parts[i].shape)


def _positions_of_shape(call: Call) -> tuple[int, ...]:
    shape = _shape_of_first(call)
    return (call.batch, *shape[1:]) if call.batch > 1 and values_in(call.inputs[0]) else shape


def _shape(call: Call) -> Tensor:
    shape = _positions_of_shape(call)
    start, end = call.whole("start", 0), call.whole("end", len(shape))
    return Constant(np.array(shape[start:end], dtype=np.int64), "int64")


def _size(call: Call) -> Tensor:
    return Constant(np.array(math.prod(_positions_of_shape(call)), dtype=np.int64), "int64")


_MOVED = (1, 13, 21, 23, 24, 25)

OPERATORS: Final[dict[str, Operator]] = {
    "ArrayFeatureExtractor": operator(_moving(_features), {(1,): "X Y ;"}, "ai.onnx.ml"),
    "Compress": operator(_moving(_compressed), {(9, 11, 28): "input condition ; axis"}),
    "Concat": operator(_concatenated, {(4, 11, 13): "* ; axis"}),
    "DepthToSpace": operator(
        _moving(_depth_to_space), {(1,): "input ; blocksize", (11, 13, 28): "input ; blocksize mode"}
    ),
    "Expand": operator(_moving(_expanded), {(8, 13): "input shape ;"}),
    "Flatten": operator(_reshaping(flattened), {(1, 9, 11, 13, 21, 23, 24, 25): "input ; axis"}),
    "Gather": operator(_moving(_gathered), {(1, 11, 13): "data indices ; axis"}),
    "GatherElements": operator(_moving(_gathered_elements), {(11, 13): "data indices ; axis"}),
    "GatherND": operator(_moving(_gathered_points), {(11,): "data indices ;", (12, 13): "data indices ; batch_dims"}),
    "Identity": operator(_identity, {(1, 13, 14, 16, 19, 21, 23, 24, 25): "input ;"}),
    "Reshape": operator(
        _reshaping(reshaped), {(5, 13): "data shape ;", (14, 19, 21, 23, 24, 25): "data shape ; allowzero"}
    ),
    "Shape": operator(_shape, {(1, 13): "data ;", (15, 19, 21, 23, 24, 25): "data ; start end"}),
    "Size": operator(_size, {(1, 13, 19, 21, 23, 24, 25): "data ;"}),
    "Slice": operator(
        _moving(_sliced), {(1,): "data ; starts ends axes", (10, 11, 13): "data starts ends axes steps ;"}
    ),
    "SpaceToDepth": operator(_moving(_space_to_depth), {(1, 13): "input ; blocksize", (28,): "input ; blocksize mode"}),
    "Split": operator(
        _split, {(2, 11): "input ; axis split", (13,): "input split ; axis", (18,): "input split ; axis num_outputs"}
    ),
    "Squeeze": operator(_reshaping(squeezed), {(1, 11): "data ; axes", (13, 21, 23, 24, 25): "data axes ;"}),
    "Tile": operator(_moving(_tiled), {(6, 13): "input repeats ;"}),
    "Transpose": operator(_moving(_transposed), {_MOVED: "data ; perm"}),
    "Trilu": operator(_moving(_triangle), {(14,): "input k ; upper"}),
    "Unsqueeze": operator(_reshaping(unsqueezed), {(1, 11): "data ; axes", (13, 21, 23, 24, 25): "data axes ;"}),
}
