"""Exact affine maps: integers over one positive denominator, no rounding anywhere.

Throughout: an affine map is ``x -> (A x + b) / q`` with integer matrices ``A`` (rows, columns), ``b`` (rows, 1)
and an integer ``q > 0``. Floats enter as the dyadic rationals they are and leave correctly rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any, Final

import numpy as np
from flint import fmpz, fmpz_mat
from numpy.typing import NDArray

_SPLIT_BITS: Final = 64
_FIELD: Final = (1 << 52) - 1
_EXPONENT: Final = 0x7FF
_BIAS: Final = 1075  # of the exponent of a mantissa taken as an integer


def dyadic(values: NDArray[np.float64]) -> tuple[list[int], int]:
    """Integers n and an exponent k >= 0 with ``values[i] == n[i] / 2**k`` exactly, for finite float64 values."""
    integers, shifts = decoded(np.ascontiguousarray(values, dtype=np.float64).ravel())
    common = min(0, int(shifts.min())) if shifts.size else 0
    scaled = [n << s for n, s in zip(integers.tolist(), (shifts - common).tolist(), strict=True)]
    spare = min(_trailing_zeros(scaled), -common)
    return [n >> spare for n in scaled], -common - spare


def decoded(floats: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Odd integers m (or 0) and exponents e with ``floats[i] == m[i] * 2**e[i]``, read from the bits.

    >>> [part.tolist() for part in decoded(np.array([0.75, -4.0, 0.0]))]
    [[3, -1, 0], [-2, 2, 0]]
    """
    bits = floats.view(np.int64)
    field, power = bits & _FIELD, (bits >> 52) & _EXPONENT
    mantissas = np.where(power > 0, field | (1 << 52), field)
    shifts = _zeros_below(mantissas)
    exponents = np.where(mantissas > 0, np.maximum(power, 1) - _BIAS + shifts, 0)
    mantissas = mantissas >> shifts
    return np.where(bits < 0, -mantissas, mantissas), exponents


def split(integer: int, exponent: int) -> tuple[float, int]:
    """A float m with 0.5 <= |m| < 1 (or 0) and e such that ``m * 2**e`` is ``integer * 2**exponent``, rounded."""
    excess = max(0, integer.bit_length() - _SPLIT_BITS)
    mantissa, power = math.frexp(float(integer >> excess))
    return mantissa, power + excess + exponent


def _zeros_below(integers: NDArray[np.int64]) -> NDArray[np.int64]:
    lowest = integers & -integers
    return np.where(lowest > 0, np.frexp(lowest.astype(np.float64))[1] - 1, 0).astype(np.int64)


def _trailing_zeros(integers: Iterable[int]) -> int:
    merged = reduce(lambda seen, n: seen | n, integers, 0)
    return (merged & -merged).bit_length() - 1 if merged else 10**9


