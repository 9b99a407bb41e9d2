"""The polygons of all regions of two coordinates: the box is cut by one row after the other, many cells at a time.

A row's sign at every corner decides whether it divides a cell. Signs come from float64 forms with proven error bounds
(`forms`); those that rounding leaves unsure are decided by rational arithmetic, as are exact zeros (`vertices`). So the
cells are exactly the regions, however thin; their corners are off by at most `Polygons.radius`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.affine import Preactivations
from relucensus.errors import UnsupportedProblem
from relucensus.geometry import forms
from relucensus.geometry.cells import FIRST_ROW, Cells, Signs, box_cell, halves, joined
from relucensus.geometry.forms import Bytes, Floats
from relucensus.rounded import RoundedNetwork
from relucensus.values.problem import Budget, Problem
from relucensus.vertices import ExactVertices

DIMENSION: Final = 2
_AT_ONCE: Final = 2**22
_MOST_CELLS: Final = 8192
_IN_CACHE: Final = 2**14
_ROUGH: Final = 2.0**-34
_ZERO, _UNSURE = 0, 2


@dataclass(frozen=True, eq=False)
class Polygons:
    """The closed polygons of n regions, anticlockwise, one after the other, with M corners altogether.

    `points` (M, 2) are the corners in the coordinates that vary, off by `radius` (M,) at most; polygon i has those from
    ``offsets[i]`` up to ``offsets[i + 1]``. `rows` (M,) is the row that made the side from a corner to the next one,
    the first in layer order if several have that line, and -1 on the box. `symbols` (n, rows) ascend
    lexicographically.
    `maps` (n, outputs, 3) are the affine maps of the outputs, rounded: two coefficients and a constant.
    """

    points: Floats
    radius: Floats
    offsets: NDArray[np.int64]
    rows: NDArray[np.int32]
    symbols: Bytes
    maps: Floats

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def following(self) -> NDArray[np.int64]:
        """For each corner the number of the next one of its polygon, (M,)."""
        after = np.arange(1, len(self.points) + 1)
        after[self.offsets[1:] - 1] = self.offsets[:-1]
        return after

    @property
    def areas(self) -> Floats:
        """The area of each polygon, (n,), rounded."""
        first = np.repeat(self.points[self.offsets[:-1]], np.diff(self.offsets), axis=0)
        one, other = self.points - first, self.points[self.following] - first
        return np.add.reduceat(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0], self.offsets[:-1]) / 2

    @property
    def centres(self) -> Floats:
        """The mean of each polygon's corners, (n, 2): a point inside."""
        return np.add.reduceat(self.points, self.offsets[:-1], axis=0) / np.diff(self.offsets)[:, None]


def polygons_of(problem: Problem, *, budget: Budget | None = None) -> Polygons:
    """The polygons of all activation regions of a box or a slice on which two coordinates vary.

    Raises:
        UnsupportedProblem: another number of coordinates varies, or the budget is too small for all regions.
    """
    free = problem.free
    if free.box.dimension != DIMENSION:
        raise UnsupportedProblem(
            f"polygons are those of regions of two coordinates; on this domain {free.box.dimension} vary"
        )
    subdivision = _Subdivision(free, budget or Budget())
    found = list(subdivision.cells())
    return _polygons(subdivision, joined([cells for cells, _ in found]), np.concatenate([maps for _, maps in found]))


