"""Compiled kernels that carry the vertices from the preactivations of a layer to those of the next one.

Throughout: u is the unit roundoff 2**-53. A sum of n products, in whatever order it is added up, is off by at most
``gamma(n)`` times the sum of the absolute values (Higham); the weights are rounded numbers themselves. What was off in
the activations is carried on by the absolute weights, neuron by neuron.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from relucensus.compiled import entry, kernel
from relucensus.engines.skeleton.mesh import FLOOR, UP, Floats, Mesh, Net, gamma

_UNIT = 2.0**-53
_HUGE = 2.0**100
_gamma = kernel(gamma)


@entry
def advance(mesh: Mesh, net: Net, layer: int, vertices: int) -> None:
    """Turn the preactivations of a layer into its activations, and `err` into what the next layer reads; in place.

    The next layer's error is the sum of the products of the absolute weights with `err`, and `gamma` times the bias.
    """
    width = mesh.z.shape[1]
    rounding = _gamma(width) + 4 * _UNIT
    for v in range(vertices):
        for i in range(width):
            row = net.starts[layer] + i
            slope = net.slopes[row, 1 if mesh.z[v, i] > 0 else 0]
            off = mesh.err[v, i] * (abs(slope) if abs(mesh.z[v, i]) > mesh.err[v, i] else _steeper(net, row))
            mesh.z[v, i] *= slope
            mesh.err[v, i] = (off + rounding * abs(mesh.z[v, i])) * UP + FLOOR


@kernel
def _steeper(net: Net, row: int) -> Any:
    return max(abs(net.slopes[row, 0]), abs(net.slopes[row, 1]))


@entry
def settle_errors(mesh: Mesh, bias: Floats, vertices: int) -> None:
    """Complete the errors of a new layer by those of its bias, and set `eps`."""
    rounding = _gamma(mesh.z.shape[1])
    for v in range(vertices):
        largest = 0.0
        for i in range(mesh.z.shape[1]):
            error = (mesh.err[v, i] + rounding * abs(bias[i])) * UP + FLOOR
            error = error if error < _HUGE else np.inf
            mesh.err[v, i] = error
            largest = max(largest, error * UP)
        mesh.eps[v] = largest
