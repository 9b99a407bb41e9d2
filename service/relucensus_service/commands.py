"""The commands `api` and `migrate`."""

from __future__ import annotations

import typer

from relucensus_service.options import (
    DatabaseOption,
    DataOption,
    HostOption,
    PortOption,
    bound,
    explained,
    log_to_stderr,
    settings_of,
)
from relucensus_service.server import listen, store_of
from relucensus_service.settings import DEFAULT_DATA
from relucensus_service.store.schema import upgrade


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
        listen(settings, store, bound(host, port))


def migrate(data: DataOption = DEFAULT_DATA, database_url: DatabaseOption = None) -> None:
    """Bring the database to the newest schema."""
    log_to_stderr()
    with explained():
        database = store_of(settings_of(data, database_url)).database
        upgrade(database)
        database.close()
        typer.echo("the schema is the newest", err=True)
