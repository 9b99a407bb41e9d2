"""Piecewise-linear operators of a graph. Each adds nodes after x and returns the new value."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from differential.builder import Builder, Rejected, Tensor
from differential.constants import constant, scalar
from differential.draws_affine import _broadcast, _images, _window, reduce


def activation(b: Builder, x: Tensor) -> Tensor:
    match b.rng.randrange(6):
        case 0:
            return b.one("LeakyRelu", x, **({"alpha": round(b.rng.uniform(-0.5, 1.5), 2)} if b.chance(0.7) else {}))
        case 1:
            return b.one("Abs", x)
        case 2:
            options = {name: round(b.rng.uniform(0.1, 0.7), 1) for name in ("alpha", "beta") if b.chance(0.6)}
            return b.one("HardSigmoid", x, **options)
        case 3 if b.opset >= 10:
            return b.one("ThresholdedRelu", x, alpha=0.0)
        case _:
            return b.one("Relu", x)


def clip(b: Builder, x: Tensor) -> Tensor:
    low, high = round(b.rng.uniform(-1, 0.5), 1), round(b.rng.uniform(0.5, 2), 1)
    ends = {"min": low, "max": high}
    if b.chance(0.5):
        del ends[b.rng.choice(("min", "max"))]
    if b.opset < 11:
        return b.one("Clip", x, **ends)
    return b.one("Clip", x, *(scalar(b, ends[name]) if name in ends else None for name in ("min", "max")))


def prelu(b: Builder, x: Tensor) -> Tensor:
    shape = x.shape[b.first_axis :]
    channels = (shape[0], *[1] * (len(shape) - 1)) if shape else ()
    return b.one("PRelu", x, constant(b, b.numbers(*b.rng.choice((channels, shape, (1,))))))


def extreme(b: Builder, x: Tensor) -> Tensor:
    """Max or Min of values and constants."""
    others: list[Tensor] = [y for y in (b.partner(x) for _ in range(b.rng.randint(0, 2))) if y is not None]
    if b.opset >= 8 and (not others or b.chance(0.4)):
        others.append(constant(b, b.numbers(*_broadcast(b, x))))
    operands = [x, *others]
    b.rng.shuffle(operands)
    return b.one(b.rng.choice(("Max", "Min")), *operands)


def extreme_of_axes(b: Builder, x: Tensor) -> Tensor:
    return reduce(b, x, b.rng.choice(("ReduceMax", "ReduceMin", "ReduceL1")))


def max_pool(b: Builder, x: Tensor) -> Tensor:
    _images(x)
    if b.chance(0.2):
        return b.one("GlobalMaxPool", x)
    options = _window(b, x, dilated=b.opset >= 10)
    if b.opset >= 10 and b.chance(0.4):
        options["ceil_mode"] = 1
    if b.opset >= 8 and b.chance(0.2):
        options["storage_order"] = 1
    return b.one("MaxPool", x, **options)


def _condition(b: Builder, z: Tensor, zero: Tensor) -> tuple[Tensor, bool]:
    """Whether z is on a side of zero, and whether that is the upper side."""
    orderings: list[tuple[str, bool, bool]] = [("Greater", False, True), ("Less", False, False), ("Less", True, True)]
    orderings.append(("Greater", True, False))
    if b.opset >= 12:
        orderings += [("GreaterOrEqual", False, True), ("LessOrEqual", False, False), ("LessOrEqual", True, True)]
    op, swapped, upper = b.rng.choice(orderings)
    found = b.one(op, *((zero, z) if swapped else (z, zero)))
    if b.chance(0.2):
        return b.one("Not", found), not upper
    return found, upper


def chosen_by_sign(b: Builder, x: Tensor) -> Tensor:
    """``Where(z > 0, z, slope * z)`` and its mirror images; the breakpoint may be elsewhere."""
    at = round(b.rng.uniform(-0.5, 0.5), 1) if b.chance(0.3) else 0.0
    end = scalar(b, at) if at else b.raw(np.array(0.0, dtype=b.dtype))
    condition, upper = _condition(b, x, end)
    if at:
        low = end
    elif b.chance(0.5):
        low = b.one("Mul", x, scalar(b, round(b.rng.uniform(-0.5, 0.9), 2)))
    else:
        low = b.raw(np.zeros(b.rng.choice(((), (1,))), dtype=b.dtype))
    pair = [x, low]
    if b.chance(0.3):
        pair.reverse()  # the mirror image
    return b.one("Where", condition, *(pair if upper else pair[::-1]))


def times_sign(b: Builder, x: Tensor) -> Tensor:
    """``z * (z > 0)``."""
    condition, _ = _condition(b, x, b.raw(np.array(0.0, dtype=b.dtype)))
    mask = b.one("Cast", condition, to=helper.np_dtype_to_tensor_dtype(np.dtype(b.dtype)))
    return b.one("Mul", *((x, mask) if b.chance(0.5) else (mask, x)))


def shrink(b: Builder, x: Tensor) -> Tensor:
    edge = round(b.rng.uniform(0.1, 1), 1)
    return b.one("Shrink", x, lambd=edge, bias=edge)


def last(b: Builder, x: Tensor) -> Tensor:
    """An operator that is left off at the end."""
    axis: dict[str, Any] = {"axis": b.an_axis(x, signed=b.opset >= 11)} if b.chance(0.7) else {}
    if b.batch and x.rank < 2:
        raise Rejected("no classes")
    op = b.rng.choice(("Softmax", "LogSoftmax", "Sigmoid", "Tanh", "ArgMax", "TopK"))
    if op == "TopK":
        k = [b.ints(1)] if b.opset >= 10 else []
        return b.node(op, x, *k, outputs=2, **axis, **({} if k else {"k": 1}))[b.rng.randrange(2)]
    if op in ("Sigmoid", "Tanh"):
        return b.one(op, x)
    if op == "ArgMax":
        return b.one(op, x, **({"axis": axis.get("axis", x.rank - 1), "keepdims": b.rng.randint(0, 1)}))
    return b.one(op, x, **axis)
