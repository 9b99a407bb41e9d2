"""The shape that a reshaping node gives to an input of known shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from relucensus.readers.limits import shape_text
from relucensus.readers.onnx.call import Call

Shape = tuple[int, ...]


def _flattened(call: Call, shape: Shape) -> Shape:
    axis = call.whole("axis", 1)
    axis += len(shape) if axis < 0 else 0
    if not 0 <= axis <= len(shape):
        call.fail(f"flattens at axis {axis} an input with {len(shape)} axes")
    return math.prod(shape[:axis]), math.prod(shape[axis:])


def _reshaped(call: Call, shape: Shape) -> Shape:
    target = call.integers(1, "shape")
    if call.batch > 1 and target[:1] == [call.batch]:
        target[0] = 1
    if not call.whole("allowzero", 0):
        if any(n == 0 and i >= len(shape) for i, n in enumerate(target)):
            call.fail(f"copies an axis that its input does not have (shape {target[:16]})")
        target = [shape[i] if n == 0 else n for i, n in enumerate(target)]
    known = math.prod(n for n in target if n != -1)
    if target.count(-1) > 1 or any(n < -1 for n in target) or known == 0:
        call.fail(f"has the shape {target[:16]}, which does not settle every axis")
    size = math.prod(shape)
    found = tuple(size // known if n == -1 else n for n in target)
    if math.prod(found) != size:
        call.fail(f"reshapes {size} values of shape {shape_text(shape)} to the shape {target[:16]}")
    return found


def _squeezed(call: Call, shape: Shape) -> Shape:
    axes = call.axes()
    dropped = {i for i, n in enumerate(shape) if n == 1} if axes is None else _normalised(call, axes, len(shape))
    if any(shape[i] != 1 for i in dropped):
        call.fail(f"drops an axis that is longer than 1 (axes {sorted(dropped)} of shape {shape_text(shape)})")
    return tuple(n for i, n in enumerate(shape) if i not in dropped)


def _unsqueezed(call: Call, shape: Shape) -> Shape:
    axes = call.axes()
    if axes is None:
        call.fail("does not say which axes to insert")
    rest = iter(shape)
    rank = len(shape) + len(axes)
    inserted = _normalised(call, axes, rank)
    return tuple(1 if i in inserted else next(rest) for i in range(rank))


def _normalised(call: Call, axes: Sequence[int], rank: int) -> set[int]:
    found = {axis + rank if axis < 0 else axis for axis in axes}
    if len(found) != len(axes) or not all(0 <= axis < rank for axis in found):
        call.fail(f"has the axes {list(axes)[:16]}; needed are different axes of {rank}")
    return found


RESHAPING: Final[dict[str, Callable[[Call, Shape], Shape]]] = {
    "Flatten": _flattened,
    "Reshape": _reshaped,
    "Squeeze": _squeezed,
    "Unsqueeze": _unsqueezed,
}
