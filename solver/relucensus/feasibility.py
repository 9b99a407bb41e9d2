"""Whether half-spaces have a common point in a box, and what proves it, in exact arithmetic.

Throughout: a system is a list of affine forms g_i, each to be positive (strict) or non-negative (weak) at a point
of the closed box. Since the box is full-dimensional, strict rows with a common point in the closed box have an open
set of common points in its interior.

Two proofs are checked here, whoever proposes them:

- a rational point at which every row holds;
- multipliers y >= 0 (Motzkin's transposition theorem) such that the maximum of sum y_i g_i over the box is negative,
  or not positive while some strict row has y_i > 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import frexp, ldexp

import numpy as np
from flint import fmpq, fmpz_mat
from numpy.typing import NDArray

from relucensus.arithmetic import AffineMap, RationalPoint, dyadic, split
from relucensus.values.domain import Box


@dataclass(frozen=True, slots=True, eq=False)
class Inhabited:
    """The rows have a common point: this one."""

    witness: RationalPoint


@dataclass(frozen=True, slots=True, eq=False)
class Empty:
    """The rows have no common point: these non-negative integer multipliers, one a row, prove it."""

    multipliers: tuple[int, ...]


Certain = Inhabited | Empty


@dataclass(frozen=True, eq=False)
class ExactBox:
    """A float64 box of positive width in every coordinate, and the same in integers over `denominator`."""

    box: Box

    @cached_property
    def _integers(self) -> tuple[list[int], int]:
        both, exponent = dyadic(np.concatenate([self.box.lower, self.box.upper]))
        return both, 1 << exponent

    @property
    def dimension(self) -> int:
        """Number of coordinates."""
        return self.box.dimension

    @property
    def denominator(self) -> int:
        """Common positive denominator of the integer bounds."""
        return self._integers[1]

    @cached_property
    def lower(self) -> list[int]:
        """Numerators of the lower bounds."""
        return self._integers[0][: self.dimension]

    @cached_property
    def upper(self) -> list[int]:
        """Numerators of the upper bounds."""
        return self._integers[0][self.dimension :]

    @cached_property
    def middle(self) -> NDArray[np.float64]:
        """A float64 point near the centre, inside the box."""
        middle = self.box.lower / 2 + self.box.upper / 2
        return np.clip(middle, self.box.lower, self.box.upper)

    @cached_property
    def half_widths(self) -> NDArray[np.float64]:
        """Float64 distances from `middle`, rounded up, that reach both bounds; positive."""
        halves = np.maximum(self.box.upper - self.middle, self.middle - self.box.lower)
        return np.minimum(np.nextafter(halves, np.inf), np.finfo(np.float64).max)

    def contains(self, point: RationalPoint) -> bool:
        """Whether the point is in the closed box."""
        q, p = self.denominator, point.denominator
        return all(
            low * p <= x * q <= high * p for low, x, high in zip(self.lower, point.numerators, self.upper, strict=True)
        )

    def contains_strictly(self, point: RationalPoint) -> bool:
        """Whether the point is in the open box."""
        q, p = self.denominator, point.denominator
        return all(
            low * p < x * q < high * p for low, x, high in zip(self.lower, point.numerators, self.upper, strict=True)
        )

    def maximum(self, coefficients: Sequence[int], constant: int) -> int:
        """The sign-exact maximum of ``coefficients·x + constant`` over the box, times `denominator`."""
        total = constant * self.denominator
        for c, low, high in zip(coefficients, self.lower, self.upper, strict=True):
            if c:
                total += c * (high if c > 0 else low)
        return total


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of one exact affine map with a sign each: +1 asks for g > 0, -1 for g < 0, 0 leaves the row out.

    `unit` (rows, d) and `offsets` (rows,) are the rows in box coordinates ``x = middle + half_widths * u``, scaled
    to norm 1 and rounded; row i of the exact map is about ``unit[i] * norms[i] * 2**shifts[i]``.
    """

    exact: AffineMap
    unit: NDArray[np.float64]
    offsets: NDArray[np.float64]
    norms: NDArray[np.float64]
    shifts: tuple[int, ...]

    @classmethod
    def of(cls, exact: AffineMap, box: ExactBox) -> Rows:
        """Round the exact rows to unit rows over the box."""
        middle = RationalPoint.from_floats(box.middle)
        offset_shift = 1 - middle.denominator.bit_length()
        at_middle = exact.at(middle)
        halves = [frexp(half) for half in box.half_widths.tolist()]
        unit = np.zeros((exact.rows, exact.columns))
        offsets = np.zeros(exact.rows)
        shifts = []
        for i, row in enumerate(exact.coefficients.tolist()):
            entries = [split(int(c), exponent) for c, (_, exponent) in zip(row, halves, strict=True)]
            offset = split(at_middle[i], offset_shift)
            shift = max((exponent for mantissa, exponent in [*entries, offset] if mantissa), default=0)
            unit[i] = [ldexp(m * half, e - shift) for (m, e), (half, _) in zip(entries, halves, strict=True)]
            offsets[i] = ldexp(offset[0], offset[1] - shift)
            shifts.append(shift)
        norms = np.linalg.norm(unit, axis=1) if exact.columns else np.zeros(exact.rows)
        norms = np.where(norms > 0, norms, np.where(offsets != 0, np.abs(offsets), 1.0))
        return cls(exact, unit / norms[:, None], offsets / norms, norms, tuple(shifts))

    def values(self, exponents: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The forms in box coordinates, row i times ``2**exponents[i]``: weights (rows, d) and constants (rows,)."""
        bits = self.exact.denominator.bit_length() - 1
        divisor = self.exact.denominator / (1 << bits)
        nonzero = self.unit.any(axis=1) | (self.offsets != 0)
        sizes = [
            ldexp(norm / divisor, shift - bits + exponent) if counts else 0.0
            for counts, norm, shift, exponent in zip(nonzero, self.norms.tolist(), self.shifts, exponents, strict=True)
        ]
        size = np.array(sizes)
        return self.unit * size[:, None], self.offsets * size


@dataclass(frozen=True, eq=False)
class System:
    """A system of signed rows; `strict` has one entry a part, or is empty when all rows are strict."""

    parts: tuple[Rows, ...]
    signs: tuple[tuple[int, ...], ...]
    weak: tuple[tuple[bool, ...], ...] = ()

    @cached_property
    def kept(self) -> list[tuple[int, int]]:
        """(part, row) of every row that is in the system, in order: the order of multipliers."""
        return [(p, i) for p, signs in enumerate(self.signs) for i, sign in enumerate(signs) if sign]

    @cached_property
    def floats(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Unit rows (kept, d) and offsets (kept,) in box coordinates, oriented so that each must be positive."""
        units, offsets = [], []
        for rows, signs in zip(self.parts, self.signs, strict=True):
            sign = np.array(signs, dtype=np.float64)
            mask = sign != 0
            units.append(rows.unit[mask] * sign[mask, None])
            offsets.append(rows.offsets[mask] * sign[mask])
        return np.concatenate(units), np.concatenate(offsets)

    @cached_property
    def strict(self) -> list[bool]:
        """Whether each kept row is strict."""
        if not self.weak:
            return [True] * len(self.kept)
        return [not self.weak[p][i] for p, i in self.kept]

    def norm(self, kept: int) -> fmpq:
        """The factor, exact, by which the kept row was divided to make its float row."""
        part, row = self.kept[kept]
        rows = self.parts[part]
        numerator, denominator = float(rows.norms[row]).as_integer_ratio()
        shift = rows.shifts[row]
        return fmpq(numerator << max(shift, 0), denominator << max(-shift, 0))

    def exact_rows(self) -> AffineMap:
        """The kept rows, oriented; every part brought over denominator 1 (only signs matter)."""
        coefficients, constants = [], []
        for p, i in self.kept:
            exact, sign = self.parts[p].exact, self.signs[p][i]
            coefficients.append([sign * exact.coefficients[i, j] for j in range(exact.columns)])
            constants.append(sign * exact.constants[i, 0])
        columns = self.parts[0].exact.columns
        flat = [c for row in coefficients for c in row]
        return AffineMap(fmpz_mat(len(constants), columns, flat), fmpz_mat(len(constants), 1, constants), 1)

    def holds_at(self, point: RationalPoint) -> bool:
        """Whether every row holds at the point, in exact arithmetic."""
        for p, (rows, signs) in enumerate(zip(self.parts, self.signs, strict=True)):
            for i, (value, sign) in enumerate(zip(rows.exact.at(point), signs, strict=True)):
                signed = value * sign
                if sign and (signed < 0 or (signed == 0 and not (self.weak and self.weak[p][i]))):
                    return False
        return True

    def integer_multipliers(self, multipliers: NDArray[np.float64]) -> tuple[int, ...]:
        """Float multipliers of the unit rows as integer multipliers of the exact rows, up to a common factor."""
        entries: dict[int, tuple[int, int]] = {}
        for k in np.flatnonzero(multipliers > 0).tolist():
            part, row = self.kept[k]
            rows = self.parts[part]
            mantissa, exponent = frexp(float(multipliers[k]) / float(rows.norms[row]))
            entries[k] = (int(mantissa * 2.0**53), exponent - 53 - rows.shifts[row])
        least = min((exponent for _, exponent in entries.values()), default=0)
        integers = [0] * len(multipliers)
        for k, (mantissa_bits, exponent) in entries.items():
            integers[k] = mantissa_bits << (exponent - least)
        return tuple(integers)

    def refuted_by(self, multipliers: Sequence[int], box: ExactBox) -> bool:
        """Whether the multipliers prove that the rows have no common point in the box (Motzkin, exact)."""
        if any(y < 0 for y in multipliers):
            return False
        coefficients, constant = self._combination(multipliers, box.dimension)
        peak = box.maximum(coefficients, constant)
        if peak < 0:
            return True
        return peak == 0 and any(y > 0 and strict for y, strict in zip(multipliers, self.strict, strict=True))

    def _combination(self, multipliers: Sequence[int], dimension: int) -> tuple[list[int], int]:
        total = fmpz_mat(1, dimension)
        constant = 0
        position = 0
        for rows, signs in zip(self.parts, self.signs, strict=True):
            weights = []
            for sign in signs:
                weights.append(sign * multipliers[position] if sign else 0)
                position += 1 if sign else 0
            weight_row = fmpz_mat(1, len(weights), weights)
            total += weight_row * rows.exact.coefficients
            if weights:
                constant += int((weight_row * rows.exact.constants)[0, 0])
        return [int(c) for c in total.entries()], constant
