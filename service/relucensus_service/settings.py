"""Environment variables -> frozen settings. Every field is a variable: `upload_limit` is RELUCENSUS_UPLOAD_LIMIT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

PREFIX: Final = "RELUCENSUS_"
DEFAULT_DATA: Final = Path("relucensus-data")
_MAY_BE_ZERO: Final = frozenset({"jobs_days", "frontiers_days", "models_days"})


class InvalidSetting(ValueError):
    """An environment variable or option has a value that cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may choose; the comment says what each one limits or times."""

    database_url: str = f"sqlite:///{DEFAULT_DATA}/relucensus.db"
    upload_limit: int = 64 * 2**20  # bytes of one request body
    silence_seconds: float = 30.0  # a client that sends nothing for longer, within a request, is not waited for
    upload_seconds: float = 600.0  # for one request body to arrive
    parse_seconds: float = 30.0  # CPU seconds for reading one uploaded file
    parse_memory: int = 2 * 2**30  # bytes of address space for reading one uploaded file
    longest_wait: float = 60.0  # seconds a request may ask to wait for a job
    runner_stale_seconds: float = 10.0  # a runner silent for longer counts as gone in /readyz
    lease_seconds: float = 15.0  # a job whose runner is silent for longer may be claimed by another
    heartbeat_seconds: float = 2.0  # how often a runner renews its leases
    poll_seconds: float = 0.05  # how often an idle runner looks for jobs
    first_slice_seconds: float = 0.3  # time slice of the first task of a job; later ones grow
    slice_seconds: float = 2.0  # the longest time slice of a task
    jobs_at_once: int = 8  # jobs one runner serves side by side
    attempts: int = 3  # how often a cube that failed is tried again before its job fails
    queue_limit: int = 10_000  # jobs of all users that are not done; further ones are refused
    regions_seconds: float = 3600.0  # CPU seconds for listing the regions of one job
    regions_at_once: int = 2  # listings of regions at the same time
    geometry_seconds: float = 60.0  # CPU seconds for one picture, or for measuring or distances
    geometry_memory: int = 4 * 2**30  # bytes of address space for the same
    geometry_regions: int = 200_000  # the most regions of a picture, or to be measured
    geometry_at_once: int = 2  # pictures and measurements at the same time
    jobs_days: float = 0.0  # done jobs are forgotten after so many days; 0 keeps them
    frontiers_days: float = 30.0  # after so many days a done job cannot go on from its frontier any more; 0 keeps it
    models_days: float = 0.0  # networks that no job names are forgotten so many days after their upload; 0 keeps them
    cors_origins: str = ""  # origins, with commas, whose pages may use the API from a browser
    log_format: str = "text"  # or "json": one object a line

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str) or 0 < value < float("inf") or (field.name in _MAY_BE_ZERO and value == 0):
                continue
            raise InvalidSetting(f"{PREFIX}{field.name.upper()} is {value}; needed is a positive number")
        if self.log_format not in ("text", "json"):
            raise InvalidSetting(f"{PREFIX}LOG_FORMAT is {self.log_format!r}; known are text, json")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **overrides: Any) -> Settings:
        """The defaults, replaced by the environment, replaced by `overrides` that are not None.

        Raises:
            InvalidSetting: a variable that is not a positive number where one is needed.
        """
        values: dict[str, Any] = {}
        for field in fields(cls):
            name = PREFIX + field.name.upper()
            if environment.get(name):
                values[field.name] = _converted(name, environment[name], type(field.default))
        values.update({name: value for name, value in overrides.items() if value is not None})
        return cls(**values)


def database_in(data: Path) -> str:
    """The URL of the SQLite database in this data directory."""
    return f"sqlite:///{data.resolve()}/relucensus.db"


def _converted(name: str, text: str, kind: type) -> str | int | float:
    if kind is str:
        return text
    try:
        return int(text) if kind is int else float(text)
    except ValueError:
        needed = "a whole number" if kind is int else "a number"
        raise InvalidSetting(f"{name} is {text!r}; needed is {needed}") from None
