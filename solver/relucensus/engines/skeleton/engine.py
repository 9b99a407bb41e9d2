"""Engine `skeleton`: counts from the vertices and edges of the subdivided box (Berzins, ICML 2023).

For few inputs and many neurons. The vertices and edges of a cube's polytope are cut by all undecided rows, one after
the other; the cells are counted from their lowest vertices (`stars`) and are listed only where more than their number
is asked for. Signs are decided by proven error bounds, and exactly where these do not suffice; a cube in which a
hyperplane goes through a vertex of the others is handed over to another engine (`handover`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.affine import Preactivations
from relucensus.arithmetic import RationalPoint
from relucensus.engines.ledger import Ledger
from relucensus.engines.protocol import OpenCube, Settlement, Support, writes_no_certificates
from relucensus.engines.skeleton.handover import handed_over
from relucensus.engines.skeleton.mesh import GivesUp, OutOfRoom, symbols_of
from relucensus.engines.skeleton.subdivision import Subdivision
from relucensus.values.pattern import ACTIVE, INACTIVE, Cube
from relucensus.values.problem import Budget, Definition, Problem
from relucensus.values.result import Statistics
from relucensus.vertices import NoVertex

MOST_INPUTS: Final = 10
_MOST_BYTES: Final = 2**29
_MOST_CHILDREN: Final = 48
_BLOCK: Final = 1024
_NUMBERS_ONLY: Final = {Definition.ACTIVATION_REGIONS, Definition.ACTIVATION_PATTERNS}
_LEAST_SECONDS: Final = 0.05
_LARGEST: Final = 2.0**1022


@dataclass(frozen=True, slots=True)
class SkeletonEngine:
    """Counts by subdivision; `most_bytes` is the memory that the arrays of one cube may take."""

    most_bytes: int = _MOST_BYTES

    @property
    def name(self) -> str:
        """The engine's name."""
        return "skeleton"

    @property
    def parallel(self) -> bool:
        """Threads share cubes; the pulse is felt between two rows."""
        return True

    def supports(self, problem: Problem) -> Support:
        """Up to 10 inputs that vary."""
        if problem.certificate:
            return writes_no_certificates(self.name)
        inputs = problem.free.network.inputs
        if inputs > MOST_INPUTS:
            return Support(
                False,
                f"engine skeleton keeps the 2**d corners of the box and serves up to {MOST_INPUTS} inputs that vary; "
                f"this has {inputs}",
            )
        return Support(True)

    def settle(self, problem: Problem, cube: Cube, budget: Budget) -> Settlement:
        """Subdivide the whole cube, or as far as the budget goes: then the cells so far make open cubes."""
        return _Settling(problem, cube, budget, self.most_bytes).run()


