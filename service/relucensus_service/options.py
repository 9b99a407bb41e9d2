"""What all commands share: options, settings, logging, errors of the operator. Light, so that `serve` starts fast."""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from relucensus_service.settings import InvalidSetting, Settings, database_in

log: Final = logging.getLogger(__name__)

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


def settings_of(data: Path, database_url: str | None) -> Settings:
    """The settings of the environment and the options."""
    return Settings.from_environment(os.environ, database_url=database_url or database_in(data))


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there; done before anything is started that would have to be stopped again."""
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise InvalidSetting(f"cannot listen on {host} port {port}: {error.strerror}") from None
    log.info("listening on http://%s:%d", host, listener.getsockname()[1])
    return listener


def log_to_stderr() -> None:
    """Log to standard error; standard output is for answers."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for name in ("distributed", "alembic", "asyncio", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


class explained:  # noqa: N801 - used like a function
    """Mistakes of the operator end the command with one line and exit status 2."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, InvalidSetting):
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None
