"""Linear programs over half-spaces in a box: HiGHS proposes, exact arithmetic decides.

The only module that names highspy. `decide` asks HiGHS for a point of largest slack; its point or its multipliers
are checked in exact arithmetic (`feasibility`). What stays undecided is settled from HiGHS's final basis solved in
rationals, and if that is not optimal either, by the rational simplex of `exact_lp`.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import highspy
import numpy as np
from flint import fmpq, fmpq_mat
from numpy.typing import NDArray

from relucensus import exact_lp
from relucensus.arithmetic import RationalPoint
from relucensus.errors import SolverFailure
from relucensus.feasibility import Certain, Empty, ExactBox, Inhabited, System

_TOLERANCE = 1e-9


@dataclass(slots=True)
class LpCounter:
    """How many linear programs were solved, and how many of them floating point left undecided."""

    lps: int = 0
    exact_fallbacks: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Proposal:
    point: NDArray[np.float64]
    multipliers: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Basis:
    """Which rows are tight, and of the columns (coordinates, then the slack t): at lower bound, at upper, or basic."""

    tight: tuple[int, ...]
    lower: frozenset[int]
    upper: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class Undecided:
    """Floating point could not tell; the reason in words."""

    reason: str


Answer = Inhabited | Empty | Undecided


@dataclass(eq=False)
class LpSolver:
    """Decides systems of half-spaces in one box; counts what it did. Not to be shared between threads."""

    box: ExactBox
    counter: LpCounter = field(default_factory=LpCounter)

    def __post_init__(self) -> None:
        self._highs = quiet_highs()
        self._highs.setOptionValue("presolve", "off")

    def decide(self, system: System | None) -> Certain:
        """Whether the system has a point in the box, with evidence that was checked exactly. None is empty."""
        if system is None:
            return Empty(())
        answer = self.propose(system)
        if isinstance(answer, Undecided):
            self.counter.exact_fallbacks += 1
            return self._settled(system)
        return answer

    def propose(self, system: System) -> Answer:
        """The same by floating point with exact checks; undecided where the checks fail."""
        if not system.kept:
            return Inhabited(RationalPoint.from_floats(self.box.middle))
        unit, offsets = system.floats
        peaks = offsets + np.abs(unit).sum(axis=1)
        lowest = int(np.argmin(peaks))
        if peaks[lowest] <= 0:
            multipliers = system.integer_multipliers(np.eye(1, len(peaks), lowest)[0])
            if system.refuted_by(multipliers, self.box):
                return Empty(multipliers)
        self.counter.lps += 1
        proposal = self._solve(unit, offsets, np.array(system.strict, dtype=np.float64))
        if proposal is None:
            return Undecided("HiGHS found no optimum")
        return self._checked(system, proposal)

    def _checked(self, system: System, proposal: _Proposal) -> Answer:
        box = self.box.box
        point = np.clip(self.box.middle + self.box.half_widths * proposal.point[:-1], box.lower, box.upper)
        if proposal.point[-1] > 0:
            witness = RationalPoint.from_floats(point)
            if system.holds_at(witness):
                return Inhabited(witness)
        multipliers = system.integer_multipliers(proposal.multipliers)
        if system.refuted_by(multipliers, self.box):
            return Empty(multipliers)
        return Undecided("the slack is of the order of rounding errors")

    def _solve(
        self, unit: NDArray[np.float64], offsets: NDArray[np.float64], strict: NDArray[np.float64]
    ) -> _Proposal | None:
        """Maximise the least slack t of the strict rows: ``unit u - strict t >= -offsets``, -1 <= u <= 1, t <= 1."""
        rows, columns = unit.shape
        program = highspy.HighsLp()
        program.num_col_ = columns + 1
        program.num_row_ = rows
        program.sense_ = highspy.ObjSense.kMaximize
        program.col_cost_ = np.append(np.zeros(columns), 1.0)
        program.col_lower_ = np.append(np.full(columns, -1.0), -highspy.kHighsInf)
        program.col_upper_ = np.ones(columns + 1)
        program.row_lower_ = -offsets
        program.row_upper_ = np.full(rows, highspy.kHighsInf)
        program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        program.a_matrix_.start_ = np.arange(rows + 1) * (columns + 1)
        program.a_matrix_.index_ = np.tile(np.arange(columns + 1), rows)
        program.a_matrix_.value_ = np.concatenate([unit, -strict[:, None]], axis=1).ravel()
        highs = self._highs
        highs.passModel(program)
        highs.run()
        if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        solution = highs.getSolution()
        multipliers = np.abs(np.array(solution.row_dual))
        return _Proposal(np.array(solution.col_value), multipliers)

    def _settled(self, system: System) -> Certain:
        """Decide in rational arithmetic: from the last basis, or by the rational simplex if that does not decide."""
        for evidence in _solved_exactly(system, _basis(self._highs.getBasis()), self.box):
            if self._proves(system, evidence):
                return evidence
        evidence = exact_lp.decide(system, self.box)
        if self._proves(system, evidence):
            return evidence
        raise SolverFailure("the rational simplex gave evidence that does not check; please report this")

    def _proves(self, system: System, evidence: Certain) -> bool:
        match evidence:
            case Inhabited(witness):
                return self.box.contains(witness) and system.holds_at(witness)
            case Empty(multipliers):
                return system.refuted_by(multipliers, self.box)


def _basis(native: highspy.HighsBasis) -> _Basis:
    status = highspy.HighsBasisStatus
    columns = list(native.col_status)
    return _Basis(
        tuple(i for i, s in enumerate(native.row_status) if s != status.kBasic),
        frozenset(j for j, s in enumerate(columns) if s == status.kLower),
        frozenset(j for j, s in enumerate(columns) if s in (status.kUpper, status.kNonbasic)),
    )


def _solved_exactly(system: System, basis: _Basis, box: ExactBox) -> Iterator[Certain]:
    """The point and the multipliers of a basis, solved in rationals; nothing if the basis is singular or t capped.

    Tight rows i: ``sum_j a_ij x_j - s_i t = -b_i``; multipliers: ``sum_i y_i a_ij = 0`` for basic columns j and
    ``sum_i y_i s_i = 1``, where s_i is the norm by which the float program scaled row i.
    """
    rows = system.exact_rows()
    slack = rows.columns
    basic = [j for j in range(slack + 1) if j not in basis.lower and j not in basis.upper]
    if slack not in basic or len(basic) != len(basis.tight):
        return
    at = {j: fmpq(box.lower[j], box.denominator) for j in basis.lower}
    at |= {j: fmpq(box.upper[j], box.denominator) for j in basis.upper}
    matrix, right = [], []
    for i in basis.tight:
        norm = system.norm(i) if system.strict[i] else fmpq(0)
        matrix.append([fmpq(rows.coefficients[i, j]) if j < slack else -norm for j in basic])
        resting = sum((rows.coefficients[i, j] * value for j, value in at.items()), fmpq(0))
        right.append([-fmpq(rows.constants[i, 0]) - resting])
    square = fmpq_mat(matrix)
    try:
        solution = square.solve(fmpq_mat(right)).entries()
        duals = square.transpose().solve(fmpq_mat([[fmpq(-1 if j == slack else 0)] for j in basic])).entries()
    except ZeroDivisionError:
        return
    found = at | dict(zip(basic, solution, strict=True))
    yield Inhabited(RationalPoint.from_fractions([_fraction(found[j]) for j in range(slack)]))
    if all(y >= 0 for y in duals):
        common = math.lcm(*(int(y.q) for y in duals))
        by_row = dict(zip(basis.tight, duals, strict=True))
        yield Empty(tuple(int(by_row.get(i, fmpq(0)) * common) for i in range(rows.rows)))


def _fraction(value: fmpq) -> Fraction:
    return Fraction(int(value.p), int(value.q))


@dataclass(frozen=True, slots=True, eq=False)
class Unstable:
    """An unstable neuron: ``z / scale`` is within `error` of ``weights·columns + constant``, in [lower, upper].

    `weights` cover the columns that existed when the neuron was reached; `column` is where its activation stands.
    """

    neuron: int
    column: int
    scale: float
    weights: NDArray[np.float64]
    constant: float
    error: float
    lower: float
    upper: float


@dataclass(eq=False)
class BoundingProgram:
    """Proven upper bounds of affine forms over a polytope that grows by relaxed activations.

    Columns: box coordinates in [-1, 1], then activations in [0, 1]. Rows: ``weights·columns + constant >= 0``.
    Bounds are valid for every rational row that rounds to the float row given.
    """

    walls: NDArray[np.float64]
    constants: NDArray[np.float64]
    counter: LpCounter

    def __post_init__(self) -> None:
        self.columns = int(self.walls.shape[1])
        self._dimension = self.columns
        self._rows = [row for row in self.walls]
        self._shifts = self.constants.tolist()
        self._highs: highspy.Highs | None = None

    @property
    def activations(self) -> int:
        """Number of columns that are activations."""
        return self.columns - self._dimension

    def add_activation(self, neuron: Unstable) -> None:
        """Add the neuron's activation as the next column, with its triangle."""
        column = self.columns
        self.columns += 1
        above, below = np.zeros(self.columns), np.zeros(self.columns)
        above[: len(neuron.weights)] = -neuron.weights
        above[column] = 1.0
        below[: len(neuron.weights)] = neuron.upper * neuron.weights
        below[column] = neuron.lower - neuron.upper
        self._rows += [above, below]
        self._shifts += [
            neuron.error - neuron.constant,
            neuron.upper * (neuron.constant - neuron.lower + neuron.error),
        ]
        self._highs = None

    def box_maximum(self, weights: NDArray[np.float64], constant: float) -> float:
        """A proven upper bound of the form over the columns' bounds alone."""
        magnitude = np.abs(weights)
        inputs = magnitude[: self._dimension].sum()
        total = constant + inputs + np.maximum(weights[self._dimension :], 0.0).sum()
        return float(total + rounding(len(weights) + 2) * (abs(constant) + magnitude.sum()))

    def maximum(self, weights: NDArray[np.float64], constant: float) -> float:
        """A proven upper bound of the form over the polytope, tight up to the solver's tolerance."""
        self.counter.lps += 1
        highs = self._program()
        cost = np.zeros(self.columns)
        cost[: len(weights)] = weights
        highs.changeColsCost(self.columns, np.arange(self.columns), cost)
        highs.run()
        if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return float("inf")
        multipliers = np.abs(np.array(highs.getSolution().row_dual))
        combined = cost + multipliers @ self._matrix
        shifts = np.array(self._shifts)
        bound = self.box_maximum(combined, constant + float(multipliers @ shifts))
        gross = np.abs(cost).sum() + abs(constant) + multipliers @ (np.abs(self._matrix).sum(axis=1) + np.abs(shifts))
        return float(bound + rounding(2 * (len(shifts) + self.columns) + 8) * gross + 2.0**-900)

    def _program(self) -> highspy.Highs:
        if self._highs is not None:
            return self._highs
        self._matrix = np.array([np.pad(row, (0, self.columns - len(row))) for row in self._rows])
        self._matrix = self._matrix.reshape(len(self._rows), self.columns)
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = self.columns, len(self._rows)
        program.sense_ = highspy.ObjSense.kMaximize
        program.col_cost_ = np.zeros(self.columns)
        program.col_lower_ = np.where(np.arange(self.columns) < self._dimension, -1.0, 0.0)
        program.col_upper_ = np.ones(self.columns)
        program.row_lower_ = -np.array(self._shifts)
        program.row_upper_ = np.full(len(self._rows), highspy.kHighsInf)
        program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        program.a_matrix_.start_ = np.arange(len(self._rows) + 1) * self.columns
        program.a_matrix_.index_ = np.tile(np.arange(self.columns), len(self._rows))
        program.a_matrix_.value_ = self._matrix.ravel()
        highs = quiet_highs()
        highs.setOptionValue("presolve", "off")
        highs.passModel(program)
        self._highs = highs
        return highs


def rounding(operations: int) -> float:
    """A factor that bounds the relative error of a sum of products with this many operations, with room to spare."""
    return 4.0 * operations * 2.0**-53


@cache
def greet() -> None:
    """Have HiGHS say who it is, which it does once a process, where nobody hears it."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # there is no standard output
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        highspy.Highs()
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def quiet_highs() -> highspy.Highs:
    """A HiGHS instance that prints nothing, uses one thread and the tightest tolerances."""
    greet()
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("primal_feasibility_tolerance", _TOLERANCE)
    highs.setOptionValue("dual_feasibility_tolerance", _TOLERANCE)
    return highs
