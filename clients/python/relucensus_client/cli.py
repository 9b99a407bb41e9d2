"""The `relucensus` command. Exit status: 0 exact, 3 lower bound, 2 bad input, 1 anything else, 130 Ctrl-C."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from itertools import islice
from typing import Annotated, Any, Final, Unpack

import typer

from relucensus_client import _parts
from relucensus_client._cli_domain import Lower, PropertyFile, SliceFile, Upper, given_domain
from relucensus_client._client import Client
from relucensus_client._connection import DEFAULT_URL
from relucensus_client._errors import ClientError, InvalidArgument, JobFailed, ProblemError
from relucensus_client._model_source import model_file
from relucensus_client._models import CountResult, Problem
from relucensus_client._progress import ProgressLine, counted
from relucensus_client._report import job_text, jobs_text, result_text
from relucensus_client._requests import CountOptions, count_request

EXIT_BAD_INPUT: Final = 2
EXIT_LOWER_BOUND: Final = 3
_NOT_THE_USERS: Final = (408, 429)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Exact counts of the activation regions and linear regions of a piecewise-linear network.",
    epilog="Exit status: 0 exact, 3 lower bound, 2 bad input, 1 anything else.",
)

ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help="ONNX, safetensors or state_dict (.pt) file.")]
Definitions = Annotated[
    str | None, typer.Option("--definitions", help="What to count, for example activation_regions,linear_regions.")
]
Engine = Annotated[str | None, typer.Option("--engine", help="tree, skeleton, milp or brute; auto: the one that fits.")]
Strategy = Annotated[str | None, typer.Option("--strategy", help="cubes, or plain: one solve a region.")]
Seconds = Annotated[float | None, typer.Option("--seconds", help="Stop after so many seconds, with lower bounds.")]
Regions = Annotated[int | None, typer.Option("--regions", help="Stop after so many regions, with lower bounds.")]
CrossCheck = Annotated[str | None, typer.Option("--cross-check", help="Second engine that has to confirm the count.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Threads that share a count in this process, for tree and skeleton."),
]
Activation = Annotated[
    str | None,
    typer.Option("--activation", help="Activation of a state_dict, which does not name it: relu, leaky_relu:0.2, …"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the JSON document alone on stdout.")]
ServiceUrl = Annotated[str, typer.Option("--url", envvar="RELUCENSUS_URL", help="Address of the service.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job.")]


@app.command()
def count(  # noqa: PLR0913 - one parameter per option
    model: ModelPath,
    *,
    lower: Lower = None,
    upper: Upper = None,
    slice_: SliceFile = None,
    vnnlib: PropertyFile = None,
    definitions: Definitions = None,
    engine: Engine = None,
    strategy: Strategy = None,
    seconds: Seconds = None,
    regions: Regions = None,
    cross_check: CrossCheck = None,
    activation: Activation = None,
    workers: Workers = None,
    url: Annotated[str | None, typer.Option("--url", help="Count on the service at this address instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """Count the regions of MODEL on a box or a slice, in this process or on a service."""
    options = _options(
        definitions,
        engine=engine,
        strategy=strategy,
        seconds=seconds,
        regions=regions,
        cross_check=cross_check,
        activation=activation,
    )
    with _errors_as_exit_status():
        domain = given_domain(lower, upper, slice_, vnnlib)
        if url is None:
            request = count_request(None, None, options, domain)
            result = CountResult.model_validate(_answer_in_process("count", model, request, workers=workers))
        elif workers is not None:
            raise InvalidArgument("--workers is for a count in this process; a service has workers of its own")
        else:
            with Client(url) as client:
                result = client.submit(model, domain=domain, **options).wait()
        _finish(result, as_json)


@app.command()
def regions(  # noqa: PLR0913 - one parameter per option
    model: ModelPath,
    *,
    output: Annotated[str, typer.Option("--output", help="File to write, one row a region.")],
    format_: Annotated[str, typer.Option("--format", help="parquet or ndjson.")] = "parquet",
    columns: Annotated[
        str | None, typer.Option("--columns", help="What to write of a region, for example pattern,weights,bias.")
    ] = None,
    lower: Lower = None,
    upper: Upper = None,
    slice_: SliceFile = None,
    vnnlib: PropertyFile = None,
    seconds: Seconds = None,
    most: Annotated[int | None, typer.Option("--regions", help="Stop after so many regions.")] = None,
    activation: Activation = None,
) -> None:
    """Write the activation regions of MODEL to a file, in this process."""
    with _errors_as_exit_status():
        domain = given_domain(lower, upper, slice_, vnnlib)
        request = count_request(
            None, None, _options(None, seconds=seconds, regions=most, activation=activation), domain
        )
        request |= {"output": output, "format": format_}
        if columns is not None:
            request["columns"] = [name.strip() for name in columns.split(",")]
        written = _answer_in_process("regions", model, request)
    typer.echo(f"{counted(written['regions'], 'region')} written to {output}", err=True)
    if not written["complete"]:
        raise typer.Exit(EXIT_LOWER_BOUND)


@app.command()
def submit(  # noqa: PLR0913 - one parameter per option
    model: ModelPath,
    *,
    lower: Lower = None,
    upper: Upper = None,
    slice_: SliceFile = None,
    vnnlib: PropertyFile = None,
    definitions: Definitions = None,
    engine: Engine = None,
    strategy: Strategy = None,
    seconds: Seconds = None,
    regions: Regions = None,
    cross_check: CrossCheck = None,
    activation: Activation = None,
    url: ServiceUrl = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Start a count on a service and print the id of its job."""
    options = _options(
        definitions,
        engine=engine,
        strategy=strategy,
        seconds=seconds,
        regions=regions,
        cross_check=cross_check,
        activation=activation,
    )
    with _errors_as_exit_status(), Client(url) as client:
        job = client.submit(model, domain=given_domain(lower, upper, slice_, vnnlib), **options)
        typer.echo(_json(job.latest.to_json()) if as_json else job.id)


