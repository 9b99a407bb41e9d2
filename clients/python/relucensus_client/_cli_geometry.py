"""The verbs of the command line for geometry: picture, geometry, distance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from relucensus_client import _parts
from relucensus_client._answers import Problem
from relucensus_client._cli_domain import BoxNumber, Lower, PropertyFile, SliceFile, Upper, given_domain
from relucensus_client._cli_options import (
    ApiKey,
    AsJson,
    MostRegions,
    Seconds,
    errors_as_exit_status,
    print_document,
    say_notes,
)
from relucensus_client._cli_reading import reads_a_model
from relucensus_client._client import Client, Job
from relucensus_client._errors import InvalidArgument, JobFailed
from relucensus_client._model_source import model_file
from relucensus_client._models import Distances, Geometry
from relucensus_client._picture import Picture
from relucensus_client._reading import ReadingOptions
from relucensus_client._report import distances_text, geometry_text
from relucensus_client._requests import CountOptions, count_request, points_document

OptionalModel = Annotated[
    str | None, typer.Argument(metavar="MODEL", help="ONNX, .pt, .ckpt, safetensors or .nnet file.")
]
OfJob = Annotated[str | None, typer.Option("--job", help="Of this job of a service, not of MODEL.")]
Url = Annotated[str | None, typer.Option("--url", help="Address of the service.")]


@reads_a_model
def picture(  # noqa: PLR0913 - one parameter per option
    model: OptionalModel = None,
    *,
    output: Annotated[str, typer.Option("--output", help="File to write: .png, .svg or .json.")],
    lower: Lower = None,
    upper: Upper = None,
    slice_: SliceFile = None,
    vnnlib: PropertyFile = None,
    box: BoxNumber = None,
    seconds: Seconds = None,
    regions: MostRegions = None,
    said: ReadingOptions,
    colour: Annotated[
        str | None, typer.Option("--colour", help="Colour by region, output, layer or map, or none.")
    ] = None,
    of_output: Annotated[int | None, typer.Option("--of-output", help="Whose value colours show.")] = None,
    decision: Annotated[bool, typer.Option("--decision", help="Draw the decision boundary.")] = False,
    theme: Annotated[str | None, typer.Option("--theme", help="light or dark.")] = None,
    width: Annotated[int | None, typer.Option("--width", help="Pixels.")] = None,
    height: Annotated[int | None, typer.Option("--height", help="Pixels.")] = None,
    job_id: OfJob = None,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Draw the regions of MODEL where one or two inputs vary, in this process, or those of a job of a service."""
    options: dict[str, Any] = {
        "colour": colour,
        "output": of_output,
        "decision": decision or None,
        "theme": theme,
        "width": width,
        "height": height,
    }
    given = {name: value for name, value in options.items() if value is not None}
    of_model = (model, lower, upper, slice_, vnnlib, box, seconds, regions, said or None)
    with errors_as_exit_status():
        if job_id is not None:
            with Client(url, api_key=api_key) as client:
                _job(client, job_id, of_model).save_picture(output, **given)
        else:
            request = _request(model, url, (lower, upper, slice_, vnnlib, box), (seconds, regions), said)
            Picture(_in_process("picture", str(model), request)).save(output, **given)
    typer.echo(f"the picture is written to {output}", err=True)


@reads_a_model
def geometry(  # noqa: PLR0913 - one parameter per option
    model: OptionalModel = None,
    *,
    lower: Lower = None,
    upper: Upper = None,
    slice_: SliceFile = None,
    vnnlib: PropertyFile = None,
    box: BoxNumber = None,
    seconds: Seconds = None,
    regions: MostRegions = None,
    said: ReadingOptions,
    volumes: Annotated[
        str, typer.Option("--volumes", help="Volumes of the regions too: float, or exact as fractions.")
    ] = "none",
    job_id: OfJob = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Measure the regions of MODEL where one to three inputs vary: boundaries, volumes, breakpoints along a line."""
    of_model = (model, lower, upper, slice_, vnnlib, box, seconds, regions, said or None)
    with errors_as_exit_status():
        if job_id is not None:
            with Client(url, api_key=api_key) as client:
                found = _job(client, job_id, of_model).geometry(volumes=volumes)
        else:
            request = _request(model, url, (lower, upper, slice_, vnnlib, box), (seconds, regions), said)
            document = _in_process("geometry", str(model), request | {"volumes": volumes})
            found = Geometry.model_validate(document)
        print_document(found.to_json()) if as_json else typer.echo(geometry_text(found))


@reads_a_model
def distance(  # noqa: PLR0913 - one parameter per option
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model file, or the digest of one on the service.")],
    *,
    points: Annotated[str, typer.Option("--points", help="JSON file: a list of inputs, each a list of numbers.")],
    exact: Annotated[bool, typer.Option("--exact", help="Exact squares too, of at most 16 points.")] = False,
    said: ReadingOptions,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Say how far inputs are from the nearest boundary of their region, in this process or on a service."""
    with errors_as_exit_status():
        inputs = _points(points)
        if url is not None:
            with Client(url, api_key=api_key) as client:
                found = _distances(client, model, inputs, exact, said)
        else:
            request = {"points": inputs, "exact": exact, **said}
            found = Distances.model_validate(_in_process("distances", model, request))
        print_document(found.to_json()) if as_json else typer.echo(distances_text(found))


def _distances(client: Client, model: str, points: list[list[float]], exact: bool, said: ReadingOptions) -> Distances:
    """The distances as the service finds them; of a file, what its reader assumed is said."""
    if model_file(model).digest:
        return client.distances(model, points, exact=exact, **said)
    kept = client.upload(model, **said)
    say_notes(kept.notes)
    return client.distances(kept, points, exact=exact)


def _job(client: Client, job_id: str, of_model: tuple[Any, ...]) -> Job:
    if any(given is not None for given in of_model):
        raise InvalidArgument("--job has its model, domain and limits already; needed is --job or MODEL")
    return client.job(job_id)


def _request(
    model: str | None,
    url: str | None,
    domain: tuple[str | None, str | None, str | None, str | None, int | None],
    limits: tuple[float | None, int | None],
    said: ReadingOptions,
) -> dict[str, Any]:
    if model is None or url is not None:
        raise InvalidArgument("needed is MODEL, for this process, or --job, with its --url")
    seconds, regions = limits
    options: CountOptions = {"seconds": seconds, "regions": regions}
    return {**count_request(None, None, options, given_domain(*domain)), **said}


def _points(path: str) -> list[list[float]]:
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"--points: {path} cannot be read as JSON: {error}") from None
    return points_document(document)


def _in_process(verb: str, path: str, request: dict[str, Any]) -> dict[str, Any]:
    """The answer of the solver in this process.

    Raises:
        JobFailed: the model or the request is refused.
    """
    model = model_file(path)
    if model.digest:
        raise InvalidArgument(f"{path} names a model that a service keeps; say which with --url, or give the file")
    answer = _parts.load(_parts.IN_PROCESS, verb)(model.data, request, files=model.files)
    if answer["error"] is not None:
        raise JobFailed(Problem.model_validate(answer["error"]))
    result: dict[str, Any] = answer["result"]
    say_notes(result["notes"])
    return result
