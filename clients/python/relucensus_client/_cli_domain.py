"""The domain as the options of the command line give it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from relucensus_client import _parts
from relucensus_client._answers import Problem
from relucensus_client._domain import Slice, domain_document
from relucensus_client._errors import InvalidArgument, JobFailed

Lower = Annotated[
    str | None, typer.Option("--lower", help="Lower bounds of the box: one number, or one per input: -1,-2")
]
Upper = Annotated[
    str | None, typer.Option("--upper", help="Upper bounds of the box: one number, or one per input: 1,2")
]
SliceFile = Annotated[
    str | None,
    typer.Option("--slice", help="JSON file of a slice: its origin and directions, or the points it goes through."),
]
PropertyFile = Annotated[
    str | None,
    typer.Option("--vnnlib", help="VNN-LIB file (or .gz) that has the box; what it asks of outputs is left off."),
]
BoxNumber = Annotated[
    int | None, typer.Option("--box", help="Which of several boxes of the VNN-LIB file, counted from 0.")
]


class GivenDomain(dict[str, Any]):
    """A domain as a request has it, with the `notes` of whoever read it from a file."""

    def __init__(self, document: dict[str, Any], notes: Sequence[str]) -> None:
        super().__init__(document)
        self.notes = tuple(notes)


def given_domain(
    lower: str | None, upper: str | None, slice_file: str | None, vnnlib: str | None, box: int | None = None
) -> dict[str, Any]:
    """The domain of the request: a box between bounds, the slice of a file, or a box of a property.

    Raises:
        InvalidArgument: not exactly one of them, or a file that cannot be read as what it should be.
        JobFailed: the property has no box, or several and none is chosen.
    """
    given = [
        name
        for name, value in (("--lower/--upper", lower or upper), ("--slice", slice_file), ("--vnnlib", vnnlib))
        if value is not None
    ]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise InvalidArgument(f"the domain is given by {found}; needed is --lower with --upper, --slice or --vnnlib")
    if box is not None and vnnlib is None:
        raise InvalidArgument(f"--box is for the boxes of a VNN-LIB file; the domain is given by {given[0]}")
    if slice_file is not None:
        return _slice(slice_file)
    if vnnlib is not None:
        return _property_box(vnnlib, box)
    if lower is None or upper is None:
        raise InvalidArgument("half a box is given; needed are --lower and --upper")
    return domain_document(numbers_in("--lower", lower), numbers_in("--upper", upper), None)


def numbers_in(option: str, text: str) -> float | list[float]:
    """One number, or the numbers between the commas.

    Raises:
        InvalidArgument: something else stands there.

    >>> numbers_in("--lower", "-1,-2.5")
    [-1.0, -2.5]
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise InvalidArgument(f"{option} is {text!r}; needed is a number or numbers with commas between") from None
    return numbers if "," in text else numbers[0]


def _slice(path: str) -> dict[str, Any]:
    try:
        document = json.loads(_text("--slice", path))
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"--slice: {path} is not JSON ({error})") from None
    names = set(document) - {"kind", "lower", "upper"} if isinstance(document, dict) else set()
    if names not in ({"points"}, {"origin", "directions"}):
        raise InvalidArgument(
            f"--slice: {path} is not an object with origin and directions, or points, and perhaps lower and upper"
        )
    bounds = {name: document[name] for name in ("lower", "upper") if name in document}
    if "points" in names:
        if not isinstance(document["points"], list):
            raise InvalidArgument(f"--slice: points of {path} is not a list")
        return Slice.through(document["points"], **bounds).to_json()
    return Slice(document["origin"], document["directions"], **bounds).to_json()


def _property_box(path: str, number: int | None) -> dict[str, Any]:
    answer = _parts.load(_parts.IN_PROCESS, "vnnlib")(_bytes("--vnnlib", path), number)
    if answer["error"] is not None:
        raise JobFailed(Problem.model_validate(answer["error"]))
    for note in answer["notes"]:
        typer.echo(f"note: {note}", err=True)
    return GivenDomain(answer["domain"], answer["notes"])


def _bytes(option: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidArgument(f"{option}: file {path} cannot be read: {error.strerror or error}") from None


def _text(option: str, path: str) -> str:
    try:
        return _bytes(option, path).decode()
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{option}: file {path} cannot be read as text: {error}") from None
