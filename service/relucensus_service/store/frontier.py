"""Queries of a runner about the work of a job it holds. Each change is one transaction, and needs the lease."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from relucensus.certify import Binding
from relucensus.engines.protocol import Mergeable, OpenCube, Settlement, seen_together
from relucensus.values.pattern import Cube
from relucensus.values.result import Statistics
from relucensus_service.jobs import CHECKING, COUNTING, FrontierCube, JobState, Lease, is_exact
from relucensus_service.store.blobs import joined, joined_mergeable, separated, separated_mergeable
from relucensus_service.store.certificates import bind, keep_part
from relucensus_service.store.database import Database, database_clock
from relucensus_service.store.jobs import cube_values, job_of, select_jobs
from relucensus_service.store.leases import Leases
from relucensus_service.store.quotas import spend_cpu
from relucensus_service.store.tables import cubes, jobs, settlements


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit changed: the children now open; None if the cube was settled before and nothing changed.

    `used_up`: the API key that asked for the job has no CPU seconds left for today.
    """

    children: tuple[FrontierCube, ...] | None
    state: JobState
    seconds_spent: float
    used_up: bool = False


class FrontierStore:
    """The open cubes and the settlements of jobs.

    Every method that takes a lease raises `LeaseLost`, and changes nothing, when another runner has the job.
    """

    def __init__(self, database: Database, leases: Leases) -> None:
        self._database = database
        self._leases = leases

    def load(self, job_id: str, phase: int) -> list[FrontierCube]:
        """The open cubes."""
        query = select(cubes).join(jobs).where(jobs.c.id == job_id, cubes.c.phase == phase).order_by(cubes.c.id)
        with self._database.read() as connection:
            return [
                FrontierCube(
                    row.id,
                    OpenCube(Cube.from_text(row.prefix), row.found, int(row.at_most, 16)),
                    row.attempts,
                    row.returns,
                )
                for row in connection.execute(query)
            ]

    def commit(
        self, lease: Lease, phase: int, cube: FrontierCube, settlement: Settlement, *, engine: str | None = None
    ) -> Committed:
        """Settle a cube: if it is still open, add what was counted and put its open children in its place.

        The part of the certificate that came with it is kept in the same transaction, so that there is one for every
        cube that was settled and for no other.
        """
        counted = settlement.regions if phase == COUNTING else 0
        with self._database.write() as connection:
            state, spent = self._leases.renew_within(connection, lease)
            here = jobs.c.id == lease.job_id
            number, owner = connection.execute(select(jobs.c.number, jobs.c.owner).where(here)).one()
            gone = delete(cubes).where(cubes.c.id == cube.id, cubes.c.job_number == number, cubes.c.phase == phase)
            if connection.execute(gone).rowcount != 1:
                return Committed(None, state, spent)
            change: dict[str, Any] = {"regions": jobs.c.regions + counted}
            if engine is not None and phase == COUNTING:
                change["engine"] = engine
            connection.execute(update(jobs).where(here).values(change))
            connection.execute(insert(settlements).values(_settlement_values(number, phase, cube, settlement)))
            keep_part(connection, number, settlement.part)
            children = _insert_children(connection, number, phase, cube, settlement.open)
            used_up = owner is not None and spend_cpu(connection, owner, settlement.statistics.cpu_seconds)
        return Committed(children, state, spent, used_up)

    def blame(self, lease: Lease, cube: FrontierCube, reason: str) -> None:
        """Remember that settling the cube failed once more."""
        with self._database.write() as connection:
            self._leases.renew_within(connection, lease)
            connection.execute(
                update(cubes).where(cubes.c.id == cube.id).values(attempts=cubes.c.attempts + 1, last_error=reason)
            )

    def blame_conclusion(self, lease: Lease) -> int:
        """Remember that putting the result together failed once more; how often by now."""
        with self._database.write() as connection:
            self._leases.renew_within(connection, lease, conclusion_attempts=jobs.c.conclusion_attempts + 1)
            query = select(jobs.c.conclusion_attempts).where(jobs.c.id == lease.job_id)
            attempts: int = connection.execute(query).scalar_one()
        return attempts

    def settled(self, job_id: str, phase: int) -> Settlement:
        """The sum of all settlements of a phase."""
        query = select(settlements).join(jobs).where(jobs.c.id == job_id, settlements.c.phase == phase)
        total = _Sum()
        with self._database.read() as connection:
            for row in connection.execution_options(yield_per=500).execute(query):
                total.add(row)
        return total.settlement()

    def begin_check(
        self, lease: Lease, result: Mapping[str, Any], root: OpenCube, binding: Binding | None = None
    ) -> None:
        """Keep the result of the first engine, with its certificate, and open the root cube for the second."""
        with self._database.write() as connection:
            self._leases.renew_within(connection, lease, phase=CHECKING, result=dict(result), conclusion_attempts=0)
            number = connection.execute(select(jobs.c.number).where(jobs.c.id == lease.job_id)).scalar_one()
            if binding is not None:
                bind(connection, number, binding)
            connection.execute(insert(cubes), [cube_values(number, CHECKING, root)])

    def finish(self, lease: Lease, result: Mapping[str, Any], binding: Binding | None = None) -> JobState:
        """End the job with its result and certificate; it was cancelled if somebody asked for that meanwhile."""
        return self._end(lease, binding, result=dict(result))

    def fail(self, lease: Lease, error: Mapping[str, Any]) -> JobState:
        """End the job with a problem document."""
        return self._end(lease, None, error=dict(error), result=None)

    def _end(self, lease: Lease, binding: Binding | None, **columns: Any) -> JobState:
        with self._database.write() as connection:
            self._leases.renew_within(connection, lease)
            here = jobs.c.id == lease.job_id
            job = job_of(connection.execute(select_jobs().where(here)).mappings().one())
            ended = job.moved_to(JobState.FAILED) if "error" in columns else job.concluded()
            exact = ended.state is JobState.SUCCEEDED and is_exact(columns["result"], job.request)
            ending = {"state": ended.state.value, "finished_at": database_clock(), "runner": None, "exact": exact}
            connection.execute(update(jobs).where(here).values(ending | columns))
            if binding is not None:
                bind(connection, job.number, binding)
            if exact:  # nobody will go on: the sums are in the result, and the summands most of the database
                connection.execute(delete(settlements).where(settlements.c.job_number == job.number))
        return ended.state


