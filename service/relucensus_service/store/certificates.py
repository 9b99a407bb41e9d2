"""Queries on certificates: kept in pieces, part by part as cubes are settled, with what goes round them at the end.

The pieces of a job's certificate, in the order of their place and id, are the file. They are complete once the job
has its exact result, and from then on stay as they are until the job is deleted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, insert, literal, select

from relucensus.certify import Binding
from relucensus_service.store.database import Database
from relucensus_service.store.tables import certificates, jobs

_OPENING: Final = 0
_PART: Final = 1
_CLOSING: Final = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a certificate in the database: its id, and how many bytes it has."""

    id: int
    size: int


class Certificates:
    """Certificates of jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pieces(self, job_id: str) -> list[Piece]:
        """The pieces of a job's certificate in their order; none if it has no complete one."""
        query = select(certificates.c.id, certificates.c.place, certificates.c.size).join(jobs)
        query = query.where(jobs.c.id == job_id, jobs.c.exact).order_by(certificates.c.place, certificates.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        if not {_OPENING, _CLOSING} <= {row.place for row in rows}:
            return []
        return [Piece(row.id, row.size) for row in rows]

    def data(self, piece: Piece) -> bytes | None:
        """The bytes of a piece; None if its job was deleted meanwhile."""
        query = select(certificates.c.data).where(certificates.c.id == piece.id)
        with self._database.read() as connection:
            found: bytes | None = connection.execute(query).scalar_one_or_none()
        return found


def keep_part(connection: Connection, number: int, part: bytes) -> None:
    """Keep the part that a settlement of this job has written; where there is none, do nothing."""
    if part:
        _keep(connection, number, _PART, part)


def bind(connection: Connection, number: int, binding: Binding) -> None:
    """Put what opens and what closes the certificate round the parts, in place of what was there before."""
    around = (certificates.c.job_number == number) & (certificates.c.place != _PART)
    connection.execute(delete(certificates).where(around))
    parts = select(func.count()).where(certificates.c.job_number == number, certificates.c.place == _PART)
    _keep(connection, number, _OPENING, binding.opening)
    _keep(connection, number, _CLOSING, binding.closing(connection.execute(parts).scalar_one()))


def copy(connection: Connection, original: int, number: int) -> None:
    """Give a job the certificate that another one has."""
    columns = ("place", "size", "data")
    pieces = select(literal(number), *(certificates.c[name] for name in columns))
    pieces = pieces.where(certificates.c.job_number == original).order_by(certificates.c.place, certificates.c.id)
    connection.execute(insert(certificates).from_select(["job_number", *columns], pieces))


def forget(connection: Connection, numbers: Collection[int]) -> None:
    """Drop the pieces of these jobs, who have no complete certificate."""
    connection.execute(delete(certificates).where(certificates.c.job_number.in_(numbers)))


def _keep(connection: Connection, number: int, place: int, data: bytes) -> None:
    connection.execute(insert(certificates).values(job_number=number, place=place, size=len(data), data=data))
