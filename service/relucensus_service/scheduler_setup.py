"""What Dask runs in the scheduler when it starts: `dask scheduler --preload relucensus_service.scheduler_setup`.

Dask keeps something of every task for ever. A service that runs for months must not.
"""

from __future__ import annotations

from typing import Any, Final

from dask.utils import key_split
from tornado.ioloop import PeriodicCallback

_FORGET_KEYS_EVERY: Final = 1000.0  # milliseconds


class NoSpans:
    """Stands where Dask's record of spans does: a span for each burst of tasks, with its metrics, never dropped."""

    def observe_tasks(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Put the tasks into no span: workers then measure them under one name, and not under one for each span."""
        return {}

    def heartbeat(self, *_: Any) -> None:
        """Pass over what a worker measured."""


def dask_setup(scheduler: Any) -> None:
    """Have the scheduler keep nothing of tasks that are forgotten."""
    scheduler.extensions["spans"] = NoSpans()
    forget_keys(scheduler)


def forget_keys(server: Any) -> None:
    """Have Dask's memory of keys emptied now and then while this scheduler or worker runs: it holds 100,000 of them."""
    server.periodic_callbacks["forget-keys"] = PeriodicCallback(key_split.cache_clear, _FORGET_KEYS_EVERY)
