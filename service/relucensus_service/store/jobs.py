"""Queries on jobs as the API sees them: create, read, list, cancel, retry, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from relucensus.engines.protocol import OpenCube
from relucensus_service.jobs import CHECKING, COUNTING, Job, JobState, NewJob, root_of
from relucensus_service.store.certificates import copy, forget
from relucensus_service.store.database import Database, database_clock
from relucensus_service.store.tables import api_keys, cubes, jobs, models, settlements


class QueueFull(RuntimeError):
    """A job is not accepted: too many are not done yet."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """The most jobs that may be not done at once; None is no limit."""

    of_all: int | None = None
    of_owner: int | None = None


class Jobs:
    """Jobs by id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, new: NewJob, limits: QueueLimits = QueueLimits()) -> Job:
        """Queue a job whose frontier is the root cube; if there is a job with this id already, that job as it is.

        Raises:
            QueueFull: too many jobs are not done yet.
        """
        try:
            with self._database.write() as connection:
                existing = _find(connection, new.id)
                if existing is not None:
                    return existing
                if new.answer is None:
                    _check_queue(connection, new.owner, limits)
                return _created(connection, new)
        except IntegrityError:  # the same id, from another connection at the same moment
            existing = self.find(new.id)
            if existing is None:
                raise
            return existing

    def known(self, question: str, *, owner: str | None, engine: str) -> Job | None:
        """The newest job that has the exact answer to the question, by this engine if it is not "auto"."""
        query = select_jobs().where(
            jobs.c.question == question, jobs.c.exact, jobs.c.state == JobState.SUCCEEDED.value, _of(owner)
        )
        if engine != "auto":
            query = query.where(jobs.c.engine == engine)
        with self._database.read() as connection:
            row = connection.execute(query.order_by(jobs.c.number.desc()).limit(1)).mappings().first()
        return job_of(row) if row is not None else None

    def find(self, job_id: str) -> Job | None:
        """The job with this id, whosever it is."""
        with self._database.read() as connection:
            return _find(connection, job_id)

    def state(self, job_id: str) -> JobState | None:
        """Only the state: cheap enough to ask for many times a second."""
        with self._database.read() as connection:
            state = connection.execute(select(jobs.c.state).where(jobs.c.id == job_id)).scalar_one_or_none()
        return JobState(state) if state is not None else None

    def page(self, *, states: Sequence[JobState], below: int | None, limit: int, owner: str | None = None) -> list[Job]:
        """The owner's newest jobs first: those in one of the states (all if empty), with a number below `below`."""
        query = select_jobs().where(_of(owner)).order_by(jobs.c.number.desc()).limit(limit)
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

    def retry(self, job_id: str) -> Job | None:
        """Queue the job again with what is left of its frontier; from the beginning if that was dropped.

        Raises:
            NothingToRetry: see `Job.retried`.
        """
        with self._database.write() as connection:
            job = _find(connection, job_id, lock=True)
            if job is None:
                return None
            now: float = connection.execute(select(database_clock())).scalar_one()
            queued = job.retried(now)
            if job.phase == CHECKING and job.result is None:
                queued = replace(queued, phase=COUNTING)
                _forget_work(connection, job.number, CHECKING)
            elif job.phase == COUNTING:
                queued = replace(queued, result=None)
            if not _has_work(connection, job.number):
                queued = replace(queued, phase=COUNTING, result=None, regions=0, regions_before=0)
                forget(connection, [job.number])
                connection.execute(insert(cubes), [cube_values(job.number, COUNTING, root_of(job.network))])
            connection.execute(update(cubes).where(cubes.c.job_number == job.number).values(attempts=0))
            connection.execute(update(jobs).where(jobs.c.number == job.number).values(_retried_values(queued)))
            return _find(connection, job_id)

    def delete(self, job_id: str) -> bool:
        """Forget the job and all it has found; whether there was one. A runner that holds it lets go."""
        with self._database.write() as connection:
            return connection.execute(delete(jobs).where(jobs.c.id == job_id)).rowcount == 1


def _check_queue(connection: Connection, owner: str | None, limits: QueueLimits) -> None:
    if owner is not None:  # one request of a key at a time, so that two at once do not both find the last place
        connection.execute(select(api_keys.c.id).where(api_keys.c.id == owner).with_for_update())
    still_open = select(func.count()).where(jobs.c.state.in_([state.value for state in JobState if not state.done]))
    for most, query, whose in ((limits.of_all, still_open, "all"), (limits.of_owner, still_open.where(_of(owner)), "")):
        if most is not None and connection.execute(query).scalar_one() >= most:
            which = "the service has" if whose else "this API key has"
            raise QueueFull(f"{which} {most} jobs that are not done, the most allowed; wait until one of them is done")


def _created(connection: Connection, new: NewJob) -> Job:
    values: dict[str, Any] = {
        "id": new.id,
        "state": JobState.QUEUED.value,
        "model": new.model,
        "request": dict(new.request),
        "created_at": database_clock(),
        "owner": new.owner,
        "question": new.question,
        "deadline": new.deadline,
        "notes": list(new.notes),
    }
    answer = _still_there(connection, new.answer)
    if answer is not None:
        values |= _answered_values(answer, new.notes)
    number = connection.execute(insert(jobs).values(values).returning(jobs.c.number)).scalar_one()
    if answer is None:
        connection.execute(insert(cubes), [cube_values(number, COUNTING, new.root)])
    else:
        copy(connection, answer.number, number)
    created = _find(connection, new.id)
    assert created is not None
    return created


def _still_there(connection: Connection, answer: Job | None) -> Job | None:
    """The job that answers, unless it was deleted meanwhile; it stays until the end of the transaction."""
    if answer is None:
        return None
    query = select(jobs.c.number).where(jobs.c.number == answer.number).with_for_update()
    return answer if connection.execute(query).first() is not None else None


def _answered_values(answer: Job, notes: Sequence[str]) -> dict[str, Any]:
    assert answer.result is not None
    return {
        "state": JobState.SUCCEEDED.value,
        "started_at": database_clock(),
        "finished_at": database_clock(),
        "engine": answer.engine,
        "regions": answer.regions,
        "result": {**answer.result, "notes": list(notes)},
        "exact": True,
        "answered_from": answer.answered_from or answer.id,
    }


def _retried_values(queued: Job) -> dict[str, Any]:
    return {
        "state": queued.state.value,
        "phase": queued.phase,
        "regions": queued.regions,
        "seconds_before": queued.seconds_before,
        "regions_before": queued.regions_before,
        "result": queued.result,
        "error": None,
        "finished_at": None,
        "conclusion_attempts": 0,
        "runner": None,
        "lease_expires_at": None,
    }


def _forget_work(connection: Connection, number: int, phase: int) -> None:
    for table in (cubes, settlements):
        connection.execute(delete(table).where(table.c.job_number == number, table.c.phase == phase))


def _has_work(connection: Connection, number: int) -> bool:
    there = [select(table.c.id).where(table.c.job_number == number).exists() for table in (cubes, settlements)]
    return bool(connection.execute(select(or_(*there))).scalar_one())


def _of(owner: str | None) -> ColumnElement[bool]:
    return jobs.c.owner.is_(None) if owner is None else jobs.c.owner == owner


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
        exact=bool(row["exact"]),
        owner=row["owner"],
        deadline=row["deadline"],
        seconds_before=row["seconds_before"],
        regions_before=row["regions_before"],
        answered_from=row["answered_from"],
        notes=tuple(row["notes"] or ()),
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