@app.command()
def status(job_id: JobId, url: ServiceUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Print where a job stands."""
    with _errors_as_exit_status(), Client(url) as client:
        job = client.job(job_id).latest
        typer.echo(_json(job.to_json()) if as_json else job_text(job))


@app.command()
def wait(
    job_id: JobId,
    url: ServiceUrl = DEFAULT_URL,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Give up waiting after so many seconds.")] = None,
    as_json: AsJson = False,
) -> None:
    """Wait for a job and print its result; Ctrl-C stops the waiting, not the job."""
    with _errors_as_exit_status(), Client(url) as client:
        _finish(client.job(job_id).wait(timeout), as_json)


@app.command()
def cancel(job_id: JobId, url: ServiceUrl = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Cancel a job; what was counted so far becomes its result."""
    with _errors_as_exit_status(), Client(url) as client:
        job = client.job(job_id).cancel()
        typer.echo(_json(job.to_json()) if as_json else job_text(job))


@app.command("list")
def list_jobs(
    url: ServiceUrl = DEFAULT_URL,
    state: Annotated[str | None, typer.Option("--state", help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many jobs.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the jobs of a service, newest first."""
    with _errors_as_exit_status(), Client(url) as client:
        jobs = [job.latest for job in islice(client.jobs(state=state, page_size=min(limit, 100)), limit)]
        typer.echo(_json([job.to_json() for job in jobs]) if as_json else jobs_text(jobs))


def _forwarded(name: str, summary: str) -> None:
    """Adds a verb that the service provides; its function and options are loaded when it is called."""

    def forward(context: typer.Context) -> None:
        with _errors_as_exit_status():
            function = _parts.load(_parts.COMMANDS, name)
        provided = typer.Typer(add_completion=False)
        provided.command(name)(function)
        command = typer.main.get_command(provided)
        code = command.main(args=context.args, prog_name=context.command_path, standalone_mode=False)
        raise typer.Exit(code if isinstance(code, int) else 0)

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    app.command(name, help=summary, add_help_option=False, context_settings=settings)(forward)


_forwarded("serve", "Start a service here: API, runner and workers in one command.")
_forwarded("api", "Start only the API of a service.")
_forwarded("runner", "Start only a runner, which works on the jobs of a service.")
_forwarded("migrate", "Bring the database of a service to the present version.")
_forwarded("keys", "Make, list and revoke the API keys of a service.")


@app.callback(invoke_without_command=True)
def _root(show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if show_version:
        typer.echo(version("relucensus"))
        raise typer.Exit


def main() -> None:
    """Run the command line."""
    app(prog_name="relucensus")


def _options(listed: str | None, **others: Unpack[CountOptions]) -> CountOptions:
    """The options, with the definitions taken from a list with commas."""
    definitions = None if listed is None else [name.strip() for name in listed.split(",")]
    return {**others, "definitions": definitions}


def _answer_in_process(verb: str, path: str, request: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The result of a verb without a service; the solver answers with the `result` and `error` of a job.

    Raises:
        JobFailed: the model or the request is refused, or the count failed.
    """
    model = model_file(path)
    if model.digest:
        raise InvalidArgument(f"{path} names a model that a service keeps; say which with --url, or give the file")
    work = _parts.load(_parts.IN_PROCESS, verb)
    try:
        with ProgressLine() as line:
            answer = work(model.data, request, **options, on_progress=line.show)
    except KeyboardInterrupt:
        typer.echo(f"\nStopped. Nothing of this {'count' if verb == 'count' else 'work'} is kept.", err=True)
        raise
    if answer["error"] is not None:
        raise JobFailed(Problem.model_validate(answer["error"]))
    result: dict[str, Any] = answer["result"]
    return result


def _finish(result: CountResult, as_json: bool) -> None:
    typer.echo(_json(result.to_json()) if as_json else result_text(result))
    if not result.exact:
        raise typer.Exit(EXIT_LOWER_BOUND)


def _json(document: Any) -> str:
    return json.dumps(document, indent=2)


@contextmanager
def _errors_as_exit_status() -> Iterator[None]:
    """Says on stderr what went wrong, and leaves with 2 if the input is at fault, else with 1."""
    try:
        yield
    except ClientError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_BAD_INPUT if _is_the_users(error) else 1) from error


def _is_the_users(error: ClientError) -> bool:
    match error:
        case InvalidArgument():
            return True
        case ProblemError(status=code) | JobFailed(problem=Problem(status=int(code))):
            return 400 <= code < 500 and code not in _NOT_THE_USERS
        case _:
            return False


if __name__ == "__main__":
    main()
