"""Settle a whole problem from its root: one thread, or several that share the open cubes.

A thread that runs out of cubes makes one of the others split its cube, so that all stay busy to the end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from relucensus.engines.protocol import Engine, Mergeable, OpenCube, Settlement, seen_together
from relucensus.values.pattern import Cube
from relucensus.values.problem import Budget, Problem
from relucensus.values.result import Statistics

_SLICE_SECONDS: Final = 1.0
_REPORT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Tally:
    """The sum of the settlements of disjoint cubes of one problem; `parts` of its certificate, as they came."""

    regions: int = 0
    prefixes: tuple[int, ...] = ()
    affine_maps: frozenset[bytes] = frozenset()
    mergeable: tuple[Mergeable, ...] = ()
    patterns: int | None = None
    seen: bytes = b""
    statistics: Statistics = field(default_factory=Statistics)
    parts: tuple[bytes, ...] = ()

    def plus(self, settlement: Settlement) -> Tally:
        """This tally with one more settlement."""
        sum_ = Sum.of(self)
        sum_.add(settlement)
        return sum_.tally()


@dataclass(eq=False)
class Sum:
    """A tally that grows in place."""

    regions: int = 0
    prefixes: tuple[int, ...] = ()
    affine_maps: set[bytes] = field(default_factory=set)
    mergeable: list[Mergeable] = field(default_factory=list)
    patterns: int | None = None
    seen: bytes = b""
    statistics: Statistics = field(default_factory=Statistics)
    parts: list[bytes] = field(default_factory=list)

    @classmethod
    def of(cls, tally: Tally) -> Sum:
        """A copy to go on with."""
        return cls(
            tally.regions,
            tally.prefixes,
            set(tally.affine_maps),
            list(tally.mergeable),
            tally.patterns,
            tally.seen,
            tally.statistics,
            list(tally.parts),
        )

    def add(self, settlement: Settlement) -> None:
        """Add one more settlement."""
        self.regions += settlement.regions
        before = self.prefixes or (0,) * len(settlement.prefixes)
        self.prefixes = tuple(a + b for a, b in zip(before, settlement.prefixes, strict=True))
        self.affine_maps |= settlement.affine_maps
        self.mergeable += settlement.mergeable
        if settlement.patterns is not None:
            self.patterns = (self.patterns or 0) + settlement.patterns
        self.seen = seen_together(self.seen, settlement.seen)
        self.statistics += settlement.statistics
        if settlement.part:
            self.parts.append(settlement.part)

    def tally(self) -> Tally:
        """What was added up."""
        return Tally(
            self.regions,
            self.prefixes,
            frozenset(self.affine_maps),
            tuple(self.mergeable),
            self.patterns,
            self.seen,
            self.statistics,
            tuple(self.parts),
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a count stands: regions proven so far, cubes still open, wall seconds spent."""

    regions: int
    open_cubes: int
    seconds: float


@dataclass(eq=False)
class Frontier:
    """The open cubes of one problem while they are being settled.

    Args:
        problem: the problem, as given (not `Problem.free`).
        engine: settles the cubes; with several workers one that releases the interpreter's lock.
        budget: None if nothing may be spent any more.
        sliced: whether to settle in slices of a second, for engines that cannot report on the way.
        on_progress: called about once a second and at the end, from the calling thread or a worker.
    """

    problem: Problem
    engine: Engine
    budget: Budget | None
    sliced: bool = True
    on_progress: Callable[[Progress], None] | None = None

    def __post_init__(self) -> None:
        hidden = self.problem.free.network.hidden
        self._started = self._reported = time.monotonic()
        self._sum = Sum(prefixes=(0,) * len(hidden))
        self._open = [OpenCube(Cube(), found=1, at_most=2**self.problem.free.network.neurons)]
        self._running: dict[int, int] = {}
        self._waiting = 0
        self._stopped = self.budget is None
        self._failure: BaseException | None = None
        self._changed = threading.Condition()

    def settled(self, workers: int = 1) -> tuple[Tally, list[OpenCube]]:
        """Settle all, or as much as the budget allows: what was established, and the cubes left open."""
        if workers == 1:
            self._work(0)
        else:
            threads = [threading.Thread(target=self._work, args=(number,)) for number in range(workers)]
            for thread in threads:
                thread.start()
            try:
                for thread in threads:
                    thread.join()
            finally:
                self._stopped = True
        if self._failure is not None:
            raise self._failure
        self._report(last=True)
        return self._sum.tally(), self._open

    def _work(self, worker: int) -> None:
        try:
            while (task := self._next(worker)) is not None:
                self._settle(worker, *task)
        except BaseException as failure:  # handed to the calling thread
            with self._changed:
                self._failure, self._stopped = failure, True
                self._changed.notify_all()

    def _next(self, worker: int) -> tuple[OpenCube, Budget] | None:
        """The next cube to settle and what may be spent on it; None when there is nothing left to do."""
        with self._changed:
            self._waiting += 1
            while not self._open and self._running and not self._stopped:
                self._changed.wait(0.2)
            left = None if self._stopped else self._left()
            if left is None or not self._open:
                self._stopped = True
                self._changed.notify_all()
                return None
            self._waiting -= 1
            self._running[worker] = 0
            return self._open.pop(self._best()), left

    def _best(self) -> int:
        """The cube to take: the last one in slices, which keeps the list short; else the largest."""
        if self.sliced:
            return len(self._open) - 1
        return min(range(len(self._open)), key=lambda k: self._open[k].cube.depth)

    def _settle(self, worker: int, cube: OpenCube, left: Budget) -> None:
        seconds = min(
            (s for s in (_SLICE_SECONDS if self.sliced else None, left.seconds) if s is not None), default=None
        )
        regions = None if left.regions is None else left.regions + cube.found
        budget = Budget(seconds, regions, lambda found: self._pulse(worker, found))
        settlement = self.engine.settle(self.problem.free, cube.cube, budget)
        with self._changed:
            del self._running[worker]
            self._sum.add(settlement)
            self._open += settlement.open
            self._changed.notify_all()
        self._report()

    def _pulse(self, worker: int, found: int) -> bool:
        """Note a running worker's regions; whether it is to stop, to share its cube or for good."""
        with self._changed:
            self._running[worker] = found
            hungry = self._waiting > len(self._open)
        self._report()
        return hungry or self._stopped

    def _report(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if self.on_progress is not None and (last or now - self._reported >= _REPORT_SECONDS):
            self._reported = now
            with self._changed:
                progress = Progress(
                    self._sum.regions + sum(self._running.values()), len(self._open), now - self._started
                )
            self.on_progress(progress)

    def _left(self) -> Budget | None:
        """What is left of the budget; None when it is spent. Found regions of open cubes count."""
        if self.budget is None:
            return None
        found = self._sum.regions + sum(self._running.values()) + sum(cube.found for cube in self._open)
        return left_of(self.budget, time.monotonic() - self._started, found)


def left_of(budget: Budget, seconds: float, regions: int = 0) -> Budget | None:
    """What is left of a budget after these seconds and regions; None when it is spent."""
    more = None if budget.regions is None else budget.regions - regions
    rest = None if budget.seconds is None else budget.seconds - seconds
    if (rest is not None and rest <= 0) or (more is not None and more <= 0):
        return None
    return replace(budget, seconds=rest, regions=more)
