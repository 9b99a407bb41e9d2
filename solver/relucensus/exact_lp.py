"""A linear program in rational arithmetic: decides any system, slowly and for certain.

The program is ``max t`` over points x of the box with ``g_i(x) >= t`` for strict rows and ``g_i(x) >= 0`` for weak
ones, solved by the bounded primal simplex method with Bland's rule (no cycling, so it ends) in two phases:

1. ``max s`` with ``g_i(x) >= s`` for all rows and ``s <= 0``; an optimum below 0 refutes even the closed system;
2. s fixed at 0, ``max t`` with ``0 <= t <= 1`` for the strict rows; an optimum of 0 refutes the open system.

In the dictionary every basic variable is an affine function of the non-basic ones, each of which rests at a bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from flint import fmpq

from relucensus.arithmetic import AffineMap, RationalPoint
from relucensus.errors import SolverFailure
from relucensus.feasibility import Certain, Empty, ExactBox, Inhabited, System

_ZERO = fmpq(0)
_ONE = fmpq(1)
Bounds = tuple[fmpq | None, fmpq | None]


@dataclass(slots=True)
class _Dictionary:
    """``basic[i] = constants[i] + sum_j table[i][j] * nonbasic[j]``; variables are numbered, `value` holds them all."""

    basic: list[int]
    nonbasic: list[int]
    table: list[list[fmpq]]
    constants: list[fmpq]
    bounds: list[Bounds]
    value: list[fmpq] = field(default_factory=list)

    def refresh(self) -> None:
        """Recompute the values of the basic variables."""
        for i, variable in enumerate(self.basic):
            row = self.table[i]
            total = self.constants[i]
            for j, other in enumerate(self.nonbasic):
                if row[j] != 0 and self.value[other] != 0:
                    total += row[j] * self.value[other]
            self.value[variable] = total

    def pivot(self, i: int, j: int) -> None:
        """Exchange basic[i] and nonbasic[j]; the entry must not be zero."""
        row = self.table[i]
        inverse = _ONE / row[j]
        self.basic[i], self.nonbasic[j] = self.nonbasic[j], self.basic[i]
        self.table[i] = [-inverse * c if c != 0 else c for c in row]
        self.table[i][j] = inverse
        self.constants[i] = -inverse * self.constants[i]
        lead = self.table[i]
        for k, other in enumerate(self.table):
            factor = other[j]
            if k == i or factor == 0:
                continue
            other[j] = _ZERO
            self.table[k] = [c + factor * e if e != 0 else c for c, e in zip(other, lead, strict=True)]
            self.constants[k] += factor * self.constants[i]

    def gradient(self, variable: int) -> list[fmpq]:
        """The coefficients of this variable in the non-basic ones."""
        if variable in self.basic:
            return self.table[self.basic.index(variable)]
        return [_ONE if other == variable else _ZERO for other in self.nonbasic]

    def maximise(self, goal: int) -> None:
        """Simplex with Bland's rule until the goal variable is maximal or at its upper bound."""
        _, ceiling = self.bounds[goal]
        while ceiling is None or self.value[goal] < ceiling:
            step = self._entering(self.gradient(goal))
            if step is None:
                return
            self._move(*step)

    def _entering(self, gradient: list[fmpq]) -> tuple[int, int] | None:
        best: tuple[int, int] | None = None
        for j, variable in enumerate(self.nonbasic):
            low, high = self.bounds[variable]
            at = self.value[variable]
            up = gradient[j] > 0 and (high is None or at < high)
            down = gradient[j] < 0 and (low is None or at > low)
            if (up or down) and (best is None or variable < self.nonbasic[best[0]]):
                best = (j, 1 if up else -1)
        return best

    def _move(self, j: int, direction: int) -> None:
        """Move nonbasic[j] up or down until something reaches a bound; pivot if that is a basic variable."""
        variable = self.nonbasic[j]
        low, high = self.bounds[variable]
        limit = high if direction > 0 else low
        step = None if limit is None else abs(limit - self.value[variable])
        leaving: int | None = None
        for i, other in enumerate(self.basic):
            slope = self.table[i][j] * direction
            if slope == 0:
                continue
            bound = self.bounds[other][1] if slope > 0 else self.bounds[other][0]
            if bound is None:
                continue
            room = (bound - self.value[other]) / slope
            tie = leaving is not None and room == step and other < self.basic[leaving]
            if step is None or room < step or tie:
                step, leaving = room, i
        if step is None:
            raise SolverFailure("exact simplex: the program is unbounded, which a box excludes")
        self.value[variable] += step * direction
        if leaving is not None:
            departing = self.basic[leaving]
            self.value[departing] += step * direction * self.table[leaving][j]
            self.pivot(leaving, j)
        self.refresh()


