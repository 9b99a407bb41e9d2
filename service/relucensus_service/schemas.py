"""What answers look like on the wire, and how they are made from values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from relucensus_service.jobs import Job
from relucensus_service.store import StoredModel

_OF_THE_FILE: Final = ("format", "input_shape", "notes", "breakpoints")


class NetworkView(BaseModel):
    """The network of a job or result."""

    digest: str
    inputs: int
    hidden: list[int]
    outputs: int
    neurons: int
    activation: str
    stable_neurons: int | None = Field(default=None, description="known once the network was counted")


class ModelView(NetworkView):
    """What was read from a model file."""

    format: str = Field(examples=["onnx"])
    input_shape: list[int] | None = Field(
        default=None, description="the shape of one input in the file, before flattening"
    )
    breakpoints: int | None = Field(
        default=None, description="of all neurons together: one for a ReLU, two for a clip with two ends"
    )
    notes: list[str] = Field(description="what the reader did that one may want to know")


class Progress(BaseModel):
    """How far a job is. Regions are those proven to exist so far."""

    activation_regions: int
    open_cubes: int
    regions_per_second: float | None
    heartbeat_at: str | None


class CountView(BaseModel):
    """One count: the number itself, or a number proven to be reached and what could exist at most."""

    value: int
    status: Literal["exact", "lower_bound"]
    upper_bound: int | None = None


class ResultView(BaseModel):
    """The answer. Integers may exceed 2**53."""

    counts: dict[str, CountView]
    regions_after_layer: list[int]
    engine: str
    cross_checked_by: str | None
    notes: list[str] = Field(description="what the reader of the file assumed or left off")
    network: NetworkView
    domain: dict[str, Any]
    bounds: dict[str, Any]
    statistics: dict[str, Any]
    certificate: str | None = Field(description="where to get it, if one was asked for and the counts are exact")
    versions: dict[str, str]


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class ProblemView(BaseModel):
    """A problem document, RFC 9457. Some problems have further members."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:relucensus:problem:invalid-domain"])
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None


class JobView(BaseModel):
    """A job. Poll until `done`; then either `result` or `error` is there."""

    id: str
    state: Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
    done: bool
    created_at: str
    started_at: str | None
    finished_at: str | None
    request: dict[str, Any]
    network: NetworkView
    progress: Progress
    result: ResultView | None
    error: ProblemView | None
    answered_from: str | None = Field(
        default=None, description="the job that found this exact result; nothing was counted for this one"
    )


class JobPage(BaseModel):
    """Jobs, the newest first; `next_cursor` asks for the next page."""

    jobs: list[JobView]
    next_cursor: str | None


def job_view(job: Job) -> dict[str, Any]:
    """The job on the wire (`JobView`)."""
    regions = job.regions if job.state.done else job.regions + job.found
    if job.result is not None:
        regions = job.result["counts"].get("activation_regions", {"value": regions})["value"]
    return {
        "id": job.id,
        "state": job.state.value,
        "done": job.state.done,
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "finished_at": _time(job.finished_at),
        "request": job.request,
        "network": network_view(job.network),
        "progress": {
            "activation_regions": regions,
            "open_cubes": job.open_cubes,
            "regions_per_second": round(job.regions / job.seconds_spent, 1) if job.seconds_spent > 0 else None,
            "heartbeat_at": _time(job.heartbeat_at),
        },
        "result": _result(job),
        "error": job.error,
        "answered_from": job.answered_from,
    }


def _result(job: Job) -> dict[str, Any] | None:
    if job.result is None or not job.state.done:
        return None
    certificate = f"/count/{job.id}/certificate" if job.certified and job.exact else None
    return {"notes": [], **job.result, "certificate": certificate}


def model_view(model: StoredModel) -> dict[str, Any]:
    """The model on the wire (`ModelView`)."""
    return dict(model.summary)


def network_view(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a model's summary that speaks about the network, not the file."""
    return {name: value for name, value in summary.items() if name not in _OF_THE_FILE}


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
