"""Networks without biases around the origin: counted in as many coordinates as the first layer tells apart.

All forms of such a network are zero at the origin, so its cells are cones, cut off by the box. Where the origin is
inside the box, a cone has an interior in the box exactly if it has one in the whole space. The first layer maps that
space onto a space of the dimension of its rank r; the other layers see nothing else. So the patterns of the regions
are those of the network whose first layer is written in r of its own independent rows, on any box around the origin,
and two regions share a facet, or a map, in one exactly if they do in the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from flint import fmpz_mat
from numpy.typing import NDArray

from relucensus.arithmetic import AffineMap
from relucensus.errors import InvalidNetwork
from relucensus.values.domain import Box
from relucensus.values.network import Layer, Network
from relucensus.values.problem import Problem


@dataclass(frozen=True, eq=False)
class Cones:
    """The problem in which regions are searched, and the way back to the points of the given one."""

    problem: Problem
    rows: NDArray[np.float64]
    box: Box

    def to_box(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, d) of the given box in the same cones as these points (n, r), rounded."""
        lifted = points @ np.linalg.pinv(self.rows).T
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(lifted > 0, self.box.upper / lifted, np.where(lifted < 0, self.box.lower / lifted, np.inf))
        shrunk: NDArray[np.float64] = lifted * np.minimum(0.5 * room.min(axis=1, keepdims=True), 1.0)
        return shrunk


def cones(problem: Problem) -> Cones | None:
    """The smaller problem with the same regions; None where there is none, or float64 cannot hold its first layer."""
    network, box = problem.network, problem.box
    if not network.hidden or not ((box.lower < 0) & (box.upper > 0)).all():
        return None
    if any(layer.exact.constants != fmpz_mat(layer.rows, 1) for layer in network.hidden):
        return None
    first, inputs = network.hidden[0], network.inputs
    reduced, denominator, rank = first.exact.coefficients.transpose().rref()
    if rank in (0, inputs):
        return None
    pivots = [next(c for c in range(first.rows) if reduced[r, c] != 0) for r in range(rank)]
    entries = [reduced[r, c] for c in range(first.rows) for r in range(rank)]
    shares = AffineMap(fmpz_mat(first.rows, rank, entries), fmpz_mat(first.rows, 1), int(denominator))
    if denominator < 0:
        shares = AffineMap(-shares.coefficients, shares.constants, -int(denominator))
    try:
        layer = Layer.from_exact(shares, activations=first.activations)
    except InvalidNetwork:
        return None
    smaller = Problem(
        Network((layer, *network.hidden[1:]), network.output), Box.from_bounds(-1, 1, rank), problem.definitions
    )
    return Cones(smaller, first.weights[pivots], box)
