"""Affine maps in three exact forms, cheapest first, and how the operations of a file compose with each.

`Selection` (each component is one scaled and shifted input), `Floats` (a float64 matrix and bias, unrounded) and
`AffineMap` (anything). An operation keeps the cheapest form that is exact, so that a plain linear layer never leaves
float64 and a normalisation in front of it costs one pass over its weights, not a product of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from flint import fmpz_mat
from numpy.typing import NDArray

from relucensus.arithmetic import AffineMap
from relucensus.errors import UnsupportedModel
from relucensus.values.activation import RELU, Activation
from relucensus.values.network import Layer

FloatArray = NDArray[np.float64]
Numbers = Sequence[Fraction]
IndexArray = NDArray[np.intp]

_MAX_BITS: Final = 2**30


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Component i is ``scales[i] * x[indices[i]] + shifts[i]``; None stands for all ones, all zeros."""

    columns: int
    indices: IndexArray
    scales: tuple[Fraction, ...] | None = None
    shifts: tuple[Fraction, ...] | None = None

    @classmethod
    def identity(cls, size: int) -> Selection:
        """The map ``x -> x`` in this many coordinates."""
        return cls(size, np.arange(size))

    @property
    def in_order(self) -> bool:
        """Whether component i is made of input i, for every input."""
        return len(self.indices) == self.columns and bool(np.array_equal(self.indices, np.arange(self.columns)))

    @property
    def is_plain(self) -> bool:
        """Whether every component is one of the inputs, unchanged."""
        return self.scales is None and self.shifts is None

    @property
    def is_identity(self) -> bool:
        """Whether this is ``x -> x``."""
        return self.is_plain and self.in_order


@dataclass(frozen=True, slots=True, eq=False)
class Floats:
    """``x -> weights x + bias`` with exactly these float64 entries."""

    weights: FloatArray
    bias: FloatArray


Step = Selection | Floats | AffineMap


def columns_of(step: Step) -> int:
    """Number of coordinates of the argument."""
    return int(step.weights.shape[1]) if isinstance(step, Floats) else step.columns


def rows_of(step: Step) -> int:
    """Number of components of the image."""
    match step:
        case Selection():
            return len(step.indices)
        case Floats():
            return int(step.weights.shape[0])
        case _:
            return step.rows


def constant(columns: int, values: FloatArray) -> Selection:
    """The map of this many coordinates whose components do not depend on them."""
    numbers = fractions(values)
    return Selection(columns, np.zeros(len(numbers), dtype=np.intp), (Fraction(0),) * len(numbers), numbers)


def used_columns(step: Step) -> set[int]:
    """The coordinates that a component depends on."""
    match step:
        case Selection(_, indices, scales):
            return {i for k, i in enumerate(indices.tolist()) if scales is None or scales[k]}
        case Floats(weights):
            return set(np.flatnonzero(weights.any(axis=0)).tolist())
        case _:
            return {j for row in step.coefficients.tolist() for j, entry in enumerate(row) if entry}


def sent(step: Step, positions: Mapping[int, int], columns: int) -> Step:
    """The same map of a longer argument, where coordinate j is coordinate ``positions[j]``; unused ones have none."""
    match step:
        case Selection(_, indices, scales, shifts):
            moved = np.array([positions.get(i, 0) for i in indices.tolist()], dtype=np.intp)
            return Selection(columns, moved, scales, shifts)
        case Floats(weights, bias):
            placed = np.zeros((len(bias), columns))
            placed[:, list(positions.values())] = weights[:, list(positions)]
            return Floats(placed, bias)
        case _:
            entries: list[Any] = []
            for row in step.coefficients.tolist():
                moved_row: list[Any] = [0] * columns
                for source, target in positions.items():
                    moved_row[target] = row[source]
                entries += moved_row
            return AffineMap(fmpz_mat(step.rows, columns, entries), step.constants, step.denominator)


def stacked(steps: Sequence[Step]) -> Step:
    """The components of all these maps, one after the other, of the same argument."""
    if len(steps) == 1:
        return steps[0]
    if all(isinstance(step, Selection) for step in steps):
        return _stacked_selections([step for step in steps if isinstance(step, Selection)])
    floats = [_as_floats(step) for step in steps]
    if all(part is not None for part in floats):
        parts = [part for part in floats if part is not None]
        weights = np.concatenate([part.weights for part in parts])
        return Floats(weights, np.concatenate([part.bias for part in parts]))
    first, *rest = (_exact(step) for step in steps)
    for step in rest:
        first = first.stacked(step)
    return first


