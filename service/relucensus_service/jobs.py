"""Jobs and their frontier: pure values and the only place where a job changes state.

    queued ──▶ running ──▶ succeeded
      │          │  └────▶ failed
      └──▶ cancelling ───▶ cancelled (or failed)

A running job whose runner is gone stays `running` until another runner claims it. `cancelling` lasts until the
runner has put together what was counted so far. Somebody may ask to go on with a job that is done but not exact: it
is `queued` again, with its frontier.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from relucensus.engines.protocol import OpenCube
from relucensus.values.pattern import Cube

COUNTING: Final = 0
CHECKING: Final = 1


class JobState(StrEnum):
    """Where a job is in its life; clients stop on `done`."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def done(self) -> bool:
        """Whether nothing will change any more, unless somebody asks to go on."""
        return self in _DONE


_DONE: Final = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


_MOVES: Final[Mapping[JobState, frozenset[JobState]]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLING}),
    JobState.RUNNING: frozenset({JobState.CANCELLING, JobState.SUCCEEDED, JobState.FAILED}),
    JobState.CANCELLING: frozenset({JobState.CANCELLED, JobState.FAILED}),
    JobState.SUCCEEDED: frozenset({JobState.QUEUED}),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
}


class IllegalTransition(RuntimeError):
    """A job was asked to move to a state that cannot follow the one it is in."""


class NothingToRetry(RuntimeError):
    """There is nothing to go on with: the job is not done, its result is exact, or its deadline has passed."""


class LeaseLost(RuntimeError):
    """The runner no longer holds the job: another claimed it, or it was deleted. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A runner's right to a job. `token` grows with every claim, so that a runner that slept cannot commit."""

    job_id: str
    runner: str
    token: int
    claimed_at: float = field(default=0.0, compare=False)  # on the database's clock
    taken_over: bool = field(default=False, compare=False)  # from a runner that let its lease expire


@dataclass(frozen=True, slots=True)
class Job:
    """One count that was asked for, as the database knows it. Times are seconds since 1970 on the database's clock."""

    id: str
    number: int  # grows with every job; orders lists and claims
    state: JobState
    model: str  # digest of the network
    request: Mapping[str, Any]  # as accepted, defaults filled in
    network: Mapping[str, Any]  # summary of the network
    engine: str | None  # resolved by the first slice
    phase: int  # COUNTING, then CHECKING if a second engine confirms
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    heartbeat_at: float | None = None
    seconds_spent: float = 0.0  # wall seconds during which a runner held the job; what limits.seconds is compared with
    regions: int = 0  # committed so far
    open_cubes: int = 0
    found: int = 0  # proven to exist in the open cubes
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    exact: bool = False  # the result is all that was asked for; no other result is ever given in its place
    owner: str | None = None  # id of the API key; None where access is open
    deadline: float | None = None
    seconds_before: float = 0.0  # seconds_spent when it was last asked to go on; limits count from there
    regions_before: int = 0
    answered_from: str | None = None  # the job whose exact result was given as the answer to this one
    notes: tuple[str, ...] = ()  # what was assumed of the file that was sent

    @property
    def certified(self) -> bool:
        """Whether a certificate was asked for."""
        return bool(self.request.get("certificate"))

    def moved_to(self, state: JobState) -> Job:
        """The job in another state.

        Raises:
            IllegalTransition: the state cannot follow.
        """
        if state not in _MOVES[self.state]:
            raise IllegalTransition(f"job {self.id} is {self.state.value} and cannot become {state.value}")
        return replace(self, state=state)

    def claimed(self) -> Job:
        """The job once a runner has it: a queued one runs, another stays as it is."""
        return self.moved_to(JobState.RUNNING) if self.state is JobState.QUEUED else self

    def cancelled(self) -> Job:
        """The job after somebody asked to cancel it; asking twice or too late changes nothing."""
        if self.state is JobState.CANCELLING or self.state.done:
            return self
        return self.moved_to(JobState.CANCELLING)

    def concluded(self) -> Job:
        """The job once its result is known."""
        cancelling = self.state is JobState.CANCELLING
        return self.moved_to(JobState.CANCELLED if cancelling else JobState.SUCCEEDED)

    def retried(self, now: float) -> Job:
        """The job asked to go on from its frontier, with its limits counted anew.

        Raises:
            NothingToRetry: it is not done, it is exact, or its deadline has passed.
        """
        if not self.state.done:
            raise NothingToRetry(f"job {self.id} is {self.state.value}; needed is one that is done")
        if self.exact:
            raise NothingToRetry(f"job {self.id} has the exact result already; `fresh` in a new request counts again")
        if self.deadline is not None and self.deadline <= now:
            raise NothingToRetry(f"the deadline of job {self.id} has passed; needed is a new request")
        return replace(
            self.moved_to(JobState.QUEUED),
            seconds_before=self.seconds_spent,
            regions_before=self.regions,
            error=None,
            finished_at=None,
        )


