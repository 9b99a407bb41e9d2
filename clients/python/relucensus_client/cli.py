"""The `relucensus` command. Exit status: 0 exact, 3 lower bound, 2 bad input, 1 anything else, 130 Ctrl-C.

Of `verify`: 0 accepted, 1 refused, 2 bad input.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer

from relucensus_client import _cli_geometry, _cli_jobs, _parts
from relucensus_client._answers import Problem
from relucensus_client._cli_domain import BoxNumber, GivenDomain, Lower, PropertyFile, SliceFile, Upper, given_domain
from relucensus_client._cli_options import (
    EXIT_LOWER_BOUND,
    EXIT_REFUSED,
    ApiKey,
    AsJson,
    CancelOnInterrupt,
    CrossCheck,
    Deadline,
    Definitions,
    Engine,
    Fresh,
    ModelPath,
    MostRegions,
    Seconds,
    ServiceUrl,
    Strategy,
    check_place,
    count_options,
    errors_as_exit_status,
    format_of,
    names,
    on_interrupt,
    print_document,
    print_result,
    say_notes,
    say_what_is_proven,
)
from relucensus_client._cli_reading import reads_a_model
from relucensus_client._client import Client
from relucensus_client._errors import InvalidArgument, JobFailed
from relucensus_client._model_source import model_file
from relucensus_client._models import CountResult
from relucensus_client._progress import ProgressLine, counted
from relucensus_client._reading import ReadingOptions
from relucensus_client._report import verified_text
from relucensus_client._requests import CountOptions, count_request

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Exact counts of the activation regions and linear regions of a piecewise-linear network.",
    epilog="Exit status: 0 exact, 3 lower bound, 2 bad input, 1 anything else.",
)

Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Threads that share a count in this process, for tree and skeleton."),
]


@app.command()
@reads_a_model
def count(  # noqa: PLR0913 - one parameter per option
    model: ModelPath,
    *,
    lower: Lower = None,
    upper: Upper = None,
    slice_: SliceFile = None,
    vnnlib: PropertyFile = None,
    box: BoxNumber = None,
    definitions: Definitions = None,
    engine: Engine = None,
    strategy: Strategy = None,
    seconds: Seconds = None,
    regions: MostRegions = None,
    deadline: Deadline = None,
    cross_check: CrossCheck = None,
    certificate: Annotated[
        str | None, typer.Option("--certificate", metavar="FILE", help="File to write a proof of exact counts to.")
    ] = None,
    said: ReadingOptions,
    fresh: Fresh = False,
    workers: Workers = None,
    url: Annotated[str | None, typer.Option("--url", help="Count on the service at this address instead.")] = None,
    api_key: ApiKey = None,
    cancel_on_interrupt: CancelOnInterrupt = False,
    as_json: AsJson = False,
) -> None:
    """Count the regions of MODEL on a box or a slice, in this process or on a service."""
    with errors_as_exit_status():
        options = count_options(
            definitions,
            deadline,
            fresh,
            engine=engine,
            strategy=strategy,
            seconds=seconds,
            regions=regions,
            cross_check=cross_check,
            **said,
        )
        domain = given_domain(lower, upper, slice_, vnnlib, box)
        if url is None:
            result = _with_notes_of(domain, _counted_in_process(model, domain, options, workers, certificate))
            say_what_is_proven(result, certificate)
            print_result(result, as_json)
            return
        if workers is not None:
            raise InvalidArgument("--workers is for a count in this process; a service has workers of its own")
        with Client(url, api_key=api_key) as client:
            if certificate is not None:
                check_place(certificate)
                options["certificate"] = True
            job = client.submit(model, domain=domain, **options)
            result = _with_notes_of(domain, job.wait(on_interrupt=on_interrupt(cancel_on_interrupt)))
            if certificate is not None and result.certificate is not None:
                job.certificate(certificate)
            say_what_is_proven(result, certificate)
            print_result(result, as_json)


@app.command()
@reads_a_model
def regions(  # noqa: PLR0913 - one parameter per option
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="ONNX, .pt, .ckpt, safetensors or .nnet file.")
    ] = None,
    *,
    output: Annotated[str, typer.Option("--output", help="File to write, one row a region.")],
    format_: Annotated[
        str | None, typer.Option("--format", help="parquet or ndjson; else by the file's name, .ndjson or .jsonl.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", help="What to write of a region, for example pattern,weights,bias.")
    ] = None,
    lower: Lower = None,
    upper: Upper = None,
    slice_: SliceFile = None,
    vnnlib: PropertyFile = None,
    box: BoxNumber = None,
    seconds: Seconds = None,
    most: Annotated[int | None, typer.Option("--regions", help="Stop after so many regions.")] = None,
    said: ReadingOptions,
    job_id: Annotated[str | None, typer.Option("--job", help="Regions of this job of a service, not of MODEL.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Address of the service that has the job.")] = None,
    api_key: ApiKey = None,
) -> None:
    """Write the activation regions of MODEL to a file, in this process, or those of a job of a service."""
    of_model = (model, lower, upper, slice_, vnnlib, box, seconds, most, said or None)
    format_ = format_ or format_of(output)
    with errors_as_exit_status():
        if job_id is not None:
            if any(given is not None for given in of_model):
                raise InvalidArgument("--job has its model, domain and limits already; needed is --job or MODEL")
            with Client(url, api_key=api_key) as client:
                job = client.job(job_id)
                job.save_regions(output, format=format_, columns=names(columns))
                typer.echo(f"the regions of job {job.id} are written to {output}", err=True)
            return
        if model is None or url is not None:
            raise InvalidArgument("needed is MODEL, whose regions are found in this process, or --job, with its --url")
        domain = given_domain(lower, upper, slice_, vnnlib, box)
        options: CountOptions = {"seconds": seconds, "regions": most}
        request = {**count_request(None, None, options, domain), **said, "output": output, "format": format_}
        if columns is not None:
            request["columns"] = names(columns)
        written = _answer_in_process("regions", model, request)
    say_notes(written["notes"])
    typer.echo(f"{counted(written['regions'], 'region')} written to {output}", err=True)
    if not written["complete"]:
        raise typer.Exit(EXIT_LOWER_BOUND)


@app.command()
@reads_a_model
def verify(  # noqa: PLR0913 - one parameter per option
    model: ModelPath,
    certificate: Annotated[str, typer.Argument(metavar="CERTIFICATE", help="Certificate of a count of MODEL.")],
    *,
    lower: Lower = None,
    upper: Upper = None,
    slice_: SliceFile = None,
    vnnlib: PropertyFile = None,
    box: BoxNumber = None,
    said: ReadingOptions,
    as_json: AsJson = False,
) -> None:
    """Check a certificate against MODEL in exact arithmetic, and print what it proves.

    With a domain, a certificate of another one is not taken. Exit status: 0 accepted, 1 refused, 2 bad input.
    """
    with errors_as_exit_status():
        request: dict[str, Any] = {"certificate": certificate, **said}
        if any(given is not None for given in (lower, upper, slice_, vnnlib, box)):
            request["domain"] = given_domain(lower, upper, slice_, vnnlib, box)
        answer = _answer_in_process("verify", model, request)
    if as_json:
        print_document(answer)
    elif answer["accepted"]:
        typer.echo(verified_text(answer))
    else:
        typer.echo(f"refused: {answer['reason']}", err=True)
    if not answer["accepted"]:
        raise typer.Exit(EXIT_REFUSED)


@app.command()
@reads_a_model
def submit(  # noqa: PLR0913 - one parameter per option
    model: ModelPath,
    *,
    lower: Lower = None,
    upper: Upper = None,
    slice_: SliceFile = None,
    vnnlib: PropertyFile = None,
    box: BoxNumber = None,
    definitions: Definitions = None,
    engine: Engine = None,
    strategy: Strategy = None,
    seconds: Seconds = None,
    regions: MostRegions = None,
    deadline: Deadline = None,
    cross_check: CrossCheck = None,
    said: ReadingOptions,
    fresh: Fresh = False,
    certificate: Annotated[
        bool, typer.Option("--certificate", help="Have the service keep a proof: `relucensus certificate` gets it.")
    ] = False,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="The same key and request again: the same job.")
    ] = None,
    url: ServiceUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Start a count on a service and print the id of its job."""
    with errors_as_exit_status(), Client(url, api_key=api_key) as client:
        options = count_options(
            definitions,
            deadline,
            fresh,
            engine=engine,
            strategy=strategy,
            seconds=seconds,
            regions=regions,
            cross_check=cross_check,
            **said,
        )
        domain = given_domain(lower, upper, slice_, vnnlib, box)
        options["certificate"] = certificate or None
        job = client.submit(model, domain=domain, idempotency_key=idempotency_key, **options)
        print_document(job.latest.to_json()) if as_json else typer.echo(job.id)


