"""The verbs of the command line for jobs and models that a service has."""

from __future__ import annotations

import json
from itertools import islice
from typing import Annotated

import typer

from relucensus_client._cli_options import (
    ApiKey,
    AsJson,
    CancelOnInterrupt,
    JobId,
    ModelPath,
    ServiceUrl,
    errors_as_exit_status,
    leave,
    names,
    on_interrupt,
    print_document,
    print_result,
    say_notes,
)
from relucensus_client._cli_reading import reads_a_model
from relucensus_client._client import Client
from relucensus_client._models import JobStatus
from relucensus_client._reading import ReadingOptions
from relucensus_client._report import event_text, job_text, jobs_text, result_text

_LONGEST_PAGE = 100


def status(job_id: JobId, url: ServiceUrl = None, api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """Print where a job stands."""
    with errors_as_exit_status(), Client(url, api_key=api_key) as client:
        _print_job(client.job(job_id).latest, as_json)


def wait(
    job_id: JobId,
    url: ServiceUrl = None,
    api_key: ApiKey = None,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Give up waiting after so many seconds.")] = None,
    cancel_on_interrupt: CancelOnInterrupt = False,
    as_json: AsJson = False,
) -> None:
    """Wait for a job and print its result; Ctrl-C stops the waiting, not the job."""
    with errors_as_exit_status(), Client(url, api_key=api_key) as client:
        result = client.job(job_id).wait(timeout, on_interrupt=on_interrupt(cancel_on_interrupt))
        print_result(result, as_json)


def events(job_id: JobId, url: ServiceUrl = None, api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """Print a job each time that it changes, until it is done; then its result."""
    with errors_as_exit_status(), Client(url, api_key=api_key) as client:
        job = client.job(job_id)
        try:
            for news in job.events():
                typer.echo(json.dumps(news.to_json()) if as_json else event_text(news))
        except KeyboardInterrupt:
            typer.echo(f"\nNo longer following. Job {job.id} goes on at {client.url}", err=True)
            raise
        result = job.wait()
        if not as_json:
            typer.echo(f"\n{result_text(result)}")
        leave(result)


def cancel(job_id: JobId, url: ServiceUrl = None, api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """Cancel a job; what was counted so far becomes its result."""
    with errors_as_exit_status(), Client(url, api_key=api_key) as client:
        _print_job(client.job(job_id).cancel(), as_json)


def retry(job_id: JobId, url: ServiceUrl = None, api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """Go on with a job that failed, was cancelled or reached a limit, from where it stopped."""
    with errors_as_exit_status(), Client(url, api_key=api_key) as client:
        _print_job(client.job(job_id).retry(), as_json)


def delete(job_id: JobId, url: ServiceUrl = None, api_key: ApiKey = None) -> None:
    """Delete a job and its result; if it is running, it stops."""
    with errors_as_exit_status(), Client(url, api_key=api_key) as client:
        client.job(job_id).delete()


def list_jobs(
    url: ServiceUrl = None,
    api_key: ApiKey = None,
    state: Annotated[str | None, typer.Option("--state", help="Only jobs in this state: running,queued.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many jobs.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the jobs of a service, newest first."""
    with errors_as_exit_status(), Client(url, api_key=api_key) as client:
        found = client.jobs(state=names(state), page_size=min(limit, _LONGEST_PAGE))
        jobs = [job.latest for job in islice(found, limit)]
        print_document([job.to_json() for job in jobs]) if as_json else typer.echo(jobs_text(jobs))


@reads_a_model
def upload(
    model: ModelPath,
    *,
    said: ReadingOptions,
    url: ServiceUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Give MODEL to a service to keep, and print the digest that names it from then on."""
    with errors_as_exit_status(), Client(url, api_key=api_key) as client:
        kept = client.upload(model, **said)
        print_document(kept.to_json()) if as_json else typer.echo(kept.digest)
        say_notes(kept.notes)


def certificate(
    job_id: JobId,
    file: Annotated[str, typer.Argument(metavar="FILE", help="File to write.")],
    url: ServiceUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Write the certificate of a job to FILE: the proof of its counts, for `relucensus verify`."""
    with errors_as_exit_status(), Client(url, api_key=api_key) as client:
        client.job(job_id).certificate(file)
        typer.echo(f"the certificate of job {job_id} is written to {file}", err=True)


def _print_job(job: JobStatus, as_json: bool) -> None:
    print_document(job.to_json()) if as_json else typer.echo(job_text(job))