def summed(first: Step, second: Step, sign: int) -> Step:
    """``first + sign * second``, of the same argument."""
    if isinstance(first, Selection) and isinstance(second, Selection) and np.array_equal(first.indices, second.indices):
        return _summed_selections(first, second, sign)
    a, b = _exact(first), _exact(second)
    q = math.lcm(a.denominator, b.denominator)
    left, right = q // a.denominator, sign * (q // b.denominator)
    return AffineMap(a.coefficients * left + b.coefficients * right, a.constants * left + b.constants * right, q)


def picked(step: Step, indices: IndexArray) -> Step:
    """The map with the named components, in that order; a component may be named again or not at all."""
    match step:
        case Selection(columns, old, scales, shifts):
            return Selection(columns, old[indices], _pick(scales, indices), _pick(shifts, indices))
        case Floats(weights, bias):
            return Floats(weights[indices], bias[indices])
        case _:
            return step.selected(indices.tolist())


def shifted(step: Step, offsets: FloatArray) -> Step:
    """The map with a number added to every component."""
    if isinstance(step, Floats) and not step.bias.any():
        return Floats(step.weights, offsets)
    return rescaled(step, None, fractions(offsets))


def rescaled(step: Step, scales: Numbers | None, shifts: Numbers | None) -> Step:
    """The map with component i replaced by ``scales[i] * component + shifts[i]``."""
    if isinstance(step, Selection):
        return _rescaled_selection(step, scales, shifts)
    exact = _exact(step)
    size = exact.rows
    q = _common_denominator(scales, shifts, size * exact.columns)
    coefficients, constants = exact.coefficients, exact.constants
    if scales is None:
        coefficients, constants = coefficients * q, constants * q
    else:
        factors = [c.numerator * (q // c.denominator) for c in scales]
        coefficients, constants = _rows_times(coefficients, factors), _rows_times(constants, factors)
    if shifts is not None:
        added = [c.numerator * (q // c.denominator) * exact.denominator for c in shifts]
        constants = constants + fmpz_mat(size, 1, added)
    return AffineMap(coefficients, constants, exact.denominator * q)


def multiplied(step: Step, weights: FloatArray) -> Step:
    """The map followed by ``y -> weights y``."""
    zero = np.zeros(weights.shape[0])
    if not isinstance(step, Selection):
        return AffineMap.from_floats(weights, zero).after(_exact(step))
    if step.is_identity:
        return Floats(weights, zero)
    if step.is_plain and len(np.unique(step.indices)) == len(step.indices):
        placed = np.zeros((weights.shape[0], step.columns))
        placed[:, step.indices] = weights
        return Floats(placed, zero)
    return _after_selection(AffineMap.from_floats(weights, zero), step)


def layer_of(step: Step, name: str, activations: tuple[Activation, ...] = (RELU,)) -> Layer:
    """The layer that computes this map, followed by these activations.

    Raises:
        InvalidNetwork: an entry that is not finite, or too large for float64.
    """
    if isinstance(step, Floats):
        return Layer.from_arrays(step.weights, step.bias, name=name, activations=activations)
    if isinstance(step, Selection) and step.is_identity:
        return Layer.from_arrays(np.eye(step.columns), np.zeros(step.columns), name=name, activations=activations)
    return Layer.from_exact(_exact(step), name=name, activations=activations)


def fractions(values: FloatArray) -> tuple[Fraction, ...]:
    """The finite floats as the rationals they are."""
    return tuple(Fraction(v) for v in values.ravel().tolist())


def exact_array(values: FloatArray) -> NDArray[np.object_]:
    """The finite floats as an array of fractions of the same shape."""
    found = np.empty(values.size, dtype=object)
    found[:] = fractions(values)
    return found.reshape(values.shape)


def _exact(step: Step) -> AffineMap:
    match step:
        case Selection(columns, indices):
            unit = AffineMap(_unit_rows(indices, columns), fmpz_mat(len(indices), 1), 1)
            return unit if step.scales is step.shifts is None else _rescaled_exact(unit, step)
        case Floats(weights, bias):
            return AffineMap.from_floats(weights, bias)
        case _:
            return step


def _as_floats(step: Step) -> Floats | None:
    """The map with float64 entries, where it has them without a computation."""
    if isinstance(step, Floats):
        return step
    if not isinstance(step, Selection) or not step.is_plain:
        return None
    weights = np.zeros((len(step.indices), step.columns))
    weights[np.arange(len(step.indices)), step.indices] = 1.0
    return Floats(weights, np.zeros(len(step.indices)))


def _stacked_selections(steps: Sequence[Selection]) -> Selection:
    def joined(parts: Sequence[tuple[Fraction, ...] | None], missing: Fraction) -> tuple[Fraction, ...] | None:
        if all(part is None for part in parts):
            return None
        sizes = [len(step.indices) for step in steps]
        filled = [part if part is not None else (missing,) * size for part, size in zip(parts, sizes, strict=True)]
        return tuple(number for part in filled for number in part)

    indices = np.concatenate([step.indices for step in steps])
    scales = joined([step.scales for step in steps], Fraction(1))
    return Selection(steps[0].columns, indices, scales, joined([step.shifts for step in steps], Fraction(0)))


def _summed_selections(first: Selection, second: Selection, sign: int) -> Selection:
    size = len(first.indices)
    ones, zeros = (Fraction(1),) * size, (Fraction(0),) * size
    scales = [a + sign * b for a, b in zip(first.scales or ones, second.scales or ones, strict=True)]
    shifts = [a + sign * b for a, b in zip(first.shifts or zeros, second.shifts or zeros, strict=True)]
    return Selection(first.columns, first.indices, tuple(scales), tuple(shifts))


def _rescaled_exact(unit: AffineMap, step: Selection) -> AffineMap:
    result = rescaled(unit, step.scales, step.shifts)
    assert isinstance(result, AffineMap)
    return result


def _unit_rows(indices: IndexArray, columns: int) -> fmpz_mat:
    matrix = fmpz_mat(len(indices), columns)
    for row, column in enumerate(indices.tolist()):
        matrix[row, column] = 1
    return matrix


def _rescaled_selection(step: Selection, scales: Numbers | None, shifts: Numbers | None) -> Selection:
    old_scales, old_shifts = step.scales, step.shifts
    if scales is not None:
        old_scales = _products(scales, old_scales) if old_scales is not None else tuple(scales)
        old_shifts = _products(scales, old_shifts) if old_shifts is not None else None
    if shifts is not None:
        total = [a + b for a, b in zip(shifts, old_shifts, strict=True)] if old_shifts is not None else shifts
        old_shifts = tuple(total)
    return Selection(step.columns, step.indices, old_scales, old_shifts)


def _after_selection(outer: AffineMap, step: Selection) -> AffineMap:
    q = _common_denominator(step.scales, step.shifts, outer.rows * step.columns)
    ones = (Fraction(1),) * len(step.indices)
    factors = [c.numerator * (q // c.denominator) for c in step.scales or ones]
    constants = outer.constants * q
    if step.shifts is not None:
        shifts = [c.numerator * (q // c.denominator) for c in step.shifts]
        constants = constants + outer.coefficients * fmpz_mat(len(shifts), 1, shifts)
    coefficients = _columns_sent(outer.coefficients, factors, step)
    return AffineMap(coefficients, constants, outer.denominator * q)


def _common_denominator(scales: Numbers | None, shifts: Numbers | None, entries: int) -> int:
    """The common denominator of the numbers, refused if that many matrix entries over it would fill the memory."""
    q = math.lcm(*(c.denominator for c in [*(scales or ()), *(shifts or ())]))
    if q.bit_length() * entries > _MAX_BITS:
        raise UnsupportedModel(
            f"the constants have a common denominator of {q.bit_length()} bits, too many for {entries} exact weights; "
            "multiply by the reciprocals as floats instead of dividing, or put the scaling into the first weights"
        )
    return q


def _columns_sent(matrix: fmpz_mat, factors: list[int], step: Selection) -> fmpz_mat:
    """Column k of the matrix times factors[k], added into column indices[k]."""
    indices = step.indices.tolist()
    entries = []
    for row in matrix.tolist():
        sums = [0] * step.columns
        for entry, factor, column in zip(row, factors, indices, strict=True):
            sums[column] += entry * factor
        entries += sums
    return fmpz_mat(matrix.nrows(), step.columns, entries)


def _rows_times(matrix: fmpz_mat, factors: list[int]) -> fmpz_mat:
    if len(set(factors)) == 1:
        return matrix * factors[0]
    entries = [entry * factor for row, factor in zip(matrix.tolist(), factors, strict=True) for entry in row]
    return fmpz_mat(matrix.nrows(), matrix.ncols(), entries)


def _products(left: Sequence[Fraction], right: Sequence[Fraction]) -> tuple[Fraction, ...]:
    return tuple(a * b for a, b in zip(left, right, strict=True))


def _pick(values: tuple[Fraction, ...] | None, indices: IndexArray) -> tuple[Fraction, ...] | None:
    return None if values is None else tuple(values[i] for i in indices.tolist())