class _Settling:
    def __init__(self, problem: Problem, cube: Cube, budget: Budget, most_bytes: int) -> None:
        self.problem, self.cube, self.budget = problem, cube, budget
        self.preactivations = Preactivations(problem)
        self.ledger = Ledger(self.preactivations, cube)
        self.most_bytes = most_bytes

    def run(self) -> Settlement:
        if not (self.problem.network.inputs and self.problem.network.hidden):
            return self._single()
        box = self.problem.box
        if max(np.abs(box.lower).max(), np.abs(box.upper).max()) > _LARGEST:
            return handed_over(self.problem, self.cube, self.budget, Statistics())
        self.subdivision = Subdivision(self.preactivations, self.cube.symbols, self.most_bytes)
        try:
            self._subdivide()
            return self._counted() if self.subdivision.finished else self._split()
        except (GivesUp, NoVertex):
            return self._given_up()

    def _single(self) -> Settlement:
        """The one region of a box that is a point, or of a network without neurons."""
        point = RationalPoint((0,) * self.problem.network.inputs, 1)
        pattern, _ = self.preactivations.pattern_at(point)
        self.ledger.cubes += 1
        self.ledger.add([pattern] if self.cube.contains(pattern) else [])
        return self.ledger.settlement(())

    def _subdivide(self) -> None:
        try:
            self.subdivision.run(self._stop)
        except OutOfRoom:
            if self.subdivision.level <= self.cube.depth:
                raise GivesUp("one cell takes more memory than allowed") from None

    def _stop(self) -> bool:
        more = 0 if self.budget.regions is None else self.subdivision.count()
        return self.ledger.spent(self.budget, more=more)

    def _given_up(self) -> Settlement:
        """The cube settled by another engine, in what is left of the time."""
        self.ledger.counter.exact_fallbacks += self.subdivision.exact.asked
        seconds = self.budget.seconds
        if seconds is not None:
            seconds = max(seconds - self.ledger.seconds, min(seconds, _LEAST_SECONDS))
        spent = self.ledger.settlement(()).statistics
        return handed_over(self.problem, self.cube, Budget(seconds, self.budget.regions), spent)

    def _counted(self) -> Settlement:
        self.ledger.cubes += 1
        subdivision = self.subdivision
        if subdivision.empty:
            return self._settlement(())
        if set(self.problem.definitions) <= _NUMBERS_ONLY:
            counted = subdivision.after_layer
            blank = [0] * (len(self.problem.network.hidden) - len(counted))
            whole = self._settlement(())
            seen = bytes(subdivision.seen)
            return replace(whole, regions=counted[-1] if counted else 1, prefixes=(*blank, *counted), seen=seen)
        cells = subdivision.cells()
        simple = self.cube.depth == 0 or not subdivision.touched
        done = 0
        for block in _blocks(cells, self.preactivations.neurons):
            if simple:
                self.ledger.add_in_simple_position(np.ascontiguousarray(block, dtype=np.uint8))
            else:
                self.ledger.add(pattern.tobytes() for pattern in block)
            done += len(block)
            if self.ledger.spent(self.budget):
                break
        return self._settlement(self._after(cells, done))

    def _settlement(self, left: list[OpenCube] | tuple[()]) -> Settlement:
        self.ledger.counter.exact_fallbacks += self.subdivision.exact.asked
        return self.ledger.settlement(left)

    def _split(self) -> Settlement:
        """Open cubes for the cells so far, the longest prefixes of which there are not too many."""
        words, level = self.subdivision.cells(), self.subdivision.level
        first = self.cube.depth + 1
        while level > first and len(_starts(words, level)) > _MOST_CHILDREN:
            level = max(first, level - 1 - (level - first) // 8)
        starts = _starts(words, level)
        ends = [*starts[1:], len(words)]
        cubes = [Cube(symbols_of(words[start : start + 1], level)[0].tobytes()) for start in starts]
        found = [end - start for start, end in zip(starts, ends, strict=True)]
        return self._settlement([self.ledger.open_cube(cube, n) for cube, n in zip(cubes, found, strict=True)])

    def _after(self, words: NDArray[np.uint64], done: int) -> list[OpenCube]:
        """The cubes that hold the cells from number `done` on, and none before; how many each holds is known."""
        if done >= len(words):
            return []
        patterns = symbols_of(words[done - 1 :], self.preactivations.neurons)
        last, rest = patterns[0], patterns[1:]
        cubes = []
        for i in range(self.cube.depth, len(last)):
            if last[i] == INACTIVE:
                prefix = np.append(last[:i], ACTIVE)
                found = int((rest[:, : i + 1] == prefix).all(axis=1).sum())
                if found:
                    cubes.append(self.ledger.open_cube(Cube(prefix.astype(np.uint8).tobytes()), found))
        return cubes


def _blocks(words: NDArray[np.uint64], neurons: int) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(words), _BLOCK):
        yield symbols_of(words[start : start + _BLOCK], neurons)


def _starts(words: NDArray[np.uint64], level: int) -> list[int]:
    """Where the prefixes of this length change in the sorted patterns."""
    kept = [min(64, max(0, level - 64 * word)) for word in range(words.shape[1])]
    cut = words & np.array([2**64 - 2 ** (64 - bits) for bits in kept], dtype=np.uint64)
    changes = (cut[1:] != cut[:-1]).any(axis=1)
    return [0, *(np.flatnonzero(changes) + 1).tolist()]
