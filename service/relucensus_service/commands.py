"""The commands `api`, `migrate` and `keys`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from relucensus_service.options import (
    DatabaseOption,
    DataOption,
    HostOption,
    OpenOption,
    PortOption,
    bound,
    check_access,
    explained,
    settings_of,
)
from relucensus_service.server import listen, store_of
from relucensus_service.settings import DEFAULT_DATA, InvalidSetting
from relucensus_service.store import Quota, Store
from relucensus_service.store.schema import upgrade, wait_for_schema


def api(
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    opened: OpenOption = False,
) -> None:
    """Run only the HTTP API; a runner elsewhere shares its database."""
    with explained():
        settings = settings_of(data, database_url)
        store = store_of(settings)
        if store.database.is_sqlite:
            upgrade(store.database)
        wait_for_schema(store.database)
        check_access(host, has_keys=store.keys.exist(), opened=opened)
        listen(settings, store, bound(host, port))


def migrate(data: DataOption = DEFAULT_DATA, database_url: DatabaseOption = None) -> None:
    """Bring the database to the newest schema."""
    with explained():
        database = store_of(settings_of(data, database_url)).database
        upgrade(database)
        database.close()
        typer.echo("the schema is the newest", err=True)


class Action(StrEnum):
    """What to do with API keys."""

    CREATE = "create"
    LIST = "list"
    REVOKE = "revoke"


def keys(  # noqa: PLR0913, PLR0917 - options of a command
    action: Annotated[Action, typer.Argument(help="What to do.")],
    which: Annotated[
        str | None, typer.Argument(help="The name of the new key, or the id of the one to revoke.", show_default=False)
    ] = None,
    open_jobs: Annotated[
        int | None, typer.Option(min=1, help="Jobs of the key that may be not done at once [default: no limit].")
    ] = None,
    upload_bytes: Annotated[
        int | None, typer.Option(min=1, help="Bytes the key may upload a day [default: no limit].")
    ] = None,
    cpu_seconds: Annotated[
        float | None, typer.Option(min=1, help="CPU seconds of workers the key may use a day [default: no limit].")
    ] = None,
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
) -> None:
    """Make, list and revoke API keys. Once there is a key, nobody gets in without one."""
    with explained():
        if (which is None) != (action is Action.LIST):
            needed = {Action.CREATE: "a name", Action.REVOKE: "the id of a key", Action.LIST: "nothing more"}
            raise InvalidSetting(f"`relucensus keys {action.value}` needs {needed[action]}")
        store = store_of(settings_of(data, database_url))
        if store.database.is_sqlite:
            upgrade(store.database)
        wait_for_schema(store.database)
        match action:
            case Action.CREATE:
                _create_key(store, str(which), Quota(open_jobs, upload_bytes, cpu_seconds))
            case Action.LIST:
                _list_keys(store)
            case Action.REVOKE:
                if not store.keys.revoke(str(which)):
                    raise InvalidSetting(f"there is no API key {which!r} that could be revoked")
        store.database.close()


def _create_key(store: Store, name: str, quota: Quota) -> None:
    key, text = store.keys.create(name, quota)
    typer.echo(f"API key {key.id} for {name}; it is shown this once:", err=True)
    typer.echo(text)


def _list_keys(store: Store) -> None:
    for key in store.keys.all():
        made = datetime.fromtimestamp(key.created_at, UTC).date()
        limits = ", ".join(f"{name} {value:g}" for name, value in asdict(key.quota).items() if value is not None)
        state = "revoked" if key.revoked_at is not None else limits or "no limits"
        typer.echo(f"{key.id}  {made}  {key.name}  ({state})")
