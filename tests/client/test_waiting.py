from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from relucensus_client import (
    Conflict,
    ConnectionFailed,
    CountResult,
    Job,
    JobCancelled,
    JobFailed,
    JobStatus,
    WaitTimedOut,
)


@pytest.fixture
def job(service: Any, documents: Any) -> Any:
    service.answers = [documents.job()]
    with service.client(timeout=5.0) as client:
        job = client.submit(b"123", lower=0, upper=1)
        service.requests.clear()
        yield job


def test_wait_polls_until_done_and_returns_the_typed_result(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.job(), documents.job(state="cancelling"), documents.finished()]
    result = job.wait()
    assert isinstance(result, CountResult)
    assert result.counts["activation_regions"].value == 2**60 + 1
    assert result.exact
    assert result.network.hidden == (8, 8)
    assert result.statistics.wall_seconds == 1.5
    assert job.result == result
    assert [request.url.path for request in service.requests] == ["/count/job-1"] * 3


def test_the_result_gives_back_the_document_it_was_read_from(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.finished()]
    assert job.wait().to_json() == documents.result
    assert json.loads(json.dumps(job.latest.to_json())) == documents.finished()


def test_long_polls_are_read_for_longer_than_they_are_held(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.finished()]
    job.wait()
    assert service.requests[0].url.params["wait"] == "20"
    assert service.requests[0].extensions["timeout"]["read"] == 25.0


def test_waiting_stops_on_done_whatever_the_state_is_called(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.job(state="succeeded"), documents.finished(state="a_later_state")]
    assert job.wait().exact
    assert len(service.requests) == 2


def test_a_job_that_is_done_is_not_asked_about_again(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.finished()]
    job.wait()
    job.wait(timeout=0)
    assert len(service.requests) == 1


def test_a_service_that_answers_at_once_is_not_asked_without_pause(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.job(), documents.job(), documents.finished()]
    started = time.monotonic()
    job.wait()
    assert time.monotonic() - started >= 0.4


def test_wait_gives_up_after_its_timeout_and_leaves_the_job(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.job()]
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"job job-1 is not done yet \(state 'running'\); it goes on") as caught:
        job.wait(timeout=0.3)
    assert type(caught.value) is WaitTimedOut
    assert 0.3 <= time.monotonic() - started < 2.0
    assert {request.method for request in service.requests} == {"GET"}


def test_a_timeout_of_zero_asks_once(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.finished()]
    assert job.wait(timeout=0).exact
    assert "wait" not in service.requests[0].url.params


def test_waiting_outlasts_more_failures_than_asking_does(job: Job, service: Any, documents: Any) -> None:
    service.answers = [httpx.ConnectError("refused")] * 9 + [documents.finished()]
    assert job.wait().exact


def test_retrying_does_not_outlast_the_timeout(service: Any, documents: Any) -> None:
    service.answers = [documents.job()]
    retries = type(documents.quick)(attempts=100, first_pause=0.1, longest_pause=0.1)
    with service.client(retries) as client:
        job = client.submit(b"123", lower=0, upper=1)
        service.answers = [httpx.ConnectError("refused")]
        started = time.monotonic()
        with pytest.raises(ConnectionFailed):
            job.wait(timeout=0.5)
    assert time.monotonic() - started < 2.0


def test_a_failed_job_raises_with_its_problem(job: Job, service: Any, documents: Any) -> None:
    error = {"type": "about:blank", "title": "Solver failure", "status": 500, "detail": "cube 7 kills its workers"}
    service.answers = [documents.job(state="failed", done=True, error=error)]
    with pytest.raises(JobFailed, match="job job-1 failed: Solver failure: cube 7 kills its workers") as caught:
        job.wait()
    assert caught.value.problem.to_json() == error


def test_a_cancelled_job_still_has_its_lower_bounds(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.finished(state="cancelled", result=documents.lower_bound)]
    result = job.wait()
    assert not result.exact
    assert result.counts["activation_regions"].upper_bound == 900


def test_a_job_cancelled_before_it_began_has_no_result(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.job(state="cancelled", done=True)]
    with pytest.raises(JobCancelled, match="'cancelled'"):
        job.wait()


def test_a_progress_function_gets_every_status_and_quicker_polls(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.job(progress=None), documents.job(), documents.finished()]
    seen: list[JobStatus] = []
    job.wait(progress=seen.append)
    assert [status.done for status in seen] == [False, False, True]
    assert seen[1].progress is not None
    assert seen[1].progress.open_cubes == 4
    assert service.requests[0].url.params["wait"] == "1"


def test_without_a_terminal_nothing_is_written(
    job: Job, service: Any, documents: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    service.answers = [documents.job(), documents.finished()]
    job.wait()
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_says_what_happens_to_the_job_and_goes_on_up(
    job: Job, service: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    service.answers = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        job.wait()
    said = capsys.readouterr().err
    assert "Job job-1 goes on at http://service.test" in said
    assert "relucensus cancel job-1 --url http://service.test" in said


def test_cancel_status_and_delete_are_one_request_each(job: Job, service: Any, documents: Any) -> None:
    service.answers = [
        httpx.Response(202, json=documents.job(state="cancelling")),
        documents.finished(state="cancelled"),
        httpx.Response(204),
    ]
    assert job.cancel().state == "cancelling"
    assert job.status().done
    assert job.done
    job.delete()
    asked = [(request.method, request.url.path) for request in service.requests]
    assert asked == [("POST", "/count/job-1/cancel"), ("GET", "/count/job-1"), ("DELETE", "/count/job-1")]


def test_retrying_a_job_that_goes_on_already_does_nothing(job: Job, service: Any, documents: Any) -> None:
    """As when the answer to a retry was lost, and it is sent again."""
    service.answers = [httpx.ReadError("broken"), documents.problem(409), documents.job(state="queued")]
    assert job.retry().state == "queued"
    service.answers = [documents.problem(409, "There is nothing to go on with"), documents.finished()]
    with pytest.raises(Conflict, match="nothing to go on with"):
        job.retry()


def test_deleting_twice_is_deleting_once(job: Job, service: Any, documents: Any) -> None:
    service.answers = [httpx.ReadError("broken"), documents.problem(404)]
    job.delete()
    job.delete()
    assert len(service.requests) == 3
