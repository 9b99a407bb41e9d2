"""Queries of a runner about who serves a job: claim, renew, hand back; and the runner's own heartbeat."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update

from relucensus_service.jobs import Job, JobState, Lease, LeaseLost
from relucensus_service.store.database import Database, database_clock
from relucensus_service.store.jobs import job_of, select_jobs
from relucensus_service.store.tables import jobs, runners

_CLAIMABLE: Final = jobs.c.state.in_([state.value for state in JobState if not state.done]) & or_(
    jobs.c.runner.is_(None), jobs.c.runner == bindparam("claimant"), jobs.c.lease_expires_at < database_clock()
)
_LOOK: Final = select(jobs.c.id).where(_CLAIMABLE)  # built once: building it takes longer than running it
_CLAIM: Final = select_jobs().where(_CLAIMABLE).order_by(jobs.c.number).limit(1)


class Leases:
    """Which runner serves which job. A lease not renewed for `seconds` may be claimed by another runner."""

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._seconds = seconds

    def claim(self, runner: str, held: Collection[str]) -> tuple[Job, Lease] | None:
        """The oldest job that nobody serves, or that this runner served before it started again."""
        with self._database.read() as connection:  # idle runners look often: take no lock for looking
            if set(held).issuperset(connection.execute(_LOOK, {"claimant": runner}).scalars()):
                return None
        with self._database.write() as connection:
            query = _CLAIM.where(jobs.c.id.not_in(held)).with_for_update(of=jobs, skip_locked=True)
            row = connection.execute(query, {"claimant": runner}).mappings().first()
            if row is None:
                return None
            job = job_of(row).claimed()
            lease = Lease(job.id, runner, row["lease_token"] + 1)
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

    def announce(self, runner: str, workers: int) -> None:
        """Say that this runner is alive."""
        beat = {"heartbeat_at": database_clock(), "workers": workers}
        with self._database.write() as connection:
            if not connection.execute(update(runners).where(runners.c.name == runner).values(beat)).rowcount:
                connection.execute(insert(runners).values(name=runner, started_at=database_clock(), **beat))

    def withdraw(self, runner: str) -> None:
        """Say that this runner stops."""
        with self._database.write() as connection:
            connection.execute(delete(runners).where(runners.c.name == runner))

    def workers_alive(self, stale_seconds: float) -> int | None:
        """Workers of the runners heard of within this time; None when there is no such runner."""
        recent = runners.c.heartbeat_at > database_clock() - stale_seconds
        with self._database.read() as connection:
            total: int | None = connection.execute(select(func.sum(runners.c.workers)).where(recent)).scalar_one()
        return total
