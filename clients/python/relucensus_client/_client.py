"""The synchronous client: sends what `_requests` builds, hands out jobs, waits for them."""

from __future__ import annotations

import ipaddress
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self, Unpack

import httpx

from relucensus_client import _requests
from relucensus_client._domain import Bound, Domain
from relucensus_client._errors import (
    ConnectionFailed,
    InvalidArgument,
    JobCancelled,
    JobFailed,
    NotFound,
    WaitTimedOut,
)
from relucensus_client._model_source import Model, model_file
from relucensus_client._models import CountResult, JobPage, JobStatus, UploadedModel
from relucensus_client._requests import Call, CountOptions
from relucensus_client._retries import Retries

DEFAULT_URL: Final = "http://127.0.0.1:8000"
_LONGEST_POLL: Final = 20
_SHOWING_POLL: Final = 1
_SHORTEST_TURN: Final = 0.2

OnProgress = Callable[[JobStatus], None]


class Client:
    """A connection to a relucensus service; use it as a context manager, or call `close`.

    `timeout` is the seconds to wait for each answer beyond what a request asks to be held back for; `retries` is
    a number of attempts or a `Retries`; `transport` takes the place of the network, for tests.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
        retries: int | Retries = Retries(),  # noqa: B008 - frozen
    ) -> None:
        self.url = _service_url(url)
        self._timeout = timeout
        self._retries = retries if isinstance(retries, Retries) else Retries(attempts=retries)
        self._http = httpx.Client(
            base_url=self.url,
            transport=transport,
            trust_env=not _is_loopback(httpx.URL(self.url).host),  # a proxy cannot reach this machine's own addresses
            headers={"User-Agent": "relucensus-client", "Accept": "application/json"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections; jobs go on."""
        self._http.close()

    def submit(
        self,
        model: Model,
        *,
        lower: Bound | None = None,
        upper: Bound | None = None,
        domain: Domain | None = None,
        example_input: Any = None,
        **options: Unpack[CountOptions],
    ) -> Job:
        """Starts a count and returns its job without waiting; see `CountOptions` for what else may be asked.

        The domain is the box between `lower` and `upper`, or `domain`: a `Slice`, or a mapping as in a request.
        `model` is a path, bytes, an open file, a `torch.nn.Module` or its `state_dict`, or a model uploaded before.

        Raises:
            InvalidArgument: the model cannot be read or a bound is not a finite number; nothing was sent.
            RequestRefused: the service does not accept the model or the request.
        """
        request = _requests.count_request(lower, upper, options, domain)
        call = _requests.submit_call(model_file(model, example_input), request)
        return Job(self, _requests.answer_of(JobStatus, self.send(call)))

    def upload(self, model: Model, *, example_input: Any = None, activation: str | None = None) -> UploadedModel:
        """Gives the service a model to keep, and returns what was read; pass it to `submit` any number of times.

        `activation` is for a bare `state_dict`, as in `CountOptions`.
        """
        call = _requests.upload_call(model_file(model, example_input), activation)
        return _requests.answer_of(UploadedModel, self.send(call))

    def job(self, job_id: str) -> Job:
        """The job with this id.

        Raises:
            NotFound: there is none.
        """
        return Job(self, _requests.answer_of(JobStatus, self.send(_requests.status_call(job_id))))

    def jobs(self, *, state: str | None = None, page_size: int | None = None) -> Iterator[Job]:
        """All jobs of the service, or those in one state, newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            response = self.send(_requests.list_call(state, cursor, page_size))
            page = _requests.answer_of(JobPage, response)
            yield from (Job(self, status) for status in page.jobs)
            cursor = page.next_cursor
            if cursor is None:
                return

    def send(self, call: Call, *, patient: bool = False, deadline: float = math.inf) -> httpx.Response:
        """The successful answer to a call, after as many attempts as the policy and the deadline allow.

        Raises:
            ConnectionFailed: no answer at all.
            ProblemError: the service refused.
        """
        policy = self._retries.patient() if patient else self._retries
        attempt = 0
        while True:
            try:
                response = self._http.send(call.on(self._http, self._timeout))
            except httpx.TransportError as error:
                pause = policy.pause_after_error(attempt, error)
                if pause is None or time.monotonic() + pause > deadline:
                    raise ConnectionFailed(_no_answer(self.url, error)) from error
            else:
                pause = policy.pause_after_response(attempt, response)
                if pause is None or time.monotonic() + pause > deadline:
                    return _requests.checked(response)
            time.sleep(pause)
            attempt += 1


class Job:
    """A count on the service. It goes on whether or not anybody waits for it."""

    def __init__(self, client: Client, latest: JobStatus) -> None:
        self._client = client
        self.latest = latest

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.latest.state}>"

    @property
    def id(self) -> str:
        """The id that `Client.job` and the command line take."""
        return self.latest.id

    @property
    def done(self) -> bool:
        """Whether the job had ended when the service was last asked."""
        return self.latest.done

    @property
    def result(self) -> CountResult | None:
        """The result when the service was last asked; None while there is none. `wait` is how to get one."""
        return self.latest.result

    def status(self) -> JobStatus:
        """Asks the service, and keeps the answer as `latest`."""
        return self._ask(_requests.status_call(self.id))

    def cancel(self) -> JobStatus:
        """Asks the service to stop; what was counted so far becomes the result. Does nothing to a job that is done."""
        return self._ask(_requests.cancel_call(self.id))

    def delete(self) -> None:
        """Afterwards the service has no such job and no result of it; does nothing if it is already gone."""
        with suppress(NotFound):
            self._client.send(_requests.delete_call(self.id))

    def wait(self, timeout: float | None = None, *, progress: bool | OnProgress = True) -> CountResult:
        """The result, once the job is done; `progress` is a line on stderr, a function of each status, or False.

        Ctrl-C stops the waiting, not the job, and says so on stderr.

        Raises:
            WaitTimedOut: `timeout` seconds have passed; the job goes on.
            JobFailed: the count ended in an error.
            JobCancelled: the job was cancelled before it had any result.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        with _reporting(progress) as report, self._explaining_interrupts():
            if not self.done:
                self._poll_until_done(deadline, report)
        if self.latest.error is not None:
            raise JobFailed(self.latest.error, self.id)
        if self.latest.result is None:
            raise JobCancelled(f"job {self.id} ended in state {self.latest.state!r} before it had any result")
        return self.latest.result

    def _poll_until_done(self, deadline: float, report: OnProgress | None) -> None:
        longest = _LONGEST_POLL if report is None else _SHOWING_POLL
        while True:
            started = time.monotonic()
            wait = int(max(0.0, min(longest, deadline - started)))
            self._ask(_requests.status_call(self.id, wait), patient=True, deadline=deadline)
            if report is not None:
                report(self.latest)
            if self.done:
                return
            now = time.monotonic()
            if now >= deadline:
                raise WaitTimedOut(f"job {self.id} is not done yet (state {self.latest.state!r}); it goes on")
            turn = started + _SHORTEST_TURN  # a service that answers at once must not be asked without pause
            time.sleep(max(0.0, min(turn, deadline) - now))

    def _ask(self, call: Call, *, patient: bool = False, deadline: float = math.inf) -> JobStatus:
        response = self._client.send(call, patient=patient, deadline=deadline)
        self.latest = _requests.answer_of(JobStatus, response)
        return self.latest

    @contextmanager
    def _explaining_interrupts(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            where = "" if self._client.url == DEFAULT_URL else f" --url {self._client.url}"
            sys.stderr.write(
                f"\nNo longer waiting. Job {self.id} goes on at {self._client.url}\n"
                f"  to wait again:  relucensus wait {self.id}{where}\n"
                f"  to cancel it:   relucensus cancel {self.id}{where}\n"
            )
            raise


def count(  # noqa: PLR0913 - keyword-only, and what callers write
    model: Model,
    *,
    lower: Bound | None = None,
    upper: Bound | None = None,
    domain: Domain | None = None,
    url: str = DEFAULT_URL,
    timeout: float | None = None,
    progress: bool | OnProgress = True,
    example_input: Any = None,
    **options: Unpack[CountOptions],
) -> CountResult:
    """Counts on the service at `url`, waits, and returns the result; on a terminal, shows progress on stderr.

    What is accepted and raised is that of `Client.submit` and `Job.wait`.
    """
    with Client(url) as client:
        job = client.submit(model, lower=lower, upper=upper, domain=domain, example_input=example_input, **options)
        return job.wait(timeout, progress=progress)


@contextmanager
def _reporting(progress: bool | OnProgress) -> Iterator[OnProgress | None]:
    """What to call with each status: the caller's function, the progress line on a terminal, or nothing."""
    if callable(progress):
        yield progress
    elif progress and sys.stderr.isatty():
        from relucensus_client._progress import ProgressLine  # noqa: PLC0415 - rich is only for terminals

        with ProgressLine() as line:
            yield line.show_job
    else:
        yield None


def _service_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise InvalidArgument(f"url {url!r} is not a URL: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidArgument(f"url is {url!r}; needed is one like {DEFAULT_URL}")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _no_answer(url: str, error: httpx.TransportError) -> str:
    reason = str(error) or type(error).__name__
    return f"the service at {url} gave no answer ({reason}); is it running? `relucensus serve` starts one here"
