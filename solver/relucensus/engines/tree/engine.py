"""Engine tree: one depth-first enumeration of all prefixes that have an interior (Danna et al. 2007), compiled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.affine import Preactivations
from relucensus.arithmetic import RationalPoint
from relucensus.compiled import directory
from relucensus.engines.ledger import Ledger
from relucensus.engines.protocol import Mergeable, OpenCube, Settlement, Support
from relucensus.engines.tree.cones import Cones, cones
from relucensus.engines.tree.exact import Arbiter
from relucensus.engines.tree.kinship import kinds
from relucensus.engines.tree.leaf import EVERYTHING, MAPS, NOTHING
from relucensus.engines.tree.part import Part, part_of_point
from relucensus.engines.tree.search import run
from relucensus.engines.tree.state import (
    ASK,
    ASKED,
    AT,
    CANDIDATES,
    CLAIMED,
    DECIDE,
    DEPTH,
    DIGESTS,
    DONE,
    FORCED,
    FRAME_NEURON,
    FRAME_SYMBOL,
    FRAMES,
    GIVEN,
    INSIDE_POINT,
    KEPT_MAPS,
    KEPT_PATTERNS,
    LAYER,
    LEAF,
    LPS,
    MET,
    MODE,
    PATTERNS,
    PENDING,
    POINTS,
    POSITION,
    PREFIXES,
    REGIONS,
    SCREEN,
    SPACE,
    STAGE,
    STARTS,
    SYMBOL,
    SYMBOLS,
    WANTED,
    WHICH,
    arrays_of,
)
from relucensus.memory import peak_memory_bytes
from relucensus.residues import Residues, residues_of
from relucensus.rounded import rounded_network
from relucensus.theory import most_regions_after
from relucensus.values.pattern import Cube
from relucensus.values.problem import Budget, Definition, Problem
from relucensus.values.result import Statistics

_ROOM: Final = 4096
_STEPS: Final = 20_000
_NO_LIMIT: Final = 2**62
_LEAST_PREPARATION: Final = 0.2  # seconds, so that a small network is searched however small the budget is
LARGEST: Final = 2.0**1022


@dataclass(frozen=True, slots=True, eq=False)
class Reached:
    """Regions that exist: the symbols of their rows (n, N), the digests of their affine maps (n, 2), points (n, d).

    A point is inside its region as a rule; nothing is proven of it.
    """

    patterns: NDArray[np.uint8]
    points: NDArray[np.float64]
    digests: NDArray[np.uint64]


class TreeEngine:
    """Depth first over the rows in layer order; memory in proportion to the depth, and to what has to be kept."""

    name = "tree"
    parallel = True

    def supports(self, problem: Problem) -> Support:
        """Every network, on boxes that leave room for scaling by powers of two."""
        box = problem.free.box
        largest = max(np.abs(box.lower).max(initial=0), np.abs(box.upper).max(initial=0))
        if largest > LARGEST:
            return Support(False, f"engine tree serves boxes up to {LARGEST:.3g}; this reaches {largest:.3g}")
        return Support(True)

    def settle(self, problem: Problem, cube: Cube, budget: Budget) -> Settlement:
        """Enumerate the cube's regions until done or out of budget; the rest comes back as the open cubes above."""
        if not problem.network.inputs:
            return _settled_point(problem, cube)
        started = time.monotonic()
        try:
            enumeration = Enumeration(problem, cube, budget)
        except _OutOfTime:
            return _unprepared(problem, cube, time.monotonic() - started)
        return enumeration.settlement()


class _OutOfTime(Exception):
    """The budget ended while the search was being prepared."""