def _settlement_values(number: int, phase: int, cube: FrontierCube, settlement: Settlement) -> dict[str, Any]:
    return {
        "job_number": number,
        "phase": phase,
        "prefix": cube.cube.cube.to_text(),
        "regions": settlement.regions,
        "prefixes": list(settlement.prefixes),
        "patterns": settlement.patterns,
        "affine_maps": joined(sorted(settlement.affine_maps)),
        "mergeable": joined_mergeable(settlement.mergeable),
        "seen": settlement.seen,
        "statistics": settlement.statistics.to_json(),
        "committed_at": database_clock(),
    }


def _insert_children(
    connection: Connection, number: int, phase: int, parent: FrontierCube, children: Sequence[OpenCube]
) -> tuple[FrontierCube, ...]:
    if not children:
        return ()
    returns = [parent.returns + 1 if child.cube == parent.cube.cube else 0 for child in children]
    rows = [cube_values(number, phase, child, count) for child, count in zip(children, returns, strict=True)]
    statement = insert(cubes).returning(cubes.c.id, sort_by_parameter_order=True)
    ids = connection.execute(statement, rows).scalars().all()
    return tuple(
        FrontierCube(row, child, returns=count) for row, child, count in zip(ids, children, returns, strict=True)
    )


@dataclass
class _Sum:
    """Adds up settlements in place: there may be many, and some carry much."""

    regions: int = 0
    prefixes: list[int] = field(default_factory=list)
    patterns: int | None = None
    affine_maps: set[bytes] = field(default_factory=set)
    mergeable: list[Mergeable] = field(default_factory=list)
    seen: bytes | None = b""
    statistics: Statistics = field(default_factory=Statistics)

    def add(self, row: Any) -> None:
        self.regions += row.regions
        self.prefixes += [0] * (len(row.prefixes) - len(self.prefixes))
        for layer, count in enumerate(row.prefixes):
            self.prefixes[layer] += count
        if row.patterns is not None:
            self.patterns = (self.patterns or 0) + row.patterns
        self.affine_maps.update(separated(row.affine_maps))
        self.mergeable.extend(separated_mergeable(row.mergeable))
        self.seen = None if self.seen is None or row.seen is None else seen_together(self.seen, row.seen)
        self.statistics += Statistics(**row.statistics)

    def settlement(self) -> Settlement:
        return Settlement(
            regions=self.regions,
            prefixes=tuple(self.prefixes),
            affine_maps=frozenset(self.affine_maps),
            mergeable=tuple(self.mergeable),
            patterns=self.patterns,
            seen=self.seen or b"",
            statistics=self.statistics,
        )
