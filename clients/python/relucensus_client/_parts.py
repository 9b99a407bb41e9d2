"""Parts of relucensus that may not be installed, found by entry point and loaded on first use."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from relucensus_client._errors import MissingPart

COMMANDS: Final = "relucensus.commands"
IN_PROCESS: Final = "relucensus.inprocess"

_PART: Final = {COMMANDS: "service", IN_PROCESS: "solver"}
_EXTRA: Final = {
    "torch": "relucensus[torch]",
    "psycopg": "relucensus[postgres]",
    "pyarrow": "relucensus[parquet]",
    "pandas": "relucensus[pandas]",
    "lightning": "relucensus[lightning]",
    "matplotlib": "relucensus[plot]",
}


def load(group: str, name: str) -> Callable[..., Any]:
    """The function that an installed part registers under this name.

    Raises:
        MissingPart: no part registers it, or a package it needs is not installed.
    """
    part = _PART[group]
    entry = check(group, name, f"`relucensus {name}`")
    try:
        function: Callable[..., Any] = entry.load()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        raise MissingPart(
            f"`relucensus {name}` needs the {part}, and that the Python package {missing!r}, which is not installed: "
            f"pip install '{_EXTRA.get(missing, 'relucensus')}'"
        ) from error
    return function


def check(group: str, name: str, what: str) -> EntryPoint:
    """The function that an installed part registers under this name, not loaded yet, for what needs it.

    Raises:
        MissingPart: no part registers it.
    """
    found = list(entry_points(group=group, name=name))
    if not found:
        raise MissingPart(f"{what} needs the {_PART[group]}, which is not installed: pip install relucensus")
    return found[0]


def package(name: str, what: str) -> Any:
    """A Python package that is an extra, for what needs it.

    Raises:
        MissingPart: it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        extra = _EXTRA.get(name.partition(".")[0], "relucensus")
        raise MissingPart(
            f"{what} needs the Python package {name!r}, which is not installed: pip install '{extra}'"
        ) from error