class Enumeration:
    """One search of a cube of a full-dimensional problem; to be asked for its settlement or for what it reached."""

    def __init__(self, problem: Problem, cube: Cube, budget: Budget) -> None:
        self.problem, self.cube, self.budget = problem, cube, budget
        self.started, self.cpu = time.monotonic(), time.thread_time()
        self.cones = None if problem.certificate else _cones(problem)
        searched = self.cones.problem if self.cones else problem
        self._check_time()
        self.rounded = rounded_network(searched)
        self._check_time()
        mode = _mode(problem)
        self.arrays = arrays_of(self.rounded, _kinds(searched), _ROOM if mode else 1, certify=problem.certificate)
        self.part = Part(cube, problem.network.inputs) if problem.certificate else None
        self.at = self.arrays[AT]
        self.at[DEPTH], self.at[MODE] = cube.depth, mode
        self.arrays[FORCED][: cube.depth] = np.frombuffer(cube.symbols, dtype=np.uint8)
        self._check_time()
        self.residues = _residues(problem).copy() if mode else None
        self._check_time()
        self.arbiter = Arbiter(Preactivations(searched), self.rounded)
        self.maps: set[bytes] = set()
        self.mergeable: list[Mergeable] = []
        self.finished = False

    def _check_time(self) -> None:
        """Stop preparing a large network where no time is left to search it."""
        spent = time.monotonic() - self.started
        if self.budget.seconds is not None and spent > max(self.budget.seconds, _LEAST_PREPARATION):
            raise _OutOfTime

    def settlement(self) -> Settlement:
        """Counts, and the cubes that are still open."""
        finished = self._search()
        depths = [] if finished else self._depths_left()
        left = self._open(depths)
        counter = self.arbiter.counter
        return Settlement(
            regions=int(self.at[REGIONS]),
            prefixes=tuple(int(count) for count in self.arrays[PREFIXES]),
            open=tuple(left),
            affine_maps=frozenset(self.maps),
            mergeable=tuple(self.mergeable),
            seen=self.arrays[MET].tobytes(),
            part=self.part.finished(self.arrays, depths) if self.part and self._went_on(depths) else b"",
            statistics=Statistics(
                wall_seconds=time.monotonic() - self.started,
                cpu_seconds=time.thread_time() - self.cpu,
                lps=int(self.at[LPS]) + counter.lps,
                exact_fallbacks=self.arbiter.answers,
                cubes=1,
                peak_memory_bytes=peak_memory_bytes(),
            ),
        )

    def _search(self) -> bool:
        """Whether the search came to its end within the budget."""
        for _ in self._runs():
            self._keep()
        return self.finished

    def reached(self) -> Iterator[Reached]:
        """The regions in the order of the search, a few thousand at a time; all, if `finished` in the end.

        The problem is to ask for closed linear regions: then every region is kept.
        """
        for _ in self._runs():
            count = int(self.at[KEPT_PATTERNS])
            patterns, digests = self.arrays[PATTERNS][:count].copy(), self.arrays[DIGESTS][:count].copy()
            points = self.rounded.to_box(self.arrays[POINTS][:count])
            points = self.cones.to_box(points) if self.cones else points
            self.at[KEPT_MAPS] = self.at[KEPT_PATTERNS] = 0
            if count:
                yield Reached(patterns, points, digests)

    def _runs(self) -> Iterator[None]:
        """Search until done or out of budget, stopping for what was kept to be taken."""
        most = self.budget.regions or _NO_LIMIT
        table = directory(self.arrays)
        residues = self.residues.directory if self.residues else np.zeros(0, dtype=np.int64)
        status = ASK
        while status != DONE:
            status = run(table, residues, _STEPS, most)
            yield
            if status == ASK and self._answered():
                table = directory(self.arrays)
            if status != DONE and not self.at[PENDING] and self._spent():
                break
        self.finished = status == DONE or bool(self.at[STAGE] == LEAF and self.at[FRAMES] == 0)

    def _answered(self) -> bool:
        """Answer what the search stopped for; whether arrays may have been replaced."""
        wanted, record = self.at[WANTED], b""
        if self.part is None or wanted == SYMBOL:
            record = self.arbiter.answer(self.arrays, self._asked())
        elif wanted == SPACE:
            self.part.make_room(self.arrays)
            return True
        else:
            if wanted == INSIDE_POINT:
                record = self.arbiter.point_inside(self.arrays)
            else:
                record = self.arbiter.why_stable(self.arrays, int(self.at[ASKED]), int(self.at[CLAIMED]))
            self.at[WANTED] = GIVEN
        if self.part and record:
            self.part.give(self.arrays, record)
        return bool(record)

    def _spent(self) -> bool:
        """Whether to stop. Before the first division and the first region, the pulse alone does not stop the search.

        It would hand on the cube as it was given, and be asked for the same again.
        """
        seconds, regions = time.monotonic() - self.started, int(self.at[REGIONS])
        stop = self.budget.spent(seconds, regions)
        if stop and not (self.at[FRAMES] or regions):
            return replace(self.budget, pulse=None).spent(seconds, regions)
        return stop

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

    def _depths_left(self) -> list[int]:
        """The depths of the cubes that hold the regions not reached, in the order of the search.

        They are that of the cell that the search is in, and those of the children kept for later.
        """
        depths = [1 + int(neuron) for neuron in self.arrays[FRAME_NEURON][: self.at[FRAMES]][::-1]]
        if self.at[STAGE] == LEAF:
            return depths
        here = self._asked() if self.at[STAGE] == DECIDE else int(self.arrays[STARTS][self.at[LAYER]])
        return [max(here, self.cube.depth), *depths]

    def _open(self, depths: list[int]) -> list[OpenCube]:
        """The cubes of these depths; the first one is the whole cube where the search is not yet deeper."""
        symbols, frames = self.arrays[SYMBOLS].tobytes(), int(self.at[FRAMES])
        cubes = []
        for k, depth in enumerate(reversed(depths)):
            if k < frames:
                cubes.append(Cube(symbols[: depth - 1] + bytes((int(self.arrays[FRAME_SYMBOL][k]),))))
            else:
                cubes.append(Cube(symbols[:depth]) if depth > self.cube.depth else self.cube)
        for layer, end in enumerate(self.arrays[STARTS][1:].tolist()):
            self.arrays[PREFIXES][layer] += sum(cube.depth == end for cube in cubes[:frames])
        return [OpenCube(cube, 1, most_regions_after(self.problem.network, cube.depth)) for cube in cubes]

    def _went_on(self, depths: list[int]) -> bool:
        """Whether anything was found out of the cube."""
        return depths != [self.cube.depth]


