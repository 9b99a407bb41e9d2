"""A full-dimensional polytope given by half-spaces: its facets, and in up to three dimensions its vertices; exact.

Throughout: a half-space is ``normal . u + offset >= 0`` in coprime integers; the polytope lies in a box, whose sides
are among its half-spaces. Facets are decided by linear programs with exact checks (`lp`). Vertices come from clipping:
a polygon is cut by one line after the other, in rational arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np
from flint import fmpz_mat

from relucensus.affine import restricted_to_hyperplane
from relucensus.arithmetic import AffineMap, RationalPoint
from relucensus.errors import UnsupportedProblem
from relucensus.feasibility import ExactBox, Inhabited, Rows, System
from relucensus.lp import LpSolver
from relucensus.values.domain import Box

MOST_DIMENSIONS: Final = 3

Point = tuple[Fraction, ...]


@dataclass(frozen=True, slots=True)
class HalfSpace:
    """The points u with ``normal . u + offset > 0``, in coprime integers.

    `neurons` are those whose preactivation is on a breakpoint along the boundary; `of_box` says whether the boundary
    is a side of the box.
    """

    normal: tuple[int, ...]
    offset: int
    neurons: tuple[int, ...] = ()
    of_box: bool = False

    @classmethod
    def of(cls, entries: Sequence[int], *, neurons: tuple[int, ...] = (), of_box: bool = False) -> HalfSpace:
        """The half-space with this normal and, last, this offset, made coprime."""
        common = math.gcd(*entries)
        *normal, offset = (entry // common for entry in entries)
        return cls(tuple(normal), offset, neurons, of_box)

    def negated(self) -> HalfSpace:
        """The other side, with the neurons."""
        return replace(self, normal=tuple(-n for n in self.normal), offset=-self.offset)

    def at(self, point: Point) -> Fraction:
        """``normal . point + offset``: positive inside, zero on the boundary."""
        return sum((n * u for n, u in zip(self.normal, point, strict=True)), Fraction(self.offset))


@dataclass(frozen=True, slots=True)
class Corners:
    """The vertices of a polytope, and for each of its facets the vertices on it, by number."""

    vertices: tuple[Point, ...]
    faces: tuple[tuple[int, ...], ...]


def box_sides(box: ExactBox) -> list[HalfSpace]:
    """The half-spaces of the box: lower and upper side of every coordinate."""
    sides = []
    for c in range(box.dimension):
        unit = [box.denominator if k == c else 0 for k in range(box.dimension)]
        sides.append(HalfSpace.of([*unit, -box.lower[c]], of_box=True))
        sides.append(HalfSpace.of([*(-n for n in unit), box.upper[c]], of_box=True))
    return sides


def merged(half_spaces: Iterable[HalfSpace]) -> tuple[HalfSpace, ...]:
    """Each half-space once, with all the neurons that it belongs to."""
    found: dict[tuple[tuple[int, ...], int], HalfSpace] = {}
    for one in half_spaces:
        known = found.setdefault((one.normal, one.offset), one)
        if known is not one:
            both = replace(known, neurons=known.neurons + one.neurons, of_box=known.of_box or one.of_box)
            found[one.normal, one.offset] = both
    return tuple(found.values())


def facets_of(half_spaces: Sequence[HalfSpace], inner: RationalPoint, solver: LpSolver) -> tuple[HalfSpace, ...]:
    """Those half-spaces without any of which the polytope would be larger, in their order.

    A half-space is tried against the facets known so far (Clarkson 1994). Where these leave room beyond it, the way
    from the inner point to a point there first leaves the polytope through a facet that was not known yet.

    Args:
        half_spaces: of the polytope, each once (`merged`), the sides of the solver's box among them.
        inner: a point inside all of them.
        solver: for programs in the box.
    """
    box = solver.box
    sides = [one for one in half_spaces if one.of_box]
    walls = [one for one in half_spaces if not one.of_box]
    known: set[HalfSpace] = set()
    refuted = {one for one in walls if box.maximum([-n for n in one.normal], -one.offset) < 0}
    for one in walls:
        while one not in known and one not in refuted:
            outside = solver.decide(_system([*known, one.negated()], box))
            if not isinstance(outside, Inhabited):
                refuted.add(one)
                break
            reached = _first_reached(walls, inner, outside.witness)
            for wall in reached:
                others = [other for other in half_spaces if other is not wall]
                certain = len(reached) == 1 or _is_facet(wall, others, solver)
                (known if certain else refuted).add(wall)
    bounding = [one for one in walls if one in known]
    known.update(one for one in sides if _is_facet(one, [*bounding, *(s for s in sides if s is not one)], solver))
    return tuple(one for one in half_spaces if one in known)


def _first_reached(walls: Sequence[HalfSpace], inner: RationalPoint, outer: RationalPoint) -> list[HalfSpace]:
    """The walls that the way from a point inside all to a point outside some meets first; exact."""
    rows = _matrix(walls)
    ends = zip(rows.at(inner), rows.at(outer), strict=True)
    # Values at the ends over their denominators; a share of the way is a / (a - b) where b < 0 < a.
    shares = [
        Fraction(a * outer.denominator, a * outer.denominator - b * inner.denominator) if b < 0 else None
        for a, b in ends
    ]
    least = min(share for share in shares if share is not None)
    return [wall for wall, share in zip(walls, shares, strict=True) if share == least]


def _system(half_spaces: Sequence[HalfSpace], box: ExactBox) -> System:
    return System((Rows.of(_matrix(half_spaces), box),), ((1,) * len(half_spaces),))


def _is_facet(one: HalfSpace, others: list[HalfSpace], solver: LpSolver) -> bool:
    """Whether the boundary has a point strictly inside all the others."""
    box = solver.box.box
    wall = _matrix([one])
    rows, pivot = restricted_to_hyperplane(wall, 0, _matrix(others))
    rows = rows.selected([i for i in range(rows.rows) if not _always_positive(rows, i)])
    kept = np.delete(np.arange(box.dimension), pivot)
    face = ExactBox(Box(box.lower[kept], box.upper[kept]))
    if not len(kept):
        return not rows.rows
    system = System((Rows.of(rows, face),), ((1,) * rows.rows,))
    return isinstance(LpSolver(face, solver.counter).decide(system), Inhabited)


def _always_positive(rows: AffineMap, i: int) -> bool:
    """Whether a row is a positive constant."""
    return rows.constants[i, 0] > 0 and all(rows.coefficients[i, c] == 0 for c in range(rows.columns))


def _matrix(half_spaces: Sequence[HalfSpace]) -> AffineMap:
    """The half-spaces as the rows of an affine map."""
    columns = len(half_spaces[0].normal) if half_spaces else 0
    normals = [n for one in half_spaces for n in one.normal]
    offsets = [one.offset for one in half_spaces]
    return AffineMap(fmpz_mat(len(offsets), columns, normals), fmpz_mat(len(offsets), 1, offsets), 1)


def corners_of(facets: Sequence[HalfSpace], box: ExactBox) -> Corners:
    """The vertices of the polytope with these facets (`facets_of`), and where they are on them.

    In one dimension the two ends of the interval, lower first; in two the polygon, anticlockwise, each face with its
    two ends in that order; in three the vertices in lexicographic order, each face anticlockwise as seen from outside.

    Raises:
        UnsupportedProblem: more than three dimensions.
    """
    check_dimensions(box)
    match box.dimension:
        case 0:
            return Corners(((),), ())
        case 1:
            return _ends(facets)
        case 2:
            polygon = _clipped(box, [(*one.normal, one.offset) for one in facets])
            return Corners(tuple(polygon), tuple(_edge(one, polygon) for one in facets))
        case _:
            return _polyhedron(facets, box)


def check_dimensions(box: ExactBox) -> None:
    """Nothing, where vertices can be computed.

    Raises:
        UnsupportedProblem: more than three dimensions.
    """
    if box.dimension > MOST_DIMENSIONS:
        raise UnsupportedProblem(
            f"vertices are computed for up to {MOST_DIMENSIONS} inputs that vary; this domain has {box.dimension}"
        )


def _ends(facets: Sequence[HalfSpace]) -> Corners:
    ends = [Fraction(-one.offset, one.normal[0]) for one in facets]
    vertices = sorted(ends)
    return Corners(tuple((end,) for end in vertices), tuple((vertices.index(end),) for end in ends))


def _edge(one: HalfSpace, polygon: Sequence[Point]) -> tuple[int, ...]:
    first, second = (i for i, vertex in enumerate(polygon) if one.at(vertex) == 0)
    return (first, second) if second == first + 1 else (second, first)


def _polyhedron(facets: Sequence[HalfSpace], box: ExactBox) -> Corners:
    polygons = [_face(one, [other for other in facets if other is not one], box) for one in facets]
    vertices = sorted({vertex for polygon in polygons for vertex in polygon})
    number = {vertex: i for i, vertex in enumerate(vertices)}
    return Corners(tuple(vertices), tuple(tuple(number[vertex] for vertex in polygon) for polygon in polygons))


def _face(one: HalfSpace, others: list[HalfSpace], box: ExactBox) -> list[Point]:
    """The polygon in which the facet's plane meets the polytope, anticlockwise as seen from outside."""
    rows, pivot = restricted_to_hyperplane(_matrix([one]), 0, _matrix(others))
    kept = [c for c in range(3) if c != pivot]
    table, constants = rows.coefficients.tolist(), rows.constants.entries()
    lines = [(int(a), int(b), int(c)) for (a, b), c in zip(table, constants, strict=True)]
    flat = _clipped(ExactBox(Box(box.box.lower[kept], box.box.upper[kept])), lines)
    polygon: list[Point] = []
    for u, v in flat:
        solved = -(one.normal[kept[0]] * u + one.normal[kept[1]] * v + one.offset) / one.normal[pivot]
        point = {kept[0]: u, kept[1]: v, pivot: solved}
        polygon.append((point[0], point[1], point[2]))
    # Dropping the middle coordinate mirrors; the outward normal points to where `normal` does not.
    seen_from_outside = (one.normal[pivot] < 0) == (pivot != 1)
    return polygon if seen_from_outside else polygon[::-1]


def _clipped(box: ExactBox, lines: Iterable[tuple[int, ...]]) -> list[Point]:
    """The polygon in which the half-planes ``a u + b v + c >= 0`` meet the box, anticlockwise (Sutherland, Hodgman)."""
    (left, bottom), (right, top) = ([Fraction(n, box.denominator) for n in bounds] for bounds in (box.lower, box.upper))
    polygon: list[Point] = [(left, bottom), (right, bottom), (right, top), (left, top)]
    for a, b, c in lines:
        values = [a * u + b * v + c for u, v in polygon]
        kept: list[Point] = []
        for k, (vertex, value) in enumerate(zip(polygon, values, strict=True)):
            before, earlier = polygon[k - 1], values[k - 1]
            if (value > 0 > earlier) or (value < 0 < earlier):
                share = earlier / (earlier - value)
                kept.append(tuple(p + share * (q - p) for p, q in zip(before, vertex, strict=True)))
            if value >= 0:
                kept.append(vertex)
        polygon = kept
    return polygon
