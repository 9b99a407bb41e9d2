"""Queries of a runner about who serves a job: claim, renew, hand back; and the runner's own heartbeat."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update

from relucensus_service.jobs import Job, JobState, Lease, LeaseLost
from relucensus_service.store.database import Database, database_clock
from relucensus_service.store.jobs import job_of, select_jobs
from relucensus_service.store.tables import jobs, runners

_CLAIMABLE: Final = jobs.c.state.in_([state.value for state in JobState if not state.done]) & or_(
    jobs.c.runner.is_(None), jobs.c.runner == bindparam("claimant"), jobs.c.lease_expires_at < database_clock()
)
_ENDING: Final = or_(jobs.c.state == JobState.CANCELLING.value, jobs.c.deadline <= database_clock())
# Built once: building them takes longer than running them.
_LOOK: Final = select(jobs.c.id).where(_CLAIMABLE)
_CLAIM: Final = (
    select_jobs()
    .add_columns(database_clock().label("now"))
    .where(_CLAIMABLE)
    .order_by(_ENDING.desc(), jobs.c.number)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class RunnerFigures:
    """What a runner has done since it started: settlements committed and their regions, failures, jobs taken over."""

    slices: int = 0
    regions: int = 0
    failures: int = 0
    taken_over: int = 0


@dataclass(frozen=True, slots=True)
class RunnerBeat:
    """A runner that was heard of. `silent` is for how many seconds it was not."""

    name: str
    workers: int
    silent: float
    figures: RunnerFigures


class Leases:
    """Which runner serves which job. A lease not renewed for `seconds` may be claimed by another runner."""

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._seconds = seconds

    def claim(self, runner: str, held: Collection[str], *, only_ending: bool = False) -> tuple[Job, Lease] | None:
        """The oldest job that nobody serves, or that this runner served before it started again.

        Those that only have to be ended come first: cancelled ones, and those whose deadline has passed.
        """
        look, claim = (_LOOK.where(_ENDING), _CLAIM.where(_ENDING)) if only_ending else (_LOOK, _CLAIM)
        with self._database.read() as connection:  # idle runners look often: take no lock for looking
            if set(held).issuperset(connection.execute(look, {"claimant": runner}).scalars()):
                return None
        with self._database.write() as connection:
            query = claim.where(jobs.c.id.not_in(held)).with_for_update(of=jobs, skip_locked=True)
            row = connection.execute(query, {"claimant": runner}).mappings().first()
            if row is None:
                return None
            job = job_of(row).claimed()
            taken_over = row["runner"] not in (None, runner)
            lease = Lease(job.id, runner, row["lease_token"] + 1, row["now"], taken_over)
            connection.execute(
                update(jobs)
                .where(jobs.c.number == job.number)
                .values(
                    state=job.state.value,
                    runner=runner,
                    lease_token=lease.token,
                    started_at=func.coalesce(jobs.c.started_at, database_clock()),
                    heartbeat_at=database_clock(),
                    lease_expires_at=database_clock() + self._seconds,
                )
            )
        return job, lease

    def renew(self, lease: Lease) -> tuple[JobState, float]:
        """Keep the job for a while longer; its state and the seconds spent on it.

        Raises:
            LeaseLost: the job belongs to another runner or is gone.
        """
        with self._database.write() as connection:
            return self.renew_within(connection, lease)

    def renew_within(self, connection: Connection, lease: Lease, **also: Any) -> tuple[JobState, float]:
        """The same as part of a larger transaction, with other columns set too. Locks the job's row."""
        row = connection.execute(
            update(jobs)
            .where(jobs.c.id == lease.job_id, jobs.c.runner == lease.runner, jobs.c.lease_token == lease.token)
            .values(
                # Only time under a lease is spent; a service that was down for a night has not used up a job's seconds.
                seconds_spent=jobs.c.seconds_spent + (database_clock() - jobs.c.heartbeat_at),
                heartbeat_at=database_clock(),
                lease_expires_at=database_clock() + self._seconds,
                **also,
            )
            .returning(jobs.c.state, jobs.c.seconds_spent)
        ).one_or_none()
        if row is None or JobState(row.state).done:
            raise LeaseLost(f"runner {lease.runner} does not hold job {lease.job_id} any more")
        return JobState(row.state), row.seconds_spent

    def hand_back(self, lease: Lease) -> None:
        """Let another runner claim the job at once."""
        with self._database.write() as connection:
            connection.execute(
                update(jobs)
                .where(jobs.c.id == lease.job_id, jobs.c.runner == lease.runner, jobs.c.lease_token == lease.token)
                .values(runner=None, lease_expires_at=None)
            )

    def states(self, job_ids: Collection[str]) -> dict[str, JobState]:
        """The states of these jobs, without those that are gone."""
        with self._database.read() as connection:
            rows = connection.execute(select(jobs.c.id, jobs.c.state).where(jobs.c.id.in_(job_ids)))
            return {row.id: JobState(row.state) for row in rows}

    def announce(self, runner: str, workers: int, figures: RunnerFigures = RunnerFigures()) -> None:
        """Say that this runner is alive, and what it has done."""
        beat = {"heartbeat_at": database_clock(), "workers": workers, **asdict(figures)}
        with self._database.write() as connection:
            if not connection.execute(update(runners).where(runners.c.name == runner).values(beat)).rowcount:
                connection.execute(insert(runners).values(name=runner, started_at=database_clock(), **beat))

    def withdraw(self, runner: str) -> None:
        """Say that this runner stops."""
        with self._database.write() as connection:
            connection.execute(delete(runners).where(runners.c.name == runner))

    def beats(self, silent_at_most: float) -> list[RunnerBeat]:
        """The runners heard of within this time."""
        silent = database_clock() - runners.c.heartbeat_at
        query = select(runners, silent.label("silent")).where(silent < silent_at_most).order_by(runners.c.name)
        with self._database.read() as connection:
            return [
                RunnerBeat(
                    row.name,
                    row.workers,
                    row.silent,
                    RunnerFigures(row.slices, row.regions, row.failures, row.taken_over),
                )
                for row in connection.execute(query)
            ]
