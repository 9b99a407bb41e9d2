"""The bookkeeping of one settlement: regions found so far in the cube, and what is left open."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from relucensus.affine import Preactivations
from relucensus.engines.protocol import INACTIVE_SEEN, Mergeable, OpenCube, Settlement
from relucensus.lp import LpCounter
from relucensus.memory import peak_memory_bytes
from relucensus.merge import described, may_merge_in_simple_position
from relucensus.theory import most_regions_after
from relucensus.values.pattern import Cube
from relucensus.values.problem import Budget, Definition
from relucensus.values.result import Statistics


@dataclass(eq=False)
class Ledger:
    """Counts proven regions of one cube. Every pattern may be added once."""

    preactivations: Preactivations
    cube: Cube
    counter: LpCounter = field(default_factory=LpCounter)
    milp_solves: int = 0
    cubes: int = 0
    regions: int = 0

    def __post_init__(self) -> None:
        self._started = time.monotonic()
        self._cpu = time.thread_time()
        self._prefixes: list[set[bytes]] = [set() for _ in self.preactivations.network.hidden]
        self._maps: set[bytes] = set()
        self._mergeable: list[Mergeable] = []
        self._seen = np.zeros(self.preactivations.neurons, dtype=np.uint8)
        self._keep = Definition.CLOSED_LINEAR_REGIONS in self.preactivations.problem.definitions

    def add(self, patterns: Iterable[bytes]) -> None:
        """Count these regions, each proven non-empty and none counted before."""
        for pattern in patterns:
            self.regions += 1
            self._note(pattern)
            self._seen |= np.frombuffer(pattern, dtype=np.uint8) + np.uint8(INACTIVE_SEEN)
            digest, mergeable = described(self.preactivations, pattern, keep=self._keep)
            self._maps.add(digest)
            if mergeable is not None:
                self._mergeable.append(mergeable)

    def add_in_simple_position(self, patterns: NDArray[np.uint8]) -> None:
        """Count these regions (n, N), sorted, none of whose facets lies on the hyperplanes of several neurons."""
        self.regions += len(patterns)
        self._seen |= np.bitwise_or.reduce(patterns + np.uint8(INACTIVE_SEEN), axis=0, initial=0)
        different = patterns[1:] != patterns[:-1]
        first = np.append(-1, np.where(different.any(axis=1), different.argmax(axis=1), patterns.shape[1]))
        for layer, end in enumerate(self.preactivations.starts[1:]):
            if self.cube.depth < end:
                self._prefixes[layer].update(patterns[k, :end].tobytes() for k in np.flatnonzero(first < end).tolist())
        digests = self.preactivations.output_digests(patterns)
        self._maps.update(digests)
        kept = may_merge_in_simple_position(self.preactivations, patterns) | self._keep
        self._mergeable += [Mergeable(patterns[k].tobytes(), digests[k]) for k in np.flatnonzero(kept).tolist()]

    def _note(self, symbols: bytes) -> None:
        for layer, end in enumerate(self.preactivations.starts[1:]):
            if self.cube.depth < end <= len(symbols):
                self._prefixes[layer].add(symbols[:end])

    @property
    def seconds(self) -> float:
        """Wall seconds since the settlement began."""
        return time.monotonic() - self._started

    def spent(self, budget: Budget, *, more: int = 0) -> bool:
        """Whether the budget is used up, counting `more` regions found but not yet added."""
        return budget.spent(self.seconds, self.regions + more)

    def open_cube(self, cube: Cube, found: int = 0) -> OpenCube:
        """A cube to leave open, with its proven upper bound; it must be proven to hold a region."""
        self._note(cube.symbols)
        return OpenCube(cube, max(found, 1), most_regions_after(self.preactivations.network, cube.depth))

    def settlement(self, left: Sequence[OpenCube], *, patterns: int | None = None) -> Settlement:
        """What was established, with these cubes left open."""
        return Settlement(
            regions=self.regions,
            prefixes=tuple(len(prefixes) for prefixes in self._prefixes),
            open=tuple(left),
            affine_maps=frozenset(self._maps),
            mergeable=tuple(self._mergeable),
            patterns=patterns,
            seen=self._seen.tobytes(),
            statistics=self._statistics(),
        )

    def _statistics(self) -> Statistics:
        return Statistics(
            wall_seconds=self.seconds,
            cpu_seconds=time.thread_time() - self._cpu,
            lps=self.counter.lps,
            milp_solves=self.milp_solves,
            exact_fallbacks=self.counter.exact_fallbacks,
            cubes=self.cubes,
            peak_memory_bytes=peak_memory_bytes(),
        )
