"""Which rows of a layer are exact multiples of each other, so that they are zero at the same points of every cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from relucensus.arithmetic import AffineMap
from relucensus.values.network import Layer, Network

_NEAR = 2.0**-40


def kinds(network: Network) -> NDArray[np.int64]:
    """A number for each row of all hidden layers, the same for rows of one layer that are multiples of each other.

    For multiples with a negative factor one number is n and the other n + 1, with n even.
    """
    numbers, start = 2 * np.arange(sum(layer.rows for layer in network.hidden), dtype=np.int64), 0
    for layer in network.hidden:
        for first, second in _suspects(layer):
            factor = _factor(layer.exact, first, second)
            if factor:
                numbers[start + second] = numbers[start + first] ^ (factor < 0)
        start += layer.rows
    return numbers


def _suspects(layer: Layer) -> Iterator[tuple[int, int]]:
    """Pairs of rows that floating point cannot tell from multiples, each with the first of its run."""
    rows = np.column_stack([layer.weights, layer.bias])
    scale = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    used = np.flatnonzero(scale)
    rows = rows[used] / scale[used, None]
    mixed = rows @ np.random.default_rng(0).uniform(0.5, 1.5, rows.shape[1])
    order = np.argsort(mixed, kind="stable")
    first = 0
    for k in range(1, len(order)):
        if mixed[order[k]] - mixed[order[first]] > _NEAR * rows.shape[1]:
            first = k
        else:
            yield int(used[order[first]]), int(used[order[k]])


def _factor(exact: AffineMap, first: int, second: int) -> int:
    """A number with the sign of the factor between two rows; 0 if they are not multiples of each other."""
    one, other = _entries(exact, first), _entries(exact, second)
    pivot = max(range(len(one)), key=lambda c: abs(one[c]))
    if all(a * other[pivot] == b * one[pivot] for a, b in zip(one, other, strict=True)):
        return one[pivot] * other[pivot]
    return 0


def _entries(exact: AffineMap, row: int) -> list[int]:
    return [*(int(exact.coefficients[row, c]) for c in range(exact.columns)), int(exact.constants[row, 0])]
