"""Windows that move over the last axes of a value: convolutions and pools as exact rows.

Throughout: a value has the shape (batch, channels, *axes*); a *position* is where the window lies, a *tap* one of its
entries. Padding is zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from flint import fmpq
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers.limits import ReaderLimits, shape_text
from relucensus.values import exact_numbers
from relucensus.values.exact_numbers import Numbers
from relucensus.values.exact_rows import ExactRows

IndexArray = NDArray[np.int64]
Outer = tuple[ExactRows, tuple[int, ...]]  # a map of the entries of a value, and the shape of its image

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

    def taps(self, axes: Sequence[int], positions: Sequence[int] | None = None) -> IndexArray:
        """(positions, taps): the flat index of the entry that each tap takes, -1 for padding.

        There are as many positions along each axis as fit, unless their numbers are given.
        """
        flat = np.zeros((1, 1), dtype=np.intp)
        inside = np.ones((1, 1), dtype=np.bool_)
        for i, (size, count) in enumerate(zip(axes, positions or self.positions(axes), strict=True)):
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


def convolution(shape: Sequence[int], weights: Numbers, groups: int, window: Window, limits: ReaderLimits) -> Outer:
    """A convolution of a value of this shape, without bias; weights are (channels out, channels in / groups, *kernel).

    Raises:
        InvalidNetwork: shapes that do not fit each other.
        UnsupportedModel: more weights than the limits accept.
    """
    batch, channels, axes = _split(shape, len(window.kernel))
    made, taken = weights.shape[:2]
    if groups < 1 or weights.shape[2:] != window.kernel or made % groups or taken * groups != channels:
        raise InvalidNetwork(
            f"has weights of shape {shape_text(weights.shape)} in {groups} groups, a window of "
            f"{shape_text(window.kernel)} and {channels} channels, which do not fit each other"
        )
    taps = accepted_taps(window, axes, limits)
    count, entries = taps.shape
    limits.check_weights(batch * made * count * taken * entries)
    size = math.prod(axes)
    sample = np.arange(batch).reshape(-1, 1, 1, 1, 1)
    out = np.arange(made).reshape(1, -1, 1, 1, 1)
    channel = np.arange(taken).reshape(1, 1, 1, -1, 1) + out // (made // groups) * taken
    where = taps.reshape(1, 1, count, 1, entries)
    sources = (sample * channels + channel) * size + where
    rows = (sample * made + out) * count + np.arange(count).reshape(1, 1, -1, 1, 1)
    spread = weights.reshape(1, made, 1, taken, entries)
    full = np.broadcast_shapes(sources.shape, rows.shape, spread.shape)
    inside = np.flatnonzero(np.broadcast_to(where >= 0, full))
    picked = [np.broadcast_to(one, full).reshape(-1)[inside] for one in (rows, sources, spread)]
    found = ExactRows.from_entries((batch * made * count, math.prod(shape)), picked[0], picked[1], picked[2])
    return found, (batch, made, *window.positions(axes))


def transposed_convolution(
    shape: Sequence[int], weights: Numbers, groups: int, window: Window, axes_out: Sequence[int], limits: ReaderLimits
) -> Outer:
    """The transpose of the convolution that leads from `axes_out` to this shape, as a map of a value of this shape.

    Weights are (channels in, channels out / groups, *kernel).

    Raises:
        InvalidNetwork: shapes that do not fit each other.
        UnsupportedModel: more weights than the limits accept.
    """
    batch, channels, axes = _split(shape, len(window.kernel))
    taken, made = weights.shape[0], weights.shape[1] * groups
    if groups < 1 or weights.shape[2:] != window.kernel or taken != channels or taken % groups:
        raise InvalidNetwork(
            f"has weights of shape {shape_text(weights.shape)} in {groups} groups and {channels} channels, which do "
            "not fit each other"
        )
    taps = transposed_taps(window, axes, axes_out, limits)
    count, entries = taps.shape
    own = weights.shape[1]
    limits.check_weights(batch * channels * own * count * entries)
    sample = np.arange(batch).reshape(-1, 1, 1, 1, 1)
    channel = np.arange(channels).reshape(1, -1, 1, 1, 1)
    out = np.arange(own).reshape(1, 1, -1, 1, 1) + channel // (channels // groups) * own
    where = taps.reshape(1, 1, 1, count, entries)
    rows = (sample * made + out) * math.prod(axes_out) + where
    sources = (sample * channels + channel) * count + np.arange(count).reshape(1, 1, 1, -1, 1)
    spread = weights.reshape(1, channels, own, 1, entries)
    full = np.broadcast_shapes(sources.shape, rows.shape, spread.shape)
    inside = np.flatnonzero(np.broadcast_to(where >= 0, full))
    picked = [np.broadcast_to(one, full).reshape(-1)[inside] for one in (rows, sources, spread)]
    size = batch * made * math.prod(axes_out)
    found = ExactRows.from_entries((size, math.prod(shape)), picked[0], picked[1], picked[2])
    return found, (batch, made, *axes_out)


def averages(shape: Sequence[int], window: Window, limits: ReaderLimits, *, count_padding: bool) -> Outer:
    """The means of the windows in every channel; without `count_padding`, of their entries in the value.

    Raises:
        InvalidNetwork: a window of padding alone, or shapes that do not fit.
        UnsupportedModel: more weights than the limits accept.
    """
    batch, channels, axes = _split(shape, len(window.kernel))
    taps = accepted_taps(window, axes, limits)
    counts = np.full(len(taps), taps.shape[1]) if count_padding else (taps >= 0).sum(axis=1)
    if not counts.all():
        raise InvalidNetwork("has a window that lies in the padding, which has no mean")
    planes = batch * channels
    limits.check_weights(planes * taps.size)
    position, tap = np.nonzero(taps >= 0)
    plane = np.arange(planes)[:, None]
    rows = (plane * len(taps) + position).ravel()
    sources = (plane * math.prod(axes) + taps[position, tap]).ravel()
    shares = np.empty(len(taps), dtype=object)
    shares[:] = [fmpq(1, int(n)) for n in counts]
    coefficients = np.tile(exact_numbers.settled(shares)[position], planes)
    found = ExactRows.from_entries((planes * len(taps), math.prod(shape)), rows, sources, coefficients)
    return found, (batch, channels, *window.positions(axes))


def groups_of_windows(shape: Sequence[int], window: Window, limits: ReaderLimits) -> tuple[IndexArray, tuple[int, ...]]:
    """(windows, taps): the numbers of the entries in every window of every channel, -1 for padding; and the shape.

    Raises:
        InvalidNetwork: a window of padding alone, or shapes that do not fit.
        UnsupportedModel: more entries than the limits accept.
    """
    batch, channels, axes = _split(shape, len(window.kernel))
    taps = accepted_taps(window, axes, limits)
    if not (taps >= 0).any(axis=1).all():
        raise InvalidNetwork("has a window that lies in the padding, which has no greatest entry")
    planes = batch * channels
    limits.check_weights(planes * taps.size)
    plane = np.arange(planes).reshape(-1, 1, 1)
    groups = np.where(taps >= 0, plane * math.prod(axes) + taps, -1)
    return groups.reshape(planes * len(taps), -1), (batch, channels, *window.positions(axes))


def accepted_taps(window: Window, axes: Sequence[int], limits: ReaderLimits) -> IndexArray:
    """The taps of the window on these axes.

    Raises:
        UnsupportedModel: more than the limits accept.
    """
    positions = math.prod(window.positions(axes))
    entries = positions * math.prod(window.kernel)
    if entries > limits.weights:
        raise UnsupportedModel(
            f"has a window of {shape_text(window.kernel)} entries at {positions} positions; accepted are at most "
            f"{limits.weights} entries together"
        )
    return window.taps(axes)


def transposed_taps(window: Window, axes: Sequence[int], axes_out: Sequence[int], limits: ReaderLimits) -> IndexArray:
    """(entries of the value, taps): the flat index on `axes_out` that each tap adds to, -1 for what is cut off."""
    if math.prod(axes) * math.prod(window.kernel) > limits.weights or math.prod(axes_out) > limits.weights:
        raise UnsupportedModel(
            f"has a window of {shape_text(window.kernel)} entries at {math.prod(axes)} positions; accepted are at most "
            f"{limits.weights} entries together"
        )
    return window.taps(axes_out, axes)


def _split(shape: Sequence[int], rank: int) -> tuple[int, int, tuple[int, ...]]:
    if len(shape) != rank + 2:
        raise InvalidNetwork(
            f"needs an input with a batch, channels and {rank} more axes and gets shape {shape_text(shape)}"
        )
    return shape[0], shape[1], tuple(shape[2:])