class _Subdivision:
    """The cells of a full-dimensional problem of two coordinates, layer by layer."""

    def __init__(self, problem: Problem, budget: Budget) -> None:
        self.rounded = RoundedNetwork.of(problem)
        self.preactivations = Preactivations(problem)
        self.exact = ExactVertices(self.preactivations, self.rounded)
        self._box = self.rounded.lower, self.rounded.upper
        self._budget = budget
        self._started = time.monotonic()
        self._found = 0

    def cells(self) -> Iterator[tuple[Cells, Floats]]:
        """The cells of the whole network with its outputs on each, (cells, outputs, 3), depth first over layers."""
        stack = [(0, box_cell(*self._box, self.preactivations.neurons), forms.inputs())]
        while stack:
            layer, cells, activations = stack.pop()
            if layer == len(self.rounded.hidden):
                self._found += len(cells)
                yield cells, forms.outputs(self.rounded.output, activations)
                continue
            most = max(256, _AT_ONCE // (cells.lines.shape[1] * len(self.rounded.hidden[layer].bias)))
            for start in range(0, len(cells), min(most, _MOST_CELLS)):
                some = slice(start, start + min(most, _MOST_CELLS))
                stack.append((layer + 1, *self._divided(layer, cells.taken(some), activations[some])))

    def _divided(self, layer: int, cells: Cells, activations: Floats) -> tuple[Cells, Floats]:
        """The cells cut by all rows of the layer, and the layer's activations on each of them."""
        balanced, start = self.rounded.hidden[layer], self.preactivations.starts[layer]
        own = forms.preactivations(balanced, activations)
        cells = Cells(
            *(cells.sizes, cells.points, cells.radius, cells.lines, cells.sides, cells.symbols.copy()),
            np.arange(len(cells), dtype=np.int32),
        )
        divided = self._screened(layer, cells, own)
        for column in np.flatnonzero(divided.any(axis=0)).tolist():
            cells = self._cut(layer, column, cells, own[:, column], divided[:, column])
            self._check_budget(len(cells))
        symbols = cells.symbols[:, start : start + len(balanced.bias)]
        parts = forms.COEFFICIENTS if layer == len(self.rounded.hidden) - 1 else forms.PARTS
        return cells, forms.activated(balanced, own[cells.parents, :, :parts], symbols)

    def _screened(self, layer: int, cells: Cells, own: Floats) -> NDArray[np.bool_]:
        """Which rows divide which cells, (C, rows of the layer); the others get their symbols."""
        start, rows = self.preactivations.starts[layer], own.shape[1]
        bent = self.rounded.bent[layer] > 0
        signs = np.empty((*cells.lines.shape, rows), dtype=np.int8)
        block = max(1, _IN_CACHE // max(1, signs[0].size))
        for first in range(0, len(cells), block):
            some = slice(first, first + block)
            points, radius = cells.points[some, :, None], cells.radius[some, :, None]
            signs[some] = forms.signs_at(own[some, None], points, radius)
        signs[:, :, ~bent] = _ZERO
        for cell, corner, column in np.argwhere(signs == _UNSURE).tolist():
            sign = self._sign(cells, cell, corner, start + column) if corner < cells.sizes[cell] else None
            signs[cell, corner, column] = signs[cell, 0, column] if sign is None else sign
        positive, negative = (signs > 0).any(axis=1), (signs < 0).any(axis=1)
        cells.symbols[:, start : start + rows] = positive & ~negative
        return np.asarray(positive & negative)

    def _cut(self, layer: int, column: int, cells: Cells, own: Floats, divided: NDArray[np.bool_]) -> Cells:
        """The cells cut by one row, which divides some of the cells that there were before this layer."""
        row = self.preactivations.starts[layer] + column
        near = np.flatnonzero(divided[cells.parents])
        candidates = cells.taken(near)
        row_forms = own[candidates.parents]
        signs = self._signs(candidates, row, row_forms)
        positive, negative = (signs > 0).any(axis=1), (signs < 0).any(axis=1)
        cells.symbols[near, row] = positive
        cut = np.flatnonzero(positive & negative)
        if not len(cut):
            return cells
        below, above = halves(candidates.taken(cut), row, row_forms[cut], signs[cut], self._box)
        return joined([cells.replaced(near[cut], below), above])

    def _signs(self, cells: Cells, row: int, row_forms: Floats) -> Signs:
        """The sign of the row at each corner, (C, K), its form being that on each cell, (C, 5)."""
        signs = forms.signs_at(row_forms[:, None], cells.points, cells.radius)
        for cell, corner in np.argwhere(signs == _UNSURE).tolist():
            known = corner >= cells.sizes[cell]
            signs[cell, corner] = signs[cell, 0] if known else self._sign(cells, cell, corner, row)
        return signs

    def _sign(self, cells: Cells, cell: int, corner: int, row: int) -> int:
        return self.exact.sign(self._planes(cells, cell, corner), cells.symbols[cell].tobytes(), row)

    def _planes(self, cells: Cells, cell: int, corner: int) -> tuple[int, ...]:
        """The two lines that meet at the corner."""
        before = (corner or int(cells.sizes[cell])) - 1
        return tuple(sorted((int(cells.lines[cell, before]), int(cells.lines[cell, corner]))))

    def _check_budget(self, cells: int) -> None:
        if self._budget.spent(time.monotonic() - self._started, self._found + cells):
            raise UnsupportedProblem(
                f"the limits of the picture were reached at {self._found + cells} regions; needed is a domain or a "
                "network with fewer regions, or larger limits"
            )

    def settle_corners(self, cells: Cells) -> None:
        """Place those corners by rational arithmetic that floats place badly."""
        used = np.arange(cells.lines.shape[1]) < cells.sizes[:, None]
        reference, widths = self.rounded.reference, self.rounded.widths
        for cell, corner in np.argwhere(used & (cells.radius > _ROUGH)).tolist():
            place = self.exact.place(self._planes(cells, cell, corner), cells.symbols[cell].tobytes()).to_floats()
            cells.points[cell, corner] = (place - reference) / widths
            cells.radius[cell, corner] = 4 * 2.0**-52


def _polygons(subdivision: _Subdivision, cells: Cells, maps: Floats) -> Polygons:
    if cells.symbols.shape[1]:
        order = np.lexsort(cells.symbols.T[::-1])
        cells, maps = cells.taken(order), maps[order]
    subdivision.settle_corners(cells)
    used = np.arange(cells.lines.shape[1]) < cells.sizes[:, None]
    rounded = subdivision.rounded
    lower, upper = subdivision.preactivations.box.box.lower, subdivision.preactivations.box.box.upper
    return Polygons(
        np.clip(rounded.to_box(cells.points[used]), lower, upper),
        cells.radius[used] * float(rounded.widths.max()),
        np.concatenate([[0], np.cumsum(cells.sizes, dtype=np.int64)]),
        np.maximum(cells.lines[used] - FIRST_ROW, -1).astype(np.int32),
        cells.symbols,
        _seen_from_origin(maps, rounded),
    )


def _seen_from_origin(maps: Floats, rounded: RoundedNetwork) -> Floats:
    """The maps as functions of the coordinates that vary, the outputs no longer rescaled."""
    with np.errstate(over="ignore", invalid="ignore"):  # outputs may be beyond the range of float64
        unscaled = maps * np.ldexp(1.0, -np.array(rounded.output.exponents))[:, None]
        unscaled[:, :, :2] /= rounded.widths
        unscaled[:, :, 2] -= unscaled[:, :, :2] @ rounded.reference
    return np.asarray(unscaled)
