"""The records of the merges section, and what each has to satisfy; checked in exact arithmetic.

Throughout: h is the form of the first row at which two patterns differ. Forms and points are those of the network;
the numbers in the records are in the coordinates and units of a frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from relucensus.affine import Forms, Preactivations, proportional
from relucensus.arithmetic import RationalPoint
from relucensus.errors import SolverFailure
from relucensus.values.frame import Frame
from relucensus.values.pattern import ACTIVE


@dataclass(frozen=True, slots=True)
class Join:
    """Two regions share a facet: `point`, in box coordinates, is in its relative interior."""

    first: bytes
    second: bytes
    point: tuple[Fraction, ...]


@dataclass(frozen=True, slots=True)
class Apart:
    """Two regions share no facet: some share of half-spaces and h is nowhere positive in the box.

    `multipliers` are pairs (k, y > 0): row k of the first region, row k - N of the second where k >= N rows. `slope`
    is the multiplier of h.
    """

    first: bytes
    second: bytes
    multipliers: tuple[tuple[int, Fraction], ...]
    slope: Fraction

    @classmethod
    def scaled(cls, first: bytes, second: bytes, multipliers: Mapping[int, Fraction], slope: Fraction) -> Apart:
        """The record with these multipliers as coprime integers."""
        common = math.lcm(*(y.denominator for y in multipliers.values()))
        factor = Fraction(common, math.gcd(*(int(y * common) for y in multipliers.values())))
        return cls(first, second, tuple((k, y * factor) for k, y in sorted(multipliers.items())), slope * factor)


def first_difference(first: bytes, second: bytes) -> int:
    """The first row at which two patterns differ."""
    return next(row for row, (one, other) in enumerate(zip(first, second, strict=True)) if one != other)


def check_join(preactivations: Preactivations, join: Join, frame: Frame) -> None:
    """Check the record.

    Raises:
        SolverFailure: the point is not inside the box, not on h = 0, outside a region, or on another boundary of it.
    """
    point = RationalPoint.from_fractions(frame.place(join.point))
    h = _Row.of(preactivations, join.first, first_difference(join.first, join.second))
    holds = preactivations.box.contains_strictly(point) and h.forms.exact.at(point)[h.index] == 0
    if not (holds and all(_borders(preactivations, pattern, h, point) for pattern in (join.first, join.second))):
        raise SolverFailure("a point of a facet that two regions share does not check; please report this")


def check_apart(preactivations: Preactivations, apart: Apart, frame: Frame) -> None:
    """Check the record.

    Raises:
        SolverFailure: a multiplier is not positive or belongs to a multiple of h, or the maximum is positive.
    """
    rows = preactivations.neurons
    wall = first_difference(apart.first, apart.second)
    h = _Row.of(preactivations, apart.first, wall)
    holds = bool(apart.multipliers)
    total = h.times(apart.slope * frame.unit(wall))
    for k, y in apart.multipliers:
        pattern = apart.first if k < rows else apart.second
        g = _Row.of(preactivations, pattern, k % rows)
        holds = holds and y > 0 and not g.is_multiple_of(h)
        share = y * frame.unit(k % rows)
        total = [a + b for a, b in zip(total, g.times(share if g.symbol == ACTIVE else -share), strict=True)]
    common = math.lcm(*(c.denominator for c in total))
    *coefficients, constant = (int(c * common) for c in total)
    if not holds or preactivations.box.maximum(coefficients, constant) > 0:
        raise SolverFailure("multipliers that keep two regions apart do not check; please report this")


def _borders(preactivations: Preactivations, pattern: bytes, h: _Row, point: RationalPoint) -> bool:
    """Whether the point is strictly inside all half-spaces of a region but those whose boundary is h = 0."""
    for layer, start in enumerate(preactivations.starts[:-1]):
        forms = preactivations.forms(layer, pattern)
        for index, value in enumerate(forms.exact.at(point)):
            row = _Row(forms, index, pattern[start + index])
            oriented = value if row.symbol == ACTIVE else -value
            if oriented <= 0 and not row.bounds_nothing and not (value == 0 and row.is_multiple_of(h)):
                return False
    return True


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """A row with its form and its symbol on a region."""

    forms: Forms
    index: int
    symbol: int

    @classmethod
    def of(cls, preactivations: Preactivations, pattern: bytes, row: int) -> _Row:
        layer = preactivations.layer_of(row)
        return cls(preactivations.forms(layer, pattern), row - preactivations.starts[layer], pattern[row])

    @property
    def bounds_nothing(self) -> bool:
        """Whether the form is zero, or the row has no breakpoint."""
        return self.forms.constant_sign[self.index] == 0

    def is_multiple_of(self, other: _Row) -> bool:
        """Whether the form is a multiple of the other; where the row bounds nothing, it counts as zero."""
        return self.bounds_nothing or (proportional(other.forms.exact, other.index, self.forms.exact, self.index) != 0)

    def times(self, factor: Fraction) -> list[Fraction]:
        """The coefficients and the constant of the preactivation, times a factor."""
        exact = self.forms.exact
        entries = [*(exact.coefficients[self.index, c] for c in range(exact.columns)), exact.constants[self.index, 0]]
        return [factor * Fraction(int(entry), exact.denominator) for entry in entries]
