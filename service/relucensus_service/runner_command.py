"""The command `runner`; apart from the others because it loads Dask, which they do without."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer
from sqlalchemy.exc import OperationalError

from relucensus_service.cluster import DaskCluster
from relucensus_service.options import (
    DatabaseOption,
    DataOption,
    WorkersOption,
    explained,
    log_to_stderr,
    settings_of,
)
from relucensus_service.parent_watch import watch_parent
from relucensus_service.runner import Runner
from relucensus_service.settings import DEFAULT_DATA, InvalidSetting
from relucensus_service.store import Database, Store
from relucensus_service.store.schema import at_head

log: Final = logging.getLogger(__name__)

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
        store = Store.on(Database(settings.database_url), lease_seconds=settings.lease_seconds)
        _wait_for_schema(store.database, stop)
        if stop.is_set():
            return
        cluster = _cluster(scheduler, workers, data)
        log.info("ready with %d workers", cluster.workers())
        try:
            Runner(store, cluster, settings, name or f"{os.uname().nodename}-{os.getpid()}").run(stop)
        finally:
            cluster.close()


def _cluster(scheduler: str | None, workers: int | None, data: Path) -> DaskCluster:
    if scheduler is None:
        return DaskCluster.local(workers or os.cpu_count() or 1, data.resolve() / "scratch")
    try:
        return DaskCluster.remote(scheduler)
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"no Dask scheduler answers at {scheduler}: {error}") from None


def _wait_for_schema(database: Database, stop: threading.Event) -> None:
    patience = time.monotonic() + _MIGRATION_PATIENCE
    while not _is_ready(database) and not stop.wait(0.1):
        if time.monotonic() > patience:
            raise InvalidSetting("the database does not answer or has an older schema; run: relucensus migrate")


def _is_ready(database: Database) -> bool:
    try:
        return at_head(database)
    except OperationalError:  # not there yet, or being made at this moment
        return False


def _on_signals(stop: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
