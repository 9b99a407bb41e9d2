"""The subdivision of one cube's polytope: rows are cut in layer order, the prefix keeping one side only."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relucensus.affine import Preactivations
from relucensus.engines.protocol import ACTIVE_SEEN, INACTIVE_SEEN
from relucensus.engines.skeleton.cutting import INCONSISTENT, classify, find_cut, join, subdivide
from relucensus.engines.skeleton.mesh import (
    NEGATIVE,
    POSITIVE,
    GivesUp,
    Mesh,
    Net,
    OutOfRoom,
    Row,
    box_mesh,
    flat_network,
    fresh_signs,
    make_room,
    symbols_of,
)
from relucensus.engines.skeleton.propagating import advance, settle_errors
from relucensus.engines.skeleton.refining import Refining
from relucensus.engines.skeleton.stars import patterns, stars, tally
from relucensus.engines.skeleton.touching import crossed, settle_zeros
from relucensus.rounded import RoundedNetwork
from relucensus.values.problem import Problem
from relucensus.vertices import ExactVertices

_MOST_EXACT: Final = 4096
_MOST_SCALING: Final = 48
_MOST_SCALE: Final = 900


@lru_cache(maxsize=4)
def _arrays_of(problem: Problem) -> tuple[RoundedNetwork, Net]:
    rounded = RoundedNetwork.of(problem)
    return rounded, flat_network(rounded)


class Subdivision:
    """The skeleton of a cube's polytope, cut by all rows up to `level`.

    Raises, from every method: GivesUp, OutOfRoom, NoVertex.
    """

    def __init__(self, preactivations: Preactivations, prefix: bytes, most_bytes: int) -> None:
        self._rounded, net = _arrays_of(preactivations.problem)
        self._net = net._replace(scales=np.ones(len(net.scales)))
        self._starts, self._prefix, self._most = preactivations.starts, prefix, most_bytes
        self._signs = fresh_signs(len(self._rounded.lower), preactivations.neurons)
        self._refining = Refining(self._rounded, self._net, self._signs)
        self._mesh = box_mesh(self._rounded, self._signs)
        self._vertices, self._edges = len(self._mesh.x), len(self._mesh.ends)
        self._layer = -1
        self.exact = ExactVertices(preactivations, self._rounded)
        self.level = 0
        self.empty = False
        self.touched = False
        self.after_layer: list[int] = []
        self.seen = bytearray(preactivations.neurons)

    @property
    def finished(self) -> bool:
        """Whether every row has been cut."""
        return self.empty or self.level == self._starts[-1]

    def run(self, stop: Callable[[], bool]) -> None:
        """Cut row after row; ask `stop` after every row that is not of the prefix."""
        for layer, start in enumerate(self._starts[:-1]):
            self._enter(layer)
            for column in range(self._starts[layer + 1] - start):
                self._cut(column)
                if self.empty:
                    return
                self.level += 1
                if self.level > len(self._prefix) and not self.finished and stop():
                    return
            if self.level > len(self._prefix):
                self.after_layer.append(self.count())

    def count(self) -> int:
        """The number of cells, after the check that the skeleton is whole."""
        cells, euler = tally(self._stars())
        if euler != 1:
            raise GivesUp(f"Euler's relation gives {euler}, not 1")
        return int(cells)

    def cells(self) -> NDArray[np.uint64]:
        """The symbols of all cells up to `level`, packed from the highest bit down, in lexicographic order."""
        up = self._stars()
        words = np.zeros((int(tally(up)[0]), len(self._signs.base)), dtype=np.uint64)
        patterns(self._mesh, self._signs.base, up, words)
        return words[np.lexsort(words.T[::-1])]

    def _stars(self) -> NDArray[np.uint8]:
        up = np.zeros((self._vertices, self._mesh.on.shape[1]), dtype=np.uint8)
        if not stars(self._mesh, (self._vertices, self._edges), self._signs, up):
            raise GivesUp("a vertex lacks an edge")
        return up

    def _enter(self, layer: int) -> None:
        """Replace the preactivations of the layer before by those of this one."""
        used, balanced = self._vertices, self._rounded.hidden[layer]
        width = len(balanced.bias)
        before = 1.0
        if self._layer < 0:
            mesh = self._mesh._replace(z=self._mesh.x.copy())
            inputs = np.repeat(self._mesh.rho.astype(np.float32)[:, None], mesh.z.shape[1], axis=1)
            mesh = mesh._replace(err=inputs)
        else:
            if used * 12 * (width + self._mesh.z.shape[1]) > self._most:
                raise OutOfRoom
            mesh, before = self._mesh, float(self._net.scales[self._layer])
            advance(mesh, self._net, self._layer, used)
        z, err = np.empty((len(mesh.x), width)), np.empty((len(mesh.x), width), dtype=np.float32)
        np.matmul(mesh.z[:used], balanced.weights.T, out=z[:used])
        sizes = np.abs(balanced.weights).astype(np.float32)
        np.matmul(mesh.err[:used], sizes.T * np.float32(1 + (width + 8) * 2.0**-22), out=err[:used])
        z[:used] += balanced.bias * before
        self._mesh = mesh._replace(z=z, err=err)
        settle_errors(self._mesh, balanced.bias * before, used)
        self._layer = layer
        self._scale(before, float(np.abs(z[:used]).max()))

    def _scale(self, before: float, largest: float) -> None:
        """Multiply the preactivations of the layer by a power of two, so that they are about 1."""
        most = min(_MOST_SCALING, _MOST_SCALE - math.frexp(before)[1])
        factor = 2.0 ** min(most, -math.frexp(largest)[1]) if largest else 1.0
        used = self._vertices
        self._mesh.z[:used] *= factor
        self._mesh.err[:used] *= np.float32(factor)
        self._mesh.eps[:used] *= factor
        self._net.scales[self._layer] = before * factor

    def _cut(self, column: int) -> None:
        row = self._starts[self._layer] + column
        symbol = self._prefix[row] if row < len(self._prefix) else None
        if not self._rounded.bent[self._layer][column]:
            self.empty = symbol == 1
            self.seen[row] = INACTIVE_SEEN
            return
        positive, negative = self._sides(row, column)
        self.seen[row] = (INACTIVE_SEEN if negative and symbol != 1 else 0) | (
            ACTIVE_SEEN if positive and symbol != 0 else 0
        )
        word, mask = row >> 6, np.uint64(1 << (63 - (row & 63)))
        if positive and negative:
            self._divide(row, column)
            if symbol is not None:
                self._keep(row, symbol)
        elif symbol is not None and symbol != int(positive > 0):
            self.empty = True
        if symbol == 1 or (positive and not negative):
            self._signs.base[word] |= mask

    def _sides(self, row: int, column: int) -> tuple[int, int]:
        """Settle the sign of the row at every vertex; the numbers of positive and negative vertices."""
        unsure = np.empty(self._vertices, dtype=np.int32)
        positive, negative, left = classify(self._mesh, self._vertices, column, unsure)
        if not left:
            return positive, negative
        self._refining.refine(self._mesh, self._layer, unsure[:left])
        positive, negative, left = classify(self._mesh, self._vertices, column, unsure)
        if left:
            self._settle(row, unsure[:left])
            positive = int((self._mesh.side[: self._vertices] > 0).sum())
            negative = self._vertices - positive
        return positive, negative

    def _settle(self, row: int, unsure: NDArray[np.int32]) -> None:
        if len(unsure) > _MOST_EXACT:
            raise GivesUp("too many vertices are too close to a hyperplane")
        suspect = crossed(self._mesh, self._edges, unsure)
        zeros = False
        for i in np.argsort(~suspect, kind="stable").tolist():
            v = int(unsure[i])
            sign = self.exact.sign(self._planes(v), self._symbols(v), row)
            if sign == 0 and suspect[i]:
                raise GivesUp("a hyperplane goes through a vertex of the others")
            self._mesh.side[v] = sign
            zeros = zeros or sign == 0
        if zeros:
            self.touched = True
            settle_zeros(self._mesh, self._vertices, self._edges)

    def _planes(self, v: int) -> tuple[int, ...]:
        return tuple(self._mesh.on[v].tolist())

    def _symbols(self, v: int) -> bytes:
        """The symbols of a cell at the vertex."""
        return symbols_of(self._mesh.bits[v] | self._signs.base, self._starts[-1]).tobytes()

    def _divide(self, row: int, column: int) -> None:
        keys = self._signs.keys[2 * len(self._rounded.lower) + row]
        plane = 2 * len(self._rounded.lower) + row
        one = Row(plane, column, row >> 6, np.uint64(1 << (63 - (row & 63))), keys[0], keys[1])
        sizes = (self._vertices, self._edges)
        cut = np.empty(self._edges, dtype=np.int32)
        cut = cut[: find_cut(self._mesh, *sizes, one, cut)]
        most = len(cut) * self._mesh.through.shape[1]
        arrays: list[NDArray[Any]] = list(self._mesh)
        del self._mesh
        try:
            make_room(arrays, self._vertices + len(cut), self._edges + len(cut) + most, self._most)
        finally:
            self._mesh = Mesh(*arrays)
        subdivide(self._mesh, sizes, one, cut)
        doubtful = np.empty(most + 1, dtype=np.int32)
        made = join(self._mesh, sizes, one, cut, self._signs, doubtful)
        if made == INCONSISTENT:
            raise GivesUp("cut edges do not pair up")
        self._vertices += len(cut)
        self._edges += len(cut) + made
        if doubtful[0]:
            self._direct(doubtful)

    def _direct(self, doubtful: NDArray[np.int32]) -> None:
        """Settle the direction of new edges that rounding leaves unsure."""
        mesh, slope = self._mesh, self._signs.slope.tolist()
        for e in doubtful[1 : doubtful[0] + 1].tolist():
            rises = self._refining.rises(mesh, self._layer, e)
            if rises is None:
                low, high = (self.exact.height(self._planes(v), self._symbols(v), slope) for v in mesh.ends[e].tolist())
                if low == high:
                    raise GivesUp("an edge is level")
                rises = low < high
            if not rises:
                mesh.ends[e] = mesh.ends[e, ::-1].copy()

    def _keep(self, row: int, symbol: int) -> None:
        """Drop what is on the other side of a row of the prefix."""
        mesh, dropped = self._mesh, -1 if symbol else 1
        side, ends = mesh.side[: self._vertices], mesh.ends[: self._edges]
        stays = side != dropped
        edge_stays = (side[ends] != dropped).all(axis=1)
        number = np.cumsum(stays, dtype=np.int32) - 1
        arrays = [array[: self._vertices][stays] for array in mesh[:8]]
        rest = [array[: self._edges][edge_stays] for array in mesh[8:]]
        rest[0] = number[rest[0]]
        self._mesh = Mesh(*arrays, *rest)
        self._vertices, self._edges = len(self._mesh.x), len(self._mesh.ends)
        self._signs.allowed[2 * len(self._rounded.lower) + row] = POSITIVE if symbol else NEGATIVE
