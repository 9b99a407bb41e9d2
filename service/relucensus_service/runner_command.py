"""The command `runner`; apart from the others because it loads Dask, which they do without."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Annotated, Final

import typer

from relucensus_service.cluster import DaskCluster
from relucensus_service.commands import (
    DatabaseOption,
    DataOption,
    WorkersOption,
    explained,
    log_to_stderr,
    settings_of,
    store_of,
)
from relucensus_service.parent_watch import watch_parent
from relucensus_service.runner import Runner
from relucensus_service.settings import DEFAULT_DATA, InvalidSetting
from relucensus_service.store import Database
from relucensus_service.store.schema import at_head

_MIGRATION_PATIENCE: Final = 120.0  # seconds a runner waits for `relucensus migrate`


def runner(
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
    scheduler: Annotated[
        str | None, typer.Option(help="A Dask scheduler, tcp://HOST:PORT, instead of own workers.")
    ] = None,
    workers: WorkersOption = None,
    name: Annotated[str | None, typer.Option(help="The runner's name; one process at a time may have it.")] = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Run only a runner: it claims jobs and gives their cubes to workers."""
    log_to_stderr()
    stop = threading.Event()
    _on_signals(stop.set)
    if with_parent:
        watch_parent(stop.set)
    with explained():
        settings = settings_of(data, database_url)
        store = store_of(settings)
        _wait_for_schema(store.database, stop)
        if scheduler is not None:
            cluster = DaskCluster.remote(scheduler)
        else:
            cluster = DaskCluster.local(workers or os.cpu_count() or 1, data.resolve() / "scratch")
        try:
            Runner(store, cluster, settings, name or f"{os.uname().nodename}-{os.getpid()}").run(stop)
        finally:
            cluster.close()


def _wait_for_schema(database: Database, stop: threading.Event) -> None:
    waited = 0.0
    while not at_head(database):
        if waited >= _MIGRATION_PATIENCE:
            raise InvalidSetting("the schema of the database is not the newest; run: relucensus migrate")
        stop.wait(0.5)
        waited += 0.5


def _on_signals(stop: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
