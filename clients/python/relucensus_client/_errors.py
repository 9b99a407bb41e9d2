"""What can go wrong, in one tree.

    ClientError
    ├── InvalidArgument        (ValueError)       refused before sending: no such file, a bound that is not finite
    ├── ConnectionFailed       (ConnectionError)  no answer, after every retry
    ├── UnexpectedAnswer       (RuntimeError)     an answer that is not the service's (a proxy's page, another program)
    ├── ProblemError           (RuntimeError)     the service refused; `problem` is its RFC 9457 document
    │   ├── RequestRefused     (ValueError)       400, 413, 415, 422: the model or the request is at fault
    │   ├── Unauthorized                          401, 403: an API key is missing or not valid
    │   ├── NotFound           (LookupError)      404: no such job or model
    │   ├── Conflict                              409: not in this state
    │   ├── TooManyRequests                       429: a quota is used up
    │   └── ServiceFailure                        5xx: the service is at fault
    ├── JobFailed              (RuntimeError)     the count ended in an error; `problem` says which
    ├── JobCancelled           (RuntimeError)     the job was cancelled before it had any result
    ├── VerificationFailed     (RuntimeError)     a certificate does not prove what the result says
    ├── WaitTimedOut           (TimeoutError)     the time to wait is over; the job goes on
    └── MissingPart            (ImportError)      something that is not installed is needed

A limit that was reached is not here: it is a result whose counts are lower bounds.
"""

from __future__ import annotations

from typing import Final

from relucensus_client._answers import Problem


class ClientError(Exception):
    """Root of every error this package raises on purpose; its text is meant for the user."""


class InvalidArgument(ClientError, ValueError):
    """An argument that cannot be sent: a file that cannot be read, a bound that is not a finite number."""


class ConnectionFailed(ClientError, ConnectionError):
    """The service gave no answer, after every retry."""


class UnexpectedAnswer(ClientError, RuntimeError):
    """Something answered, but not as the service does."""


class ProblemError(ClientError, RuntimeError):
    """The service refused the request; `problem` is its problem document, `status` the HTTP status.

    `problem.name` is what a program should look at: ``"invalid-domain"``, ``"quota-used-up"``, … Each is one line of
    the table of errors in the documentation of the HTTP API.
    """

    def __init__(self, problem: Problem, status: int) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.status = status


class RequestRefused(ProblemError, ValueError):
    """The model or the request is at fault: invalid, too large or of a format that is not accepted."""


class Unauthorized(ProblemError):
    """The service has API keys, and the request has none that is valid."""


class NotFound(ProblemError, LookupError):
    """There is no such job or model."""


class Conflict(ProblemError):
    """The job's present state does not allow this: regions of a job that is not done, going on with an exact one."""


class TooManyRequests(ProblemError):
    """A quota is used up; try again later."""


class ServiceFailure(ProblemError):
    """The service is at fault or overloaded."""


class JobFailed(ClientError, RuntimeError):
    """The count ended in an error; `job_id` is None for a count in this process."""

    def __init__(self, problem: Problem, job_id: str | None = None) -> None:
        super().__init__(f"job {job_id} failed: {problem}" if job_id else str(problem))
        self.problem = problem
        self.job_id = job_id


class JobCancelled(ClientError, RuntimeError):
    """The job was cancelled before it had any result."""


class VerificationFailed(ClientError, RuntimeError):
    """The certificate does not prove the counts: it is damaged, of another network or domain, or wrong."""


class WaitTimedOut(ClientError, TimeoutError):
    """The time to wait is over. The job goes on; wait again or cancel it."""


class MissingPart(ClientError, ImportError):
    """A part or package that is not installed is needed; the text says which to install."""


_BY_STATUS: Final[dict[int, type[ProblemError]]] = {
    400: RequestRefused,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    409: Conflict,
    413: RequestRefused,
    415: RequestRefused,
    422: RequestRefused,
    429: TooManyRequests,
}


def error_of(problem: Problem, status: int) -> ProblemError:
    """The error that stands for this HTTP status; an unknown status gives the general `ProblemError`.

    >>> type(error_of(Problem(title="No such job"), 404)).__name__
    'NotFound'
    """
    if status >= 500:
        return ServiceFailure(problem, status)
    return _BY_STATUS.get(status, ProblemError)(problem, status)
