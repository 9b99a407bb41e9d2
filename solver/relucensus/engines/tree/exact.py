"""Exact answers to what the compiled search could not tell."""

from __future__ import annotations

from dataclasses import dataclass, field
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
from relucensus.feasibility import Inhabited
from relucensus.lp import LpCounter, LpSolver
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

    def answer(self, arrays: Arrays, neuron: int) -> None:
        """Write the answer for a row of the layer that the search is in."""
        self.answers += 1
        if arrays[AT][PLANAR]:
            self._answer_signs(arrays, neuron)
        else:
            self._answer_sides(arrays, neuron)

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

    def _answer_sides(self, arrays: Arrays, neuron: int) -> None:
        at = arrays[AT]
        path = set(arrays[ROW_NEURON][: at[COUNT]].tolist())
        implied = frozenset(range(neuron)) - path
        prefix = arrays[SYMBOLS][:neuron].tobytes()
        sides = at[VALID] = 0
        for symbol in (INACTIVE, ACTIVE):
            decided = self._solver.decide(self.preactivations.system(prefix + bytes((symbol,)), implied))
            if not isinstance(decided, Inhabited):
                continue
            sides |= 1 << symbol
            point = (decided.witness.to_floats() - self.rounded.reference) / self.rounded.widths
            if _certain(arrays, neuron, symbol, point):
                arrays[SIDES][symbol] = point
                at[VALID] |= 1 << symbol
        at[ANSWER] = 1 + sides


def _certain(arrays: Arrays, neuron: int, symbol: int, point: Floats) -> bool:
    """Whether floating point, too, can tell that the point is inside the child."""
    m, box = arrays[AT][COUNT], arrays[BOX]
    form = arrays[FORMS][:, neuron] * (1.0 if symbol else -1.0)
    rows = np.concatenate([arrays[ROWS][:m], form[None, :]])
    errors = np.append(arrays[ROW_ERROR][:m], arrays[ERROR][neuron])
    doubts = errors + 2.0**-50 * (len(point) + 4) * np.abs(rows).sum(axis=1) + 2.0**-900
    inside = (rows @ np.append(point, 1.0) > doubts).all()
    return bool(inside and (box[2] <= point).all() and (point <= box[3]).all())