def is_exact(result: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Whether the result is all that the request asks for: every count exact, and confirmed if that was asked."""
    counts = result.get("counts", {}).values()
    confirmed = request.get("cross_check") is None or result.get("cross_checked_by") == request["cross_check"]
    return confirmed and bool(counts) and all(count["status"] == "exact" for count in counts)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be created. `answer` is a done job whose exact result answers this one; then nothing is counted.

    `question` is equal for requests that have the same exact answer. `notes` are what was assumed of the file.
    """

    id: str
    model: str
    request: Mapping[str, Any]
    root: OpenCube
    question: str | None = None
    deadline: float | None = None
    owner: str | None = None
    answer: Job | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FrontierCube:
    """An open cube as a row of the database."""

    id: int
    cube: OpenCube
    attempts: int = 0  # failures while settling it
    returns: int = 0  # slices after which it came back unsplit; each doubles the next one's time


def root_cube(breakpoints: int) -> OpenCube:
    """The first frontier: the whole domain, with at least one region and at most one per pattern of breakpoints."""
    return OpenCube(Cube(), found=1, at_most=2**breakpoints)


def root_of(network: Mapping[str, Any]) -> OpenCube:
    """The first frontier of a network with this summary."""
    return root_cube(network.get("breakpoints", network["neurons"]))


@dataclass
class Frontier:
    """The open cubes of a held job: waiting ones, deepest first so that the frontier stays small, and those taken."""

    _waiting: list[tuple[int, int, FrontierCube]] = field(default_factory=list)
    _taken: dict[int, FrontierCube] = field(default_factory=dict)

    @classmethod
    def of(cls, cubes: Iterable[FrontierCube]) -> Frontier:
        """A frontier in which all these cubes wait."""
        frontier = cls()
        for cube in cubes:
            frontier.add(cube)
        return frontier

    def __len__(self) -> int:
        return len(self._waiting) + len(self._taken)

    @property
    def taken(self) -> int:
        """How many cubes are being settled."""
        return len(self._taken)

    def add(self, cube: FrontierCube) -> None:
        """Let a cube wait."""
        heapq.heappush(self._waiting, (-cube.cube.cube.depth, cube.id, cube))

    def take(self) -> FrontierCube | None:
        """The next cube to settle, or None when none waits."""
        if not self._waiting:
            return None
        cube = heapq.heappop(self._waiting)[2]
        self._taken[cube.id] = cube
        return cube

    def settle(self, cube_id: int, children: Iterable[FrontierCube]) -> None:
        """Forget a taken cube; its children wait."""
        self._taken.pop(cube_id, None)
        for child in children:
            self.add(child)

    def put_back(self, cube: FrontierCube) -> None:
        """Let a taken cube wait again, as it is given (its attempts may have grown)."""
        self._taken.pop(cube.id, None)
        self.add(cube)
