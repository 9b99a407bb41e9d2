"""The answer: counts with their status, what they speak about, and what they cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from relucensus.values.problem import Definition


class Status(StrEnum):
    """What a count is: the number itself, or a number proven to be reached."""

    EXACT = "exact"
    LOWER_BOUND = "lower_bound"


@dataclass(frozen=True, slots=True)
class Count:
    """One count. With `LOWER_BOUND`, `value` is proven to exist and `upper_bound` is what could exist at most."""

    value: int
    status: Status = Status.EXACT
    upper_bound: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The count on the wire; `upper_bound` only where it says something."""
        document: dict[str, Any] = {"value": self.value, "status": self.status.value}
        if self.status is Status.LOWER_BOUND:
            document["upper_bound"] = self.upper_bound
        return document


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a piece of work cost; adding two gives the cost of both (peak memory: the larger).

    `handed_over`: cubes that an engine had to leave to another one.
    """

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    lps: int = 0
    milp_solves: int = 0
    exact_fallbacks: int = 0
    cubes: int = 0
    handed_over: int = 0
    peak_memory_bytes: int = 0

    def __add__(self, other: Statistics) -> Statistics:
        summed = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return replace(Statistics(**summed), peak_memory_bytes=max(self.peak_memory_bytes, other.peak_memory_bytes))

    def to_json(self) -> dict[str, Any]:
        """The statistics on the wire."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CountResult:
    """Everything a count answers; the same object in the library, on the wire and in the client (DESIGN §4).

    `notes` are those of the network: what its reader assumed or left off, in words for the user.
    """

    counts: dict[Definition, Count]
    regions_after_layer: tuple[int, ...]
    engine: str
    network: dict[str, Any]
    domain: dict[str, Any]
    bounds: dict[str, Any]
    statistics: Statistics
    cross_checked_by: str | None = None
    certificate: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """`EXACT` only when every count asked for is exact."""
        exact = all(count.status is Status.EXACT for count in self.counts.values())
        return Status.EXACT if exact else Status.LOWER_BOUND

    def to_json(self) -> dict[str, Any]:
        """The result on the wire. Counts are integers and may pass 2**53."""
        return {
            "counts": {definition.value: count.to_json() for definition, count in self.counts.items()},
            "regions_after_layer": list(self.regions_after_layer),
            "engine": self.engine,
            "cross_checked_by": self.cross_checked_by,
            "notes": list(self.notes),
            "network": self.network,
            "domain": self.domain,
            "bounds": self.bounds,
            "statistics": self.statistics.to_json(),
            "certificate": self.certificate,
            "versions": self.versions,
        }
