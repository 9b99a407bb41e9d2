"""Exact affine maps stored row by row without their zeros: what most layers of convolutional networks are.

Throughout: row i is ``sum over its entries of coefficients[e] * x[indices[e]], plus constants[i]``, its entries e being
``starts[i] .. starts[i + 1] - 1``; a map `outer` after a map `inner` is ``x -> outer(inner(x))``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from flint import fmpq, fmpz_mat
from numpy.typing import NDArray

from relucensus.arithmetic import AffineMap, decoded, dyadic
from relucensus.values import exact_numbers
from relucensus.values.exact_numbers import Ints, Numbers, are_floats, rationals

_PAIRS_AT_ONCE: Final = 2**20
_MOST_PAIRS_OF_ROWS: Final = 2**22  # more are multiplied as whole matrices
_ENTRIES_AT_ONCE: Final = 2**16


@dataclass(frozen=True, eq=False)
class ExactRows:
    """An exact affine map of `columns` coordinates; the entries of a row ascend by index, none is zero."""

    columns: int
    starts: Ints
    indices: Ints
    coefficients: Numbers
    constants: Numbers

    @classmethod
    def identity(cls, size: int) -> ExactRows:
        """``x -> x``."""
        return cls.selection(size, np.arange(size))

    @classmethod
    def selection(cls, columns: int, indices: Ints) -> ExactRows:
        """The coordinates with these numbers, in that order."""
        count = len(indices)
        starts = np.arange(count + 1)
        return cls(columns, starts, np.asarray(indices, dtype=np.int64), np.ones(count), np.zeros(count))

    @classmethod
    def constant(cls, columns: int, constants: Numbers) -> ExactRows:
        """The map whose components are these numbers."""
        return cls(columns, np.zeros(len(constants) + 1, np.int64), np.zeros(0, np.int64), np.zeros(0), constants)

    @classmethod
    def from_dense(cls, weights: Numbers, constants: Numbers) -> ExactRows:
        """``x -> weights x + constants`` with exactly these numbers."""
        rows, indices = np.nonzero(exact_numbers.nonzero(weights))
        starts = np.searchsorted(rows, np.arange(weights.shape[0] + 1))
        return cls(int(weights.shape[1]), starts, indices.astype(np.int64), weights[rows, indices], constants)

    @classmethod
    def from_entries(
        cls, shape: tuple[int, int], rows: Ints, indices: Ints, coefficients: Numbers, constants: Numbers | None = None
    ) -> ExactRows:
        """The map with these entries in any order; those of one place are added up, zeros left out."""
        count, columns = shape
        keys = rows * max(columns, 1) + indices
        if len(keys) and not (keys[1:] > keys[:-1]).all():
            order = np.argsort(keys, kind="stable")
            keys, coefficients = keys[order], coefficients[order]
            first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
            coefficients = exact_numbers.sums_of_runs(coefficients, first)
            keys = keys[first]
        kept = exact_numbers.nonzero(coefficients)
        if not kept.all():
            keys, coefficients = keys[kept], coefficients[kept]
        starts = np.searchsorted(keys, np.arange(count + 1) * max(columns, 1))
        found = np.zeros(count) if constants is None else constants
        return cls(columns, starts, keys % max(columns, 1), coefficients, found)

    @classmethod
    def from_affine_map(cls, exact: AffineMap) -> ExactRows:
        """The same map without its zeros."""
        q = exact.denominator
        entries = [(i, j, c) for i, row in enumerate(exact.coefficients.tolist()) for j, c in enumerate(row) if c]
        rows, indices = (np.array([e[k] for e in entries], dtype=np.int64) for k in (0, 1))
        coefficients = exact_numbers.settled(_objects([fmpq(c, q) for _, _, c in entries]))
        constants = exact_numbers.settled(_objects([fmpq(c, q) for c in exact.constants.entries()]))
        return cls.from_entries((exact.rows, exact.columns), rows, indices, coefficients, constants)

    @property
    def rows(self) -> int:
        """Number of components."""
        return len(self.constants)

    @property
    def size(self) -> int:
        """Number of entries that are stored."""
        return len(self.indices)

    @cached_property
    def lengths(self) -> Ints:
        """Number of entries of every row."""
        return np.diff(self.starts)

    @cached_property
    def row_of_entry(self) -> Ints:
        """The row that each entry is in."""
        return np.repeat(np.arange(self.rows), self.lengths)

    @cached_property
    def is_plain(self) -> bool:
        """Whether every component is one of the coordinates, unchanged."""
        if self.size != self.rows or not are_floats(self.coefficients) or not are_floats(self.constants):
            return False
        return bool((self.lengths == 1).all() and (self.coefficients == 1).all() and not self.constants.any())

    @cached_property
    def is_selection(self) -> bool:
        """Whether every component is made of one coordinate at most."""
        return bool((self.lengths <= 1).all())

    @cached_property
    def used(self) -> Ints:
        """The coordinates that a component depends on, ascending."""
        return np.unique(self.indices)

    def taken(self, positions: Ints) -> ExactRows:
        """The components with these numbers, in that order; -1 gives a zero."""
        inside = positions >= 0
        kept = np.where(inside, positions, 0)
        lengths = np.where(inside, self.lengths[kept], 0) if self.rows else np.zeros(len(positions), np.int64)
        ends = np.cumsum(lengths)
        source = np.arange(ends[-1] if len(ends) else 0) + np.repeat(self.starts[kept] - (ends - lengths), lengths)
        constants = self.constants[kept]
        if not inside.all():
            constants = constants.copy()
            constants[~inside] = 0.0 if are_floats(constants) else fmpq(0)
        starts = np.concatenate([[0], ends])
        return ExactRows(self.columns, starts, self.indices[source], self.coefficients[source], constants)

    def scaled(self, factors: Numbers) -> ExactRows:
        """Component i times ``factors[i]``."""
        spread = factors[self.row_of_entry]
        constants = exact_numbers.product(self.constants, factors)
        coefficients = exact_numbers.product(self.coefficients, spread)
        if exact_numbers.nonzero(factors).all():
            return ExactRows(self.columns, self.starts, self.indices, coefficients, constants)
        shape = (self.rows, self.columns)
        return ExactRows.from_entries(shape, self.row_of_entry, self.indices, coefficients, constants)

    def shifted(self, offsets: Numbers) -> ExactRows:
        """Component i plus ``offsets[i]``."""
        constants = exact_numbers.total(self.constants, offsets)
        return ExactRows(self.columns, self.starts, self.indices, self.coefficients, constants)

    def plus(self, other: ExactRows, sign: int = 1) -> ExactRows:
        """Component i plus ``sign`` times that of the other map."""
        second = other.coefficients if sign == 1 else exact_numbers.product(other.coefficients, np.array(float(sign)))
        rows = np.concatenate([self.row_of_entry, other.row_of_entry])
        indices = np.concatenate([self.indices, other.indices])
        coefficients = joined([self.coefficients, second])
        constants = exact_numbers.total(self.constants, other.constants, sign)
        return ExactRows.from_entries((self.rows, self.columns), rows, indices, coefficients, constants)

    def moved(self, positions: Mapping[int, int], columns: int) -> ExactRows:
        """The same map of a longer argument, where coordinate j is coordinate ``positions[j]``."""
        table = np.zeros(self.columns, dtype=np.int64)
        if positions:
            table[np.fromiter(positions, np.int64)] = np.fromiter(positions.values(), np.int64)
        shape = (self.rows, columns)
        moved = table[self.indices]
        return ExactRows.from_entries(shape, self.row_of_entry, moved, self.coefficients, self.constants)

    def after(self, inner: ExactRows) -> ExactRows:
        """This map of the components of the other."""
        if inner.is_plain:
            shape, indices = (self.rows, inner.columns), inner.indices[self.indices]
            return ExactRows.from_entries(shape, self.row_of_entry, indices, self.coefficients, self.constants)
        pairs = int(inner.lengths[self.indices].sum())
        if pairs > _MOST_PAIRS_OF_ROWS and pairs > self.rows * inner.columns:
            return ExactRows.from_affine_map(self.to_affine_map().after(inner.to_affine_map()))
        return stacked([self._block_after(inner, *ends) for ends in self._blocks(inner)])

    def at(self, point: Numbers) -> Numbers:
        """The image of a point."""
        image = self.after(ExactRows.constant(0, point))
        return image.constants

    def to_dense(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights (rows, columns) and constants, every entry correctly rounded.

        Raises:
            OverflowError: an entry beyond the range of float64.
        """
        weights = np.zeros((self.rows, self.columns))
        weights[self.row_of_entry, self.indices] = exact_numbers.rounded(self.coefficients)
        return weights, exact_numbers.rounded(self.constants)

    def to_affine_map(self) -> AffineMap:
        """The same map with its zeros."""
        numerators, q = self.over_one_denominator()
        entries: list[Any] = [0] * (self.rows * self.columns)
        places = (self.row_of_entry * self.columns + self.indices).tolist()
        for place, numerator in zip(places, numerators[: self.size], strict=True):
            entries[place] = numerator
        matrix = fmpz_mat(self.rows, self.columns, entries)
        return AffineMap(matrix, fmpz_mat(self.rows, 1, numerators[self.size :]), q)

    def over_one_denominator(self) -> tuple[list[int], int]:
        """The numerators of all coefficients, then constants, over their least common denominator, and that."""
        if are_floats(self.coefficients) and are_floats(self.constants):
            integers, exponent = dyadic(np.concatenate([self.coefficients, self.constants]))
            return integers, 1 << exponent
        numbers = [*rationals(self.coefficients).tolist(), *rationals(self.constants).tolist()]
        q = math.lcm(*{int(x.q) for x in numbers})
        return [int(x.p) * (q // int(x.q)) for x in numbers], q

    def digits(self) -> int:
        """At least the number of bits of each number as an integer over their least common denominator."""
        if are_floats(self.coefficients) and are_floats(self.constants):
            mantissas, exponents = decoded(np.concatenate([self.coefficients, self.constants]))
            present = exponents[mantissas != 0]
            return int(present.max() - present.min()) + 53 if len(present) else 1
        numbers = [*rationals(self.coefficients).tolist(), *rationals(self.constants).tolist()]
        return math.lcm(*{int(x.q) for x in numbers}).bit_length()

    def canonical_text(self) -> Iterator[bytes]:
        """The pieces of the text that `AffineMap.canonical_text` gives for the same map."""
        numerators, q = self.over_one_denominator()
        yield f"{self.rows} {self.columns} {q:x}:".encode()
        separator = b""
        starts, indices = self.starts.tolist(), self.indices.tolist()
        for row in range(self.rows):
            pieces, place = [], 0
            for e in range(starts[row], starts[row + 1]):
                pieces.append("0 " * (indices[e] - place) + format(numerators[e], "x"))
                place = indices[e] + 1
            tail = "0 " * (self.columns - place)
            text = " ".join(pieces)
            line = f"{text} {tail}".strip() if pieces else tail.strip()
            if line:
                yield separator + line.encode()
                separator = b" "
        for start in range(self.size, len(numerators), _ENTRIES_AT_ONCE):
            some = numerators[start : start + _ENTRIES_AT_ONCE]
            yield separator + " ".join(format(n, "x") for n in some).encode()
            separator = b" "

    def _blocks(self, inner: ExactRows) -> Iterator[tuple[int, int]]:
        """Ranges of rows, each with so many pairs of entries at most, or one row."""
        ends = np.concatenate([[0], np.cumsum(inner.lengths[self.indices])])[self.starts]
        first = 0
        while first < self.rows:
            last = int(np.searchsorted(ends, ends[first] + _PAIRS_AT_ONCE, side="right")) - 1
            last = min(max(last, first + 1), self.rows)
            yield first, last
            first = last

    def _block_after(self, inner: ExactRows, first: int, last: int) -> ExactRows:
        chosen = slice(int(self.starts[first]), int(self.starts[last]))
        outer, weights = self.indices[chosen], self.coefficients[chosen]
        rows = self.row_of_entry[chosen] - first
        parts = inner.taken(outer)
        coefficients = exact_numbers.product(np.repeat(weights, parts.lengths), parts.coefficients)
        shape = (last - first, inner.columns)
        constants = self.constants[first:last]
        if exact_numbers.nonzero(parts.constants).any():
            pieces = exact_numbers.product(weights, parts.constants)
            nowhere = np.zeros(len(rows), dtype=np.int64)
            added = ExactRows.from_entries((last - first, 1), rows, nowhere, pieces)
            constants = exact_numbers.total(constants, added.first_column())
        return ExactRows.from_entries(shape, np.repeat(rows, parts.lengths), parts.indices, coefficients, constants)

    def first_column(self) -> Numbers:
        """The coefficients of the first coordinate, zeros included."""
        found = np.zeros(self.rows, dtype=self.coefficients.dtype)
        if not are_floats(found):
            found[:] = fmpq(0)
        first = self.indices == 0
        found[self.row_of_entry[first]] = self.coefficients[first]
        return found


def stacked(maps: Sequence[ExactRows]) -> ExactRows:
    """The components of all these maps, one after the other, of the same argument."""
    if len(maps) == 1:
        return maps[0]
    sizes = np.cumsum([0, *(one.size for one in maps)])
    starts = [one.starts[:-1] + size for one, size in zip(maps, sizes[:-1], strict=True)]
    return ExactRows(
        maps[0].columns,
        np.concatenate([*starts, sizes[-1:]]),
        np.concatenate([one.indices for one in maps]),
        joined([one.coefficients for one in maps]),
        joined([one.constants for one in maps]),
    )


def joined(parts: Sequence[Numbers]) -> Numbers:
    """The numbers one after the other."""
    if all(are_floats(part) for part in parts):
        return np.concatenate(parts)
    return np.concatenate([rationals(part) for part in parts])


def ratios(first: ExactRows, second: ExactRows) -> list[fmpq | None]:
    """For every row the k with ``first == k * second``, None where there is none; where both are zero it is 0."""
    a, b = rationals(first.coefficients), rationals(second.coefficients)
    c, d = rationals(first.constants), rationals(second.constants)
    found: list[fmpq | None] = []
    for row in range(first.rows):
        mine = slice(int(first.starts[row]), int(first.starts[row + 1]))
        theirs = slice(int(second.starts[row]), int(second.starts[row + 1]))
        numerators, divisors = [*a[mine], c[row]], [*b[theirs], d[row]]
        if not any(numerators):
            found.append(fmpq(0))
            continue
        same = np.array_equal(first.indices[mine], second.indices[theirs])
        pivot = next((i for i, x in enumerate(divisors) if x != 0), None)
        if not same or pivot is None:
            found.append(None)
            continue
        k = numerators[pivot] / divisors[pivot]
        found.append(k if all(x == k * y for x, y in zip(numerators, divisors, strict=True)) else None)
    return found


def _objects(numbers: Sequence[Any]) -> Numbers:
    found = np.empty(len(numbers), dtype=object)
    found[:] = numbers
    return found
