"""The regions of a cube reachable from known ones: flip each facet, decide what lies across.

The cube is convex, so all its regions are joined through facets. When every neighbour across every facet of every
region found has been decided, in exact arithmetic, the regions found are all regions of the cube.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from relucensus.adjacency import Region
from relucensus.affine import Preactivations
from relucensus.engines.milp.cube_model import Cut
from relucensus.feasibility import Empty, Inhabited
from relucensus.lp import LpSolver


@dataclass(eq=False)
class Expansion:
    """What is known of the patterns of one cube: regions, and patterns proven empty.

    Args:
        preactivations: the problem's forms.
        cube: the symbols that the cube fixes.
        stable: symbols of undecided neurons that no region of the cube can change.
        free: the other undecided neurons.
        solver: decides patterns exactly.
    """

    preactivations: Preactivations
    cube: bytes
    stable: dict[int, int]
    free: list[int]
    solver: LpSolver
    regions: set[bytes] = field(default_factory=set)
    empty: set[bytes] = field(default_factory=set)
    _waiting: list[bytes] = field(default_factory=list)
    _cuts: list[Cut] = field(default_factory=list)
    _conflicts: list[tuple[int, int]] = field(default_factory=list)

    def pattern(self, symbols: Iterable[int]) -> bytes:
        """The pattern in the cube whose free neurons have these symbols."""
        whole = bytearray(self.preactivations.neurons)
        whole[: len(self.cube)] = self.cube
        for neuron, symbol in self.stable.items():
            whole[neuron] = symbol
        for neuron, symbol in zip(self.free, symbols, strict=True):
            whole[neuron] = symbol
        return bytes(whole)

    def knows(self, pattern: bytes) -> bool:
        """Whether the pattern was decided."""
        return pattern in self.regions or pattern in self.empty

    def decide(self, pattern: bytes) -> bool:
        """Whether the pattern has a region; remembers the answer and makes it a no-good cut.

        Stable neurons are proven to keep their symbols on the cube, so their half-spaces are implied by it. A pattern
        that an earlier proof of emptiness covers too needs no proof of its own.
        """
        assert self._belongs(pattern), "a pattern outside the cube, or against a stable neuron"
        if self._is_in_conflict(pattern):
            self.empty.add(pattern)
            return False
        system = self.preactivations.system(pattern, implied=self.stable)
        answer = self.solver.decide(system)
        match answer:
            case Inhabited():
                self.regions.add(pattern)
                self._waiting.append(pattern)
                self._cuts.append(self._cut(pattern, self.free))
                return True
            case Empty(multipliers):
                self.empty.add(pattern)
                rows = [] if system is None else system.kept
                used = [self.preactivations.starts[p] + i for (p, i), y in zip(rows, multipliers, strict=True) if y]
                self._note_conflict(self._explained(pattern, used))
                return False

    def adopt(self, regions: Iterable[bytes]) -> None:
        """Start from these patterns, already proven to be regions of the cube."""
        for pattern in regions:
            self.regions.add(pattern)
            self._waiting.append(pattern)

    def run(self, spent: Callable[[int], bool]) -> bool:
        """Expand until nothing new lies across any facet; False if `spent(regions found)` stopped it."""
        while self._waiting:
            if spent(len(self.regions)):
                return False
            region = Region(self.preactivations, self._waiting.pop())
            for _, neighbour in region.crossings(self.free):
                if not self.knows(neighbour) and self._belongs(neighbour):
                    self.decide(neighbour)
        return True

    def new_cuts(self) -> list[Cut]:
        """The no-good cuts made since the last call."""
        cuts, self._cuts = self._cuts, []
        return cuts

    def _is_in_conflict(self, pattern: bytes) -> bool:
        code = int.from_bytes(pattern, "little")
        return any(code & mask == symbols for mask, symbols in self._conflicts)

    def _note_conflict(self, cut: Cut) -> None:
        """Keep the cut for the MILP, and as (mask, symbols) of a pattern read as one long integer."""
        self._cuts.append(cut)
        mask = sum(1 << 8 * neuron for neuron in cut.neurons)
        symbols = sum(symbol << 8 * neuron for neuron, symbol in zip(cut.neurons, cut.symbols, strict=True))
        self._conflicts.append((mask, symbols))

    def _belongs(self, pattern: bytes) -> bool:
        return pattern.startswith(self.cube) and all(pattern[n] == symbol for n, symbol in self.stable.items())

    def _explained(self, pattern: bytes, used: list[int]) -> Cut:
        """The strongest cut that the proof of emptiness allows: the rows used, and the symbols they depend on."""
        if not used:
            return self._cut(pattern, self.free)
        top = self.preactivations.layer_of(max(used))
        below = self.preactivations.starts[top]
        return self._cut(pattern, [neuron for neuron in self.free if neuron < below or neuron in used])

    def _cut(self, pattern: bytes, neurons: list[int]) -> Cut:
        return Cut(tuple(neurons), tuple(pattern[neuron] for neuron in neurons))
