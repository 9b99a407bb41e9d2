"""Queries on jobs as the API sees them: create, read, list, cancel, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from relucensus.engines.protocol import OpenCube
from relucensus_service.jobs import COUNTING, Job, JobState
from relucensus_service.store.database import Database, database_clock
from relucensus_service.store.tables import cubes, jobs, models


class Jobs:
    """Jobs by id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, job_id: str, *, model: str, request: Mapping[str, Any], root: OpenCube) -> Job:
        """Queue a job whose frontier is the root cube; if there is a job with this id already, that job as it is."""
        try:
            return self._created(job_id, model, request, root)
        except IntegrityError:
            existing = self.find(job_id)
            if existing is None:
                raise
            return existing

    def _created(self, job_id: str, model: str, request: Mapping[str, Any], root: OpenCube) -> Job:
        with self._database.write() as connection:
            number = connection.execute(
                insert(jobs)
                .values(
                    id=job_id,
                    state=JobState.QUEUED.value,
                    model=model,
                    request=dict(request),
                    created_at=database_clock(),
                )
                .returning(jobs.c.number)
            ).scalar_one()
            connection.execute(insert(cubes), [cube_values(number, COUNTING, root)])
            created = _find(connection, job_id)
        assert created is not None
        return created

    def find(self, job_id: str) -> Job | None:
        """The job with this id."""
        with self._database.read() as connection:
            return _find(connection, job_id)

    def state(self, job_id: str) -> JobState | None:
        """Only the state: cheap enough to ask for many times a second."""
        with self._database.read() as connection:
            state = connection.execute(select(jobs.c.state).where(jobs.c.id == job_id)).scalar_one_or_none()
        return JobState(state) if state is not None else None

    def page(self, *, states: Sequence[JobState], below: int | None, limit: int) -> list[Job]:
        """The newest jobs first: those in one of the states (all if empty), with a number below `below`."""
        query = select_jobs().order_by(jobs.c.number.desc()).limit(limit)
        if states:
            query = query.where(jobs.c.state.in_([state.value for state in states]))
        if below is not None:
            query = query.where(jobs.c.number < below)
        with self._database.read() as connection:
            return [job_of(row) for row in connection.execute(query).mappings()]

    def cancel(self, job_id: str) -> Job | None:
        """Ask for the job to stop; the job as it is then."""
        with self._database.write() as connection:
            job = _find(connection, job_id, lock=True)
            if job is None:
                return None
            cancelled = job.cancelled()
            if cancelled.state is not job.state:
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(state=cancelled.state.value))
            return cancelled

    def delete(self, job_id: str) -> bool:
        """Forget the job and all it has found; whether there was one. A runner that holds it lets go."""
        with self._database.write() as connection:
            return connection.execute(delete(jobs).where(jobs.c.id == job_id)).rowcount == 1


def select_jobs() -> Select[Any]:
    """Jobs with the summary of their network and the sums of their frontier."""
    here = (cubes.c.job_number == jobs.c.number) & (cubes.c.phase == COUNTING)
    return select(
        jobs,
        models.c.summary.label("network"),
        select(func.count()).where(here).scalar_subquery().label("open_cubes"),
        select(func.coalesce(func.sum(cubes.c.found), 0)).where(here).scalar_subquery().label("found"),
    ).join(models, models.c.digest == jobs.c.model)


def job_of(row: RowMapping) -> Job:
    """The job in a row of `select_jobs`."""
    return Job(
        id=row["id"],
        number=row["number"],
        state=JobState(row["state"]),
        model=row["model"],
        request=row["request"],
        network=row["network"],
        engine=row["engine"],
        phase=row["phase"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        heartbeat_at=row["heartbeat_at"],
        seconds_spent=row["seconds_spent"],
        regions=row["regions"],
        open_cubes=row["open_cubes"],
        found=int(row["found"]),
        result=row["result"],
        error=row["error"],
    )


def cube_values(job_number: int, phase: int, cube: OpenCube, returns: int = 0) -> dict[str, Any]:
    """A new row of the frontier."""
    return {
        "job_number": job_number,
        "phase": phase,
        "prefix": cube.cube.to_text(),
        "found": cube.found,
        "at_most": hex(cube.at_most),
        "returns": returns,
    }


def _find(connection: Connection, job_id: str, *, lock: bool = False) -> Job | None:
    query = select_jobs().where(jobs.c.id == job_id)
    if lock:
        query = query.with_for_update(of=jobs)
    row = connection.execute(query).mappings().one_or_none()
    return job_of(row) if row is not None else None
