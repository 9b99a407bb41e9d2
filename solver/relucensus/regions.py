"""The activation regions themselves: pattern, inner point, affine map, half-spaces, facets and vertices of each.

The tree engine finds them, a few thousand at a time; what is said of a region is computed when it is asked for, in
exact arithmetic. Throughout: x are the network's inputs, u those coordinates that vary: the inputs of a box that are
not fixed, or the parameters of a slice that are not. Where the box fixes no input, u is x.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.affine import Preactivations
from relucensus.arithmetic import AffineMap, RationalPoint
from relucensus.engines.tree.engine import Enumeration, Reached
from relucensus.errors import SolverFailure, UnsupportedProblem
from relucensus.feasibility import ExactBox, Inhabited, System
from relucensus.lp import LpCounter, LpSolver
from relucensus.polytope import Corners, HalfSpace, Point, box_sides, check_dimensions, corners_of, facets_of, merged
from relucensus.values.domain import Slice
from relucensus.values.pattern import Cube
from relucensus.values.problem import Budget, Definition, Problem

_REMEMBERED: Final = 64
_MOST_HALVINGS: Final = 60


def iterate_regions(problem: Problem, *, budget: Budget | None = None) -> RegionIterator:
    """Every activation region of the network on its domain, once, while the search goes on; in bounded memory.

    Args:
        problem: network and domain; the definitions are not looked at.
        budget: wall seconds, from the first region asked for, and regions after which to stop.
    """
    return RegionIterator(problem, budget or Budget())


class RegionIterator(Iterator["RegionDescription"]):
    """The regions of a problem one after the other; `complete` tells, at the end, whether these were all."""

    def __init__(self, problem: Problem, budget: Budget) -> None:
        self._ground = _Ground(problem)
        self._budget = budget
        self._regions = self._reached()
        self.complete = False

    def __iter__(self) -> RegionIterator:
        return self

    def __next__(self) -> RegionDescription:
        return next(self._regions)

    def _reached(self) -> Iterator[RegionDescription]:
        free = self._ground.free
        if not free.network.hidden:
            yield RegionDescription(self._ground, b"", self._ground.box.middle, self._ground.digest(b""))
            self.complete = True
            return
        search = Enumeration(Problem(free.network, free.box, (Definition.CLOSED_LINEAR_REGIONS,)), Cube(), self._budget)
        for reached in search.reached():
            yield from _described(self._ground, reached)
        self.complete = search.finished


def _described(ground: _Ground, reached: Reached) -> Iterator[RegionDescription]:
    for rows, point, digest in zip(reached.patterns, reached.points, reached.digests, strict=True):
        yield RegionDescription(ground, rows.tobytes(), point.copy(), digest.tobytes())


@dataclass(eq=False)
class _Ground:
    """What all regions of a problem share; not for two threads."""

    problem: Problem
    counter: LpCounter = field(default_factory=LpCounter)

    def __post_init__(self) -> None:
        self.free = self.problem.free
        self.preactivations = Preactivations(self.free, _REMEMBERED)
        self.box: ExactBox = self.preactivations.box
        self.sides = box_sides(self.box)
        self.digest = self.preactivations.output_digest

    @cached_property
    def solver(self) -> LpSolver:
        return LpSolver(self.box, self.counter)

    @cached_property
    def neurons(self) -> tuple[int, ...]:
        """The neuron of the network that each row belongs to."""
        neurons: list[int] = []
        start = 0
        for rows in self.problem.lowering.neurons:
            neurons += [start + neuron for neuron in rows]
            start += 1 + max(rows)
        return tuple(neurons)

    @cached_property
    def inputs(self) -> AffineMap:
        """The inputs x as a function of u."""
        domain, box = self.problem.domain, self.problem.box
        loose = np.flatnonzero(box.lower < box.upper)
        placed = AffineMap.from_floats(np.eye(box.dimension)[:, loose], np.where(box.lower < box.upper, 0.0, box.lower))
        if not isinstance(domain, Slice):
            return placed
        return AffineMap.from_floats(domain.directions.T, domain.origin).after(placed)

    def inner_point(self, rows: bytes, proposed: NDArray[np.float64]) -> RationalPoint:
        """A point of the region and of the open box; of float64 coordinates if such a point was found."""
        point = RationalPoint.from_floats(np.clip(proposed, self.box.box.lower, self.box.box.upper))
        if self.preactivations.is_inner(rows, point):
            return point
        answer = self.solver.decide(self._system(rows))
        if not isinstance(answer, Inhabited):
            raise SolverFailure("a region that was found has no point; please report the network and the domain")
        witness = answer.witness
        for rounding in (True, False):
            for candidate in _towards(witness, self._middle, rounding=rounding):
                if self.preactivations.is_inner(rows, candidate):
                    return candidate
        raise SolverFailure("no point was found inside a region; please report the network and the domain")

    @property
    def _middle(self) -> RationalPoint:
        """The exact middle of the box."""
        box = self.box
        return RationalPoint(
            tuple(low + high for low, high in zip(box.lower, box.upper, strict=True)), 2 * box.denominator
        )

    def _system(self, rows: bytes) -> System:
        system = self.preactivations.system(rows)
        if system is None:
            raise SolverFailure("a region that was found contradicts itself; please report the network and the domain")
        return system

    def half_spaces(self, rows: bytes) -> tuple[HalfSpace, ...]:
        """The half-spaces of the region's rows and of the box, each once."""
        system = self._system(rows)
        starts = self.preactivations.starts
        found = []
        for part, row in system.kept:
            exact, sign = system.parts[part].exact, system.signs[part][row]
            entries = [sign * int(exact.coefficients[row, c]) for c in range(exact.columns)]
            neuron = self.neurons[starts[part] + row]
            found.append(HalfSpace.of([*entries, sign * int(exact.constants[row, 0])], neurons=(neuron,)))
        return merged([*found, *self.sides])


