from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from relucensus_client import InvalidArgument, _requests
from relucensus_client._model_source import ModelFile


def test_a_request_holds_only_what_was_asked_for() -> None:
    assert _requests.count_request(-1, 1, {}) == {"domain": {"kind": "box", "lower": -1.0, "upper": 1.0}}


def test_a_request_holds_everything_that_was_asked_for() -> None:
    request = _requests.count_request(
        (-1, -2),
        [1, 2],
        {
            "definitions": ("activation_regions", "linear_regions"),
            "engine": "milp",
            "strategy": "plain",
            "seconds": 5.5,
            "regions": 100,
            "cross_check": "brute",
            "activation": "relu",
        },
    )
    assert request == {
        "domain": {"kind": "box", "lower": [-1.0, -2.0], "upper": [1.0, 2.0]},
        "definitions": ["activation_regions", "linear_regions"],
        "engine": "milp",
        "strategy": "plain",
        "limits": {"seconds": 5.5, "regions": 100},
        "cross_check": "brute",
        "activation": "relu",
    }


def test_an_option_that_is_none_is_not_asked_for() -> None:
    request = _requests.count_request(0, 1, {"engine": None, "seconds": None, "regions": None, "definitions": None})
    assert list(request) == ["domain"]


@pytest.mark.parametrize(
    "bound", [[-1.0, 2.0], (-1, 2), np.array([-1, 2]), np.array([-1, 2], np.float32), torch.tensor([-1.0, 2.0])]
)
def test_bounds_may_be_lists_tuples_arrays_and_tensors(bound: Any) -> None:
    assert _requests.count_request(bound, 3, {})["domain"]["lower"] == [-1.0, 2.0]


@pytest.mark.parametrize("bound", [1, 1.0, np.float32(1), np.int64(1), torch.tensor(1.0)])
def test_one_bound_may_be_a_number_of_any_kind(bound: Any) -> None:
    assert _requests.count_request(bound, 3, {})["domain"]["lower"] == 1.0


def test_bounds_keep_every_bit() -> None:
    third = 1.0 / 3.0
    call = _requests.submit_call(ModelFile(), _requests.count_request(third, [third], {}))
    assert repr(third).encode() in dict(call.parts)["request"][1]


@pytest.mark.parametrize(
    ("lower", "said"),
    [
        (math.nan, "lower is nan"),
        ([0, math.inf], r"lower\[1\] is inf"),
        ("1", "lower is '1'"),
        (None, "lower and upper, or domain"),
        ([1, "x"], r"lower\[1\] is 'x'"),
        ([[1, 2]], r"lower\[0\] is \[1, 2\]"),
        (True, "lower is True"),
        (10**400, "lower is 1000"),
    ],
)
def test_a_bound_that_is_not_a_finite_number_is_refused_by_name(lower: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        _requests.count_request(lower, 1, {})


@pytest.mark.parametrize("limit", ["seconds", "regions"])
@pytest.mark.parametrize("value", [math.nan, math.inf, "5", True])
def test_a_limit_that_is_not_a_finite_number_is_refused_by_name(limit: Any, value: Any) -> None:
    with pytest.raises(InvalidArgument, match=f"limit {limit} is"):
        _requests.count_request(0, 1, {limit: value})


@pytest.mark.parametrize("definitions", ["activation_regions", 5])
def test_definitions_that_are_not_a_list_are_refused(definitions: Any) -> None:
    with pytest.raises(InvalidArgument, match="list of names"):
        _requests.count_request(0, 1, {"definitions": definitions})


def test_a_deadline_is_a_moment_and_keeps_its_time_zone() -> None:
    moment = datetime(2030, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))
    assert _requests.count_request(0, 1, {"deadline": moment})["limits"] == {"deadline": "2030-01-31T12:00:00+02:00"}


@pytest.mark.parametrize("deadline", [datetime(2030, 1, 31), "2030-01-31T12:00Z", 5])
def test_a_deadline_that_is_no_moment_is_refused(deadline: Any) -> None:
    with pytest.raises(InvalidArgument, match="datetime with its time zone"):
        _requests.count_request(0, 1, {"deadline": deadline})


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", 5])
def test_an_idempotency_key_that_cannot_be_sent_is_refused(key: Any) -> None:
    with pytest.raises(InvalidArgument, match="idempotency_key"):
        _requests.submit_call(ModelFile(), {}, key)


def test_every_submit_has_its_own_idempotency_key() -> None:
    keys = {_requests.submit_call(ModelFile(), {}).headers["Idempotency-Key"] for _ in range(3)}
    assert len(keys) == 3


def test_an_uploaded_model_is_named_and_not_sent() -> None:
    call = _requests.submit_call(ModelFile(digest="sha256:ab"), {"engine": "milp"})
    assert [name for name, _ in call.parts] == ["request"]
    assert call.parts[0][1][1] == b'{"engine": "milp", "model": "sha256:ab"}'


def test_a_digest_cannot_be_uploaded() -> None:
    with pytest.raises(InvalidArgument, match="give the file"):
        _requests.upload_call(ModelFile(digest="sha256:ab"))


@pytest.mark.parametrize("job_id", ["", "a/b", "..", "a b", "ä?x"])
def test_what_cannot_be_a_job_id_is_refused(job_id: str) -> None:
    with pytest.raises(InvalidArgument, match="not a job id"):
        _requests.status_call(job_id)


def test_the_read_timeout_is_longer_than_the_wait() -> None:
    with httpx.Client(base_url="http://service.test/prefix") as http:
        request = _requests.status_call("job-1", wait=20).on(http, 7.0)
    assert str(request.url) == "http://service.test/prefix/count/job-1?wait=20"
    assert request.extensions["timeout"] == {"connect": 7.0, "read": 27.0, "write": 7.0, "pool": 7.0}
