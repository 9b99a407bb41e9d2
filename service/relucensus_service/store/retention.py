"""What is forgotten after a time: done jobs, frontiers of jobs that nobody went on with, networks without jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Delete, Select, delete, or_, select

from relucensus_service.jobs import JobState
from relucensus_service.store.certificates import forget
from relucensus_service.store.database import Database, database_clock
from relucensus_service.store.quotas import TODAY
from relucensus_service.store.tables import certificates, cubes, jobs, models, runners, settlements, usage

_AT_ONCE: Final = 100  # rows a transaction: nobody waits long for the one before
_SECONDS_A_DAY: Final = 86_400.0
_DONE: Final = jobs.c.state.in_([state.value for state in JobState if state.done])
_DAYS_OF_USAGE: Final = 40


@dataclass(frozen=True, slots=True)
class Retention:
    """After how many days something is forgotten; None keeps it."""

    jobs: float | None = None  # done jobs with their results
    frontiers: float | None = None  # what a retry of a done job would go on from, with its unfinished certificate
    models: float | None = None  # networks that no job names any more


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much was forgotten."""

    jobs: int = 0
    frontiers: int = 0
    models: int = 0


class RetentionStore:
    """Forgets what is old, a little at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sweep(self, retention: Retention) -> Forgotten:
        """Forget some of what is too old; to be called again and again."""
        with self._database.write() as connection:
            connection.execute(delete(runners).where(runners.c.heartbeat_at < _days_ago(1)))
            connection.execute(delete(usage).where(usage.c.day < TODAY - _DAYS_OF_USAGE))
            return Forgotten(
                _forget_jobs(connection, retention.jobs),
                _forget_frontiers(connection, retention.frontiers),
                _forget_models(connection, retention.models),
            )


def _forget_jobs(connection: Connection, days: float | None) -> int:
    if days is None:
        return 0
    old = select(jobs.c.number).where(_DONE, jobs.c.finished_at < _days_ago(days)).limit(_AT_ONCE)
    return _count(connection, delete(jobs).where(jobs.c.number.in_(_listed(connection, old))))


def _forget_frontiers(connection: Connection, days: float | None) -> int:
    if days is None:
        return 0
    left = [select(table.c.id).where(table.c.job_number == jobs.c.number).exists() for table in (cubes, settlements)]
    unfinished = select(certificates.c.id).where(certificates.c.job_number == jobs.c.number, ~jobs.c.exact).exists()
    old = select(jobs.c.number).where(_DONE, jobs.c.finished_at < _days_ago(days), or_(*left, unfinished))
    numbers = _listed(connection, old.limit(_AT_ONCE).with_for_update(of=jobs, skip_locked=True))
    for table in (cubes, settlements):
        connection.execute(delete(table).where(table.c.job_number.in_(numbers)))
    inexact = select(jobs.c.number).where(jobs.c.number.in_(numbers), ~jobs.c.exact)
    forget(connection, _listed(connection, inexact))
    return len(numbers)


def _forget_models(connection: Connection, days: float | None) -> int:
    if days is None:
        return 0
    used = select(jobs.c.number).where(jobs.c.model == models.c.digest).exists()
    old = models.c.created_at < _days_ago(days)
    digests = connection.execute(select(models.c.digest).where(old, ~used).limit(_AT_ONCE)).scalars().all()
    return _count(connection, delete(models).where(models.c.digest.in_(digests), ~used))


def _days_ago(days: float) -> object:
    return database_clock() - days * _SECONDS_A_DAY


def _listed(connection: Connection, query: Select[Any]) -> list[int]:
    return list(connection.execute(query).scalars())


def _count(connection: Connection, statement: Delete) -> int:
    return connection.execute(statement).rowcount
