"""Convolutions and average pooling as exact matrices: a window moves over the last axes of a value.

Throughout: a value has the shape (1, channels, *axes*); a *position* is where the window lies, a *tap* one of its
entries. Padding is zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers.affine.steps import FloatArray, IndexArray
from relucensus.readers.affine.value import AffineValue
from relucensus.readers.limits import shape_text

_MOST: Final = 2**31


@dataclass(frozen=True, slots=True)
class Window:
    """Size and steps of a window, one number an axis; `before` and `after` are the zeros put around the value.

    Raises:
        InvalidNetwork: not one number an axis, or a number that is negative, zero where none may be, or huge.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, least in (("kernel", 1), ("strides", 1), ("dilations", 1), ("before", 0), ("after", 0)):
            numbers = getattr(self, name)
            if len(numbers) != len(self.kernel) or not all(least <= n < _MOST for n in numbers):
                what = f"padding {name}" if least == 0 else name
                raise InvalidNetwork(
                    f"has {what} {list(numbers)[:8]}; needed are {len(self.kernel)} numbers of at least {least}, "
                    "one for each axis"
                )

    @property
    def reaches(self) -> tuple[int, ...]:
        """How many entries of each axis a window spans."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    def rests(self, axes: Sequence[int]) -> tuple[int, ...]:
        """What the last window leaves over at the end of each axis; negative where not one window fits."""
        spans = [n + b + a - r for n, b, a, r in zip(axes, self.before, self.after, self.reaches, strict=True)]
        return tuple(span % s if span >= 0 else span for span, s in zip(spans, self.strides, strict=True))

    def positions(self, axes: Sequence[int]) -> tuple[int, ...]:
        """How often the window fits along each axis.

        Raises:
            InvalidNetwork: it does not fit at all.
        """
        spans = [n + b + a - r for n, b, a, r in zip(axes, self.before, self.after, self.reaches, strict=True)]
        if min(spans, default=0) < 0:
            raise InvalidNetwork(
                f"has a window of {shape_text(self.reaches)} entries, which does not fit into {shape_text(axes)} "
                f"with padding {list(self.before)} and {list(self.after)}"
            )
        return tuple(span // s + 1 for span, s in zip(spans, self.strides, strict=True))

    def taps(self, axes: Sequence[int]) -> IndexArray:
        """(positions, taps): the flat index of the entry that each tap takes, -1 for padding."""
        flat = np.zeros((1, 1), dtype=np.intp)
        inside = np.ones((1, 1), dtype=np.bool_)
        for i, (size, count) in enumerate(zip(axes, self.positions(axes), strict=True)):
            index = (
                np.arange(count)[:, None] * self.strides[i]
                + np.arange(self.kernel[i]) * self.dilations[i]
                - self.before[i]
            )
            shape = (len(flat) * count, flat.shape[1] * self.kernel[i])
            valid = (0 <= index) & (index < size)
            flat = (flat[:, None, :, None] * size + index[None, :, None, :]).reshape(shape)
            inside = (inside[:, None, :, None] & valid[None, :, None, :]).reshape(shape)
        return np.where(inside, flat, -1)


def same_padding(
    axes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], *, upper: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The padding with which a window fits ``ceil(n / stride)`` times; `upper` puts an odd zero at the end."""
    totals = [
        max((-(-n // max(s, 1)) - 1) * s + d * (k - 1) + 1 - n, 0)
        for n, k, s, d in zip(axes, kernel, strides, dilations, strict=False)
    ]
    small, large = tuple(n // 2 for n in totals), tuple(n - n // 2 for n in totals)
    return (small, large) if upper else (large, small)


def convolve(value: AffineValue, weights: FloatArray, groups: int, window: Window) -> None:
    """Apply a convolution without bias; weights are (channels out, channels in / groups, *kernel).

    Raises:
        InvalidNetwork: shapes that do not fit each other.
        UnsupportedModel: a matrix beyond the limits.
    """
    channels, axes = _split(value, len(window.kernel))
    made, taken = weights.shape[:2]
    if groups < 1 or weights.shape[2:] != window.kernel or made % groups or taken * groups != channels:
        raise InvalidNetwork(
            f"has weights of shape {shape_text(weights.shape)} in {groups} groups, a window of "
            f"{shape_text(window.kernel)} and {channels} channels, which do not fit each other"
        )
    taps = _accepted_taps(value, window, axes)

    def matrix() -> FloatArray:
        found = np.zeros((made, len(taps), channels, math.prod(axes)))
        position, tap = np.nonzero(taps >= 0)
        sources = taps[position, tap][:, None]
        flat = weights.reshape(made, taken, -1)
        for row in range(made):
            first = row // (made // groups) * taken
            into = np.arange(first, first + taken)[None, :]
            found[row, position[:, None], into, sources] = flat[row][:, tap].T
        return found.reshape(made * len(taps), -1)

    value.map_entries(matrix, (1, made, *window.positions(axes)))


def average(value: AffineValue, window: Window, *, count_padding: bool) -> None:
    """Replace every channel by the means of the windows; without `count_padding`, of their entries in the value.

    Raises:
        InvalidNetwork: a window of padding alone, or shapes that do not fit.
        UnsupportedModel: a matrix beyond the limits.
    """
    channels, axes = _split(value, len(window.kernel))
    taps = _accepted_taps(value, window, axes)
    counts = np.full(len(taps), taps.shape[1]) if count_padding else (taps >= 0).sum(axis=1)
    if not counts.all():
        raise InvalidNetwork("has a window that lies in the padding, which has no mean")
    convolve(value, np.ones((channels, 1, *window.kernel)), channels, window)
    value.scale(_reciprocals(counts).reshape(value.shape[2:]))


def average_all(value: AffineValue) -> None:
    """Replace every channel by the mean of all its entries; the axes stay, with one entry each."""
    rank = len(value.shape) - 2
    if rank < 1:
        raise InvalidNetwork(f"needs an input with at least 3 axes and gets shape {shape_text(value.shape)}")
    ones, zeros = (1,) * rank, (0,) * rank
    average(value, Window(value.shape[2:], ones, ones, zeros, zeros), count_padding=False)


def _split(value: AffineValue, rank: int) -> tuple[int, tuple[int, ...]]:
    if len(value.shape) != rank + 2 or value.shape[0] != 1:
        raise InvalidNetwork(
            f"needs an input with a batch of one, channels and {rank} more axes and gets shape "
            f"{shape_text(value.shape)}"
        )
    return value.shape[1], value.shape[2:]


def _accepted_taps(value: AffineValue, window: Window, axes: Sequence[int]) -> IndexArray:
    positions = math.prod(window.positions(axes))
    entries = positions * math.prod(window.kernel)
    if entries > value.limits.weights:
        raise UnsupportedModel(
            f"has a window of {shape_text(window.kernel)} entries at {positions} positions; accepted are at most "
            f"{value.limits.weights} entries together"
        )
    return window.taps(axes)


def _reciprocals(counts: IndexArray) -> NDArray[np.object_]:
    found = np.empty(len(counts), dtype=object)
    found[:] = [Fraction(1, n) for n in counts.tolist()]
    return found
