"""HTTP client and command line of the relucensus service.

>>> from relucensus_client import Client, CountResult
>>> with Client("http://127.0.0.1:8000") as client:
...     client.url
'http://127.0.0.1:8000'
"""

from relucensus_client._answers import FieldError, Network, Problem, UploadedModel, Verified
from relucensus_client._async_client import AsyncClient
from relucensus_client._async_job import AsyncJob
from relucensus_client._client import Client, Job, count
from relucensus_client._connection import DEFAULT_URL
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
    Unauthorized,
    UnexpectedAnswer,
    VerificationFailed,
    WaitTimedOut,
)
from relucensus_client._history import History
from relucensus_client._models import (
    Count,
    CountResult,
    Distances,
    Domain,
    ExactDistance,
    Geometry,
    JobPage,
    JobStatus,
    Progress,
    Statistics,
)
from relucensus_client._picture import Picture
from relucensus_client._reading import ReadingOptions
from relucensus_client._regions import Regions
from relucensus_client._requests import CountOptions
from relucensus_client._retries import Retries
from relucensus_client.monitor import RegionMonitor

__all__ = [
    "DEFAULT_URL",
    "AsyncClient",
    "AsyncJob",
    "Client",
    "ClientError",
    "Conflict",
    "ConnectionFailed",
    "Count",
    "CountOptions",
    "CountResult",
    "Distances",
    "Domain",
    "ExactDistance",
    "FieldError",
    "Geometry",
    "History",
    "InvalidArgument",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobPage",
    "JobStatus",
    "MissingPart",
    "Network",
    "NotFound",
    "Picture",
    "Problem",
    "ProblemError",
    "Progress",
    "ReadingOptions",
    "RegionMonitor",
    "Regions",
    "RequestRefused",
    "Retries",
    "ServiceFailure",
    "Slice",
    "Statistics",
    "TooManyRequests",
    "Unauthorized",
    "UnexpectedAnswer",
    "UploadedModel",
    "VerificationFailed",
    "Verified",
    "WaitTimedOut",
    "count",
]
