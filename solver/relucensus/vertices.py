"""Vertices as rational points: what floating point leaves undecided is decided here.

A vertex is where d hyperplanes meet; in any one cell at the vertex these are zero sets of exact affine forms, so that
the vertex is the solution of a linear system over the rationals.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final

from flint import fmpq, fmpq_mat

from relucensus.affine import Preactivations
from relucensus.arithmetic import RationalPoint
from relucensus.rounded import RoundedNetwork

_REMEMBERED: Final = 1024


class NoVertex(Exception):
    """The hyperplanes do not meet in exactly one point."""


class ExactVertices:
    """Exact questions about vertices, each given by its hyperplanes and the symbols of a cell that it belongs to.

    A hyperplane's number is ``2 j`` (lower) or ``2 j + 1`` (upper) for the box facets of coordinate j, and
    ``2 d + row`` for the bent hyperplane of a row. Every method raises NoVertex where these do not meet in one point.
    """

    def __init__(self, preactivations: Preactivations, rounded: RoundedNetwork) -> None:
        self._preactivations = preactivations
        self._widths = [fmpq(*float(w).as_integer_ratio()) for w in rounded.widths]
        self._points: OrderedDict[tuple[tuple[int, ...], bytes], RationalPoint] = OrderedDict()
        self.asked = 0

    def sign(self, planes: tuple[int, ...], symbols: bytes, row: int) -> int:
        """The sign of a row's preactivation at the vertex."""
        self.asked += 1
        point = self._point(planes, symbols)
        layer = self._preactivations.layer_of(row)
        forms = self._preactivations.forms(layer, symbols).exact
        value = forms.selected([row - self._preactivations.starts[layer]]).at(point)[0]
        return (value > 0) - (value < 0)

    def height(self, planes: tuple[int, ...], symbols: bytes, slope: list[float]) -> fmpq:
        """The linear functional of this slope (in coordinates u) at the vertex, up to a constant."""
        self.asked += 1
        point = self._point(planes, symbols)
        total = fmpq(0)
        for weight, width, numerator in zip(slope, self._widths, point.numerators, strict=True):
            total += fmpq(*weight.as_integer_ratio()) * numerator / width
        return total / point.denominator

    def place(self, planes: tuple[int, ...], symbols: bytes) -> RationalPoint:
        """The vertex itself."""
        self.asked += 1
        return self._point(planes, symbols)

    def _point(self, planes: tuple[int, ...], symbols: bytes) -> RationalPoint:
        known = self._points.get((planes, symbols))
        if known is None:
            known = self._meeting(planes, symbols)
            self._points[planes, symbols] = known
            if len(self._points) > _REMEMBERED:
                self._points.popitem(last=False)
        return known

    def _meeting(self, planes: tuple[int, ...], symbols: bytes) -> RationalPoint:
        box, starts = self._preactivations.box, self._preactivations.starts
        d = box.dimension
        matrix, right = [], []
        for plane in planes:
            if plane < 2 * d:
                bounds = box.upper if plane & 1 else box.lower
                matrix.append([fmpq(int(j == plane >> 1)) for j in range(d)])
                right.append([fmpq(bounds[plane >> 1], box.denominator)])
                continue
            row = plane - 2 * d
            layer = self._preactivations.layer_of(row)
            exact = self._preactivations.forms(layer, symbols).exact
            i = row - starts[layer]
            matrix.append([fmpq(exact.coefficients[i, j]) for j in range(d)])
            right.append([fmpq(-exact.constants[i, 0])])
        try:
            solution = fmpq_mat(matrix).solve(fmpq_mat(right)).entries()
        except ZeroDivisionError:
            raise NoVertex(f"hyperplanes {planes} do not meet in one point") from None
        common = math.lcm(*(int(value.q) for value in solution))
        return RationalPoint(tuple(int(value.p) * (common // int(value.q)) for value in solution), common)
