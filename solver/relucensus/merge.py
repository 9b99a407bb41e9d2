"""From activation regions to linear regions and affine pieces (MATH §2).

Two regions belong to one linear region when they share a facet and have the same affine map, or are joined by a
chain of such pairs; to one closed linear region when their closures meet in any point of the box and the maps are
the same; to one affine piece when the maps are the same. Only regions whose map occurs more than once are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from relucensus.adjacency import Region
from relucensus.affine import Preactivations
from relucensus.engines.protocol import Mergeable
from relucensus.feasibility import Inhabited, System
from relucensus.lp import LpCounter, LpSolver

_ZERO_SUSPECT = 1e-9
_UNDERFLOW = 2.0**-900


def described(preactivations: Preactivations, pattern: bytes, *, keep: bool) -> tuple[bytes, Mergeable | None]:
    """The digest of a region's affine map, and the region itself if it may merge with another (always with `keep`)."""
    digest = preactivations.output_digest(pattern)
    if keep or _may_merge(preactivations, pattern):
        return digest, Mergeable(pattern, digest)
    return digest, None


def _may_merge(preactivations: Preactivations, pattern: bytes) -> bool:
    """Whether the map may stay the same across some facet: a filter that errs on the side of yes.

    Across the facet of neuron i alone the map changes by dy/da_i times the gradient of z_i and the change of slope. If
    dy/da_i is not zero for any neuron with a breakpoint, and no two hyperplanes coincide and no neuron is flat, no
    facet can be crossed without a change.
    """
    if not preactivations.neurons:
        return False
    region = Region(preactivations, pattern)
    layers, starts = preactivations.balanced, preactivations.starts
    derivative = layers[-1].weights
    magnitude = np.abs(derivative)
    for layer in reversed(range(len(starts) - 1)):
        suspect = np.abs(derivative).max(axis=0) <= _ZERO_SUSPECT * magnitude.max(axis=0) + _UNDERFLOW
        if suspect[list(preactivations.network.hidden[layer].bent)].any():
            return True
        symbols = np.frombuffer(pattern[starts[layer] : starts[layer + 1]], dtype=np.uint8)
        weights = layers[layer].weights * layers[layer].slopes[np.arange(len(symbols)), symbols][:, None]
        derivative, magnitude = derivative @ weights, magnitude @ np.abs(weights)
    return region.any_flat() or region.suspects() is not None


def may_merge_in_simple_position(preactivations: Preactivations, patterns: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(n,): the same filter for regions (n, N) none of whose facets lies on the hyperplanes of several neurons.

    The outputs are mixed with positive shares, which keeps zero derivatives zero.
    """
    layers, starts = preactivations.balanced, preactivations.starts
    shares = np.random.default_rng(1).uniform(0.5, 1.5, len(layers[-1].bias))
    derivative = np.broadcast_to(shares @ layers[-1].weights, (len(patterns), layers[-1].weights.shape[1]))
    magnitude = np.broadcast_to(shares @ np.abs(layers[-1].weights), derivative.shape)
    found = np.zeros(len(patterns), dtype=np.bool_)
    for layer in reversed(range(len(starts) - 1)):
        suspect = np.abs(derivative) <= _ZERO_SUSPECT * magnitude + _UNDERFLOW
        found |= (suspect & np.array(preactivations.network.hidden[layer].bent)).any(axis=1)
        symbols = patterns[:, starts[layer] : starts[layer + 1]]
        slopes = layers[layer].slopes[np.arange(symbols.shape[1]), symbols]
        derivative = (derivative * slopes) @ layers[layer].weights
        magnitude = (magnitude * np.abs(slopes)) @ np.abs(layers[layer].weights)
    return found


class Components:
    """Union-find over the indices below `size`; `count` is the number of components."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))
        self.count = size

    def root(self, i: int) -> int:
        """The index that stands for the component of index i."""
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        """Make one component of those of i and j."""
        a, b = self.root(i), self.root(j)
        if a != b:
            self._parent[a] = b
            self.count -= 1


def count_linear_regions(
    preactivations: Preactivations, regions: int, mergeable: Iterable[Mergeable], counter: LpCounter
) -> int:
    """The number of linear regions, given the number of activation regions and those among them that may merge."""
    merged = 0
    for group in groups_of_equal_maps(mergeable):
        index = {member.pattern: i for i, member in enumerate(group)}
        components = Components(len(group))
        neurons = list(range(preactivations.neurons))
        for member in group:
            region, i = Region(preactivations, member.pattern), index[member.pattern]
            for neuron, pattern in region.crossings(neurons):
                j = index.get(pattern)
                if j is None or components.root(i) == components.root(j):
                    continue
                if region.has_facet(neuron, counter):
                    components.join(i, j)
        merged += len(group) - components.count
    return regions - merged


def count_closed_linear_regions(
    preactivations: Preactivations, regions: int, every_region: Iterable[Mergeable], counter: LpCounter
) -> int:
    """The number of closed linear regions, given every activation region. Cost: an LP a pair with the same map."""
    solver = LpSolver(preactivations.box, counter)
    merged = 0
    for group in groups_of_equal_maps(every_region):
        components = Components(len(group))
        closures = [_closed(preactivations, member.pattern) for member in group]
        for i, j in combinations(range(len(group)), 2):
            if components.root(i) == components.root(j):
                continue
            if isinstance(solver.decide(_together(closures[i], closures[j])), Inhabited):
                components.join(i, j)
        merged += len(group) - components.count
    return regions - merged


def groups_of_equal_maps(regions: Iterable[Mergeable]) -> list[Sequence[Mergeable]]:
    """The regions by affine map, where more than one has it."""
    by_map: dict[bytes, list[Mergeable]] = {}
    for region in regions:
        by_map.setdefault(region.affine_map, []).append(region)
    return [group for group in by_map.values() if len(group) > 1]


def _closed(preactivations: Preactivations, pattern: bytes) -> System:
    system = preactivations.system(pattern)
    if system is None:
        raise ValueError(f"{pattern!r} is not the pattern of a region")
    return System(system.parts, system.signs, tuple((True,) * len(signs) for signs in system.signs))


def _together(first: System, second: System) -> System:
    return System(first.parts + second.parts, first.signs + second.signs, first.weak + second.weak)
