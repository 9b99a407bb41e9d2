"""Resize and Upsample: along each axis, an entry of the result is one of the value or between two neighbours.

Throughout: x is a place in the result, y(x) the place in the value that it comes from, a rational number; scale is
result over value. Where y is so near a place at which rounding turns over that floats would decide, the node is
refused.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.forms import Operator, operator
from relucensus.readers.onnx.tensors import Constant, Tensor, combined
from relucensus.values import exact_numbers
from relucensus.values.exact_rows import ExactRows

_NEAR: Final = Fraction(1, 10**4)
_ATTRIBUTES: Final = (
    "coordinate_transformation_mode cubic_coeff_a exclude_outside extrapolation_value mode nearest_mode"
)

Weights = list[tuple[int, int, Fraction]]  # place in the result, place in the value, weight


@dataclass(frozen=True, slots=True)
class Sampling:
    """How places are transformed, and rounded where the nearest entry is taken."""

    linear: bool
    transformation: str
    rounding: str
    old: bool = False  # of an opset that does not say how it rounds


def _resize(call: Call) -> Tensor:
    tensor = call.tensor("X")
    sampling = _sampling(call)
    if not tensor.size:
        call.fail("has an input without entries")
    scales, sizes = _target(call, tensor.shape)
    call.limits.check_tensor("a resized value", sizes)
    if sum(sizes) > call.limits.inputs:
        call.refuse(f"resizes to {sizes}; accepted are axes with {call.limits.inputs} entries together at most")
    if len(sizes) > 2 and sizes[0] != tensor.shape[0]:
        call.refuse(
            f"resizes the first axis, the batch, from {tensor.shape[0]} to {sizes[0]}: a batch size of its own is in "
            "the file; export the model with a batch of one"
        )
    axes = [
        _axis_weights(call, sampling, n, size, scale)
        for n, size, scale in zip(tensor.shape, sizes, scales, strict=True)
    ]
    return combined(tensor, _along_all(call, axes, tensor, sizes), sizes)


def _sampling(call: Call) -> Sampling:
    mode = call.word("mode", "nearest")
    if mode == "bilinear":
        mode = "linear"
    new = "coordinate_transformation_mode" in call.form.attributes
    transformation = call.word("coordinate_transformation_mode", "half_pixel") if new else "asymmetric"
    rounding = call.word("nearest_mode", "round_prefer_floor") if new else "floor"
    if mode not in ("nearest", "linear") or transformation not in _TRANSFORMATIONS or rounding not in _ROUNDINGS:
        call.refuse(
            f"has mode {mode[:20]!r}, coordinates {transformation[:30]!r}, rounding {rounding[:20]!r}; supported are "
            f"nearest and linear, {', '.join(_TRANSFORMATIONS)} and {', '.join(_ROUNDINGS)}"
        )
    if call.whole("antialias", 0) or call.whole("exclude_outside", 0):
        call.refuse("has antialias or exclude_outside, which are not read")
    if call.word("keep_aspect_ratio_policy", "stretch") != "stretch":
        call.refuse("keeps the aspect ratio; supported is keep_aspect_ratio_policy = 'stretch'")
    return Sampling(mode == "linear", transformation, rounding, old=not new and call.op_type == "Resize")


def _target(call: Call, shape: Sequence[int]) -> tuple[list[Fraction], list[int]]:
    """The scale and the size of every axis of the result."""
    rank = len(shape)
    axes = call.axes(rank) or list(range(rank))
    asked = call.integers("sizes") if call.given("sizes") is not None else None
    if asked:
        if len(asked) != len(axes):
            call.fail(f"has {len(asked)} sizes for {len(axes)} axes")
        named = dict(zip(axes, asked, strict=True))
        sizes = [named.get(i, n) for i, n in enumerate(shape)]
        if min(sizes, default=1) < 1:
            call.fail(f"has the sizes {sizes}")
        return [Fraction(size, n) for size, n in zip(sizes, shape, strict=True)], sizes
    given = _scales(call)
    if len(given) != len(axes) or min(given, default=Fraction(1)) <= 0:
        call.fail(f"has {len(given)} scales for {len(axes)} axes, which must be positive")
    named_scales = dict(zip(axes, given, strict=True))
    scales = [named_scales.get(i, Fraction(1)) for i in range(rank)]
    return scales, [math.floor(n * scale) for n, scale in zip(shape, scales, strict=True)]


def _scales(call: Call) -> list[Fraction]:
    if "scales" in call.form.attributes:
        return [Fraction(x) for x in call.decimals("scales") or [] if math.isfinite(x)]
    return [exact_numbers.fraction(x) for x in call.floats("scales").ravel().tolist()]


def _axis_weights(call: Call, sampling: Sampling, length: int, size: int, scale: Fraction) -> Weights:
    if not size or not length:
        call.fail("has an axis without entries")
    if size == length and scale == 1:
        return [(x, x, Fraction(1)) for x in range(size)]
    found: Weights = []
    for x in range(size):
        place = _TRANSFORMATIONS[sampling.transformation](Fraction(x), scale, length, size)
        if sampling.linear:
            found += _between(x, min(max(place, Fraction(0)), Fraction(length - 1)), length)
        else:
            found.append((x, min(max(_nearest(call, sampling, place, length), 0), length - 1), Fraction(1)))
    return found


def _between(x: int, place: Fraction, length: int) -> Weights:
    low = min(math.floor(place), length - 1)
    share = place - low
    entries = [(x, low, 1 - share), (x, min(low + 1, length - 1), share)]
    return [entry for entry in entries if entry[2]]


def _nearest(call: Call, sampling: Sampling, place: Fraction, length: int) -> int:
    turn = _ROUNDINGS[sampling.rounding]
    apart = (place - turn) % 1
    if 0 < min(apart, 1 - apart) < _NEAR and -1 < place < length:
        call.refuse("takes the nearest entry at a place where the rounding of floats decides which that is")
    if sampling.old and place % 1:
        call.refuse(
            "takes the nearest entry where versions of ONNX and runtimes round differently (opset 10 and before)"
        )
    match sampling.rounding:
        case "floor":
            return math.floor(place)
        case "ceil":
            return math.ceil(place)
        case "round_prefer_floor":
            return math.ceil(place - Fraction(1, 2))
        case _:
            return math.floor(place + Fraction(1, 2))


def _along_all(call: Call, axes: Sequence[Weights], tensor: Constant | AffineValue, sizes: Sequence[int]) -> ExactRows:
    """The product of what is done along each axis."""
    call.limits.check_weights(math.prod(len(one) for one in axes))
    rows, indices, weights = np.zeros(1, np.int64), np.zeros(1, np.int64), exact_numbers.of_fractions([Fraction(1)])
    for one, n, size in zip(axes, tensor.shape, sizes, strict=True):
        into = np.array([entry[0] for entry in one], dtype=np.int64)
        source = np.array([entry[1] for entry in one], dtype=np.int64)
        own = exact_numbers.of_fractions([entry[2] for entry in one])
        rows = (rows[:, None] * size + into).ravel()
        indices = (indices[:, None] * n + source).ravel()
        weights = exact_numbers.product(weights[:, None], own[None, :]).ravel()
    return ExactRows.from_entries((math.prod(sizes), tensor.size), rows, indices, weights)


def _half_pixel(x: Fraction, scale: Fraction, _length: int, _size: int) -> Fraction:
    return (x + Fraction(1, 2)) / scale - Fraction(1, 2)


def _symmetric(x: Fraction, scale: Fraction, length: int, size: int) -> Fraction:
    adjustment = size / (scale * length)
    centre = Fraction(length, 2)
    return centre * (1 - adjustment) + _half_pixel(x, scale, length, size)


def _pytorch_half_pixel(x: Fraction, scale: Fraction, length: int, size: int) -> Fraction:
    return _half_pixel(x, scale, length, size) if size > 1 else Fraction(0)


def _align_corners(x: Fraction, _scale: Fraction, length: int, size: int) -> Fraction:
    return x * (length - 1) / (size - 1) if size > 1 else Fraction(0)


def _asymmetric(x: Fraction, scale: Fraction, _length: int, _size: int) -> Fraction:
    return x / scale


def _tensorflow_half_pixel(x: Fraction, scale: Fraction, _length: int, _size: int) -> Fraction:
    return (x + Fraction(1, 2)) / scale


_TRANSFORMATIONS: Final = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _symmetric,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "align_corners": _align_corners,
    "asymmetric": _asymmetric,
    "tf_half_pixel_for_nn": _tensorflow_half_pixel,
}
_ROUNDINGS: Final = dict(
    itertools.chain(
        ((name, Fraction(0)) for name in ("floor", "ceil")),
        ((name, Fraction(1, 2)) for name in ("round_prefer_floor", "round_prefer_ceil")),
    )
)

OPERATORS: Final[dict[str, Operator]] = {
    "Resize": operator(
        _resize,
        {
            (10,): "X scales ; mode",
            (11, 13): f"X roi scales sizes ; {_ATTRIBUTES}",
            (18, 19): f"X roi scales sizes ; {_ATTRIBUTES} antialias axes keep_aspect_ratio_policy",
        },
    ),
    "Upsample": operator(_resize, {(7,): "X ; mode scales", (9, 10): "X scales ; mode"}),
}
