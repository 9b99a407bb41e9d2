"""What the verbs of the command line share: their options, how they print, how they end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Unpack

import typer

from relucensus_client._answers import Problem
from relucensus_client._connection import API_KEY_VARIABLE, URL_VARIABLE
from relucensus_client._errors import ClientError, InvalidArgument, JobFailed, ProblemError
from relucensus_client._interrupts import OnInterrupt
from relucensus_client._models import CountResult
from relucensus_client._report import notes_text, result_text
from relucensus_client._requests import CountOptions

EXIT_REFUSED: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_LOWER_BOUND: Final = 3
_NOT_THE_USERS: Final = (408, 429)

ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help="ONNX, .pt, .ckpt, safetensors or .nnet file.")]
Definitions = Annotated[
    str | None, typer.Option("--definitions", help="What to count, for example activation_regions,linear_regions.")
]
Engine = Annotated[str | None, typer.Option("--engine", help="tree, skeleton, milp or brute; auto: the one that fits.")]
Strategy = Annotated[str | None, typer.Option("--strategy", help="cubes, or plain: one solve a region.")]
Seconds = Annotated[float | None, typer.Option("--seconds", help="Stop after so many seconds, with lower bounds.")]
MostRegions = Annotated[int | None, typer.Option("--regions", help="Stop after so many regions, with lower bounds.")]
Deadline = Annotated[
    str | None,
    typer.Option("--deadline", help="Moment at which a service stops, with lower bounds: 2030-01-31T12:00Z."),
]
CrossCheck = Annotated[str | None, typer.Option("--cross-check", help="Second engine that has to confirm the count.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Count even if the service knows the answer from another job.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the JSON document alone on stdout.")]
ServiceUrl = Annotated[str | None, typer.Option("--url", envvar=URL_VARIABLE, help="Address of the service.")]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", envvar=API_KEY_VARIABLE, help="API key; other users of this machine see it here."),
]
CancelOnInterrupt = Annotated[
    bool, typer.Option("--cancel-on-interrupt", help="Ctrl-C cancels the job; else it only stops the waiting.")
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job.")]


def count_options(
    listed: str | None, moment: str | None, recount: bool, **others: Unpack[CountOptions]
) -> CountOptions:
    """The options as `submit` takes them, with definitions listed with commas, a deadline in words, and fresh or not.

    Raises:
        InvalidArgument: the deadline is not a moment.
    """
    return {
        **others,
        "definitions": names(listed),
        "deadline": None if moment is None else _moment(moment),
        "fresh": recount or None,
    }


def on_interrupt(cancel: bool) -> OnInterrupt:
    """What Ctrl-C does with a job that is waited for."""
    return "cancel" if cancel else "detach"


def format_of(path: str) -> str:
    """How regions are written to a file of this name.

    >>> format_of("a.ndjson"), format_of("b.JSONL"), format_of("c.parquet"), format_of("d")
    ('ndjson', 'ndjson', 'parquet', 'parquet')
    """
    return "ndjson" if path.lower().endswith((".ndjson", ".jsonl")) else "parquet"


def names(listed: str | None) -> list[str] | None:
    """What stands between the commas.

    >>> names("pattern, digest")
    ['pattern', 'digest']
    """
    return None if listed is None else [name.strip() for name in listed.split(",")]


def print_result(result: CountResult, as_json: bool) -> None:
    """Print it, and leave with `EXIT_LOWER_BOUND` unless it is exact."""
    print_document(result.to_json()) if as_json else typer.echo(result_text(result))
    leave(result)


def leave(result: CountResult) -> None:
    """Leave with `EXIT_LOWER_BOUND` unless the result is exact."""
    if not result.exact:
        raise typer.Exit(EXIT_LOWER_BOUND)


def check_place(path: str) -> None:
    """Check, before anything is counted, that a file can be made there.

    Raises:
        InvalidArgument: its folder does not exist or may not be written to, or the path is a folder.
    """
    place = Path(path)
    if place.is_dir() or not os.access(place.parent, os.W_OK | os.X_OK):
        raise InvalidArgument(f"{place} cannot be written: needed is a file in a folder that may be written to")


def say_what_is_proven(result: CountResult, certificate: str | None) -> None:
    """Say on stderr whether the certificate that was asked for is there."""
    if certificate is not None:
        where = f"the certificate is written to {certificate}; to check it: relucensus verify MODEL {certificate}"
        none = f"no certificate is written to {certificate}: it would prove exact counts, and these are lower bounds"
        typer.echo(none if result.certificate is None else where, err=True)


def say_notes(notes: Sequence[str]) -> None:
    """Say on stderr what the reader of a model assumed or left off."""
    if notes:
        typer.echo(notes_text(notes), err=True)


def print_document(document: Any) -> None:
    """Print it as JSON that people can read too."""
    typer.echo(json.dumps(document, indent=2))


@contextmanager
def errors_as_exit_status() -> Iterator[None]:
    """Says on stderr what went wrong, and leaves with 2 if the input is at fault, else with 1."""
    try:
        yield
    except ClientError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_BAD_INPUT if _is_the_users(error) else 1) from error


def _moment(text: str) -> datetime:
    """The moment, of this machine's time zone if it names none."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise InvalidArgument(f"--deadline is {text!r}; needed is a time such as 2030-01-31T12:00Z") from None


def _is_the_users(error: ClientError) -> bool:
    match error:
        case InvalidArgument():
            return True
        case ProblemError(status=code) | JobFailed(problem=Problem(status=int(code))):
            return 400 <= code < 500 and code not in _NOT_THE_USERS
        case _:
            return False
