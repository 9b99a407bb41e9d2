"""Rows that are zero at vertices: those that only touch the skeleton there are told from those that cut through.

Where all neighbours of a connected set of zero vertices have one sign, the row has that sign or zero on every cell
around the set, for a cell lies in the cone of its edges at a vertex. The row then cuts none of these cells, and its
sign at the vertices of the set may be taken to be that of the neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relucensus.engines.skeleton.mesh import GivesUp, Mesh

_ENTERED = "a hyperplane goes through a vertex of the others"


def crossed(mesh: Mesh, edges: int, unsure: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which of the unsure vertices have neighbours certain to be positive and neighbours certain to be negative."""
    ends, side = mesh.ends[:edges], mesh.side
    seen = np.zeros((len(mesh.x), 2), dtype=bool)
    for tail, head in ((0, 1), (1, 0)):
        sides = side[ends[:, head]]
        seen[ends[sides > 0, tail], 0] = True
        seen[ends[sides < 0, tail], 1] = True
    both: NDArray[np.bool_] = np.logical_and(seen[unsure, 0], seen[unsure, 1])
    return both


def settle_zeros(mesh: Mesh, vertices: int, edges: int) -> None:
    """Give the vertices with side 0, which are exact zeros, the sign of their surroundings.

    Raises:
        GivesUp: the row cuts through a zero vertex, or may be zero on a whole cell where that matters.
    """
    ends, side = mesh.ends[:edges], mesh.side[:vertices]
    first, second = side[ends[:, 0]], side[ends[:, 1]]
    inner = ends[(first == 0) & (second == 0)]
    border = ends[(first == 0) != (second == 0)]
    part = _components(vertices, inner)
    flags = np.zeros((vertices, 2), dtype=bool)
    for zero, other in ((0, 1), (1, 0)):
        pairs = border[side[border[:, zero]] == 0]
        for column, sign in enumerate((1, -1)):
            flags[part[pairs[side[pairs[:, other]] == sign, zero]], column] = True
    if flags.all(axis=1).any():
        raise GivesUp(_ENTERED)
    zeros = np.flatnonzero(side == 0)
    positive = flags[part[zeros], 0]
    if _may_be_flat(mesh, edges, zeros[positive]):
        raise GivesUp("a preactivation is zero on a cell beside which it is positive")
    side[zeros] = np.where(positive, 1, -1)


def _components(vertices: int, edges: NDArray[np.int32]) -> NDArray[np.int64]:
    """Per vertex, the least vertex that it is connected with by the edges."""
    part = np.arange(vertices)
    while len(edges):
        lowest = np.minimum(part[edges[:, 0]], part[edges[:, 1]])
        before = part.copy()
        np.minimum.at(part, edges[:, 0], lowest)
        np.minimum.at(part, edges[:, 1], lowest)
        part = part[part]
        if np.array_equal(before, part):
            break
    return part


def _may_be_flat(mesh: Mesh, edges: int, zeros: NDArray[np.int64]) -> bool:
    """Whether at one of the vertices, an edge along which the row is zero leaves every hyperplane."""
    if not len(zeros):
        return False
    among = np.zeros(len(mesh.x), dtype=bool)
    among[zeros] = True
    ends = mesh.ends[:edges]
    flat = np.flatnonzero(among[ends[:, 0]] & among[ends[:, 1]])
    left: dict[int, set[int]] = {}
    for e in flat.tolist():
        for v in ends[e].tolist():
            (plane,) = set(mesh.on[v].tolist()) - set(mesh.through[e].tolist())
            left.setdefault(v, set()).add(plane)
    return any(len(planes) == mesh.on.shape[1] for planes in left.values())