def decide(system: System, box: ExactBox) -> Certain:
    """Inhabited with a rational point, or Empty with exact multipliers; always decides.

    Cost: a rational pivot touches rows times columns fractions; for systems that floating point could not decide.
    """
    rows = system.exact_rows()
    program = _program(rows, system.strict, box)
    dimension, count = rows.columns, rows.rows
    closed_slack, open_slack = dimension, dimension + 1
    program.maximise(closed_slack)
    goal = closed_slack
    if program.value[closed_slack] >= 0:
        if all(not strict for strict in system.strict):
            return Inhabited(_point(program, dimension))
        program.bounds[closed_slack] = (_ZERO, _ZERO)
        program.bounds[open_slack] = (_ZERO, _ONE)
        program.maximise(open_slack)
        if program.value[open_slack] > 0:
            return Inhabited(_point(program, dimension))
        goal = open_slack
    return Empty(_multipliers(program, goal, dimension, count))


def _program(rows: AffineMap, strict: list[bool], box: ExactBox) -> _Dictionary:
    dimension, count = rows.columns, rows.rows
    variables = dimension + 2 + count
    lower = [fmpq(n, box.denominator) for n in box.lower]
    upper = [fmpq(n, box.denominator) for n in box.upper]
    bounds: list[Bounds] = [*zip(lower, upper, strict=True), (None, _ZERO), (_ZERO, _ZERO)]
    bounds += [(_ZERO, None)] * count
    table = []
    for i in range(count):
        row = [fmpq(rows.coefficients[i, j]) for j in range(dimension)]
        scale = max((abs(c) for c in row), default=_ONE) or _ONE
        table.append([*row, -scale, -scale if strict[i] else _ZERO])
    constants = [fmpq(c) for c in rows.constants.entries()]
    value = [*lower, _ZERO, _ZERO] + [_ZERO] * count
    program = _Dictionary(
        list(range(dimension + 2, variables)), list(range(dimension + 2)), table, constants, bounds, value
    )
    program.refresh()
    worst = min(range(count), key=lambda i: program.value[program.basic[i]] / -table[i][dimension], default=None)
    if worst is not None and program.value[program.basic[worst]] < 0:
        program.value[dimension] = program.value[program.basic[worst]] / -table[worst][dimension]
        program.value[program.basic[worst]] = _ZERO
        program.pivot(worst, dimension)
        program.refresh()
    return program


def _point(program: _Dictionary, dimension: int) -> RationalPoint:
    coordinates = program.value[:dimension]
    denominator = math.lcm(*(int(c.q) for c in coordinates))
    return RationalPoint(tuple(int(c.p) * (denominator // int(c.q)) for c in coordinates), denominator)


def _multipliers(program: _Dictionary, goal: int, dimension: int, count: int) -> tuple[int, ...]:
    weights = [_ZERO] * count
    for j, slope in enumerate(program.gradient(goal)):
        variable = program.nonbasic[j]
        if variable >= dimension + 2:
            weights[variable - dimension - 2] = -slope
    denominator = math.lcm(*(int(w.q) for w in weights))
    return tuple(int(w.p) * (denominator // int(w.q)) for w in weights)
