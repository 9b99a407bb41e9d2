"""What the checker computes with: boxes and affine forms, all in integers.

Throughout: u are the box coordinates of the certificate's header. A *form* is a row of integers, its coefficients in u
and then its constant. The forms of one layer are these integers over the positive `unit` of the layer, which is the
same on every cell, so that signs of forms are signs of integers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import chain, product
from typing import Final

from flint import fmpz, fmpz_mat

from relucensus.arithmetic import AffineMap
from relucensus.errors import InvalidCertificate
from relucensus.proof.certificate import MOST_BITS, SIDE_UPPER, Header, Ratio
from relucensus.values.domain import Box
from relucensus.values.network import Layer, Network

Form = list[fmpz]

_LARGEST_DENOMINATOR: Final = fmpz((1 << MOST_BITS) - 1)


@dataclass(frozen=True, eq=False)
class Bounds:
    """A closed box of u: the integers `lower` and `upper` over the positive `denominator`."""

    lower: tuple[int, ...]
    upper: tuple[int, ...]
    denominator: int

    @classmethod
    def of(cls, box: Box, reference: Sequence[float], widths: Sequence[int]) -> Bounds:
        """The exact image of a box of x in u."""
        ends = [
            [(Fraction(x) - Fraction(middle)) / Fraction(2) ** width for x, middle, width in zip(*side, strict=True)]
            for side in ((box.lower.tolist(), reference, widths), (box.upper.tolist(), reference, widths))
        ]
        q = math.lcm(*(end.denominator for end in chain(*ends)))
        lower, upper = (tuple(int(end * q) for end in side) for side in ends)
        return cls(lower, upper, q)

    def narrowed(self, coordinate: int, side: int, value: Ratio) -> Bounds:
        """The part of the box with ``u_c <= value`` (upper side) or ``u_c >= value`` (lower side).

        Raises:
            InvalidCertificate: nothing is left.
        """
        q = math.lcm(self.denominator, value[1])
        factor, bound = q // self.denominator, value[0] * (q // value[1])
        lower, upper = [low * factor for low in self.lower], [high * factor for high in self.upper]
        if side == SIDE_UPPER:
            upper[coordinate] = min(upper[coordinate], bound)
        else:
            lower[coordinate] = max(lower[coordinate], bound)
        if lower[coordinate] > upper[coordinate]:
            raise InvalidCertificate(f"coordinate {coordinate} has no value left between its bounds")
        return Bounds(tuple(lower), tuple(upper), q)

    @cached_property
    def _ends(self) -> tuple[Form, Form]:
        return [fmpz(low) for low in self.lower], [fmpz(high) for high in self.upper]

    @cached_property
    def _one(self) -> fmpz:
        return fmpz(self.denominator)

    @cached_property
    def _sums(self) -> tuple[fmpz_mat, fmpz_mat]:
        """Columns that give twice a form's value in the middle, and twice its change from there to the maximum."""
        size = len(self.lower) + 1
        middle = [low + high for low, high in zip(self.lower, self.upper, strict=True)]
        reach = [high - low for low, high in zip(self.lower, self.upper, strict=True)]
        return fmpz_mat(size, 1, [*middle, 2 * self.denominator]), fmpz_mat(size, 1, [*reach, 0])

    def ranges(self, forms: fmpz_mat) -> tuple[list[fmpz], list[fmpz]]:
        """Minima and maxima over the box of forms (rows, d + 1), each times the same positive number."""
        middle, reach = self._sums
        sizes = fmpz_mat(forms.nrows(), forms.ncols(), [abs(c) for c in forms.entries()])
        pairs = list(zip((forms * middle).entries(), (sizes * reach).entries(), strict=True))
        return [m - r for m, r in pairs], [m + r for m, r in pairs]

    def highest(self, form: Form) -> fmpz:
        """The maximum over the box of a form, times a positive number."""
        low, high = self._ends
        return sum((c * (b if c > 0 else a) for c, a, b in zip(form, low, high, strict=False)), form[-1] * self._one)

    def contains(self, point: Form, q: fmpz, *, inside: bool = False) -> bool:
        """Whether the point ``point / q`` is in the closed box; with `inside`, in its interior."""
        low = [p * self.denominator - bound * q for p, bound in zip(point, self.lower, strict=True)]
        high = [bound * q - p * self.denominator for p, bound in zip(point, self.upper, strict=True)]
        return all(gap > 0 if inside else gap >= 0 for gap in chain(low, high))


@dataclass(frozen=True, eq=False)
class Level:
    """A layer as a map of the forms below: their rows times `slopes`, and a last row for 1, go through `matrix`."""

    matrix: fmpz_mat
    unit: int
    start: int
    bent: tuple[bool, ...]
    slopes: tuple[tuple[int, int], ...]

    @property
    def rows(self) -> int:
        """Number of rows of the layer."""
        return int(self.matrix.nrows())


