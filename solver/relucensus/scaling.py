"""The same network with every preactivation between -1 and 1 on the box, for floating-point bounds.

Multiplying a neuron's weights and bias by a positive power of two, and dividing the weights that read it by the same,
changes no pattern (MATH §3). Chosen so that ``sum_j |w_ij| + |b_i| <= 1`` for inputs in [-1, 1] and activations in
[0, 1], no product over the layers overflows, and what underflows is negligible beside the bound of its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import frexp, ldexp

import numpy as np
from numpy.typing import NDArray

from relucensus.arithmetic import AffineMap, split
from relucensus.values.network import Network


@dataclass(frozen=True, slots=True, eq=False)
class BalancedLayer:
    """A layer of the rescaled network: row i of the layer, read through rescaled columns, times ``2**exponents[i]``.

    Every entry differs from the exact one by a relative 2**-52 and an absolute 2**-1074 at most.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    exponents: tuple[int, ...]


def balanced(network: Network, first: AffineMap, half_widths: NDArray[np.float64]) -> tuple[BalancedLayer, ...]:
    """All layers of the network rescaled, the output too.

    Args:
        network: the network.
        first: its first layer over the box: ``constants`` are to be the values at the middle of the box.
        half_widths: float64 (inputs,), the distance from the middle that stands for 1.
    """
    layers = []
    halves = [frexp(half) for half in half_widths.tolist()]
    columns = [exponent for _, exponent in halves]
    factors = [mantissa for mantissa, _ in halves]
    for layer in (first, *(layer.exact for layer in network.layers[1:])):
        current = _balanced(layer, columns, factors)
        layers.append(current)
        columns = [-exponent for exponent in current.exponents]
        factors = [1.0] * len(columns)
    return tuple(layers)


def _balanced(layer: AffineMap, columns: Sequence[int], factors: Sequence[float]) -> BalancedLayer:
    room = (len(columns) + 1).bit_length()
    offset = layer.denominator.bit_length() - 1
    divisor = layer.denominator / (1 << offset)
    weights = np.zeros((layer.rows, len(columns)))
    bias = np.zeros(layer.rows)
    exponents = []
    constants = layer.constants.entries()
    for i, row in enumerate(layer.coefficients.tolist()):
        entries = [split(int(c), shift - offset) for c, shift in zip(row, columns, strict=True)]
        constant = split(int(constants[i]), -offset)
        top = max((exponent for mantissa, exponent in [*entries, constant] if mantissa), default=0)
        exponent = -top - room
        exponents.append(exponent)
        weights[i] = [ldexp(m * f / divisor, e + exponent) for (m, e), f in zip(entries, factors, strict=True)]
        bias[i] = ldexp(constant[0] / divisor, constant[1] + exponent)
    return BalancedLayer(weights, bias, tuple(exponents))
