"""Exact answers to what the compiled search could not tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np

from relucensus.affine import Preactivations
from relucensus.compiled import Floats
from relucensus.engines.tree.polygon import FIRST_ROW, UNSURE, ZERO
from relucensus.engines.tree.state import (
    ANSWER,
    AT,
    BASE,
    BOX,
    CERTIFY,
    COUNT,
    ERROR,
    FORMS,
    LINES,
    PLANAR,
    ROW_ERROR,
    ROW_NEURON,
    ROWS,
    SIDES,
    SIGNS,
    SIZE,
    SYMBOLS,
    VALID,
    Arrays,
)
from relucensus.errors import SolverFailure
from relucensus.feasibility import Certain, Empty, Inhabited
from relucensus.lp import LpCounter, LpSolver
from relucensus.proof.certificate import KIND_RATIONAL, REGION_RATIONAL, rational, varint
from relucensus.rounded import RoundedNetwork
from relucensus.values.pattern import ACTIVE, INACTIVE
from relucensus.vertices import ExactVertices


@dataclass(eq=False)
class Arbiter:
    """Decides in exact arithmetic on which sides of a row the current cell has an interior."""

    preactivations: Preactivations
    rounded: RoundedNetwork
    counter: LpCounter = field(default_factory=LpCounter)
    answers: int = 0

    @cached_property
    def _solver(self) -> LpSolver:
        return LpSolver(self.preactivations.box, self.counter)

    @cached_property
    def _vertices(self) -> ExactVertices:
        return ExactVertices(self.preactivations, self.rounded)

    def answer(self, arrays: Arrays, neuron: int) -> bytes:
        """Write the answer for a row of the layer that the search is in; the evidence for it, if any is at hand."""
        self.answers += 1
        if arrays[AT][PLANAR]:
            self._answer_signs(arrays, neuron)
            return b""
        return self._answer_sides(arrays, neuron)

    def why_stable(self, arrays: Arrays, neuron: int, symbol: int) -> bytes:
        """Evidence for the log that a row has this symbol on the whole cell."""
        self.answers += 1
        decided = self._decided(arrays, arrays[SYMBOLS][:neuron].tobytes() + bytes((1 - symbol,)))
        if isinstance(decided, Inhabited):
            raise SolverFailure(f"row {neuron} was taken to be stable where it divides; please report this")
        return self._evidence(arrays, neuron, decided)

    def point_inside(self, arrays: Arrays) -> bytes:
        """The record of the region reached, with a rational point inside."""
        self.answers += 1
        decided = self._decided(arrays, arrays[SYMBOLS].tobytes())
        if not isinstance(decided, Inhabited):
            raise SolverFailure("a region reached by the search is empty; please report this")
        coordinates = zip(decided.witness.to_fractions(), self.rounded.reference, self.rounded.widths, strict=True)
        return bytes((REGION_RATIONAL,)) + b"".join(
            _rational((x - Fraction(float(r))) / Fraction(float(w))) for x, r, w in coordinates
        )

    def _decided(self, arrays: Arrays, symbols: bytes) -> Certain:
        """Whether a cube below the current cell has an interior; rows off the path are implied."""
        path = set(arrays[ROW_NEURON][: arrays[AT][COUNT]].tolist())
        implied = frozenset(range(len(arrays[SYMBOLS]))) - path - {len(symbols) - 1}
        return self._solver.decide(self.preactivations.system(symbols, implied))

    def _evidence(self, arrays: Arrays, neuron: int, empty: Empty) -> bytes:
        """The multipliers that prove the other side empty, as those of the path's rows by the one of the row itself."""
        if not empty.multipliers:
            return bytes((KIND_RATIONAL, 0))
        place = {row: k for k, row in enumerate(arrays[ROW_NEURON][: arrays[AT][COUNT]].tolist())}
        rows = [*sorted(place), neuron]
        weights = [Fraction(y) * self._unit(arrays, row) for y, row in zip(empty.multipliers, rows, strict=True)]
        used = [(place[row], y / weights[-1]) for row, y in zip(rows[:-1], weights[:-1], strict=True) if y]
        return bytes((KIND_RATIONAL,)) + varint(len(used)) + b"".join(varint(k) + _rational(y) for k, y in used)

    def _unit(self, arrays: Arrays, row: int) -> Fraction:
        """The exact row of the path's system over the form that the log speaks of."""
        layer = self.preactivations.layer_of(row)
        exact = self.preactivations.forms(layer, arrays[SYMBOLS].tobytes()).exact
        exponent = self.rounded.hidden[layer].exponents[row - self.preactivations.starts[layer]]
        return exact.denominator / Fraction(2) ** exponent

    def _answer_signs(self, arrays: Arrays, neuron: int) -> None:
        """Write the signs that are still unsure at the current polygon's vertices."""
        base, size = (int(arrays[AT][place]) for place in (BASE, SIZE))
        prefix, lines = arrays[SYMBOLS][:neuron].tobytes(), arrays[LINES][base : base + size].tolist()
        planes = [line if line < FIRST_ROW else FIRST_ROW + int(arrays[ROW_NEURON][line - FIRST_ROW]) for line in lines]
        for k in range(size):
            if arrays[SIGNS][k] == UNSURE:
                sign = self._vertices.sign((planes[k - 1], planes[k]), prefix, neuron)
                arrays[SIGNS][k] = ZERO + sign
        arrays[AT][ANSWER] = 1

    def _answer_sides(self, arrays: Arrays, neuron: int) -> bytes:
        at = arrays[AT]
        prefix, evidence = arrays[SYMBOLS][:neuron].tobytes(), b""
        sides = at[VALID] = 0
        for symbol in (INACTIVE, ACTIVE):
            decided = self._decided(arrays, prefix + bytes((symbol,)))
            if not isinstance(decided, Inhabited):
                evidence = self._evidence(arrays, neuron, decided) if at[CERTIFY] else b""
                continue
            sides |= 1 << symbol
            point = (decided.witness.to_floats() - self.rounded.reference) / self.rounded.widths
            if _certain(arrays, neuron, symbol, point):
                arrays[SIDES][symbol] = point
                at[VALID] |= 1 << symbol
        at[ANSWER] = 1 + sides
        return evidence


def _certain(arrays: Arrays, neuron: int, symbol: int, point: Floats) -> bool:
    """Whether floating point, too, can tell that the point is inside the child."""
    m, box = arrays[AT][COUNT], arrays[BOX]
    form = arrays[FORMS][:, neuron] * (1.0 if symbol else -1.0)
    rows = np.concatenate([arrays[ROWS][:m], form[None, :]])
    errors = np.append(arrays[ROW_ERROR][:m], arrays[ERROR][neuron])
    doubts = errors + 2.0**-50 * (len(point) + 4) * np.abs(rows).sum(axis=1) + 2.0**-900
    inside = (rows @ np.append(point, 1.0) > doubts).all()
    return bool(inside and (box[2] <= point).all() and (point <= box[3]).all())


def _rational(value: Fraction) -> bytes:
    return rational(value.numerator, value.denominator)