class Levels:
    """The layers of a network of hinges in the coordinates of a header: the hidden ones, then the output."""

    def __init__(self, network: Network, header: Header) -> None:
        below = [Fraction(2) ** width for width in header.widths]
        shifts = [Fraction(middle) for middle in header.reference]
        slope_unit, unit, start = 1, 1, 0
        self.levels: list[Level] = []
        for layer in network.layers:
            exponents = header.exponents[start : start + layer.rows] if layer is not network.output else ()
            scales = [Fraction(2) ** e for e in exponents] or [Fraction(1)] * layer.rows
            scaled = _scaled(layer.exact, scales, below, shifts).reduced()
            shift = slope_unit * unit
            rows = [[*row, c * shift] for row, c in _rows(scaled)]
            unit = scaled.denominator * shift
            slopes, slope_unit = _slopes(layer) if layer is not network.output else ((), 1)
            matrix = fmpz_mat(layer.rows, layer.columns + 1, list(chain(*rows)))
            self.levels.append(Level(matrix, unit, start, layer.bent, slopes))
            below, shifts = [1 / scale for scale in scales], [Fraction(0)] * layer.rows
            start += layer.rows
        self.dimension = len(header.widths)
        self.hidden = len(self.levels) - 1
        self.unit = self.levels[self.hidden - 1].unit if self.hidden else 1

    def forms(self, layer: int, below: Sequence[Form], symbols: Sequence[int]) -> fmpz_mat:
        """The forms (rows, d + 1) of a layer, from those of the layer below and its symbols."""
        matrix = self.levels[layer].matrix
        if layer == 0:
            return matrix
        slopes = [pair[symbol] for pair, symbol in zip(self.levels[layer - 1].slopes, symbols, strict=True)]
        zero, one = [fmpz(0)] * (self.dimension + 1), [*[fmpz(0)] * self.dimension, fmpz(1)]
        rows = (
            row if slope == 1 else [slope * c for c in row] if slope else zero
            for row, slope in zip(below, slopes, strict=True)
        )
        return matrix * fmpz_mat(matrix.ncols(), self.dimension + 1, [*chain.from_iterable(rows), *one])

    def common(self, layer: int, form: Form) -> Form:
        """The form of a hidden layer, over the unit that all hidden layers share."""
        factor = self.unit // self.levels[layer].unit
        return form if factor == 1 else [factor * c for c in form]


def table(forms: fmpz_mat) -> list[Form]:
    """The rows of a matrix."""
    entries, size = forms.entries(), forms.ncols()
    return [entries[i : i + size] for i in range(0, len(entries), size)]


def digest(forms: fmpz_mat) -> bytes:
    """SHA-256 of the matrix: of its entries in hexadecimal, with commas between."""
    return hashlib.sha256(",".join(c.str(16) for c in forms.entries()).encode()).digest()


def combined(forms: Sequence[Form], weights: Sequence[fmpz | int]) -> Form:
    """The sum of the forms, each times its weight."""
    size, number = len(forms[0]), len(forms)
    return (fmpz_mat(1, number, list(weights)) * fmpz_mat(number, size, list(chain.from_iterable(forms)))).entries()


def values(forms: Sequence[Form], point: Form, q: fmpz) -> list[fmpz]:
    """The values of forms at ``point / q``, each times q."""
    size = len(point) + 1
    return (fmpz_mat(len(forms), size, list(chain.from_iterable(forms))) * fmpz_mat(size, 1, [*point, q])).entries()


def integers(numbers: Sequence[Ratio]) -> tuple[Form, fmpz]:
    """The numbers as integers over their least common denominator.

    Raises:
        InvalidCertificate: the denominator is absurdly large.
    """
    q = fmpz(1)
    for _, denominator in numbers:
        q = q.lcm(denominator)
        if q > _LARGEST_DENOMINATOR:
            raise InvalidCertificate(f"the common denominator of one record has more than {MOST_BITS:,} bits")
    return [numerator * (q // denominator) for numerator, denominator in numbers], q


def _scaled(
    affine: AffineMap, scales: Sequence[Fraction], widths: Sequence[Fraction], shifts: Sequence[Fraction]
) -> AffineMap:
    """The map ``u -> scales * affine(shifts + widths * u)``, entry by entry: exponents of a header may be large."""
    (rows, p), (columns, q), (moved, r) = _over_one(scales), _over_one(widths), _over_one(shifts)
    constants = (affine.coefficients * fmpz_mat(len(moved), 1, moved) + affine.constants * r).entries()
    factors = zip(affine.coefficients.entries(), product(rows, columns), strict=True)
    entries = [a * b * c * r for a, (b, c) in factors]
    return AffineMap(
        fmpz_mat(affine.rows, affine.columns, entries),
        fmpz_mat(affine.rows, 1, [a * b * q for a, b in zip(constants, rows, strict=True)]),
        affine.denominator * p * q * r,
    )


def _over_one(numbers: Sequence[Fraction]) -> tuple[list[int], int]:
    """The numbers as integers over their least common denominator."""
    q = math.lcm(*(number.denominator for number in numbers))
    return [number.numerator * (q // number.denominator) for number in numbers], q


def _rows(affine: AffineMap) -> list[tuple[Form, fmpz]]:
    return list(zip(affine.coefficients.tolist(), affine.constants.entries(), strict=True))


def _slopes(layer: Layer) -> tuple[tuple[tuple[int, int], ...], int]:
    """The slopes of a layer's hinges for the symbols 0 and 1, as integers over one denominator."""
    if not all(activation.is_hinge for activation in layer.activations):
        raise ValueError("the network has a neuron that is no hinge; needed is that of `Problem.free`")
    pairs = [(activation.slopes[0], activation.slopes[-1]) for activation in layer.row_activations]
    q = math.lcm(*(slope.denominator for slope in chain(*pairs)))
    return tuple((int(before * q), int(after * q)) for before, after in pairs), q
