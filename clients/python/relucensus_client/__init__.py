"""HTTP client and command line of the relucensus service.

>>> from relucensus_client import Client, CountResult
>>> with Client("http://127.0.0.1:8000") as client:
...     client.url
'http://127.0.0.1:8000'
"""

from relucensus_client._client import DEFAULT_URL, Client, Job, count
from relucensus_client._domain import Slice
from relucensus_client._errors import (
    ClientError,
    Conflict,
    ConnectionFailed,
    InvalidArgument,
    JobCancelled,
    JobFailed,
    MissingPart,
    NotFound,
    ProblemError,
    RequestRefused,
    ServiceFailure,
    TooManyRequests,
    UnexpectedAnswer,
    WaitTimedOut,
)
from relucensus_client._models import (
    Count,
    CountResult,
    Domain,
    JobStatus,
    Network,
    Problem,
    Progress,
    Statistics,
    UploadedModel,
)
from relucensus_client._requests import CountOptions
from relucensus_client._retries import Retries

__all__ = [
    "DEFAULT_URL",
    "Client",
    "ClientError",
    "Conflict",
    "ConnectionFailed",
    "Count",
    "CountOptions",
    "CountResult",
    "Domain",
    "InvalidArgument",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobStatus",
    "MissingPart",
    "Network",
    "NotFound",
    "Problem",
    "ProblemError",
    "Progress",
    "RequestRefused",
    "Retries",
    "ServiceFailure",
    "Slice",
    "Statistics",
    "TooManyRequests",
    "UnexpectedAnswer",
    "UploadedModel",
    "WaitTimedOut",
    "count",
]
