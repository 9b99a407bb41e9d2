from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from relucensus_client import Retries
from relucensus_client._retries import retry_after


def answer(status: int, **options: Any) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "http://service.test/count"), **options)


def test_pauses_double_up_to_the_longest_and_are_shortened_by_at_most_half() -> None:
    policy = Retries(attempts=9, first_pause=1.0, longest_pause=5.0)
    for attempt, full in enumerate([1.0, 2.0, 4.0, 5.0, 5.0]):
        pause = policy.pause_after_error(attempt, httpx.ConnectError("refused"))
        assert pause is not None
        assert full / 2 <= pause <= full


def test_pauses_differ_so_that_clients_do_not_return_together() -> None:
    assert len({Retries().pause_after_error(0, httpx.ConnectError("refused")) for _ in range(20)}) > 1


def test_after_the_last_attempt_there_is_no_pause() -> None:
    policy = Retries(attempts=2)
    assert policy.pause_after_error(2, httpx.ReadTimeout("late")) is None
    assert policy.pause_after_response(2, answer(503)) is None


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_retried(status: int) -> None:
    assert Retries().pause_after_response(0, answer(status)) is not None


@pytest.mark.parametrize("status", [200, 202, 400, 401, 404, 409, 413, 415, 422, 501])
def test_any_other_answer_is_taken_as_it_is(status: int) -> None:
    assert Retries().pause_after_response(0, answer(status)) is None


def test_the_services_retry_after_is_obeyed_and_spread_over_a_tenth_more() -> None:
    busy = answer(429, headers={"Retry-After": "7"})
    pauses = {Retries().pause_after_response(0, busy) for _ in range(20)}
    assert len(pauses) > 1
    assert all(pause is not None and 7.0 <= pause <= 7.7 for pause in pauses)


def test_a_quota_that_is_used_up_is_not_waited_for() -> None:
    document = {"type": "urn:relucensus:problem:quota-used-up", "title": "Used up", "status": 429}
    used_up = answer(429, json=document, headers={"Retry-After": "1"})
    assert Retries().pause_after_response(0, used_up) is None
    queue_full = answer(429, json=document | {"type": "urn:relucensus:problem:too-many-jobs"})
    assert Retries().pause_after_response(0, queue_full) is not None


def test_a_retry_after_that_is_too_long_is_not_waited_for() -> None:
    assert Retries().pause_after_response(0, answer(429, headers={"Retry-After": "3600"})) is None


def test_a_retry_after_that_cannot_be_read_is_ignored() -> None:
    pause = Retries(first_pause=1.0).pause_after_response(0, answer(503, headers={"Retry-After": "soon"}))
    assert pause is not None
    assert pause <= 1.0


def test_retry_after_may_be_a_date() -> None:
    later = retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert later is not None
    assert 27 < later <= 30
    assert retry_after("Mon, 01 Jan 2024 00:00:00 GMT") == 0.0


def test_a_request_that_cannot_be_sent_at_all_is_not_retried() -> None:
    assert Retries().pause_after_error(0, httpx.UnsupportedProtocol("no scheme")) is None


def test_waiting_is_more_patient_than_asking() -> None:
    assert Retries(attempts=3).patient().attempts == 9
    assert Retries(attempts=0).patient().attempts == 0
