"""Compiled kernels that cut a skeleton with one row: signs, new vertices, new edges.

Throughout: u is the unit roundoff 2**-53. A sign is certain where ``|z| > err``. On an edge every preactivation of
the layer is affine, so a new vertex at the fraction t of an edge takes ``(1 - t) z_0 + t z_1``; how far the float t is
from the true one follows from the errors of both ends. Each face of dimension two that the row's hyperplane cuts has
exactly two cut edges; the new edge in it joins their new vertices. Faces are recognised by a hash of the sign vector;
anything but exactly two edges with the same hyperplanes is reported, never guessed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relucensus.compiled import entry, kernel
from relucensus.engines.skeleton.mesh import FLOOR, UP, Floats, Integers, Mesh, Row, Signs, Words

_UNIT = 2.0**-53
_TINY = 2.0**-960
_HUGE = 2.0**100
_FREE = -1
_PAIRED = -2
INCONSISTENT = -1


@entry
def classify(mesh: Mesh, vertices: int, column: int, unsure: Integers) -> tuple[int, int, int]:
    """Set every vertex' side where it is certain; numbers of positive, negative and unsure vertices."""
    positive, negative, left = 0, 0, 0
    for v in range(vertices):
        z = mesh.z[v, column]
        error = mesh.eps[v] if abs(z) > mesh.eps[v] else mesh.err[v, column]
        if z > error:
            mesh.side[v] = 1
            positive += 1
        elif z < -error:
            mesh.side[v] = -1
            negative += 1
        else:
            mesh.side[v] = 0
            unsure[left] = v
            left += 1
    return positive, negative, left


@entry
def find_cut(mesh: Mesh, vertices: int, edges: int, row: Row, cut: Integers) -> int:
    """List the edges with ends on different sides, give the others their new code, set the vertices' bits."""
    for v in range(vertices):
        if mesh.side[v] > 0:
            mesh.bits[v, row.word] |= row.mask
    found = 0
    for e in range(edges):
        first = mesh.side[mesh.ends[e, 0]]
        if first != mesh.side[mesh.ends[e, 1]]:
            cut[found] = e
            found += 1
        else:
            mesh.code[e] ^= row.above if first > 0 else row.below
    return found


@entry
def subdivide(mesh: Mesh, sizes: tuple[int, int], row: Row, cut: Integers) -> None:
    """Put a vertex on every cut edge and divide the edge; `code` of both halves has the row's sign."""
    vertices, edges = sizes
    last = mesh.through.shape[1]
    for c in range(len(cut)):
        e, w, half = cut[c], vertices + c, edges + c
        a, b = mesh.ends[e, 0], mesh.ends[e, 1]
        _place(mesh, a, b, w, row.column)
        for word in range(mesh.bits.shape[1]):
            mesh.bits[w, word] = mesh.bits[a, word] | mesh.bits[b, word]
        mesh.bits[w, row.word] &= ~row.mask
        for k in range(last):
            mesh.on[w, k] = mesh.through[e, k]
            mesh.through[half, k] = mesh.through[e, k]
        mesh.on[w, last] = row.plane
        mesh.side[w] = 0
        mesh.ends[half, 0], mesh.ends[half, 1], mesh.ends[e, 1] = w, b, w
        code = mesh.code[e]
        mesh.code[e] = code ^ (row.above if mesh.side[a] > 0 else row.below)
        mesh.code[half] = code ^ (row.above if mesh.side[b] > 0 else row.below)


@kernel
def _place(mesh: Mesh, a: int, b: int, w: int, column: int) -> None:
    """Position and preactivations of the vertex w where the column is zero between a and b, with proven errors."""
    t, slack = _fraction(mesh.z[a, column], mesh.z[b, column], mesh.err[a, column], mesh.err[b, column])
    for k in range(mesh.z.shape[1]):
        low, step = mesh.z[a, k], mesh.z[b, k] - mesh.z[a, k]
        ea, eb = np.float64(mesh.err[a, k]), np.float64(mesh.err[b, k])
        mesh.z[w, k] = low + t * step
        error = _spread(ea, eb, t, slack, (abs(step), abs(low))) * UP + FLOOR
        mesh.err[w, k] = error if error < _HUGE else np.inf
    mesh.z[w, column], mesh.err[w, column] = 0.0, 0.0
    largest = 0.0
    for k in range(mesh.z.shape[1]):
        largest = max(largest, mesh.err[w, k])
    mesh.eps[w] = largest
    reach = 0.0
    for k in range(mesh.x.shape[1]):
        low, step = mesh.x[a, k], mesh.x[b, k] - mesh.x[a, k]
        mesh.x[w, k] = low + t * step
        reach = max(reach, _spread(mesh.rho[a], mesh.rho[b], t, slack, (abs(step), abs(low))))
    mesh.rho[w] = reach


