"""The commands `serve`, `api` and `migrate`; the command line loads them through entry points."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
import uvicorn

from relucensus_service.app import create_app
from relucensus_service.context import Context
from relucensus_service.settings import DEFAULT_DATA, InvalidSetting, Settings, database_in
from relucensus_service.store import Database, Store
from relucensus_service.store.schema import upgrade
from relucensus_service.supervisor import DataDirectoryInUse, Supervisor, locked

DataOption = Annotated[
    Path, typer.Option(envvar="RELUCENSUS_DATA", help="Directory for the database and scratch files.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        envvar="RELUCENSUS_DATABASE_URL", help="sqlite:///FILE or postgresql://… [default: in the data directory]"
    ),
]
HostOption = Annotated[str, typer.Option(help="Address to listen on.")]
PortOption = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Worker processes [default: one for each core].")]


def serve(
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    workers: WorkersOption = None,
) -> None:
    """Run everything on this machine: the API, a runner and its workers, with SQLite in the data directory."""
    log_to_stderr()
    with explained():
        settings = settings_of(data, database_url)
        data.mkdir(parents=True, exist_ok=True)
        with locked(data):
            store = store_of(settings)
            upgrade(store.database)
            supervisor = Supervisor(_runner_command(data, settings, workers))
            with supervisor:
                _listen(settings, store, host, port)


def api(
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
) -> None:
    """Run only the HTTP API; a runner elsewhere shares its database."""
    log_to_stderr()
    with explained():
        settings = settings_of(data, database_url)
        store = store_of(settings)
        if store.database.is_sqlite:
            upgrade(store.database)
        _listen(settings, store, host, port)


def migrate(data: DataOption = DEFAULT_DATA, database_url: DatabaseOption = None) -> None:
    """Bring the database to the newest schema."""
    log_to_stderr()
    with explained():
        database = Database(settings_of(data, database_url).database_url)
        upgrade(database)
        database.close()
        typer.echo("the schema is the newest", err=True)


class explained:  # noqa: N801 - used like a function
    """Mistakes of the operator end the command with one line and exit status 2."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, InvalidSetting | DataDirectoryInUse):
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None


class _Server(uvicorn.Server):
    """Ends long polls when asked to stop, so that stopping does not wait for them."""

    def __init__(self, config: uvicorn.Config, context: Context) -> None:
        super().__init__(config)
        self._context = context

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop."""
        self._context.stopping.set()
        super().handle_exit(sig, frame)


def _listen(settings: Settings, store: Store, host: str, port: int) -> None:
    app = create_app(settings, store)
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=3, server_header=False
    )
    _Server(config, app.state.context).run()
    store.database.close()


def settings_of(data: Path, database_url: str | None) -> Settings:
    """The settings of the environment and the options."""
    return Settings.from_environment(os.environ, database_url=database_url or database_in(data))


def store_of(settings: Settings) -> Store:
    """The store of the settings' database."""
    return Store.on(Database(settings.database_url), lease_seconds=settings.lease_seconds)


def _runner_command(data: Path, settings: Settings, workers: int | None) -> list[str]:
    command = [sys.executable, "-m", "relucensus_service", "runner", "--with-parent", "--name", "embedded"]
    command += ["--data", str(data), "--database-url", settings.database_url]
    return command + (["--workers", str(workers)] if workers else [])


def log_to_stderr() -> None:
    """Log to standard error; standard output is for answers."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for name in ("distributed", "alembic", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
