"""Numbers about all jobs, for whoever watches the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from relucensus_service.jobs import JobState
from relucensus_service.store.database import Database, database_clock
from relucensus_service.store.tables import cubes, jobs


@dataclass(frozen=True, slots=True)
class Census:
    """Jobs by state, how long the oldest queued one has waited, and open cubes of the jobs that are not done."""

    jobs: Mapping[JobState, int]
    queue_age: float
    open_cubes: int


class Figures:
    """Counts rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def census(self) -> Census:
        """The present numbers."""
        by_state = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        age = select(func.max(database_clock() - jobs.c.created_at)).where(jobs.c.state == JobState.QUEUED.value)
        undone = jobs.c.state.in_([state.value for state in JobState if not state.done])
        still_open = select(func.count()).select_from(cubes.join(jobs)).where(undone)
        with self._database.read() as connection:
            found = {JobState(state): number for state, number in connection.execute(by_state)}
            return Census(
                {state: found.get(state, 0) for state in JobState},
                max(0.0, connection.execute(age).scalar_one() or 0.0),
                connection.execute(still_open).scalar_one(),
            )
