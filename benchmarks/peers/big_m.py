"""The mixed-integer formulation of Serra, Tjandraatmadja and Ramalingam (2018), as arrays for any solver.

Throughout: z = W a + b is a neuron's preactivation, p and q its positive and negative part, s its binary, 1 for z > 0.

    W a + b = p - q,   0 <= p <= U s,   0 <= q <= L (1 - s),   p + q >= SLACK

The last row keeps |z| above the solvers' tolerance: without it, patterns that only a lower-dimensional set attains, or
none at all, would be counted. L and U are bounds of z on the box by interval arithmetic. (Tighter ones, from two linear
programs a neuron, made the pools slower on every network that was tried.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from peers import Layers, Vector

SLACK = 1e-6
FEASIBILITY = 1e-9


@dataclass(frozen=True)
class Hidden:
    """One hidden layer: its weights, and by how much each preactivation can be above and below zero."""

    weights: Vector
    bias: Vector
    above: Vector
    below: Vector


def hidden_layers(layers: Layers, lower: Vector, upper: Vector) -> list[Hidden]:
    """The hidden layers with interval bounds on the box."""
    found = []
    for weights32, bias32 in layers[:-1]:
        weights, bias = weights32.astype(float), bias32.astype(float)
        up, down = np.maximum(weights, 0), np.minimum(weights, 0)
        least, most = up @ lower + down @ upper + bias, up @ upper + down @ lower + bias
        lower, upper = np.maximum(least, 0), np.maximum(most, 0)
        found.append(Hidden(weights, bias, np.maximum(most, 0), np.maximum(-least, 0)))
    return found
