"""What is kept of a region when the search reaches it."""

from __future__ import annotations

from typing import Final

from relucensus.compiled import Directory, floats, grid, ints, kernel, symbols, table, words
from relucensus.engines.tree.bounds import copy
from relucensus.engines.tree.state import (
    AT,
    COUNT,
    DIGESTS,
    KEPT_MAPS,
    KEPT_PATTERNS,
    MODE,
    OFFSETS,
    OUTPUT,
    PATTERNS,
    POINT,
    POINTS,
    REGIONS,
    ROW_NEURON,
    SLOPE,
    SLOPE_GROSS,
    SLOPES,
    STARTS,
    SYMBOLS,
    TOUCHING,
    WEIGHTS,
    WHICH,
)
from relucensus.residues import digest

NOTHING: Final = 0
MAPS: Final = 1
EVERYTHING: Final = 2
_SUSPECT: Final = 1e-9
_UNDERFLOW: Final = 2.0**-900


@kernel
def record(s: Directory, residues: Directory) -> bool:
    """Count the region reached; whether there is room for another one."""
    at, now = ints(s, AT), symbols(s, SYMBOLS)
    at[REGIONS] += 1
    if at[MODE] == NOTHING:
        return True
    n = at[KEPT_MAPS]
    digests, patterns = words(s, DIGESTS), grid(s, PATTERNS)
    digest(residues, now, digests[n])
    if at[MODE] == EVERYTHING or _may_merge(s):
        k = at[KEPT_PATTERNS]
        for i in range(now.shape[0]):
            patterns[k, i] = now[i]
        copy(floats(s, POINT), table(s, POINTS)[k])
        ints(s, WHICH)[k] = n
        at[KEPT_PATTERNS] += 1
    at[KEPT_MAPS] += 1
    return bool(at[KEPT_MAPS] < digests.shape[0])


@kernel
def _may_merge(s: Directory) -> bool:
    """Whether the affine map may stay the same across some facet; errs on the side of yes.

    Where no stable row is zero anywhere on the closed cell, one row only changes its symbol across a facet, a row on
    the path, and the map stays the same only if the output does not depend on its activation. SLOPE, SLOPE_GROSS are
    the derivatives of the output by every row's activation, mixed over the outputs, and the sums of their absolute
    terms.
    """
    touching = symbols(s, TOUCHING)
    for i in range(touching.shape[0]):
        if touching[i]:
            return True
    at, starts, neuron, output = ints(s, AT), ints(s, STARTS), ints(s, ROW_NEURON), table(s, OUTPUT)
    if starts.shape[0] == 1:
        return False
    slope, gross = floats(s, SLOPE), floats(s, SLOPE_GROSS)
    layer = starts.shape[0] - 2
    lowest = layer
    for k in range(at[COUNT]):
        while starts[lowest] > neuron[k]:
            lowest -= 1
    for j in range(starts[layer], starts[layer + 1]):
        slope[j] = output[0, j - starts[layer]]
        gross[j] = output[1, j - starts[layer]]
    while layer > lowest:
        _pull_back(s, layer)
        layer -= 1
    for k in range(at[COUNT]):
        if abs(slope[neuron[k]]) <= _SUSPECT * gross[neuron[k]] + _UNDERFLOW:
            return True
    return False


@kernel
def _pull_back(s: Directory, layer: int) -> None:
    """From the derivatives by a layer's activations to those by the activations of the layer below."""
    starts, slopes, weights, now = ints(s, STARTS), table(s, SLOPES), floats(s, WEIGHTS), symbols(s, SYMBOLS)
    slope, gross = floats(s, SLOPE), floats(s, SLOPE_GROSS)
    below, start, end = starts[layer - 1], starts[layer], starts[layer + 1]
    for j in range(below, start):
        at = ints(s, OFFSETS)[layer] + (j - below) * (end - start)
        total = size = 0.0
        for i in range(start, end):
            factor = weights[at + i - start] * slopes[i, now[i]]
            total += factor * slope[i]
            size += abs(factor) * gross[i]
        slope[j] = total
        gross[j] = size
