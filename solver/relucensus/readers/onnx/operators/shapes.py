"""The shape that a reshaping node gives to an input of known shape."""

from __future__ import annotations

import math

from relucensus.readers.limits import shape_text
from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.tensors import values_in

Shape = tuple[int, ...]


def flattened(call: Call, shape: Shape) -> Shape:
    """Two axes."""
    axis = call.whole("axis", 1)
    axis += len(shape) if axis < 0 else 0
    if not 0 <= axis <= len(shape):
        call.fail(f"flattens at axis {axis} an input with {len(shape)} axes")
    return math.prod(shape[:axis]), math.prod(shape[axis:])


def reshaped(call: Call, shape: Shape) -> Shape:
    """The shape given: 0 copies an axis unless zeros are allowed, -1 is what is left."""
    target = call.integers("shape")
    if target is None:
        call.fail("has no input shape")
    call.limits.check_axes(len(target))
    if call.batch > 1 and values_in(call.inputs[0]) and target[:1] == [call.batch]:
        target[0] = 1
    if not call.whole("allowzero", 0):
        if any(n == 0 and i >= len(shape) for i, n in enumerate(target)):
            call.fail(f"copies an axis that its input does not have (shape {target[:16]})")
        target = [shape[i] if n == 0 else n for i, n in enumerate(target)]
    known = math.prod(n for n in target if n != -1)
    if target.count(-1) > 1 or any(n < -1 for n in target) or (known == 0 and -1 in target):
        call.fail(f"has the shape {target[:16]}, which does not settle every axis")
    size = math.prod(shape)
    found = tuple(size // known if n == -1 else n for n in target)
    if math.prod(found) != size:
        call.fail(f"reshapes {size} values of shape {shape_text(shape)} to the shape {target[:16]}")
    return found


def squeezed(call: Call, shape: Shape) -> Shape:
    """Without the axes named, which have one entry each; without all such axes if none is named."""
    axes = call.axes(len(shape))
    dropped = [i for i, n in enumerate(shape) if n == 1] if axes is None else axes
    if any(shape[i] != 1 for i in dropped):
        call.fail(f"drops an axis that is longer than 1 (axes {sorted(dropped)} of shape {shape_text(shape)})")
    return tuple(n for i, n in enumerate(shape) if i not in dropped)


def unsqueezed(call: Call, shape: Shape) -> Shape:
    """With an axis of one entry at each place named, counted in the result."""
    given = call.integers("axes")
    if given is None:
        call.fail("does not say which axes to insert")
    rank = len(shape) + len(given)
    call.limits.check_axes(rank)
    axes = call.axes(rank)
    rest = iter(shape)
    return tuple(1 if i in (axes or ()) else next(rest) for i in range(rank))
