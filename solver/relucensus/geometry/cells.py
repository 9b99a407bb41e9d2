"""Many convex polygons as arrays, and cutting them by lines.

Throughout: C polygons with at most K corners, anticlockwise. Side k goes from corner k to the next one. A line's number
is that of `vertices`: 0 to 3 are the lower and upper x, the lower and upper y of the box, ``4 + row`` is a row's.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.geometry.forms import PARTS, Bytes, Floats, crossings, walls

Integers = NDArray[np.int32]
Signs = NDArray[np.int8]

FIRST_ROW: Final = 4
_ROUND: Final = (2, 1, 3, 0)
_CORNER: Final = 2.0**-51


@dataclass(frozen=True, eq=False)
class Cells:
    """Polygons: places past `sizes` (C,) repeat the first corner.

    `points` (C, K, 2) are off by `radius` (C, K) at most; `lines` (C, K) and `sides` (C, K, 5) are the number and the
    form of the side that begins there; `symbols` (C, rows) those of the rows decided so far; `parents` (C,) the cells
    of the layer before.
    """

    sizes: Integers
    points: Floats
    radius: Floats
    lines: Integers
    sides: Floats
    symbols: Bytes
    parents: Integers

    def __len__(self) -> int:
        return len(self.sizes)

    def taken(self, which: NDArray[np.intp] | slice) -> Cells:
        """Some of the polygons."""
        return Cells(*(getattr(self, field.name)[which] for field in fields(self)))

    def widened(self, corners: int) -> Cells:
        """The same with room for this many corners."""
        more = corners - self.lines.shape[1]
        if more <= 0:
            return self
        arrays = {name: getattr(self, name) for name in ("points", "radius", "lines", "sides")}
        padded = {
            name: np.concatenate([array, np.repeat(array[:, :1], more, axis=1)], axis=1)
            for name, array in arrays.items()
        }
        return Cells(self.sizes, symbols=self.symbols, parents=self.parents, **padded)

    def replaced(self, which: NDArray[np.intp], cells: Cells) -> Cells:
        """The same with other polygons in some places."""
        corners = max(self.lines.shape[1], cells.lines.shape[1])
        mine, theirs = self.widened(corners), cells.widened(corners)
        for field in fields(self):
            getattr(mine, field.name)[which] = getattr(theirs, field.name)
        return mine


def box_cell(lower: Floats, upper: Floats, rows: int) -> Cells:
    """The box as one polygon."""
    corners = [[lower[0], lower[1]], [upper[0], lower[1]], [upper[0], upper[1]], [lower[0], upper[1]]]
    return Cells(
        np.array([4], dtype=np.int32),
        np.array([corners]),
        np.full((1, 4), _CORNER) * (np.array([corners]) != 0).any(axis=2),
        np.array([_ROUND], dtype=np.int32),
        walls(lower, upper)[None, list(_ROUND)],
        np.zeros((1, rows), dtype=np.uint8),
        np.zeros(1, dtype=np.int32),
    )


def joined(parts: list[Cells]) -> Cells:
    """All polygons of several arrays."""
    corners = max(part.lines.shape[1] for part in parts)
    wide = [part.widened(corners) for part in parts]
    return Cells(*(np.concatenate([getattr(part, field.name) for part in wide]) for field in fields(Cells)))


def halves(cells: Cells, row: int, forms: Floats, signs: Signs, box: tuple[Floats, Floats]) -> tuple[Cells, Cells]:
    """What is on the negative and on the positive side of a row, for polygons that it divides.

    Args:
        cells: polygons with corners on both sides.
        row: the row.
        forms: its form on each polygon, (C, 5).
        signs: its sign at each corner, (C, K); what stands in places that repeat a corner is not looked at.
        box: the lower and upper bounds.
    """
    count, corners = cells.lines.shape
    places = np.arange(corners)
    here = np.where(places < cells.sizes[:, None], signs, 0)
    after = np.where(places + 1 < cells.sizes[:, None], places + 1, 0)
    there = np.take_along_axis(signs, after, axis=1)
    cut = here * there == -1
    which, side = np.nonzero(cut)
    points, radius = crossings(cells.sides[which, side], forms[which], *box)
    met_points, met_radius = np.zeros((count, corners, 2)), np.zeros((count, corners))
    met_points[which, side], met_radius[which, side] = points, radius
    new_sides = np.broadcast_to(forms[:, None], (count, corners, PARTS))
    both_points = np.stack([cells.points, met_points], axis=2)
    both_radius = np.stack([cells.radius, met_radius], axis=2)
    found = []
    for kept in (-1, 1):
        stays = (places < cells.sizes[:, None]) & ((here == kept) | (here == 0))
        own = np.stack([(here == kept) | (there == kept), here != kept], axis=2)
        found.append(
            _compressed(
                cells,
                np.stack([stays, cut], axis=2),
                (both_points, both_radius),
                np.where(own, cells.lines[:, :, None], FIRST_ROW + row).astype(np.int32),
                np.where(own[..., None], cells.sides[:, :, None], new_sides[:, :, None]),
            )
        )
        found[-1].symbols[:, row] = kept > 0
    return found[0], found[1]


def _compressed(
    cells: Cells, kept: NDArray[np.bool_], corners: tuple[Floats, Floats], lines: Integers, sides: Floats
) -> Cells:
    """The polygons with those corners that are kept; all arrays have two places for every corner, (C, K, 2, ..)."""
    count = len(cells)
    flat = kept.reshape(count, -1)
    sizes = flat.sum(axis=1).astype(np.int32)
    order = np.argsort(~flat, axis=1, kind="stable")[:, : sizes.max()]
    order = np.where(np.arange(order.shape[1]) < sizes[:, None], order, order[:, :1])
    rows = np.arange(count)[:, None]
    points, radius = corners
    return Cells(
        sizes,
        points.reshape(count, -1, 2)[rows, order],
        radius.reshape(count, -1)[rows, order],
        lines.reshape(count, -1)[rows, order],
        sides.reshape(count, -1, PARTS)[rows, order],
        cells.symbols.copy(),
        cells.parents,
    )
