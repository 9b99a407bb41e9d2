"""Compiled kernels that count and list the cells of a skeleton from the edges around its vertices.

Every cell has exactly one lowest vertex, and at a vertex v of a simple skeleton the cells are the choices of a side
for each of the d hyperplanes through v. An edge at v leaves exactly one of them, to one side; a cell has v as its
lowest vertex when the edges that leave to its sides all go up. So the number of cells is the sum over the vertices
of a product of d factors 0, 1 or 2. Euler's relation: the sum of the products of ``1 - factor`` is 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from relucensus.compiled import entry, kernel
from relucensus.engines.skeleton.mesh import BOTH, Bytes, Mesh, Signs, Words


@entry
def stars(mesh: Mesh, sizes: tuple[int, int], signs: Signs, up: Bytes) -> bool:
    """Per vertex and hyperplane through it, the sides (as in `allowed`) to which an edge goes up; zero before.

    False if some vertex has not exactly one edge a hyperplane and allowed side.
    """
    vertices, edges = sizes
    d = mesh.on.shape[1]
    every = np.zeros((vertices, d), dtype=np.uint8)
    for e in range(edges):
        a, b = mesh.ends[e, 0], mesh.ends[e, 1]
        p, q = _left(mesh, e, a), _left(mesh, e, b)
        above, below = _side(mesh, signs, mesh.on[a, p], b), _side(mesh, signs, mesh.on[b, q], a)
        if every[a, p] & above or every[b, q] & below:
            return False
        every[a, p] |= above
        every[b, q] |= below
        up[a, p] |= above
    for v in range(vertices):
        for p in range(d):
            if every[v, p] != signs.allowed[mesh.on[v, p]]:
                return False
    return True


@kernel
def _left(mesh: Mesh, e: int, v: int) -> int:
    """Which of the hyperplanes through v the edge leaves."""
    p = 0
    while p < mesh.through.shape[1] and mesh.on[v, p] == mesh.through[e, p]:
        p += 1
    return p


@kernel
def _side(mesh: Mesh, signs: Signs, plane: int, v: int) -> Any:
    """The side of the hyperplane on which the vertex is, as a bit of `allowed`."""
    if signs.allowed[plane] != BOTH:
        return signs.allowed[plane]
    row = plane - 2 * mesh.on.shape[1]
    return np.uint8(1) << ((mesh.bits[v, row >> 6] >> np.uint64(63 - (row & 63))) & np.uint64(1))


@entry
def tally(up: Bytes) -> tuple[int, int]:
    """The number of cells, and the sum that is 1 by Euler's relation."""
    cells, euler = 0, 0
    for v in range(len(up)):
        product, alternating = 1, 1
        for p in range(up.shape[1]):
            ways = (up[v, p] & 1) + (up[v, p] >> 1)
            product *= ways
            alternating *= 1 - ways
        cells += product
        euler += alternating
    return cells, euler


@entry
def patterns(mesh: Mesh, base: Words, up: Bytes, out: Words) -> None:
    """Write every cell's symbols: the first symbol is the highest bit of the first word."""
    d = mesh.on.shape[1]
    written = 0
    for v in range(len(up)):
        cells = 1
        for p in range(d):
            cells *= (up[v, p] & 1) + (up[v, p] >> 1)
        for choice in range(cells):
            for word in range(len(base)):
                out[written, word] = mesh.bits[v, word] | base[word]
            rest = choice
            for p in range(d):
                row = mesh.on[v, p] - 2 * d
                positive = up[v, p] == 2
                if up[v, p] == BOTH:
                    positive = bool(rest & 1)
                    rest >>= 1
                if positive and row >= 0:
                    out[written, row >> 6] |= np.uint64(1) << np.uint64(63 - (row & 63))
            written += 1
