"""Engine tree: one depth-first enumeration of all prefixes that have an interior (Danna et al. 2007), compiled."""

from __future__ import annotations

import resource
import time
from typing import Final

import numpy as np

from relucensus.affine import Preactivations
from relucensus.compiled import directory
from relucensus.engines.protocol import Mergeable, OpenCube, Settlement, Support
from relucensus.engines.tree.exact import Arbiter
from relucensus.engines.tree.leaf import EVERYTHING, MAPS, NOTHING
from relucensus.engines.tree.search import run
from relucensus.engines.tree.state import (
    ASK,
    AT,
    CANDIDATES,
    DECIDE,
    DEPTH,
    DIGESTS,
    DONE,
    FORCED,
    FRAME_NEURON,
    FRAME_SYMBOL,
    FRAMES,
    KEPT_MAPS,
    KEPT_PATTERNS,
    LAYER,
    LEAF,
    LPS,
    MODE,
    PATTERNS,
    POSITION,
    PREFIXES,
    REGIONS,
    SCREEN,
    STAGE,
    STARTS,
    SYMBOLS,
    WHICH,
    arrays_of,
)
from relucensus.residues import residues_of
from relucensus.rounded import RoundedNetwork
from relucensus.theory import most_regions_after
from relucensus.values.pattern import Cube
from relucensus.values.problem import Budget, Definition, Problem
from relucensus.values.result import Statistics

_ROOM: Final = 4096
_STEPS: Final = 20_000
_NO_LIMIT: Final = 2**62


class TreeEngine:
    """Depth first over the rows in layer order; memory in proportion to the depth, and to what has to be kept."""

    name = "tree"

    def supports(self, problem: Problem) -> Support:
        """Every network."""
        return Support(True)

    def settle(self, problem: Problem, cube: Cube, budget: Budget) -> Settlement:
        """Enumerate the cube's regions until done or out of budget; the rest comes back as the open cubes above."""
        return _Enumeration(problem, cube, budget).settlement()


class _Enumeration:
    def __init__(self, problem: Problem, cube: Cube, budget: Budget) -> None:
        self.problem, self.cube, self.budget = problem, cube, budget
        self.started, self.cpu = time.monotonic(), time.process_time()
        self.rounded = RoundedNetwork.of(problem)
        mode = _mode(problem)
        self.arrays = arrays_of(self.rounded, _ROOM if mode else 1)
        self.at = self.arrays[AT]
        self.at[DEPTH], self.at[MODE] = cube.depth, mode
        self.arrays[FORCED][: cube.depth] = np.frombuffer(cube.symbols, dtype=np.uint8)
        self.residues = residues_of(problem.network) if mode else None
        self.arbiter = Arbiter(Preactivations(problem), self.rounded)
        self.maps: set[bytes] = set()
        self.mergeable: list[Mergeable] = []

    def settlement(self) -> Settlement:
        finished = self._search()
        left = [] if finished else self._open()
        counter = self.arbiter.counter
        return Settlement(
            regions=int(self.at[REGIONS]),
            prefixes=tuple(int(count) for count in self.arrays[PREFIXES]),
            open=tuple(left),
            affine_maps=frozenset(self.maps),
            mergeable=tuple(self.mergeable),
            statistics=Statistics(
                wall_seconds=time.monotonic() - self.started,
                cpu_seconds=time.process_time() - self.cpu,
                lps=int(self.at[LPS]) + counter.lps,
                exact_fallbacks=self.arbiter.answers,
                cubes=1,
                peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            ),
        )

    def _search(self) -> bool:
        """Whether the search came to its end within the budget."""
        most = self.budget.regions or _NO_LIMIT
        table = directory(self.arrays)
        residues = self.residues.directory if self.residues else np.zeros(0, dtype=np.int64)
        while True:
            status = run(table, residues, _STEPS, most)
            self._keep()
            if status == DONE:
                return True
            if status == ASK:
                self.arbiter.answer(self.arrays, self._asked())
            if self._spent():
                return bool(self.at[STAGE] == LEAF and self.at[FRAMES] == 0)

    def _spent(self) -> bool:
        if self.budget.regions is not None and self.at[REGIONS] >= self.budget.regions:
            return True
        return self.budget.seconds is not None and time.monotonic() - self.started >= self.budget.seconds

    def _asked(self) -> int:
        """The row that the search asks about."""
        if self.at[STAGE] == SCREEN:
            return int(self.at[POSITION])
        return int(self.arrays[CANDIDATES][self.arrays[STARTS][self.at[LAYER]] + self.at[POSITION]])

    def _keep(self) -> None:
        """Take what the search kept of the regions it reached."""
        count, patterns = int(self.at[KEPT_MAPS]), int(self.at[KEPT_PATTERNS])
        if not count:
            return
        digests = self.arrays[DIGESTS][:count].view("V16").ravel().tolist()
        self.maps.update(digests)
        which = self.arrays[WHICH][:patterns].tolist()
        for pattern, region in zip(self.arrays[PATTERNS][:patterns], which, strict=True):
            self.mergeable.append(Mergeable(pattern.tobytes(), digests[region]))
        self.at[KEPT_MAPS] = self.at[KEPT_PATTERNS] = 0

    def _open(self) -> list[OpenCube]:
        """The cubes that hold the regions not reached."""
        symbols = self.arrays[SYMBOLS].tobytes()
        cubes = []
        for k in range(int(self.at[FRAMES])):
            neuron = int(self.arrays[FRAME_NEURON][k])
            cubes.append(Cube(symbols[:neuron] + bytes((int(self.arrays[FRAME_SYMBOL][k]),))))
        if self.at[STAGE] != LEAF:
            layer = int(self.at[LAYER])
            depth = self._asked() if self.at[STAGE] == DECIDE else int(self.arrays[STARTS][layer])
            cubes.append(Cube(symbols[:depth]))
        return [self._left(cube) for cube in cubes]

    def _left(self, cube: Cube) -> OpenCube:
        network = self.problem.network
        for layer, end in enumerate(self.arrays[STARTS][1:].tolist()):
            if cube.depth == end > self.cube.depth:
                self.arrays[PREFIXES][layer] += 1
        return OpenCube(cube, 1, most_regions_after(network, cube.depth))


def _mode(problem: Problem) -> int:
    if Definition.CLOSED_LINEAR_REGIONS in problem.definitions:
        return EVERYTHING
    wanted = {Definition.LINEAR_REGIONS, Definition.AFFINE_PIECES} & set(problem.definitions)
    return MAPS if wanted else NOTHING
