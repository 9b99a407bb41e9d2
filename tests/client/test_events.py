"""`Job.events`: what the service says by itself, and what happens when the connection breaks off."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from relucensus_client import ConnectionFailed, Job, NotFound, UnexpectedAnswer

BROKEN = httpx.ReadError("connection reset")


def progress(regions: int, state: str = "running") -> dict[str, Any]:
    """What a `progress` event tells: a part of the job."""
    return {"id": "job-1", "state": state, "done": False, "progress": {"activation_regions": regions, "open_cubes": 1}}


@pytest.fixture
def job(service: Any, documents: Any) -> Any:
    service.answers = [documents.job()]
    with service.client() as client:
        job = client.submit(b"123", lower=0, upper=1)
        service.requests.clear()
        yield job


def regions_seen(job: Job) -> list[int]:
    return [status.progress.activation_regions for status in job.events() if status.progress is not None]


def test_each_event_is_the_whole_job_as_it_is_then(job: Job, service: Any, documents: Any) -> None:
    done = documents.finished()
    stream = documents.event("progress", 1, progress(11)) + b": still here\n\n" + documents.event("done", 2, done)
    service.answers = [documents.events(stream[:40], stream[40:100], stream[100:])]
    first, last = job.events()
    assert first.progress is not None
    assert (first.state, first.progress.activation_regions) == ("running", 11)
    assert first.network is not None
    assert first.network.hidden == (8, 8)
    assert last.to_json() == done == job.latest.to_json()
    assert service.asked == ["GET /count/job-1/events"]
    assert service.requests[0].headers["Accept"] == "text/event-stream"
    assert "Last-Event-ID" not in service.requests[0].headers


def test_a_broken_stream_is_taken_up_after_the_last_event(job: Job, service: Any, documents: Any) -> None:
    service.answers = [
        documents.events(documents.event("progress", "a-1", progress(11)), b"event: done\ndata: {", BROKEN),
        documents.job(progress={"activation_regions": 12}),
        documents.events(documents.event("progress", "a-2", progress(13))),
        documents.job(progress={"activation_regions": 13, "open_cubes": 1}),
        documents.events(documents.event("done", "a-3", documents.finished())),
    ]
    assert regions_seen(job)[:3] == [11, 12, 13]
    assert job.done
    followed = [request for request in service.requests if request.url.path.endswith("/events")]
    assert [request.headers.get("Last-Event-ID") for request in followed] == [None, "a-1", "a-2"]


def test_a_job_that_ended_while_nobody_listened_is_not_missed(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.events(BROKEN), documents.finished()]
    assert [status.done for status in job.events()] == [True]
    service.answers = [httpx.Response(204), documents.finished()]
    assert [status.done for status in job.events()] == []
    assert job.done


def test_opening_the_stream_outlasts_a_restart_of_the_service(job: Job, service: Any, documents: Any) -> None:
    refused = httpx.ConnectError("refused")
    done = documents.events(documents.event("done", 1, documents.finished()))
    service.answers = [refused, documents.problem(503), *[refused] * 7, done]
    assert [status.done for status in job.events()] == [True]


def test_a_service_that_has_gone_is_reported(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.events(documents.event("progress", 1, progress(11))), httpx.ConnectError("refused")]
    events = job.events()
    next(events)
    with pytest.raises(ConnectionFailed, match="refused"):
        next(events)


def test_a_job_that_was_deleted_meanwhile_is_reported(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.events(documents.event("progress", 1, progress(11))), documents.problem(404)]
    events = job.events()
    next(events)
    with pytest.raises(NotFound):
        next(events)


def test_a_proxy_that_lets_no_events_through_leaves_the_status(job: Job, service: Any, documents: Any) -> None:
    service.answers = [httpx.Response(200, text="<html>"), documents.finished()]
    assert [status.done for status in job.events()] == [True]


def test_an_event_that_is_not_the_services_is_not_mistaken_for_one(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.events(documents.event("done", 1, {"hello": 1}))]
    with pytest.raises(UnexpectedAnswer, match="not a JobStatus"):
        list(job.events())


def test_events_of_other_names_are_passed_over(job: Job, service: Any, documents: Any) -> None:
    stream = documents.event("weather", 1, {"rain": True}) + documents.event("done", 2, documents.finished())
    service.answers = [documents.events(stream)]
    assert [status.done for status in job.events()] == [True]


def test_who_stops_listening_closes_the_connection(job: Job, service: Any, documents: Any) -> None:
    answer = documents.events(*(documents.event("progress", n, progress(n)) for n in range(100)))
    stream = answer.stream
    service.answers = [answer]
    events = job.events()
    next(events)
    assert not stream.closed
    events.close()
    assert stream.closed
    assert len(service.requests) == 1


def test_the_stream_may_be_silent_for_longer_than_its_comments_are_apart(service: Any, documents: Any) -> None:
    service.answers = [documents.job(), documents.events(documents.event("done", 1, documents.finished()))]
    with service.client(timeout=7.0) as client:
        list(client.job("job-1").events())
    assert service.requests[-1].extensions["timeout"]["read"] == 22.0