@kernel
def _fraction(za: float, zb: float, ea: float, eb: float) -> tuple[float, float]:
    """Where between a and b the row is zero, as a fraction of the edge, and how far off that is at most."""
    if (za > 0) == (zb > 0):
        return 0.5, 1.0
    span = abs(za) + abs(zb)
    certain = span * (1 - 8 * _UNIT) - (ea + eb) * (1 + 8 * _UNIT)
    if certain <= 0:
        return 0.5, 1.0
    t = min(1.0, abs(za) / span)
    residual = (1 - t) * ea + t * eb + 8 * _UNIT * span
    return t, min(1.0, residual / certain * (1 + 16 * _UNIT))


@kernel
def _spread(ea: float, eb: float, t: float, slack: float, sizes: tuple[float, float]) -> float:
    """The error of an interpolated value: that of the ends, that of the fraction, that of rounding."""
    steepest, largest = sizes
    carried = (1 - t) * ea + t * eb + slack * (steepest + ea + eb)
    return carried * (1 + 32 * _UNIT) + 16 * _UNIT * (steepest + largest) + _TINY


@entry
def join(mesh: Mesh, sizes: tuple[int, int], row: Row, cut: Integers, signs: Signs, doubtful: Integers) -> int:
    """Add the edges between new vertices, after the halves of the cut edges; `sizes` are those before the cut.

    Returns:
        The number of new edges, INCONSISTENT if the cut edges do not pair up. `doubtful[0]` is the number of new
        edges whose direction is unsure; they follow it.
    """
    vertices, edges = sizes
    sides = mesh.through.shape[1]
    size = 16
    while size < 2 * len(cut) * sides:
        size *= 2
    table, owner = np.zeros(size, dtype=np.uint64), np.full(size, _FREE, dtype=np.int64)
    waiting, made = 0, 0
    doubtful[0] = 0
    for c in range(len(cut)):
        e = cut[c]
        code = mesh.code[e] ^ (row.above if mesh.side[mesh.ends[e, 0]] > 0 else row.below)
        for p in range(sides):
            plane = mesh.through[e, p]
            for s in range(2):
                if not (signs.allowed[plane] >> s) & 1:
                    continue
                key = code ^ signs.keys[plane, s]
                other = _partner(table, owner, key, c * sides + p)
                if other == _FREE:
                    waiting += 1
                    if 4 * waiting > 3 * size:
                        return INCONSISTENT
                    continue
                if other == _PAIRED or not _same_face(mesh, e, p, cut[other // sides], other % sides):
                    return INCONSISTENT
                waiting -= 1
                new = edges + len(cut) + made
                _new_edge(mesh, new, (e, p), row, key)
                mesh.ends[new, 0], mesh.ends[new, 1] = vertices + other // sides, vertices + c
                if not _directed(mesh, new, signs.slope):
                    doubtful[0] += 1
                    doubtful[doubtful[0]] = new
                made += 1
    return made if waiting == 0 else INCONSISTENT


@kernel
def _partner(table: Words, owner: NDArray[np.int64], key: np.uint64, mine: int) -> Any:
    """What was entered under the key before; _FREE if nothing was, and `mine` is now; _PAIRED if two were."""
    last = len(table) - 1
    slot = np.int64(key & np.uint64(last))
    while owner[slot] != _FREE and table[slot] != key:
        slot = (slot + 1) & last
    before = owner[slot]
    table[slot] = key
    owner[slot] = mine if before == _FREE else _PAIRED
    return before


@kernel
def _same_face(mesh: Mesh, e: int, p: int, other: int, q: int) -> bool:
    """Whether two edges lie in the same hyperplanes, apart from the first one's at p and the second one's at q."""
    if mesh.through[e, p] == mesh.through[other, q]:
        return False
    for k in range(mesh.through.shape[1] - 1):
        if mesh.through[e, k + (k >= p)] != mesh.through[other, k + (k >= q)]:
            return False
    return True


@kernel
def _new_edge(mesh: Mesh, new: int, cut: tuple[int, int], row: Row, key: np.uint64) -> None:
    """The hyperplanes and the code of the edge in which the row cuts a face: the face's, and the row's."""
    e, p = cut
    place = 0
    for k in range(mesh.through.shape[1]):
        if k != p:
            mesh.through[new, place] = mesh.through[e, k]
            place += 1
    mesh.through[new, place] = row.plane
    mesh.code[new] = key


@kernel
def _directed(mesh: Mesh, e: int, slope: Floats) -> Any:
    """Turn the edge so that it goes up; False if rounding leaves the direction unsure."""
    a, b = mesh.ends[e, 0], mesh.ends[e, 1]
    rise, size, reach = 0.0, 0.0, 0.0
    for k in range(len(slope)):
        rise += slope[k] * (mesh.x[b, k] - mesh.x[a, k])
        size += slope[k]
        reach = max(reach, abs(mesh.x[a, k]), abs(mesh.x[b, k]))
    error = size * (mesh.rho[a] + mesh.rho[b] + (len(slope) + 8) * 4 * _UNIT * reach)
    if rise < 0:
        mesh.ends[e, 0], mesh.ends[e, 1] = b, a
    return abs(rise) > error * (1 + 16 * _UNIT)