@dataclass(frozen=True, slots=True, eq=False)
class RationalPoint:
    """A point with rational coordinates ``numerators[j] / denominator``, denominator > 0."""

    numerators: tuple[int, ...]
    denominator: int

    @classmethod
    def from_floats(cls, point: NDArray[np.float64]) -> RationalPoint:
        """The dyadic point that the finite float64 coordinates are."""
        numerators, exponent = dyadic(point)
        return cls(tuple(numerators), 1 << exponent)

    @classmethod
    def from_fractions(cls, point: Sequence[Fraction]) -> RationalPoint:
        """The same point over one common denominator."""
        denominator = math.lcm(*(c.denominator for c in point)) if point else 1
        return cls(tuple(c.numerator * (denominator // c.denominator) for c in point), denominator)

    def to_fractions(self) -> tuple[Fraction, ...]:
        """The coordinates as fractions."""
        return tuple(Fraction(n, self.denominator) for n in self.numerators)

    def to_floats(self) -> NDArray[np.float64]:
        """The coordinates, each correctly rounded to float64."""
        return np.array([n / self.denominator for n in self.numerators], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class AffineMap:
    """The exact affine map ``x -> (coefficients x + constants) / denominator``."""

    coefficients: fmpz_mat
    constants: fmpz_mat
    denominator: int

    @property
    def rows(self) -> int:
        """Number of components of the image."""
        return int(self.coefficients.nrows())

    @property
    def columns(self) -> int:
        """Number of coordinates of the argument."""
        return int(self.coefficients.ncols())

    @classmethod
    def from_floats(cls, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> AffineMap:
        """``x -> weights x + bias`` exactly; weights (rows, columns), bias (rows,), all finite."""
        rows, columns = weights.shape
        integers, exponent = dyadic(np.concatenate([weights.ravel(), bias]))
        split = rows * columns
        return cls(fmpz_mat(rows, columns, integers[:split]), fmpz_mat(rows, 1, integers[split:]), 1 << exponent)

    @classmethod
    def from_fractions(cls, weights: Sequence[Sequence[Fraction]], bias: Sequence[Fraction]) -> AffineMap:
        """``x -> weights x + bias`` for rational entries."""
        columns = len(weights[0]) if weights else 0
        every = [c for row in weights for c in row] + list(bias)
        q = math.lcm(*(c.denominator for c in every)) if every else 1
        integers = [c.numerator * (q // c.denominator) for c in every]
        split = len(weights) * columns
        return cls(fmpz_mat(len(weights), columns, integers[:split]), fmpz_mat(len(bias), 1, integers[split:]), q)

    @classmethod
    def diagonal(cls, scales: Sequence[Fraction], shifts: Sequence[Fraction]) -> AffineMap:
        """``x -> scales * x + shifts``, coordinate by coordinate."""
        size = len(scales)
        q = math.lcm(*(c.denominator for c in [*scales, *shifts])) if size else 1
        coefficients = fmpz_mat(size, size)
        for i, scale in enumerate(scales):
            coefficients[i, i] = scale.numerator * (q // scale.denominator)
        shifted = [c.numerator * (q // c.denominator) for c in shifts]
        return cls(coefficients, fmpz_mat(size, 1, shifted), q)

    def after(self, inner: AffineMap) -> AffineMap:
        """The composition ``x -> self(inner(x))``."""
        return AffineMap(
            self.coefficients * inner.coefficients,
            self.coefficients * inner.constants + self.constants * inner.denominator,
            self.denominator * inner.denominator,
        )

    def scaled(self, factors: Sequence[int], divisor: int = 1) -> AffineMap:
        """The map with component i times ``factors[i] / divisor``: one fixed piece of every neuron of a layer."""
        zero_row = [fmpz(0)] * self.columns
        rows = [
            row if factor == 1 else [c * factor for c in row] if factor else zero_row
            for row, factor in zip(self.coefficients.tolist(), factors, strict=True)
        ]
        constants = [c * factor for c, factor in zip(self.constants.entries(), factors, strict=True)]
        return AffineMap(_matrix(rows, self.columns), fmpz_mat(self.rows, 1, constants), self.denominator * divisor)

    def selected(self, rows: Sequence[int]) -> AffineMap:
        """The map restricted to the named components, in that order."""
        table = self.coefficients.tolist()
        constants = self.constants.entries()
        return AffineMap(
            _matrix([table[i] for i in rows], self.columns),
            fmpz_mat(len(rows), 1, [constants[i] for i in rows]),
            self.denominator,
        )

    def stacked(self, other: AffineMap) -> AffineMap:
        """The components of both maps, one after the other, of the same argument."""
        mine, theirs = self.coefficients * other.denominator, other.coefficients * self.denominator
        constants = [*(self.constants * other.denominator).entries(), *(other.constants * self.denominator).entries()]
        return AffineMap(
            _matrix([*mine.tolist(), *theirs.tolist()], self.columns),
            fmpz_mat(len(constants), 1, constants),
            self.denominator * other.denominator,
        )

    def at(self, point: RationalPoint) -> list[int]:
        """The image's numerators over the positive denominator ``self.denominator * point.denominator``."""
        column = fmpz_mat(self.columns, 1, list(point.numerators))
        image = self.coefficients * column + self.constants * point.denominator
        return [int(v) for v in image.entries()]

    def to_floats(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights (rows, columns) and bias (rows,), every entry correctly rounded to float64."""
        q = self.denominator
        weights = np.array([int(c) / q for c in self.coefficients.entries()], dtype=np.float64)
        bias = np.array([int(c) / q for c in self.constants.entries()], dtype=np.float64)
        return weights.reshape(self.rows, self.columns), bias

    def reduced(self) -> AffineMap:
        """The same map with the smallest denominator: equal maps have equal reduced entries."""
        entries = [int(c) for c in self.coefficients.entries()] + [int(c) for c in self.constants.entries()]
        common = math.gcd(self.denominator, *entries)
        if common == 1:
            return self
        entries = [c // common for c in entries]
        split = self.rows * self.columns
        return AffineMap(
            fmpz_mat(self.rows, self.columns, entries[:split]),
            fmpz_mat(self.rows, 1, entries[split:]),
            self.denominator // common,
        )

    def equals(self, other: AffineMap) -> bool:
        """Whether both are the same function."""
        return bool(
            self.coefficients * other.denominator == other.coefficients * self.denominator
            and self.constants * other.denominator == other.constants * self.denominator
        )

    def canonical_text(self) -> str:
        """One line that is equal for two maps exactly when the maps are equal."""
        small = self.reduced()
        entries = [*small.coefficients.entries(), *small.constants.entries()]
        return f"{small.rows} {small.columns} {small.denominator:x}:" + " ".join(format(int(c), "x") for c in entries)

    @classmethod
    def from_canonical_text(cls, text: str) -> AffineMap:
        """The map that `canonical_text` wrote."""
        head, _, body = text.partition(":")
        rows, columns, denominator = head.split()
        entries = [int(c, 16) for c in body.split()]
        return _restore(int(rows), int(columns), entries[: -int(rows)], entries[-int(rows) :], int(denominator, 16))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (
            self.rows,
            self.columns,
            [int(c) for c in self.coefficients.entries()],
            [int(c) for c in self.constants.entries()],
            self.denominator,
        )


def _matrix(rows: list[list[fmpz]], columns: int) -> fmpz_mat:
    return fmpz_mat(len(rows), columns, [c for row in rows for c in row])


def _restore(rows: int, columns: int, coefficients: list[int], constants: list[int], denominator: int) -> AffineMap:
    return AffineMap(fmpz_mat(rows, columns, coefficients), fmpz_mat(rows, 1, constants), denominator)
