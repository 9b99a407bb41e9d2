"""The same network with every preactivation between -1 and 1 on the box, for floating-point bounds.

Multiplying a neuron's weights and bias by a positive power of two, and dividing the weights that read it by the same,
changes no pattern (MATH §3). Chosen so that ``sum_j |w_ij| + |b_i| <= 1`` for inputs in [-1, 1] and activations in
[-1, 1], no product over the layers overflows, and what underflows is negligible beside the bound of its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import copysign, frexp, ldexp
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.arithmetic import AffineMap, split
from relucensus.values.activation import Activation
from relucensus.values.network import Layer, Network

_LEAST: Final = 2.0**-1074


@dataclass(frozen=True, slots=True, eq=False)
class BalancedLayer:
    """A layer of the rescaled network: row i of the layer, read through rescaled columns, times ``2**exponents[i]``.

    `slopes` (rows, 2) are those of the hinges for z <= 0 and z > 0, between -1 and 1. Every entry differs from the
    exact one by a relative 2**-52 and an absolute 2**-1074 at most; it is zero where the exact one is, and only there.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    exponents: tuple[int, ...]
    slopes: NDArray[np.float64]


def balanced(network: Network, first: AffineMap, half_widths: NDArray[np.float64]) -> tuple[BalancedLayer, ...]:
    """All layers of the network rescaled, the output too.

    Args:
        network: the network.
        first: its first layer with its own coefficients, and as ``constants`` the values at the middle of the box.
        half_widths: float64 (inputs,), the distance from the middle that stands for 1.
    """
    layers = []
    halves = [frexp(half) for half in half_widths.tolist()]
    columns = [exponent for _, exponent in halves]
    factors = [mantissa for mantissa, _ in halves]
    for layer, exact in zip(network.layers, (first, *(layer.exact for layer in network.layers[1:])), strict=True):
        slopes, sizes = _slopes(layer)
        if layer.coefficients_are_floats:
            current = _balanced_floats(layer, exact, (columns, factors), slopes)
        else:
            current = _balanced(exact, columns, factors, slopes)
        layers.append(current)
        columns = [size - exponent for size, exponent in zip(sizes, current.exponents, strict=True)]
        factors = [1.0] * len(columns)
    return tuple(layers)


def _slopes(layer: Layer) -> tuple[NDArray[np.float64], list[int]]:
    """The slopes of the layer's hinges, and the exponents of the powers of two that were divided out of them."""
    known = {activation: _slope_pair(activation) for activation in set(layer.activations)}
    pairs = [known[activation] for activation in layer.row_activations]
    return np.array([pair for pair, _ in pairs]).reshape(layer.rows, 2), [size for _, size in pairs]


def _slope_pair(activation: Activation) -> tuple[list[float], int]:
    pair = (activation.slopes[0], activation.slopes[-1])
    largest = max(abs(slope) for slope in pair)
    size = 0 if not largest else largest.numerator.bit_length() - largest.denominator.bit_length() + 1
    size -= int(largest <= Fraction(2) ** (size - 1))
    return [_kept(float(slope / Fraction(2) ** size), float(slope > 0) - (slope < 0)) for slope in pair], size


def _balanced_floats(
    layer: Layer, exact: AffineMap, units: tuple[Sequence[int], Sequence[float]], slopes: NDArray[np.float64]
) -> BalancedLayer:
    """The same for a layer whose float64 weights are exact, all rows at once; `exact` has its constants."""
    columns, factors = units
    constants = [_split_quotient(int(c), exact.denominator) for c in exact.constants.entries()]
    mantissas, powers = np.frexp(layer.weights)
    mantissas = np.concatenate([mantissas, np.array([m for m, _ in constants])[:, None]], axis=1)
    powers = powers.astype(np.int64) + np.array(columns, dtype=np.int64)
    powers = np.concatenate([powers, np.array([e for _, e in constants], dtype=np.int64)[:, None]], axis=1)
    tops = np.where(mantissas != 0, powers, np.iinfo(np.int64).min).max(axis=1)
    tops = np.where((mantissas != 0).any(axis=1), tops, 0)
    exponents = -tops - (len(columns) + 1).bit_length()
    shifts = np.clip(powers + exponents[:, None], -4000, 4000)
    entries = np.ldexp(mantissas * np.array([*factors, 1.0]), shifts)
    entries = np.where((entries == 0) & (mantissas != 0), np.copysign(_LEAST, mantissas), entries)
    return BalancedLayer(entries[:, :-1], entries[:, -1], tuple(exponents.tolist()), slopes)


def _balanced(
    layer: AffineMap, columns: Sequence[int], factors: Sequence[float], slopes: NDArray[np.float64]
) -> BalancedLayer:
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
        weights[i] = [
            _kept(ldexp(m * f / divisor, e + exponent), m) for (m, e), f in zip(entries, factors, strict=True)
        ]
        bias[i] = _kept(ldexp(constant[0] / divisor, constant[1] + exponent), constant[0])
    return BalancedLayer(weights, bias, tuple(exponents), slopes)


def _split_quotient(numerator: int, denominator: int) -> tuple[float, int]:
    """A float m and e such that ``m * 2**e`` is the quotient, rounded; m is 0 only where the numerator is."""
    offset = denominator.bit_length() - 1
    mantissa, exponent = split(numerator, -offset)
    return mantissa / (denominator / (1 << offset)), exponent


def _kept(rounded: float, exact: float) -> float:
    """A number, or the least one of the exact one's sign where it underflowed to zero."""
    return copysign(_LEAST, exact) if exact and not rounded else rounded
