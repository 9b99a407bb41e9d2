"""The runner: claims jobs, gives their open cubes to the workers, and commits what comes back.

The runner may be killed at any moment. What it holds in memory is a copy: after any trouble with the database it
forgets its copy and claims its jobs again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy.exc import DBAPIError

from relucensus_service.cluster import Cluster, ClusterLost
from relucensus_service.held_job import HeldJob
from relucensus_service.jobs import Frontier, FrontierCube, Job, Lease, LeaseLost, root_cube
from relucensus_service.problems import Problem, problem, problem_of_class_name
from relucensus_service.settings import Settings
from relucensus_service.store import Store
from relucensus_service.work import Answer, Assignment, Concluded, Failure, Lost, Settled

log: Final = logging.getLogger(__name__)

_STATES_EVERY: Final = 0.2  # seconds between looks at whether a job was cancelled or deleted
_LONGEST_PAUSE: Final = 10.0  # seconds between attempts to reach the database
# Errors that trying again cannot change; every other failure is blamed on the cube and tried again.
_FINAL: Final = frozenset({"UnsupportedProblem", "InvalidRequest", "InvalidDomain", "InvalidNetwork", "Disagreement"})


class Runner:
    """Serves several jobs side by side; each gets its turn at the workers."""

    def __init__(self, store: Store, cluster: Cluster, settings: Settings, name: str) -> None:
        self._store = store
        self._cluster = cluster
        self._settings = settings
        self._name = name
        self._held: dict[str, HeldJob] = {}
        self._answered = threading.Event()
        self._beat_at = self._looked_at = -float("inf")

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set, then hand everything back."""
        pause = self._settings.poll_seconds
        while not stop.is_set():
            try:
                self.turn()
                self._answered.wait(self._settings.poll_seconds)
                self._answered.clear()
                pause = self._settings.poll_seconds
            except DBAPIError as error:
                log.warning("the database does not answer, trying again in %.1f s: %s", pause, error)
                self._forget_everything()
                stop.wait(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
        self._hand_back()

    def turn(self) -> None:
        """One round: renew, look, claim, commit what came back, submit what is next."""
        self._renew()
        self._look()
        self._claim()
        for held in list(self._held.values()):
            self._guarded(held, self._collect)
        self._submit()

    def _renew(self) -> None:
        now = time.monotonic()
        if now - self._beat_at < self._settings.heartbeat_seconds:
            return
        self._beat_at = now
        self._store.leases.announce(self._name, self._cluster.workers())
        for held in list(self._held.values()):
            self._guarded(held, lambda h: h.renewed(*self._store.leases.renew(h.lease)))

    def _look(self) -> None:
        now = time.monotonic()
        if not self._held or now - self._looked_at < _STATES_EVERY:
            return
        self._looked_at = now
        states = self._store.leases.states(self._held.keys())
        for held in list(self._held.values()):
            state = states.get(held.job.id)
            if state is None or state.done:
                self._let_go(held)
            else:
                held.cancelling = state.value == "cancelling"

    def _claim(self) -> None:
        """Take on jobs; not before work can begin, as a job's time limit runs from then on."""
        if not self._cluster.ready():
            return
        while len(self._held) < self._settings.jobs_at_once:
            claimed = self._store.leases.claim(self._name, self._held.keys())
            if claimed is None:
                return
            self._hold(*claimed)

    def _hold(self, job: Job, lease: Lease) -> None:
        request = job.request
        assignment = Assignment(
            key=job.id,
            network=self._store.models.network(job.model),
            domain=request["domain"],
            definitions=tuple(request["definitions"]),
        )
        frontier = Frontier.of(self._store.frontier.load(job.id, job.phase))
        held = HeldJob(job, lease, assignment, frontier, self._settings)
        held.engine = job.engine
        held.regions = job.regions
        held.renewed(job.state, job.seconds_spent)
        self._held[job.id] = held
        log.info("job %s: claimed with %d open cubes", job.id, len(frontier))

    def _collect(self, held: HeldJob) -> None:
        for ticket, cube in [(t, c) for t, c in held.tickets.items() if t.done()]:
            del held.tickets[ticket]
            self._settle(held, cube, ticket.answer())
        if held.conclusion is not None and held.conclusion.done():
            answer = held.conclusion.answer()
            held.conclusion = None
            self._conclude(held, answer)

    def _settle(self, held: HeldJob, cube: FrontierCube, answer: Answer) -> None:
        match answer:
            case Settled(settlement, engine):
                committed = self._store.frontier.commit(held.lease, held.job.phase, cube, settlement, engine=engine)
                held.engine = held.engine or engine
                held.renewed(committed.state, committed.seconds_spent)
                if committed.children is None:
                    held.frontier.settle(cube.id, ())
                else:
                    held.regions += settlement.regions
                    held.frontier.settle(cube.id, committed.children)
            case Failure(kind, detail) if kind in _FINAL:
                self._fail(held, problem_of_class_name(kind, detail))
            case Failure(kind, detail):
                self._blame(held, cube, f"{kind}: {detail}")
            case Lost(reason, guilty=True):
                self._blame(held, cube, reason)
            case _:
                held.frontier.put_back(cube)

    def _blame(self, held: HeldJob, cube: FrontierCube, reason: str) -> None:
        attempts = cube.attempts + 1
        prefix = cube.cube.cube.to_text()
        log.warning("job %s: cube %r failed %d times: %s", held.job.id, prefix, attempts, reason)
        self._store.frontier.blame(held.lease, cube, reason)
        if attempts > self._settings.attempts:
            detail = f"cube {prefix!r} failed {attempts} times; the last reason: {_last_line(reason)}"
            self._fail(held, problem("cube-failed", detail, cube=prefix, attempts=attempts))
            return
        held.frontier.put_back(FrontierCube(cube.id, cube.cube, attempts, cube.returns))

    def _conclude(self, held: HeldJob, answer: Answer) -> None:
        match answer:
            case Concluded(result):
                self._end_phase(held, result)
            case Failure(kind, detail) if kind in _FINAL:
                self._fail(held, problem_of_class_name(kind, detail))
            case Failure(kind, detail):
                self._blame_conclusion(held, f"{kind}: {detail}")
            case Lost(reason, guilty=True):
                self._blame_conclusion(held, reason)
            case _:
                log.info("job %s: the conclusion was lost on its way, it is asked for again", held.job.id)

    def _blame_conclusion(self, held: HeldJob, reason: str) -> None:
        attempts = self._store.frontier.blame_conclusion(held.lease)
        log.warning("job %s: putting the result together failed %d times: %s", held.job.id, attempts, reason)
        if attempts > self._settings.attempts:
            detail = f"putting the result together failed {attempts} times; the last reason: {_last_line(reason)}"
            self._fail(held, problem("conclusion-failed", detail, attempts=attempts))

    def _end_phase(self, held: HeldJob, result: Mapping[str, Any]) -> None:
        complete = len(held.frontier) == 0
        if held.checking:
            self._end_check(held, result)
        elif complete and held.job.request["cross_check"] is not None and not held.cancelling:
            self._store.frontier.begin_check(held.lease, result, root_cube(held.job.network["neurons"]))
            self._let_go(held, hand_back=True)  # and claim it again, now in its second phase
        else:
            self._finish(held, result)

    def _end_check(self, held: HeldJob, second: Mapping[str, Any]) -> None:
        first = held.job.result or {}
        if _agree(first["counts"], second["counts"]):
            self._finish(held, {**first, "cross_checked_by": second["engine"]})
        else:
            self._fail(held, _disagreement(first, second))

    def _finish(self, held: HeldJob, result: Mapping[str, Any]) -> None:
        # The workers' seconds add up to more than passed on the wall, or to less if nobody worked for a while.
        statistics = {**result.get("statistics", {}), "wall_seconds": held.seconds_spent()}
        result = {**result, "statistics": statistics}
        state = self._store.frontier.finish(held.lease, result)
        log.info("job %s: %s", held.job.id, state.value)
        self._let_go(held)

    def _fail(self, held: HeldJob, error: Problem | None) -> None:
        document = (error or problem("internal-error", "the work failed for an unknown reason")).to_json()
        self._store.frontier.fail(held.lease, document)
        log.error("job %s: failed: %s", held.job.id, document["detail"])
        self._let_go(held)

    def _submit(self) -> None:
        workers = self._cluster.workers()
        for held in list(self._held.values()):
            if held.ready_to_conclude():
                self._guarded(held, self._submit_conclusion)
        free = workers - sum(held.busy for held in self._held.values())
        while free > 0:
            turns = sorted(self._held.values(), key=lambda held: (held.busy, held.served))
            if not any(self._submit_slice(held, workers) for held in turns):
                return
            free -= 1

    def _submit_slice(self, held: HeldJob, workers: int) -> bool:
        taken = held.next_slice(workers)
        if taken is None:
            return False
        cube, work = taken
        held.tickets[self._cluster.submit(work, self._answered.set)] = cube
        held.served += 1
        return True

    def _submit_conclusion(self, held: HeldJob) -> None:
        for ticket, cube in held.tickets.items():
            ticket.abandon()
            held.frontier.put_back(cube)
        held.tickets.clear()
        if held.checking and len(held.frontier):  # stopped before the second engine was through: the first one's stands
            self._finish(held, held.job.result or {})
            return
        counted = self._store.frontier.settled(held.job.id, held.job.phase)
        cubes = self._store.frontier.load(held.job.id, held.job.phase) if len(held.frontier) else []
        work = held.conclude(counted, tuple(cube.cube for cube in cubes))
        held.conclusion = self._cluster.submit(work, self._answered.set)

    def _guarded(self, held: HeldJob, action: Callable[[HeldJob], None]) -> None:
        try:
            action(held)
        except LeaseLost as lost:
            log.warning("%s", lost)
            self._let_go(held)
        except (DBAPIError, ClusterLost):
            raise
        except Exception:  # a mistake of ours with one job must not stop the others
            log.exception("job %s: the runner failed", held.job.id)
            self._fail(held, problem("internal-error", "the runner failed on this job; its log says why"))

    def _let_go(self, held: HeldJob, *, hand_back: bool = False) -> None:
        for ticket in [*held.tickets, *([held.conclusion] if held.conclusion else [])]:
            ticket.abandon()
        held.tickets.clear()
        held.conclusion = None
        self._held.pop(held.job.id, None)
        if hand_back:
            self._store.leases.hand_back(held.lease)

    def _forget_everything(self) -> None:
        for held in list(self._held.values()):
            self._let_go(held)

    def _hand_back(self) -> None:
        try:
            for held in list(self._held.values()):
                self._let_go(held, hand_back=True)
            self._store.leases.withdraw(self._name)
        except DBAPIError as error:
            log.warning("the jobs could not be handed back, others may claim them when the leases end: %s", error)


def _agree(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    exact = [name for name in first if first[name]["status"] == second[name]["status"] == "exact"]
    return all(first[name]["value"] == second[name]["value"] for name in exact)


def _disagreement(first: Mapping[str, Any], second: Mapping[str, Any]) -> Problem:
    def values(result: Mapping[str, Any]) -> dict[str, int]:
        return {name: count["value"] for name, count in result["counts"].items()}

    detail = (
        f"{first['engine']} counted {values(first)}, {second['engine']} counted {values(second)}: "
        "one of them is wrong; please report this network"
    )
    return problem("disagreement", detail, counts={r["engine"]: values(r) for r in (first, second)})


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]
