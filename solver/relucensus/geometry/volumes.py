"""How large regions are and how long their boundaries, on domains on which up to three coordinates vary.

The box is cut by one row after the other in exact arithmetic. Regions are polytopes with rational vertices, so volumes
are rational numbers; lengths and areas of boundaries hold square roots, and are float64.

Hanin & Rolnick (*Complexity of Linear Regions in Deep Networks*, ICML 2019) take the expected volume of the boundary,
of dimension one less than the inputs, for a measure of complexity: at initialisation its density is bounded by a
constant times the number of neurons, whatever the depth. On a line that volume is the number of breakpoints.

Throughout: u are the coordinates that vary (`regions`). Volumes are those of u. Boundaries are measured among the
inputs x, so that those of a slice do not depend on how its directions are chosen.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Final

import numpy as np
from flint import fmpq, fmpz_mat
from numpy.typing import NDArray

from relucensus.affine import Preactivations
from relucensus.errors import UnsupportedProblem
from relucensus.geometry.extent import check_extent
from relucensus.geometry.polytopes import Polytope, Vertex, box_polytope
from relucensus.values.domain import Slice
from relucensus.values.problem import Budget, Problem

MOST_DIMENSIONS: Final = 3

Point = tuple[Fraction, ...]


@dataclass(frozen=True, eq=False)
class RegionVolume:
    """An activation region: the symbols of its rows, and its closure. Length, area or volume is that over u, exact."""

    symbols: bytes
    polytope: Polytope

    @property
    def volume(self) -> Fraction:
        """Length, area or volume over u."""
        return self.polytope.volume

    @cached_property
    def vertices(self) -> tuple[Point, ...]:
        """The vertices of the closure, in no particular order."""
        return tuple(self.polytope.point(i) for i in range(len(self.polytope.vertices)))


@dataclass(frozen=True, eq=False)
class Measures:
    """The volumes of all regions and the size of the boundaries between them.

    `boundary_of_layer` (one for each hidden layer) is the number of points, the length, or the area between regions,
    by the layer that divides there, the first if several do; the sides of the box are no boundary. `volume_factor` is
    what a volume over u is to be multiplied by for one among the inputs: 1 on a box.
    """

    regions: tuple[RegionVolume, ...]
    boundary_of_layer: tuple[float, ...]
    volume_factor: float

    @property
    def boundary(self) -> float:
        """The size of all boundaries between regions."""
        return math.fsum(self.boundary_of_layer)

    @cached_property
    def volume(self) -> Fraction:
        """The volumes of all regions added up, exact: the volume of the box of u."""
        sums = [fmpq(one.volume.numerator, one.volume.denominator) for one in self.regions]
        while len(sums) > 1:  # in pairs, since denominators grow
            sums = [sum(sums[i : i + 2], fmpq(0)) for i in range(0, len(sums), 2)]
        return Fraction(int(sums[0].p), int(sums[0].q))


def measure_regions(problem: Problem, *, budget: Budget | None = None) -> Measures:
    """The volume of every activation region, exact, and the size of the boundaries.

    Raises:
        UnsupportedProblem: no coordinate varies, or more than three, or the budget is too small for all regions, or
            the domain is too large or too small for float64.

    >>> from relucensus import Box, Network
    >>> network = Network.from_arrays([([[1.0, 0.0], [0.0, 4.0]], [0.0, 1.0]), ([[1.0, 1.0]], [0.0])])
    >>> measured = measure_regions(Problem(network, Box.from_bounds(-1, 1, inputs=2)))
    >>> [str(region.volume) for region in measured.regions], measured.boundary
    (['3/4', '5/4', '3/4', '5/4'], 4.0)
    """
    check_extent(problem)
    regions = tuple(sorted(polytopes_of(problem, budget=budget), key=lambda region: region.symbols))
    metric = _Metric.of(problem)
    sizes: defaultdict[int, list[float]] = defaultdict(list)
    layers = _layers(problem)
    for region in regions:
        for row, size in metric.boundaries(region.polytope):
            sizes[layers[row]].append(size)
    widths = problem.free.network.widths
    halves = tuple(math.fsum(sizes[layer]) / 2 for layer in range(len(widths)))
    return Measures(regions, halves, metric.volume_factor)


def polytopes_of(problem: Problem, *, budget: Budget | None = None) -> Iterator[RegionVolume]:
    """The closures of all activation regions as exact polytopes, depth first over layers; as `measure_regions`."""
    free = problem.free
    if not 0 < free.box.dimension <= MOST_DIMENSIONS:
        raise UnsupportedProblem(
            f"volumes and boundaries are computed where 1 to {MOST_DIMENSIONS} coordinates vary; "
            f"on this domain {free.box.dimension} do"
        )
    return _cells(Preactivations(free), budget or Budget())


def _cells(preactivations: Preactivations, budget: Budget) -> Iterator[RegionVolume]:
    started, found = time.monotonic(), 0
    stack = [(b"", box_polytope(preactivations.box))]
    while stack:
        symbols, polytope = stack.pop()
        if len(symbols) == preactivations.neurons:
            found += 1
            yield RegionVolume(symbols, polytope)
        else:
            stack += _divided(preactivations, symbols, polytope)
        if budget.spent(time.monotonic() - started, found + len(stack)):
            raise UnsupportedProblem(
                f"the limits were reached at {found} regions; needed is a domain or a network with fewer regions, or "
                "larger limits"
            )


def _divided(preactivations: Preactivations, symbols: bytes, polytope: Polytope) -> list[tuple[bytes, Polytope]]:
    """The cell cut by the rows of the next layer."""
    start = len(symbols)
    layer = preactivations.starts.index(start)
    forms = preactivations.forms(layer, symbols)
    exact = forms.exact
    rows = [
        (*map(int, row), int(constant))
        for row, constant in zip(exact.coefficients.tolist(), exact.constants.entries(), strict=True)
    ]
    decided = _uniform(rows, forms.bent, polytope)
    cells = [(symbols, polytope)]
    for i, row in enumerate(rows):
        known = decided[i]
        if known is not None:
            cells = [(prefix + known, part) for prefix, part in cells]
        else:
            plane = 2 * polytope.dimension + start + i
            cells = [one for prefix, part in cells for one in _split(prefix, part, row, plane)]
    return cells


def _uniform(rows: list[tuple[int, ...]], bent: tuple[bool, ...], polytope: Polytope) -> list[bytes | None]:
    """The symbol of each row that does not divide the cell, else None."""
    corners = fmpz_mat([list(vertex) for vertex in polytope.vertices]).transpose()
    values = (fmpz_mat([list(row) for row in rows]) * corners).tolist()
    found: list[bytes | None] = []
    for has_breakpoint, at in zip(bent, values, strict=True):
        active, inactive = any(value > 0 for value in at), any(value < 0 for value in at)
        if has_breakpoint and active and inactive:
            found.append(None)
        else:
            found.append(bytes((has_breakpoint and active,)))
    return found


def _split(prefix: bytes, polytope: Polytope, row: tuple[int, ...], plane: int) -> list[tuple[bytes, Polytope]]:
    values = [sum(a * x for a, x in zip(row, vertex, strict=True)) for vertex in polytope.vertices]
    active, inactive = any(value > 0 for value in values), any(value < 0 for value in values)
    if not (active and inactive):
        return [(prefix + bytes((active,)), polytope)]
    below, above = polytope.halves(values, plane)
    return [(prefix + b"\0", below), (prefix + b"\1", above)]


def _layers(problem: Problem) -> list[int]:
    """The layer of each row."""
    return [layer for layer, width in enumerate(problem.free.network.widths) for _ in range(width)]


@dataclass(frozen=True, slots=True, eq=False)
class _Metric:
    """Directions of u as seen among the inputs: ``root`` (d, d) times a direction has the length that it has there."""

    root: NDArray[np.float64]

    @classmethod
    def of(cls, problem: Problem) -> _Metric:
        box = problem.box
        loose = np.flatnonzero(box.lower < box.upper)
        if not isinstance(problem.domain, Slice):
            return cls(np.eye(len(loose)))
        root = np.linalg.qr(problem.domain.directions[loose].T, mode="r")
        return cls(np.concatenate([root, np.zeros((len(loose) - len(root), len(loose)))]))

    @property
    def volume_factor(self) -> float:
        """What a volume over u is to be multiplied by for one among the inputs."""
        return abs(float(np.linalg.det(self.root)))

    def boundaries(self, polytope: Polytope) -> Iterator[tuple[int, float]]:
        """The rows that bound a polytope, and the size of its facet there."""
        box_planes = 2 * polytope.dimension
        for plane, on in polytope.facets():
            if plane >= box_planes:
                yield plane - box_planes, math.fsum(self._size(polytope, one) for one in polytope.triangles(on))

    def _size(self, polytope: Polytope, simplex: tuple[int, ...]) -> float:
        """1 for a point, the length of an edge, the area of a triangle; the differences are exact before rounding."""
        first, *rest = (polytope.vertices[i] for i in simplex)
        sides = [self.root @ np.array(_difference(first, other)) for other in rest]
        if len(sides) < 2:
            return float(np.linalg.norm(sides[0])) if sides else 1.0
        return float(np.linalg.norm(np.cross(*sides))) / 2


def _difference(one: Vertex, other: Vertex) -> list[float]:
    """From one vertex to another, each coordinate correctly rounded."""
    v, w = one[-1], other[-1]
    return [(y * v - x * w) / (v * w) for x, y in zip(one[:-1], other[:-1], strict=True)]
