"""The command `runner`; apart from the others because it loads Dask, which they do without."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from relucensus_service.cluster import ClusterLost, DaskCluster
from relucensus_service.options import (
    DatabaseOption,
    DataOption,
    WorkersOption,
    explained,
    settings_of,
)
from relucensus_service.parent_watch import watch_parent
from relucensus_service.runner import Runner
from relucensus_service.settings import DEFAULT_DATA, InvalidSetting
from relucensus_service.store import Database, Store
from relucensus_service.store.schema import wait_for_schema

log: Final = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 10.0

Connect = Callable[[], DaskCluster]


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
    stop = threading.Event()
    _on_signals(stop.set)
    if with_parent:
        watch_parent(stop.set)
    with explained():
        settings = settings_of(data, database_url)
        store = Store.on(Database(settings.database_url), lease_seconds=settings.lease_seconds)
        wait_for_schema(store.database, stop)
        connect = partial(_cluster, scheduler, workers, data)
        cluster = None if stop.is_set() else connect()
        while cluster is not None:
            serving = Runner(store, cluster, settings, name or f"{os.uname().nodename}-{os.getpid()}")
            cluster = _served(serving, cluster, connect, stop)


def _served(runner: Runner, cluster: DaskCluster, connect: Connect, stop: threading.Event) -> DaskCluster | None:
    """Serve until asked to stop, then None; or until the cluster is lost, then the next one."""
    log.info("ready with %d workers", cluster.workers())
    try:
        runner.run(stop)
    except ClusterLost as error:
        log.warning("%s; what is open will be given to the workers again", error)
    finally:
        cluster.close()
    pause = _FIRST_PAUSE
    while not stop.wait(pause):
        try:
            return connect()
        except InvalidSetting as error:
            pause = min(_LONGEST_PAUSE, 2 * pause)
            log.warning("%s; trying again in %.1f s", error, pause)
    return None


def _cluster(scheduler: str | None, workers: int | None, data: Path) -> DaskCluster:
    if scheduler is None:
        return DaskCluster.local(workers or os.cpu_count() or 1, data.resolve() / "scratch")
    try:
        return DaskCluster.remote(scheduler)
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"no Dask scheduler answers at {scheduler}: {error}") from None


def _on_signals(stop: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
