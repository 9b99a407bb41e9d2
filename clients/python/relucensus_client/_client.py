"""The client that waits in the thread that calls: the verbs of `AsyncClient` and `AsyncJob` over a `BlockingWire`."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack, overload

import httpx

from relucensus_client._answers import UploadedModel
from relucensus_client._async_client import Verbs
from relucensus_client._async_job import BATCH, AsyncJob, OnProgress
from relucensus_client._connection import Connection, http_options, service_url
from relucensus_client._domain import Bound, Domain
from relucensus_client._interrupts import OnInterrupt, check_choice
from relucensus_client._model_source import Model
from relucensus_client._models import CountResult, Distances, Geometry, JobPage, JobStatus
from relucensus_client._picture import Picture
from relucensus_client._reading import ReadingOptions
from relucensus_client._regions import Regions
from relucensus_client._requests import CountOptions
from relucensus_client._retries import Retries, policy_of
from relucensus_client._wire import BlockingWire, completed, each


class Client:
    """A connection to a relucensus service; use it as a context manager, or call `close`.

    Without `url` it is the environment's RELUCENSUS_URL, or else http://127.0.0.1:8000; without `api_key` it is
    RELUCENSUS_API_KEY, or none. `timeout` is the seconds to wait for each answer beyond what a request asks to be held
    back for; `retries` is a number of attempts or a `Retries`; `transport` takes the place of the network, for tests.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
        retries: int | Retries = Retries(),  # noqa: B008 - frozen
    ) -> None:
        url = service_url(url)
        self._http = httpx.Client(transport=transport, **http_options(url, api_key))
        again = partial(Client, url, api_key=api_key, transport=transport, timeout=timeout, retries=retries)
        connection = Connection(
            url, BlockingWire(self._http), timeout, policy_of(retries), partial(_save_certificate, again)
        )
        self._verbs = Verbs(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The address of the service."""
        return self._verbs.url

    def close(self) -> None:
        """Closes the connections; jobs go on."""
        self._http.close()

    def count(  # noqa: PLR0913 - keyword-only, and what callers write
        self,
        model: Model,
        *,
        lower: Bound | None = None,
        upper: Bound | None = None,
        domain: Domain | None = None,
        example_input: Any = None,
        timeout: float | None = None,
        progress: bool | OnProgress = True,
        on_interrupt: OnInterrupt = "detach",
        **options: Unpack[CountOptions],
    ) -> CountResult:
        """Counts, waits and returns the result: `submit`, then `Job.wait`."""
        check_choice(on_interrupt)
        job = self.submit(model, lower=lower, upper=upper, domain=domain, example_input=example_input, **options)
        return job.wait(timeout, progress=progress, on_interrupt=on_interrupt)

    def submit(
        self,
        model: Model,
        *,
        lower: Bound | None = None,
        upper: Bound | None = None,
        domain: Domain | None = None,
        example_input: Any = None,
        idempotency_key: str | None = None,
        **options: Unpack[CountOptions],
    ) -> Job:
        """Starts a count and returns its job without waiting; see `CountOptions` for what else may be asked.

        The domain is the box between `lower` and `upper`, or `domain`: a `Slice`, or a mapping as in a request.
        `model` is a path, bytes, an open file, a `torch.nn.Module` or its `state_dict`, or a model uploaded before.
        The same `idempotency_key` and request again is the same job; without one, each call is a job of its own.

        Raises:
            InvalidArgument: the model cannot be read or a bound is not a finite number; nothing was sent.
            RequestRefused: the service does not accept the model or the request.
        """
        work = self._verbs.submit(
            model,
            lower=lower,
            upper=upper,
            domain=domain,
            example_input=example_input,
            idempotency_key=idempotency_key,
            **options,
        )
        return Job(completed(work))

    def upload(self, model: Model, *, example_input: Any = None, **said: Unpack[ReadingOptions]) -> UploadedModel:
        """Gives the service a model to keep, and returns what was read; pass it to `submit` any number of times.

        What is said about the file, where it leaves something open, is as in `ReadingOptions`.
        """
        return completed(self._verbs.upload(model, example_input=example_input, **said))

    def distances(
        self,
        model: Model,
        points: Any,
        *,
        exact: bool = False,
        example_input: Any = None,
        **said: Unpack[ReadingOptions],
    ) -> Distances:
        """How far inputs are from the nearest boundary of their activation region, and the mean of that.

        `points` is a list or array of inputs, `model` as in `submit`; a file is uploaded, with what is said about it.
        `exact` also has the exact squares, of at most 16 points. The walls of a box are no boundaries: there is none.

        Raises:
            InvalidArgument: something is said about the file of a model that was uploaded before.
        """
        return completed(self._verbs.distances(model, points, exact=exact, example_input=example_input, **said))

    def job(self, job_id: str) -> Job:
        """The job with this id.

        Raises:
            NotFound: there is none.
        """
        return Job(completed(self._verbs.job(job_id)))

    def jobs(self, *, state: str | Sequence[str] | None = None, page_size: int | None = None) -> Iterator[Job]:
        """All jobs, or those in one state or in several, newest first; pages are fetched as they are needed."""
        return map(Job, each(self._verbs.jobs(state=state, page_size=page_size)))

    def jobs_page(
        self, *, state: str | Sequence[str] | None = None, cursor: str | None = None, page_size: int | None = None
    ) -> JobPage:
        """One page of what `jobs` goes through: the first, or the one that `next_cursor` of another page names."""
        return completed(self._verbs.jobs_page(state=state, cursor=cursor, page_size=page_size))


class Job:
    """A count on the service. It goes on whether or not anybody waits for it."""

    def __init__(self, job: AsyncJob) -> None:
        self._job = job

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.latest.state}>"

    @property
    def latest(self) -> JobStatus:
        """The job as the service last described it."""
        return self._job.latest

    @property
    def id(self) -> str:
        """The id that `Client.job` and the command line take."""
        return self._job.id

    @property
    def done(self) -> bool:
        """Whether the job had ended when the service was last asked."""
        return self._job.done

    @property
    def result(self) -> CountResult | None:
        """The result when the service was last asked; None while there is none. `wait` is how to get one."""
        return self._job.result

    def status(self) -> JobStatus:
        """Asks the service, and keeps the answer as `latest`."""
        return completed(self._job.status())

    def cancel(self) -> JobStatus:
        """Asks the service to stop; what was counted so far becomes the result. Does nothing to a job that is done."""
        return completed(self._job.cancel())

    def retry(self) -> JobStatus:
        """Has a job go on that failed, was cancelled or reached a limit, from where it stopped.

        Its limits count anew. Does nothing to a job that is not done.

        Raises:
            Conflict: there is nothing to go on with: the result is exact, or the deadline has passed.
        """
        return completed(self._job.retry())

    def delete(self) -> None:
        """Afterwards the service has no such job and no result of it; does nothing if it is already gone."""
        completed(self._job.delete())

    def wait(
        self,
        timeout: float | None = None,
        *,
        progress: bool | OnProgress = True,
        on_interrupt: OnInterrupt = "detach",
    ) -> CountResult:
        """The result, once the job is done; `progress` is a line on stderr, a function of each status, or False.

        Ctrl-C stops the waiting; the job goes on, or is cancelled if `on_interrupt` is "cancel". Which, and what to do
        next, is said on stderr.

        Raises:
            WaitTimedOut: `timeout` seconds have passed; the job goes on.
            JobFailed: the count ended in an error.
            JobCancelled: the job was cancelled before it had any result.
        """
        result = completed(self._job.wait(timeout, progress=progress, on_interrupt=on_interrupt))
        return result.drawn_by(self._plot)

    def picture(self) -> Picture:
        """The regions as polygons, or the function on a line; `Picture.plot` draws them with matplotlib.

        Raises:
            Conflict: the job has no exact count, or not one or two coordinates vary.
        """
        return completed(self._job.picture())

    def save_picture(self, path: str | os.PathLike[str], *, format: str | None = None, **options: Any) -> None:
        """Writes the picture that the service draws to a file: "png", "svg" or "json", else by the name's ending.

        The options are those of the HTTP API: colour, output, edges, decision, theme, width, height.
        """
        completed(self._job.save_picture(path, format=format, **options))

    def geometry(self, *, volumes: str = "none") -> Geometry:
        """The size of all boundaries, on a line the breakpoints, and with "float" or "exact" a volume a region.

        Raises:
            Conflict: the job has no exact count, or more than three coordinates vary.
        """
        return completed(self._job.geometry(volumes=volumes))

    def _plot(self, axes: Any = None, **options: Any) -> Any:
        return self.picture().plot(axes, **options)

    def events(self) -> Generator[JobStatus, None, None]:
        """The job each time that it has changed, from now until it is done; each is `latest` too.

        The service says so by itself. When the connection breaks off, it is made again and nothing is missed but steps
        between.

        Raises:
            ConnectionFailed: the service has gone, after every retry.
            NotFound: the job was deleted.
        """
        return each(self._job.events())

    def region_batches(
        self, columns: Sequence[str] | None = None, *, size: int = BATCH
    ) -> Generator[Regions, None, None]:
        """The activation regions while the service finds them again, `size` at a time, in bounded memory.

        `columns` are names of columns as in `Regions`; unless asked otherwise these are `pattern`, `interior_point`,
        `point_is_exact` and `digest`. All regions have arrived if the iteration ends without an error.

        Raises:
            Conflict: the job has no exact count.
            RequestRefused: no such column.
            ConnectionFailed: the connection broke off; what came is not all.
        """
        return each(self._job.region_batches(columns, size=size))

    def regions(self, columns: Sequence[str] | None = None) -> Regions:
        """All activation regions at once; `region_batches` says more."""
        return completed(self._job.regions(columns))

    def save_regions(
        self, path: str | os.PathLike[str], *, format: str = "parquet", columns: Sequence[str] | None = None
    ) -> None:
        """Writes the activation regions to a file, as "parquet" or "ndjson"; it is there when all have arrived."""
        completed(self._job.save_regions(path, format=format, columns=columns))

    @overload
    def certificate(self, path: None = None) -> bytes: ...

    @overload
    def certificate(self, path: str | os.PathLike[str]) -> None: ...

    def certificate(self, path: str | os.PathLike[str] | None = None) -> bytes | None:
        """The proof of the counts, where `certificate` was asked for: written to a file, or without one as bytes.

        `CountResult.verify` checks it, and so does ``relucensus verify``.

        Raises:
            Conflict: the job is not done, or its counts are not exact.
            NotFound: no certificate was asked for.
        """
        return completed(self._job.certificate(path))


def _save_certificate(again: Callable[[], Client], job_id: str, path: Path) -> None:
    """Write the certificate of a job to a file, over a new connection: the one that got the result may be closed."""
    with again() as client:
        client.job(job_id).certificate(path)


def count(  # noqa: PLR0913 - keyword-only, and what callers write
    model: Model,
    *,
    lower: Bound | None = None,
    upper: Bound | None = None,
    domain: Domain | None = None,
    url: str | None = None,
    api_key: str | None = None,
    timeout: float | None = None,
    progress: bool | OnProgress = True,
    on_interrupt: OnInterrupt = "detach",
    example_input: Any = None,
    **options: Unpack[CountOptions],
) -> CountResult:
    """Counts on the service at `url`, waits, and returns the result; on a terminal, shows progress on stderr.

    What is accepted and raised is that of `Client`, `Client.submit` and `Job.wait`.
    """
    check_choice(on_interrupt)
    with Client(url, api_key=api_key) as client:
        job = client.submit(model, lower=lower, upper=upper, domain=domain, example_input=example_input, **options)
        result = job.wait(timeout, progress=progress, on_interrupt=on_interrupt)
    return result.drawn_by(partial(_plot_of_job, client.url, api_key, job.id))


def _plot_of_job(url: str, api_key: str | None, job_id: str, axes: Any = None, **options: Any) -> Any:
    with Client(url, api_key=api_key) as client:
        picture = client.job(job_id).picture()
    return picture.plot(axes, **options)
