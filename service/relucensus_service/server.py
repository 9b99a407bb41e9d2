"""The API under uvicorn."""

from __future__ import annotations

import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from relucensus_service.app import create_app
from relucensus_service.connection import Connection
from relucensus_service.context import Context
from relucensus_service.settings import Settings
from relucensus_service.store import Database, Store


class _Server(uvicorn.Server):
    """Ends long polls when asked to stop, so that stopping does not wait for them."""

    def __init__(self, config: uvicorn.Config, context: Context) -> None:
        super().__init__(config)
        self._context = context

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop."""
        self._context.stopping.set()
        super().handle_exit(sig, frame)


def listen(settings: Settings, store: Store, listener: socket.socket) -> None:
    """Serve until a signal asks to stop; the caller then stops what else it has started."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_stopping)
    app = create_app(settings, store)
    _Server(configured(app), app.state.context).run(sockets=[listener])
    store.database.close()


def configured(app: FastAPI) -> uvicorn.Config:
    """How uvicorn serves the application."""
    return uvicorn.Config(
        app, http=Connection, log_config=None, access_log=False, timeout_graceful_shutdown=3, server_header=False
    )


def _already_stopping(number: int, frame: FrameType | None) -> None:
    """Uvicorn raises the signal again when it has stopped; its default action would end the process on the spot."""


def store_of(settings: Settings) -> Store:
    """The store of the settings' database."""
    return Store.on(Database(settings.database_url), lease_seconds=settings.lease_seconds)