for _verb in (
    _cli_jobs.status,
    _cli_jobs.wait,
    _cli_jobs.events,
    _cli_jobs.cancel,
    _cli_jobs.retry,
    _cli_jobs.delete,
    _cli_jobs.upload,
    _cli_geometry.picture,
    _cli_geometry.geometry,
    _cli_geometry.distance,
    _cli_jobs.certificate,
):
    app.command()(_verb)
app.command("list")(_cli_jobs.list_jobs)


def _forwarded(name: str, summary: str) -> None:
    """Adds a verb that the service provides; its function and options are loaded when it is called."""

    def forward(context: typer.Context) -> None:
        with errors_as_exit_status():
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
    """Run the command line; what a library prints from C goes to standard error, standard output is for answers."""
    _keep_standard_output()
    app(prog_name="relucensus")


def _keep_standard_output() -> None:
    """Write what Python prints to a duplicate of descriptor 1, and point descriptor 1 at standard error."""
    try:
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
    except (OSError, AttributeError):  # there is no standard output or error
        return
    encoding, errors = sys.stdout.encoding, sys.stdout.errors
    sys.stdout = open(kept, "w", buffering=1, encoding=encoding, errors=errors)


def _counted_in_process(
    model: str, domain: dict[str, Any], options: CountOptions, workers: int | None, certificate: str | None
) -> CountResult:
    if options["deadline"] is not None or options["fresh"] is not None:
        raise InvalidArgument("--deadline and --fresh are for a count on a service; say which with --url")
    request = count_request(None, None, options, domain)
    answer = _answer_in_process("count", model, request, workers=workers, certificate=certificate)
    return CountResult.model_validate(answer)


def _with_notes_of(domain: dict[str, Any], result: CountResult) -> CountResult:
    """The result with what was assumed when its domain was read, if a file has it."""
    notes = domain.notes if isinstance(domain, GivenDomain) else ()
    return result.model_copy(update={"notes": (*result.notes, *notes)}) if notes else result


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
            answer = work(model.data, request, files=model.files, **options, on_progress=line.show)
    except KeyboardInterrupt:
        typer.echo(f"\nStopped. Nothing of this {'count' if verb == 'count' else 'work'} is kept.", err=True)
        raise
    if answer["error"] is not None:
        raise JobFailed(Problem.model_validate(answer["error"]))
    result: dict[str, Any] = answer["result"]
    return result


if __name__ == "__main__":
    main()
