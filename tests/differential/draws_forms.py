"""Operators that move values about: slices, pads, shapes. Each adds nodes after x and returns the new value."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto, helper

from differential.builder import Builder, Rejected, Tensor
from differential.constants import constant, scalar, whole


def some_axes(b: Builder, x: Tensor) -> list[int]:
    """One or more axes that may be touched, some counted from the end."""
    axes = b.axes(x)
    if not axes:
        raise Rejected("no axis to touch")
    chosen = b.rng.sample(axes, b.rng.randint(1, len(axes)))
    return [a - x.rank if b.opset >= 11 and b.chance(0.4) else a for a in chosen]


def slices(b: Builder, x: Tensor) -> Tensor:
    axes = some_axes(b, x)
    starts, ends, steps = [], [], []
    for axis in axes:
        n = x.shape[axis]
        step = b.rng.choice((1, 1, 2, -1, -2)) if b.opset >= 10 else 1
        low, high = sorted(b.rng.sample(range(n + 1), 2)) if n > 1 else (0, n)
        first, last = (low, high) if step > 0 else (high - 1, low - 1)
        shown_first = first - n if b.chance(0.4) else first
        shown_last = last - n if b.chance(0.4) or last < 0 else last
        if step > 0 and high == n and b.chance(0.5):
            shown_last = b.rng.choice((2**31 - 1, 2**63 - 1, n + 5))
        if step > 0 and last == 0:
            shown_last = 0
        if step < 0 and last < 0:
            shown_last = b.rng.choice((-n - 1, -(2**31), -(2**63) + 1))
        starts.append(shown_first)
        ends.append(shown_last)
        steps.append(step)
    if b.opset < 10:
        return b.one("Slice", x, starts=starts, ends=ends, axes=axes)
    given = [whole(b, *starts), b.ints(*ends), whole(b, *axes)]
    if any(step != 1 for step in steps) or b.chance(0.5):
        given.append(whole(b, *steps))
    return b.one("Slice", x, *given)


def split(b: Builder, x: Tensor) -> Tensor:
    axis = b.an_axis(x, signed=b.opset >= 11)
    n = x.shape[axis]
    if n < 2:
        raise Rejected("nothing to split")
    at = b.rng.randrange(1, n)
    sizes = [at, n - at]
    even = n % 2 == 0 and b.chance(0.3)
    if b.opset >= 18 and b.chance(0.4):
        parts = b.node("Split", x, outputs=2, axis=axis, num_outputs=2)
    elif even:
        parts = b.node("Split", x, outputs=2, axis=axis, **({"num_outputs": 2} if b.opset >= 18 else {}))
    elif b.opset >= 13:
        parts = b.node("Split", x, whole(b, *sizes), outputs=2, axis=axis)
    else:
        parts = b.node("Split", x, outputs=2, axis=axis, split=sizes)
    b.pool.extend(parts)
    return b.rng.choice(parts)


def gather(b: Builder, x: Tensor) -> Tensor:
    axis = b.an_axis(x, signed=True)
    n = x.shape[axis]
    low = -n if b.opset >= 11 else 0
    if b.chance(0.2):
        return b.one("Gather", x, b.raw(np.array(b.rng.randrange(low, n))), axis=axis)
    shape = b.rng.choice(((1,), (2,), (3,), (2, 2)))
    drawn = np.array([b.rng.randrange(low, n) for _ in range(math.prod(shape))], dtype=np.int64).reshape(shape)
    return b.one("Gather", x, b.raw(drawn.astype(b.rng.choice((np.int32, np.int64)))), axis=axis)


def gather_elements(b: Builder, x: Tensor) -> Tensor:
    if b.batch:
        raise Rejected("indices for every point")
    axis = b.an_axis(x)
    n = x.shape[axis]
    shape = list(x.shape)
    shape[axis] = b.rng.randint(1, 3)
    drawn = [b.rng.randrange(-n, n) for _ in range(math.prod(shape))]
    return b.one("GatherElements", x, b.raw(np.array(drawn, dtype=np.int64).reshape(shape)), axis=axis)


def gather_nd(b: Builder, x: Tensor) -> Tensor:
    if b.batch or x.rank < 1:
        raise Rejected("indices for every point")
    batch_dims = int(b.opset >= 12 and x.rank > 1 and b.chance(0.3))
    depth = b.rng.randint(1, x.rank - batch_dims)
    lead = [*x.shape[:batch_dims], b.rng.randint(1, 3)]
    rows = [
        [b.rng.randrange(-x.shape[batch_dims + k], x.shape[batch_dims + k]) for k in range(depth)]
        for _ in range(math.prod(lead))
    ]
    indices = b.raw(np.array(rows, dtype=np.int64).reshape(*lead, depth))
    return b.one("GatherND", x, indices, **({"batch_dims": batch_dims} if batch_dims else {}))


def pad(b: Builder, x: Tensor) -> Tensor:
    modes = ["constant", "constant", "edge", "reflect"] + (["wrap"] if b.opset >= 19 else [])
    mode = b.rng.choice(modes)
    before, after = [0] * x.rank, [0] * x.rank
    touched = b.axes(x)
    for axis in touched:
        most = x.shape[axis] - 1 if mode == "reflect" else 2
        lowest = -1 if x.shape[axis] > 2 and mode == "constant" else 0
        if b.chance(0.6):
            before[axis], after[axis] = (b.rng.randint(lowest, min(2, most)) for _ in range(2))
    value = {} if mode != "constant" or b.chance(0.4) else {"value": round(b.rng.uniform(-2, 2), 1)}
    if b.opset < 11:
        return b.one("Pad", x, pads=[*before, *after], mode=mode, **value)
    filling = scalar(b, value["value"]) if value else None
    if b.opset >= 18 and touched and b.chance(0.5):
        signed = [a - x.rank if b.chance(0.5) else a for a in touched]
        pads = whole(b, *[before[a] for a in touched], *[after[a] for a in touched])
        return b.one("Pad", x, pads, filling, whole(b, *signed), mode=mode)
    return b.one("Pad", x, whole(b, *before, *after), filling, mode=mode)


def squeeze(b: Builder, x: Tensor) -> Tensor:
    single = [a for a in b.axes(x) if x.shape[a] == 1]
    if not single or x.rank == 1:
        raise Rejected("nothing to squeeze")
    chosen = [a - x.rank if b.opset >= 11 and b.chance(0.5) else a for a in single[: b.rng.randint(1, len(single))]]
    return b.one("Squeeze", x, whole(b, *chosen)) if b.opset >= 13 else b.one("Squeeze", x, axes=chosen)


def unsqueeze(b: Builder, x: Tensor) -> Tensor:
    if x.rank > 4:
        raise Rejected("axes enough")
    axis = b.rng.randint(b.first_axis, x.rank)
    if b.opset >= 11 and b.chance(0.4):
        axis -= x.rank + 1
    return b.one("Unsqueeze", x, whole(b, axis)) if b.opset >= 13 else b.one("Unsqueeze", x, axes=[axis])


def transpose(b: Builder, x: Tensor) -> Tensor:
    if not b.batch and b.chance(0.3):
        return b.one("Transpose", x)
    axes = b.axes(x)
    return b.one("Transpose", x, perm=[*range(b.first_axis), *b.rng.sample(axes, len(axes))])


def flatten(b: Builder, x: Tensor) -> Tensor:
    if b.batch:
        return b.one("Flatten", x, axis=1 - x.rank if b.opset >= 11 and b.chance(0.4) else 1)
    axis = b.rng.randint(-x.rank if b.opset >= 11 else 0, x.rank)
    return b.one("Flatten", x, axis=axis)


def reshape(b: Builder, x: Tensor) -> Tensor:
    first = b.first_axis
    size = math.prod(x.shape[first:])
    rows = b.rng.choice([d for d in range(1, size + 1) if size % d == 0])
    target = b.rng.choice(([size], [rows, size // rows], [1, size], [rows, 1, size // rows]))
    left = b.rng.randrange(len(target)) if b.chance(0.5) else None
    shown = [-1 if k == left else d for k, d in enumerate(target)]
    zero = {}
    if b.opset >= 14 and b.chance(0.3):
        zero = {"allowzero": b.rng.randint(0, 1) if not b.batch else 0}
    if not b.batch:
        for k, d in enumerate(shown):
            if k < x.rank and d == x.shape[k] and b.chance(0.4) and not zero.get("allowzero"):
                shown[k] = 0
        return b.one("Reshape", x, whole(b, *shown), **zero)
    return b.one("Reshape", x, whole(b, 0 if left is not None else b.rng.choice((0, -1)), *shown), **zero)


def reshape_by_shape(b: Builder, x: Tensor) -> Tensor:
    """What exporters write for ``x.view(x.size(0), -1)`` and the like."""
    size = math.prod(x.shape[b.first_axis :])
    other = b.rng.choice(b.pool)
    if b.opset >= 15 and b.chance(0.6):
        whole_shape = b.chance(0.3)
        limits = {"start": 0, "end": 1} if not whole_shape else {"start": -x.rank, "end": 1}
        first = b.one("Shape", x, **limits)
    else:
        index = b.one("Gather", b.one("Shape", x), b.raw(np.array(0)), axis=0)
        axes = {"axes": [0]} if b.opset < 13 else {}
        first = b.one("Unsqueeze", index, *([] if axes else [b.ints(0)]), **axes)
    if not b.batch and b.chance(0.5):
        rest = b.one("Slice", b.one("Shape", x), b.ints(1), b.ints(x.rank), b.ints(0)) if b.opset >= 10 else None
        if rest is not None and x.rank > 1:
            return b.one("Reshape", x, b.one("Concat", rest, first, axis=0))
    if not b.batch and other.rank and b.chance(0.3):
        total = b.one("ReduceProd", b.one("Shape", x), keepdims=1, **({"axes": [0]} if b.opset < 18 else {}))
        return b.one("Reshape", x, total)
    del size
    return b.one("Reshape", x, b.one("Concat", first, b.ints(-1), axis=0))


def expand(b: Builder, x: Tensor) -> Tensor:
    target = [d if d > 1 or k < b.first_axis or b.chance(0.3) else b.rng.randint(1, 3) for k, d in enumerate(x.shape)]
    shown = [1 if k < b.first_axis or b.chance(0.3) else d for k, d in enumerate(target)]
    if not b.batch and b.chance(0.3):
        shown = [2, *shown]
    return b.one("Expand", x, whole(b, *shown))


def tile(b: Builder, x: Tensor) -> Tensor:
    repeats = [1 if k < b.first_axis else b.rng.choice((1, 1, 2, 3)) for k in range(x.rank)]
    return b.one("Tile", x, whole(b, *repeats))


def concat(b: Builder, x: Tensor) -> Tensor:
    axis = b.an_axis(x, signed=b.opset >= 11)
    at = axis % x.rank
    alike = [
        y
        for y in b.pool
        if y.rank == x.rank and y.shape[:at] == x.shape[:at] and y.shape[at + 1 :] == x.shape[at + 1 :]
    ]
    parts = [x, *(b.rng.choice(alike) for _ in range(b.rng.randint(0, 2)) if alike)]
    if not b.batch and b.chance(0.3):
        shape = list(x.shape)
        shape[at] = b.rng.randint(1, 2)
        parts.append(constant(b, b.numbers(*shape)))
    b.rng.shuffle(parts)
    return b.one("Concat", *parts, axis=axis)


def trilu(b: Builder, x: Tensor) -> Tensor:
    if x.rank < 2 + b.first_axis:
        raise Rejected("no matrix")
    k = None if b.chance(0.4) else b.raw(np.array(b.rng.randint(-2, 2)))
    return b.one("Trilu", x, k, **({} if b.chance(0.4) else {"upper": b.rng.randint(0, 1)}))


def depth_to_space(b: Builder, x: Tensor) -> Tensor:
    if x.rank != 4:
        raise Rejected("no image")
    if x.shape[1] % 4 == 0:
        mode = {"mode": b.rng.choice(("DCR", "CRD"))} if b.opset >= 11 and b.chance(0.7) else {}
        return b.one("DepthToSpace", x, blocksize=2, **mode)
    if x.shape[2] % 2 or x.shape[3] % 2:
        raise Rejected("no blocks")
    return b.one("SpaceToDepth", x, blocksize=2)


def cast(b: Builder, x: Tensor) -> Tensor:
    """There and back through a wider type."""
    mine = helper.np_dtype_to_tensor_dtype(np.dtype(b.dtype))
    if b.opset >= 15 and b.chance(0.4):
        return b.one("CastLike", b.one("CastLike", x, b.raw(np.float64(1))), b.raw(np.array([2], dtype=b.dtype)))
    return b.one("Cast", b.one("Cast", x, to=TensorProto.DOUBLE), to=mine)


def passed_on(b: Builder, x: Tensor) -> Tensor:
    if b.chance(0.5):
        return b.one("Identity", x)
    if b.opset >= 12:
        ratio = b.raw(np.float32(0.4)) if b.chance(0.5) else None
        mode = b.raw(np.array(False)) if b.chance(0.5) else None
        return b.one("Dropout", x, ratio, mode)
    return b.one("Dropout", x, **({"ratio": 0.3} if b.chance(0.5) else {}))


def scatter(b: Builder, x: Tensor) -> Tensor:
    """A constant written over some entries."""
    if b.batch:
        raise Rejected("indices for every point")
    axis = b.an_axis(x)
    n = x.shape[axis]
    shape = list(x.shape)
    shape[axis] = b.rng.randint(1, n)
    order = b.rng.sample(range(n), shape[axis])
    spread = [1] * x.rank
    spread[axis] = shape[axis]
    indices = np.broadcast_to(np.array(order, dtype=np.int64).reshape(spread), shape).copy()
    return b.one("ScatterElements", x, b.raw(indices), constant(b, b.numbers(*shape)), axis=axis)


def reverse_rows(b: Builder, x: Tensor) -> Tensor:
    """A permutation as a gather with a computed index."""
    axis = b.an_axis(x, signed=b.opset >= 11)
    n = x.shape[axis]
    return b.one("Gather", x, whole(b, *b.rng.sample(range(n), n)), axis=axis)
