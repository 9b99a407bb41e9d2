"""Whether a region has a facet on a neuron's hyperplane, and what proves it; exact.

Throughout: h is the preactivation of the neuron on whose hyperplane the facet is asked for, g_k that of another row
k on the region, oriented so that it is positive there. The box holds points strictly inside on both sides of the
hyperplane, because there are regions on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from relucensus.adjacency import Region, Wall
from relucensus.affine import Preactivations
from relucensus.arithmetic import AffineMap, RationalPoint
from relucensus.errors import SolverFailure
from relucensus.feasibility import Empty, ExactBox, Inhabited
from relucensus.lp import LpCounter, LpSolver
from relucensus.values.pattern import ACTIVE

_ONE_SIDED: Final = "the hyperplane of row {} has no regions on both sides; please report the network and the domain"


@dataclass(frozen=True, slots=True, eq=False)
class Facet:
    """There is one: `point` is on the hyperplane, strictly inside the box and all half-spaces with other boundaries."""

    point: RationalPoint


@dataclass(frozen=True, slots=True, eq=False)
class NoFacet:
    """There is none: the maximum of ``sum_k multipliers[k] g_k + slope h`` over the box is not positive.

    The multipliers, by row, are positive, at least one, and belong to rows whose preactivations are no multiples of h.
    """

    multipliers: dict[int, Fraction]
    slope: Fraction


class FacetFinder:
    """Looks for facets of the regions of one problem; remembers a solver for each coordinate eliminated."""

    def __init__(self, preactivations: Preactivations, counter: LpCounter) -> None:
        self._preactivations = preactivations
        self._counter = counter
        self._solvers: dict[int, LpSolver] = {}

    def find(self, pattern: bytes, neuron: int) -> Facet | NoFacet:
        """The facet of the pattern's region on the hyperplane of a neuron that is not constant there, or none.

        Raises:
            SolverFailure: there are no regions on both sides of the hyperplane.
        """
        wall = Region(self._preactivations, pattern).wall(neuron)
        if wall is None:
            raise SolverFailure(_ONE_SIDED.format(neuron))
        solver = self._solvers.get(wall.pivot)
        if solver is None:
            solver = self._solvers[wall.pivot] = LpSolver(wall.face, self._counter)
        match solver.decide(wall.system):
            case Inhabited(witness):
                inner = _strictly_inside(witness, wall, self._form(pattern, neuron), self._preactivations.box)
                return Facet(_lifted(inner, wall.pivot, self._form(pattern, neuron)))
            case Empty(multipliers):
                return self._refuted(pattern, wall, multipliers)

    def _form(self, pattern: bytes, neuron: int) -> AffineMap:
        """The preactivation of a neuron on the region, as a map of one row."""
        pre = self._preactivations
        home = pre.layer_of(neuron)
        return pre.forms(home, pattern).exact.selected([neuron - pre.starts[home]])

    def _refuted(self, pattern: bytes, wall: Wall, multipliers: Sequence[int]) -> NoFacet:
        """The multipliers of the rows, and a slope that makes up for those of the bounds of the pivot x_p.

        With y, v, w >= 0 from the program, ``sum_k y_k g_k + v (x_p - lower) + w (upper - x_p)`` is not positive on
        the part of the hyperplane above the face. The slope is what takes x_p out of it when h is added: what is left
        is the same all over the box. The terms of the bounds are not negative in the box and can be left out.
        """
        box = self._preactivations.box
        *rows, lower, upper = multipliers
        along_pivot = Fraction(box.denominator * (lower - upper))
        found: dict[int, Fraction] = {}
        for neuron, y in zip(wall.neurons, rows, strict=True):
            if y:
                form = self._form(pattern, neuron)
                sign = 1 if pattern[neuron] == ACTIVE else -1
                along_pivot += y * sign * int(form.coefficients[0, wall.pivot])
                found[neuron] = Fraction(y * form.denominator)
        if not found:
            raise SolverFailure(_ONE_SIDED.format(wall.neuron))
        h = self._form(pattern, wall.neuron)
        return NoFacet(found, -along_pivot * h.denominator / int(h.coefficients[0, wall.pivot]))


def _lifted(point: RationalPoint, pivot: int, h: AffineMap) -> RationalPoint:
    """The point of the hyperplane above a point of the face."""
    coordinates = [*point.to_fractions()]
    normal = [int(c) for c in h.coefficients.entries()]
    lead = normal.pop(pivot)
    total = sum((n * x for n, x in zip(normal, coordinates, strict=True)), Fraction(int(h.constants[0, 0])))
    coordinates.insert(pivot, -total / lead)
    return RationalPoint.from_fractions(coordinates)


def _strictly_inside(witness: RationalPoint, wall: Wall, h: AffineMap, box: ExactBox) -> RationalPoint:
    """A point strictly inside the face at which all rows of the wall are positive, as they are at the witness.

    If the witness is on the boundary of the face, a share of the way to a point strictly inside is.
    """
    start = witness.to_fractions()
    if wall.face.contains_strictly(witness):
        return witness
    goal = list(_between(h, box))
    del goal[wall.pivot]
    end = RationalPoint.from_fractions(goal)
    here = [Fraction(value, witness.denominator) for value in wall.rows.at(witness)]
    there = [Fraction(value, end.denominator) for value in wall.rows.at(end)]
    limit = min((a / (a - b) for a, b in zip(here, there, strict=True) if b < 0), default=Fraction(1))
    share = Fraction(1, 2)
    while share >= limit:
        share /= 2
    return RationalPoint.from_fractions([a + share * (b - a) for a, b in zip(start, goal, strict=True)])


def _between(h: AffineMap, box: ExactBox) -> list[Fraction]:
    """A point of the hyperplane strictly inside the box: on the way from the middle to a corner on the other side."""
    lower, upper = _bounds(box)
    normal = [int(c) for c in h.coefficients.entries()]
    constant = int(h.constants[0, 0])
    middle = [(low + high) / 2 for low, high in zip(lower, upper, strict=True)]
    at_middle = sum((n * x for n, x in zip(normal, middle, strict=True)), Fraction(constant))
    if at_middle == 0:
        return middle
    corner = [high if (n > 0) == (at_middle < 0) else low for n, low, high in zip(normal, lower, upper, strict=True)]
    at_corner = sum((n * x for n, x in zip(normal, corner, strict=True)), Fraction(constant))
    share = at_middle / (at_middle - at_corner)
    return [m + share * (c - m) for m, c in zip(middle, corner, strict=True)]


def _bounds(box: ExactBox) -> tuple[list[Fraction], list[Fraction]]:
    """The lower and the upper bounds of the box."""
    return [Fraction(n, box.denominator) for n in box.lower], [Fraction(n, box.denominator) for n in box.upper]
