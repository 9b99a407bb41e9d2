"""A job in the hands of a runner: what is left of its limits, and what to do for it next."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from relucensus.engines.protocol import OpenCube, Settlement
from relucensus.values.problem import Budget
from relucensus_service.cluster import Ticket
from relucensus_service.jobs import CHECKING, Frontier, FrontierCube, Job, JobState, Lease
from relucensus_service.settings import Settings
from relucensus_service.work import Assignment, Conclusion, Slice

_SHORTEST_SLICE: Final = 0.05
_SHARE_OF_AGE: Final = 0.25  # a slice lasts at most this part of the time the job has had
_SHARE_OF_AGE_WHEN_FEW: Final = 0.05
_CONCLUSION_SECONDS: Final = 5.0  # for merging what was found when a limit has stopped the search


@dataclass(eq=False)
class HeldJob:
    """One job, its lease, its frontier and the work that is out. Mutable: the database is the truth, this a copy."""

    job: Job
    lease: Lease
    assignment: Assignment
    frontier: Frontier
    settings: Settings
    clock: Callable[[], float] = time.monotonic
    engine: str | None = None
    cancelling: bool = False
    used_up: bool = False  # the API key has no CPU seconds left for today
    tickets: dict[Ticket, FrontierCube] = field(default_factory=dict)
    conclusion: Ticket | None = None
    regions: int = 0  # committed so far
    served: int = 0  # pieces of work submitted, for taking turns
    _spent: float = 0.0
    _spent_at: float = 0.0
    _stopped_at: float | None = None
    _ends_at: float = field(init=False)  # the deadline, on this process's clock

    def __post_init__(self) -> None:
        deadline = float("inf") if self.job.deadline is None else self.job.deadline
        self._ends_at = self.clock() + (deadline - self.lease.claimed_at)

    def renewed(self, state: JobState, seconds_spent: float) -> None:
        """Take over what the database said when the lease was renewed."""
        self.cancelling = state is JobState.CANCELLING
        self._spent, self._spent_at = seconds_spent, self.clock()

    @property
    def busy(self) -> int:
        """Pieces of work that are out."""
        return len(self.tickets) + (self.conclusion is not None)

    @property
    def stopped(self) -> bool:
        """Whether no more cubes are settled: cancelled, or a limit is reached."""
        return self.cancelling or self.used_up or self.seconds_left() <= 0 or self._regions_left() <= 0

    def seconds_spent(self) -> float:
        """Wall seconds under a lease so far."""
        return self._spent + (self.clock() - self._spent_at)

    def seconds_left(self) -> float:
        """Wall seconds until the job's limit or its deadline."""
        limit = self.job.request["limits"]["seconds"]
        of_limit = float("inf") if limit is None else limit - (self.seconds_spent() - self.job.seconds_before)
        return min(of_limit, self._ends_at - self.clock())

    def next_slice(self, workers: int) -> tuple[FrontierCube, Slice] | None:
        """A cube to settle now, taken from the frontier; None if there is nothing to do but wait or conclude."""
        if self.conclusion is not None or self.stopped:
            return None
        cube = self.frontier.take()
        if cube is None:
            return None
        return cube, self._slice(cube, workers)

    def ready_to_conclude(self) -> bool:
        """Whether the frontier is settled, or work has stopped and the slices that were out are home or overdue."""
        if self.conclusion is not None:
            return False
        if self.stopped:
            return not self.tickets or self._overdue()
        return len(self.frontier) == 0

    def conclude(self, counted: Settlement, open_cubes: tuple[OpenCube, ...]) -> Conclusion:
        """The work of putting the result together."""
        left = self.seconds_left()
        seconds = None if left == float("inf") and not self.stopped else max(_CONCLUSION_SECONDS, min(left, 1e9))
        return Conclusion(self.assignment, counted, open_cubes, self._engine(), self._strategy(), Budget(seconds))

    @property
    def checking(self) -> bool:
        """Whether this is the second engine's turn."""
        return self.job.phase == CHECKING

    def _slice(self, cube: FrontierCube, workers: int) -> Slice:
        also = self.job.request["cross_check"] if self.engine is None else None
        regions = self._regions_left()
        budget = Budget(self._slice_seconds(cube, workers), None if regions == float("inf") else int(regions))
        return Slice(self.assignment, cube.cube, self._engine(), self._strategy(), budget, also)

    def _slice_seconds(self, cube: FrontierCube, workers: int) -> float:
        """Short for a young job and while there is little for the workers to share; more for a cube that came back."""
        share = _SHARE_OF_AGE if len(self.frontier) >= 2 * workers else _SHARE_OF_AGE_WHEN_FEW
        seconds = max(self.settings.first_slice_seconds, share * self.seconds_spent())
        seconds = min(seconds, self.settings.slice_seconds)
        seconds *= 2.0 ** min(cube.returns, 40) / 2.0 ** min(cube.attempts, 2)
        return max(_SHORTEST_SLICE, min(seconds, self.seconds_left()))

    def _engine(self) -> str:
        if self.checking:
            return str(self.job.request["cross_check"])
        return self.engine or str(self.job.request["engine"])

    def _strategy(self) -> str:
        strategy: str = "cubes" if self.checking else self.job.request["strategy"]
        return strategy

    def _regions_left(self) -> float:
        limit = self.job.request["limits"]["regions"]
        return float("inf") if limit is None or self.checking else limit - (self.regions - self.job.regions_before)

    def _overdue(self) -> bool:
        if self._stopped_at is None:
            self._stopped_at = self.clock()
        return self.clock() - self._stopped_at > self.settings.slice_seconds + 1.0