@lru_cache(maxsize=4)
def _cones(problem: Problem) -> Cones | None:
    return cones(problem)


@lru_cache(maxsize=4)
def _kinds(problem: Problem) -> NDArray[np.int64]:
    return kinds(problem.network)


@lru_cache(maxsize=4)
def _residues(problem: Problem) -> Residues:
    return residues_of(problem.network)


def _unprepared(problem: Problem, cube: Cube, seconds: float) -> Settlement:
    """The settlement of a cube that is open as it was."""
    network = problem.network
    left = OpenCube(cube, 1, most_regions_after(network, cube.depth))
    statistics = Statistics(wall_seconds=seconds, peak_memory_bytes=peak_memory_bytes())
    none = bytes(network.neurons)
    return Settlement(0, (0,) * len(network.hidden), (left,), seen=none, statistics=statistics)


def _settled_point(problem: Problem, cube: Cube) -> Settlement:
    """The settlement where no coordinate varies: the box is one point, and one region."""
    preactivations = Preactivations(problem)
    ledger = Ledger(preactivations, cube, cubes=1)
    pattern, _ = preactivations.pattern_at(RationalPoint.from_floats(preactivations.box.middle))
    ledger.add([pattern] if cube.contains(pattern) else [])
    settlement = ledger.settlement(())
    if not problem.certificate:
        return settlement
    return replace(settlement, part=part_of_point(preactivations.starts, cube, pattern))


def _mode(problem: Problem) -> int:
    if Definition.CLOSED_LINEAR_REGIONS in problem.definitions:
        return EVERYTHING
    if problem.certificate and Definition.LINEAR_REGIONS in problem.definitions:
        return EVERYTHING
    wanted = {Definition.LINEAR_REGIONS, Definition.AFFINE_PIECES} & set(problem.definitions)
    return MAPS if wanted else NOTHING
