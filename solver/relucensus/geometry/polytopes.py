"""Polytopes of up to three dimensions by their vertices, cut by hyperplanes: exact integers throughout.

The vertices are kept as in the double description method (Motzkin, Raiffa, Thompson, Thrall 1953): each with the set of
hyperplanes through it. Two vertices have an edge in common when no third vertex lies on all the hyperplanes that go
through both (the combinatorial test of Fukuda, Prodon 1996), which also holds where more hyperplanes than needed go
through a vertex.

Throughout: d dimensions; a vertex is ``(x_1, .., x_d, w)`` in coprime integers with w > 0, and stands for the point
``x / w``. A hyperplane's number is a bit of a mask: ``2 j`` and ``2 j + 1`` for the lower and upper side of the box in
coordinate j, ``2 d + row`` for a row's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations

from flint import fmpz_mat

from relucensus.feasibility import ExactBox

Vertex = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Polytope:
    """A polytope of full dimension: its vertices, and for each the mask of the hyperplanes through it."""

    vertices: tuple[Vertex, ...]
    masks: tuple[int, ...]

    @property
    def dimension(self) -> int:
        """Its dimension d."""
        return len(self.vertices[0]) - 1

    def _adjacent(self, i: int, j: int) -> bool:
        shared = self.masks[i] & self.masks[j]
        if shared.bit_count() < self.dimension - 1:
            return False
        return sum(mask & shared == shared for mask in self.masks) == len({i, j})

    def halves(self, values: Sequence[int], plane: int) -> tuple[Polytope, Polytope]:
        """What is on the negative and on the positive side of a hyperplane that has vertices on both.

        `values` are those of its form at the vertices, in the vertices' homogeneous coordinates.
        """
        bit = 1 << plane
        met: list[tuple[Vertex, int]] = []
        for i, j in combinations(range(len(values)), 2):
            if values[i] * values[j] < 0 and self._adjacent(i, j):
                vertex = _between(self.vertices[i], values[i], self.vertices[j], values[j])
                met.append((vertex, self.masks[i] & self.masks[j] | bit))
        sides = []
        for sign in (-1, 1):
            kept = [
                (vertex, mask if value else mask | bit)
                for vertex, mask, value in zip(self.vertices, self.masks, values, strict=True)
                if value * sign >= 0
            ]
            vertices, masks = zip(*kept, *met, strict=True)
            sides.append(Polytope(tuple(vertices), tuple(masks)))
        return sides[0], sides[1]

    def facets(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The number of each hyperplane that bounds the polytope in a facet, and the vertices on it."""
        every = 0
        for mask in self.masks:
            every |= mask
        for plane in range(every.bit_length()):
            on = tuple(i for i, mask in enumerate(self.masks) if mask >> plane & 1)
            # d vertices of a polytope in one face of it span d - 1 dimensions, for d up to 3: no three are on a line.
            if len(on) >= self.dimension:
                yield plane, on

    def triangles(self, on: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Simplices, d vertices each, that fill a facet: all seen from its first vertex (Cohen, Hickey 1979)."""
        if self.dimension < 3:
            yield on
            return
        first, *rest = on
        for i, j in combinations(rest, 2):
            if self._adjacent(i, j):
                yield first, i, j

    @cached_property
    def volume(self) -> Fraction:
        """Length, area or volume, exact: the simplices between a vertex and the facets that it is not on."""
        factor = math.factorial(self.dimension)
        total = Fraction(0)
        for _, on in self.facets():
            if 0 in on:
                continue
            for simplex in self.triangles(on):
                corners = [self.vertices[i] for i in (0, *simplex)]
                determinant = fmpz_mat([list(corner) for corner in corners]).det()
                total += Fraction(abs(int(determinant)), factor * math.prod(corner[-1] for corner in corners))
        return total

    def point(self, i: int) -> tuple[Fraction, ...]:
        """A vertex as a point."""
        *numerators, divisor = self.vertices[i]
        return tuple(Fraction(n, divisor) for n in numerators)


def box_polytope(box: ExactBox) -> Polytope:
    """The box, of 0 < d <= 3 dimensions."""
    d = box.dimension
    vertices, masks = [], []
    for corner in range(2**d):
        upper = [corner >> j & 1 for j in range(d)]
        numerators = [(box.upper if up else box.lower)[j] for j, up in enumerate(upper)]
        vertices.append(_reduced([*numerators, box.denominator]))
        masks.append(sum(1 << (2 * j + up) for j, up in enumerate(upper)))
    return Polytope(tuple(vertices), tuple(masks))


def _between(one: Vertex, value: int, other: Vertex, opposite: int) -> Vertex:
    """The point between two where a form vanishes that has these values, of different signs, at them."""
    a, b = abs(opposite), abs(value)
    return _reduced([a * x + b * y for x, y in zip(one, other, strict=True)])


def _reduced(numbers: list[int]) -> Vertex:
    common = math.gcd(*numbers)
    return tuple(number // common for number in numbers)
