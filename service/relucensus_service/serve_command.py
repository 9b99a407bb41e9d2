"""The command `serve`: everything on this machine in one command."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from relucensus_service.options import (
    DatabaseOption,
    DataOption,
    HostOption,
    OpenOption,
    PortOption,
    WorkersOption,
    bound,
    check_access,
    explained,
    settings_of,
)
from relucensus_service.settings import DEFAULT_DATA, InvalidSetting, Settings
from relucensus_service.supervisor import Supervisor, locked


def serve(
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    workers: WorkersOption = None,
    opened: OpenOption = False,
) -> None:
    """Run everything on this machine: the API, a runner and its workers, with SQLite in the data directory."""
    with explained():
        settings = settings_of(data, database_url)
        try:
            data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidSetting(f"the data directory {data} cannot be made: {error.strerror}") from None
        with locked(data), bound(host, port) as listener, _supervised_runner(data, settings, workers):
            # Loaded while the runner starts its workers.
            from relucensus_service.server import listen, store_of  # noqa: PLC0415
            from relucensus_service.store.schema import upgrade  # noqa: PLC0415

            store = store_of(settings)
            upgrade(store.database)
            check_access(host, has_keys=store.keys.exist(), opened=opened)
            listen(settings, store, listener)


def _supervised_runner(data: Path, settings: Settings, workers: int | None) -> Supervisor:
    command = [sys.executable, "-m", "relucensus_service", "runner", "--with-parent", "--name", "embedded"]
    command += ["--data", str(data)] + (["--workers", str(workers)] if workers else [])
    # In the environment, where other users of the machine cannot read a password.
    return Supervisor(command, {**os.environ, "RELUCENSUS_DATABASE_URL": settings.database_url})