def _towards(point: RationalPoint, middle: RationalPoint, *, rounding: bool) -> Iterator[RationalPoint]:
    """The point, then points on the way to the middle, nearer and nearer to the point; endless unless rounding."""
    if rounding:
        yield RationalPoint.from_floats(point.to_floats())
    yield point
    halvings = 0
    while not rounding or halvings < _MOST_HALVINGS:
        halvings += 1
        share = Fraction(1, 1 << halvings)
        pairs = zip(point.to_fractions(), middle.to_fractions(), strict=True)
        between = RationalPoint.from_fractions([p + share * (m - p) for p, m in pairs])
        yield RationalPoint.from_floats(between.to_floats()) if rounding else between


@dataclass(frozen=True, eq=False)
class RegionDescription:
    """One activation region: open, convex, not empty.

    `digest`: 16 bytes that are equal for two regions exactly when their affine maps are (up to a collision).
    """

    _ground: _Ground = field(repr=False)
    _rows: bytes = field(repr=False)
    _proposed: NDArray[np.float64] = field(repr=False)
    digest: bytes

    @cached_property
    def pattern(self) -> tuple[tuple[int, ...], ...]:
        """The symbol of every neuron, layer by layer: the number of breakpoints below its preactivation."""
        symbols = iter(self._ground.problem.lowering.symbols(self._rows))
        return tuple(
            tuple(next(symbols) for _ in range(1 + max(rows))) for rows in self._ground.problem.lowering.neurons
        )

    @cached_property
    def _inner(self) -> RationalPoint:
        return self._ground.inner_point(self._rows, self._proposed)

    @property
    def free_point(self) -> Point:
        """`interior_point` in the coordinates u that vary."""
        return self._inner.to_fractions()

    @cached_property
    def interior_point(self) -> Point:
        """A point x of the region, exact and checked against its strict inequalities and the open box.

        On a box its coordinates are float64 numbers unless none such were found.
        """
        inputs = self._ground.inputs
        divisor = inputs.denominator * self._inner.denominator
        return tuple(Fraction(value, divisor) for value in inputs.at(self._inner))

    @property
    def point(self) -> NDArray[np.float64]:
        """`interior_point` rounded to float64; inside where `point_is_exact`, else next to a point inside."""
        return _floats("inner point", self.interior_point)

    @property
    def point_is_exact(self) -> bool:
        """Whether `point` is `interior_point`."""
        return all(Fraction(c) == exact for c, exact in zip(self.point.tolist(), self.interior_point, strict=True))

    @cached_property
    def affine_map(self) -> AffineMap:
        """The network on this region as an exact function of u."""
        return self._ground.preactivations.output_map(self._rows).reduced()

    @property
    def weights(self) -> NDArray[np.float64]:
        """The matrix of `affine_map`, (outputs, coordinates that vary), every entry rounded to float64."""
        return self._rounded[0]

    @property
    def bias(self) -> NDArray[np.float64]:
        """The constants of `affine_map`, (outputs,), rounded to float64."""
        return self._rounded[1]

    @cached_property
    def _rounded(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        try:
            return self.affine_map.to_floats()
        except OverflowError:
            raise UnsupportedProblem(
                "an entry of the affine map is beyond float64; `affine_map` has it exactly"
            ) from None

    @cached_property
    def half_spaces(self) -> tuple[HalfSpace, ...]:
        """The half-spaces over u whose intersection is the region: of every neuron that varies, and of the box."""
        return self._ground.half_spaces(self._rows)

    @cached_property
    def facets(self) -> tuple[HalfSpace, ...]:
        """Those of the `half_spaces` that are needed: each bounds the region in a facet. Cost: a program each."""
        return facets_of(self.half_spaces, self._inner, self._ground.solver)

    @property
    def vertices(self) -> tuple[Point, ...]:
        """The vertices of the region's closure, over u: an interval, a polygon (anticlockwise), or a polyhedron.

        Raises:
            UnsupportedProblem: more than three coordinates vary.
        """
        return self._corners.vertices

    @property
    def faces(self) -> tuple[tuple[int, ...], ...]:
        """For each of the `facets`, the numbers of the `vertices` on it; anticlockwise as seen from outside.

        Raises:
            UnsupportedProblem: more than three coordinates vary.
        """
        return self._corners.faces

    @cached_property
    def _corners(self) -> Corners:
        check_dimensions(self._ground.box)
        return corners_of(self.facets, self._ground.box)


def _floats(what: str, point: Point) -> NDArray[np.float64]:
    try:
        return np.array([float(c) for c in point], dtype=np.float64)
    except OverflowError:
        raise UnsupportedProblem(f"a coordinate of the {what} is beyond float64") from None
