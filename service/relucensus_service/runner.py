"""The runner: claims jobs, gives their open cubes to the workers, and commits what comes back.

The runner may be killed at any moment. What it holds in memory is a copy: after any trouble with the database it
forgets its copy and claims its jobs again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy.exc import DBAPIError, IntegrityError

from relucensus.certify import Binding
from relucensus_service.cluster import Cluster, ClusterLost
from relucensus_service.held_job import HeldJob
from relucensus_service.jobs import COUNTING, Frontier, FrontierCube, Job, Lease, LeaseLost, root_of
from relucensus_service.problems import Problem, problem, problem_of_class_name
from relucensus_service.settings import Settings
from relucensus_service.store import Forgotten, Retention, RunnerFigures, Store
from relucensus_service.work import Answer, Assignment, Concluded, Failure, Lost, Settled

log: Final = logging.getLogger(__name__)

_STATES_EVERY: Final = 0.2  # seconds between looks at whether a job was cancelled or deleted
_SWEEP_EVERY: Final = 60.0
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
        self._beat_at = self._looked_at = self._swept_at = -float("inf")
        self._figures = RunnerFigures()

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set, then wait for the slices that are out and hand everything back.

        Raises:
            ClusterLost: there is nobody left to give work to. Everything was handed back.
        """
        pause = self._settings.poll_seconds
        try:
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
            self._drain()
        finally:
            self._hand_back()

    def _drain(self) -> None:
        """Commit the slices that come back in time; those that do not are settled again by whoever is next."""
        end = time.monotonic() + self._settings.slice_seconds
        try:
            while any(held.tickets for held in self._held.values()) and time.monotonic() < end:
                for held in list(self._held.values()):
                    self._guarded(held, self._collect_slices)
                self._answered.wait(self._settings.poll_seconds)
                self._answered.clear()
        except DBAPIError as error:
            log.warning("the database does not answer, the last slices are lost: %s", error)

    def turn(self) -> None:
        """One round: renew, look, claim, commit what came back, submit what is next."""
        self._renew()
        self._sweep()
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
        self._store.leases.announce(self._name, self._cluster.workers(), self._figures)
        for held in list(self._held.values()):
            self._guarded(held, lambda h: h.renewed(*self._store.leases.renew(h.lease)))

    def _sweep(self) -> None:
        now = time.monotonic()
        if now - self._swept_at < _SWEEP_EVERY:
            return
        self._swept_at = now
        try:
            forgotten = self._store.retention.sweep(_retention(self._settings))
        except IntegrityError as error:  # somebody asked for a count of a network that was about to be forgotten
            log.info("what is old is forgotten later: %s", error)
            return
        if forgotten != Forgotten():
            log.info("%s", forgotten)

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
        while True:
            full = (
                len(self._held) >= self._settings.jobs_at_once
            )  # what only has to be ended finds a place all the same
            claimed = self._store.leases.claim(self._name, self._held.keys(), only_ending=full)
            if claimed is None:
                return
            self._hold(*claimed)

    def _hold(self, job: Job, lease: Lease) -> None:
        certificate = job.certified and job.phase == COUNTING
        network = self._store.models.network(job.model)
        assignment = Assignment.of(job, network, certificate=certificate)
        frontier = Frontier.of(self._store.frontier.load(job.id, job.phase))
        held = HeldJob(job, lease, assignment, frontier, self._settings)
        held.engine = job.engine
        held.regions = job.regions
        held.renewed(job.state, job.seconds_spent)
        self._held[job.id] = held
        self._count(taken_over=int(lease.taken_over))
        taken = "taken over" if lease.taken_over else "claimed"
        log.info("job %s: %s with %d open cubes", job.id, taken, len(frontier), extra={"job_id": job.id})

    def _collect_slices(self, held: HeldJob) -> None:
        for ticket, cube in [(t, c) for t, c in held.tickets.items() if t.done()]:
            del held.tickets[ticket]
            self._settle(held, cube, ticket.answer())

    def _collect(self, held: HeldJob) -> None:
        self._collect_slices(held)
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
                held.used_up = held.used_up or committed.used_up
                if committed.children is None:
                    held.frontier.settle(cube.id, ())
                else:
                    held.regions += settlement.regions if held.job.phase == COUNTING else 0
                    self._count(slices=1, regions=settlement.regions)
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
        self._count(failures=1)
        log.warning("job %s: cube %r failed %d times: %s", held.job.id, prefix, attempts, reason, extra=_about(held))
        self._store.frontier.blame(held.lease, cube, reason)
        if attempts > self._settings.attempts:
            detail = f"cube {prefix!r} failed {attempts} times; the last reason: {_last_line(reason)}"
            self._fail(held, problem("cube-failed", detail, cube=prefix, attempts=attempts))
            return
        held.frontier.put_back(FrontierCube(cube.id, cube.cube, attempts, cube.returns))

    def _conclude(self, held: HeldJob, answer: Answer) -> None:
        match answer:
            case Concluded(result, binding):
                self._end_phase(held, result, binding)
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
        self._count(failures=1)
        words = "job %s: putting the result together failed %d times: %s"
        log.warning(words, held.job.id, attempts, reason, extra=_about(held))
        if attempts > self._settings.attempts:
            detail = f"putting the result together failed {attempts} times; the last reason: {_last_line(reason)}"
            self._fail(held, problem("conclusion-failed", detail, attempts=attempts))

    def _end_phase(self, held: HeldJob, result: Mapping[str, Any], binding: Binding | None) -> None:
        complete = len(held.frontier) == 0
        if held.checking:
            self._end_check(held, result)
        elif complete and held.job.request["cross_check"] is not None and not held.cancelling:
            self._store.frontier.begin_check(held.lease, result, root_of(held.job.network), binding)
            self._let_go(held, hand_back=True)  # and claim it again, now in its second phase
        else:
            self._finish(held, result, binding)

    def _end_check(self, held: HeldJob, second: Mapping[str, Any]) -> None:
        first = held.job.result or {}
        if _agree(first["counts"], second["counts"]):
            self._finish(held, {**first, "cross_checked_by": second["engine"]})
        else:
            self._fail(held, _disagreement(first, second))

    def _finish(self, held: HeldJob, result: Mapping[str, Any], binding: Binding | None = None) -> None:
        # The workers' seconds add up to more than passed on the wall, or to less if nobody worked for a while.
        statistics = {**result.get("statistics", {}), "wall_seconds": held.seconds_spent()}
        result = {**result, "statistics": statistics}
        state = self._store.frontier.finish(held.lease, result, binding)
        log.info("job %s: %s", held.job.id, state.value, extra=_about(held))
        self._let_go(held)

    def _fail(self, held: HeldJob, error: Problem | None) -> None:
        document = (error or problem("internal-error", "the work failed for an unknown reason")).to_json()
        self._store.frontier.fail(held.lease, document)
        log.error("job %s: failed: %s", held.job.id, document["detail"], extra=_about(held))
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
            log.warning("%s", lost, extra=_about(held))
            self._let_go(held)
        except (DBAPIError, ClusterLost):
            raise
        except Exception:  # a mistake of ours with one job must not stop the others
            log.exception("job %s: the runner failed", held.job.id, extra=_about(held))
            self._fail(held, problem("internal-error", "the runner failed on this job; its log says why"))

    def _count(self, **more: int) -> None:
        sums = {name: getattr(self._figures, name) + value for name, value in more.items()}
        self._figures = replace(self._figures, **sums)

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


def _retention(settings: Settings) -> Retention:
    """Zero stands for ever."""
    return Retention(settings.jobs_days or None, settings.frontiers_days or None, settings.models_days or None)


def _about(held: HeldJob) -> dict[str, str]:
    """What the log's lines about the job have in common."""
    return {"job_id": held.job.id}


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
