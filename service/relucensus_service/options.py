"""What all commands share: options, settings, logging, errors of the operator. Light, so that `serve` starts fast."""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from relucensus_service.logs import log_to_stderr
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


OpenOption = Annotated[
    bool,
    typer.Option(
        "--open",
        envvar="RELUCENSUS_OPEN",
        help="Let everybody in who reaches the address, though it is not only this machine and there are no API keys.",
    ),
]


def settings_of(data: Path, database_url: str | None) -> Settings:
    """The settings of the environment and the options; from here on the log is as they say."""
    settings = Settings.from_environment(os.environ, database_url=database_url or database_in(data))
    log_to_stderr(settings.log_format)
    return settings


def check_access(host: str, *, has_keys: bool, opened: bool) -> None:
    """Refuse to let the whole network in by mistake.

    Raises:
        InvalidSetting: others than this machine reach the address, there is no API key, and nobody said --open.
    """
    if has_keys or opened or _is_loopback(host):
        return
    raise InvalidSetting(
        f"whoever reaches {host} could use this service, since there are no API keys; make one with "
        "`relucensus keys create NAME`, listen on 127.0.0.1, or let everybody in with --open"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there; done before anything is started that would have to be stopped again."""
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise InvalidSetting(f"cannot listen on {host} port {port}: {error.strerror}") from None
    # Accepted connections inherit it. Otherwise the body of each answer waits 40 ms for the receipt of its headers:
    # asyncio sets it itself only on sockets that were made with the number of the protocol.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    log.info("listening on http://%s:%d", host, listener.getsockname()[1])
    return listener


class explained:  # noqa: N801 - used like a function
    """Mistakes of the operator end the command with one line and exit status 2."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, InvalidSetting):
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None
