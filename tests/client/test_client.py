from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import httpx
import pytest

import relucensus_client
from relucensus_client import Client, ConnectionFailed, InvalidArgument, Retries, UnexpectedAnswer


def test_submit_sends_the_file_and_the_request_as_multipart(service: Any, documents: Any, tmp_path: Path) -> None:
    service.answers = [httpx.Response(202, json=documents.job())]
    path = tmp_path / "network.onnx"
    path.write_bytes(b"onnx\r\n--bytes")
    with service.client() as client:
        job = client.submit(path, lower=-1, upper=[1, 2], engine="milp", seconds=60)
    assert (job.id, job.done, job.result) == ("job-1", False, None)
    request = service.requests[0]
    assert (request.method, request.url.path) == ("POST", "/count")
    assert len(request.headers["Idempotency-Key"]) == 36
    assert service.parts()["model"] == ("network.onnx", b"onnx\r\n--bytes")
    assert service.parts()["request"][0] is None
    assert service.request_document() == {
        "domain": {"kind": "box", "lower": -1.0, "upper": [1.0, 2.0]},
        "engine": "milp",
        "limits": {"seconds": 60},
    }


def test_a_model_may_be_a_path_as_text_bytes_or_an_open_file(service: Any, documents: Any, tmp_path: Path) -> None:
    service.answers = [documents.job()]
    path = tmp_path / "net.pt"
    path.write_bytes(b"123")
    with service.client() as client, path.open("rb") as file:
        for model, name in ((str(path), "net.pt"), (b"123", "model"), (file, "net.pt"), (io.BytesIO(b"123"), "model")):
            client.submit(model, lower=0, upper=1)
            assert service.parts()["model"] == (name, b"123")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("no/such/file.onnx", "no/such/file.onnx cannot be read: No such file"),
        (".", "cannot be read: Is a directory"),
        (io.StringIO("text"), "mode 'rb'"),
        (17, "builtins.int"),
        ({"weight": [1, 2]}, "builtins.dict"),
    ],
)
def test_a_model_that_cannot_be_sent_is_refused_before_sending(service: Any, model: Any, said: str) -> None:
    with service.client() as client, pytest.raises(InvalidArgument, match=said):
        client.submit(model, lower=0, upper=1)
    assert service.requests == []


def test_an_uploaded_model_can_be_submitted_by_what_upload_returned(service: Any, documents: Any) -> None:
    kept = documents.result["network"] | {"format": "onnx", "input_shape": [1, 2], "notes": ["folded"]}
    service.answers = [httpx.Response(201, json=kept), documents.job()]
    with service.client() as client:
        model = client.upload(b"123")
        assert (model.digest, model.hidden, model.format, model.notes) == ("sha256:ab", (8, 8), "onnx", ("folded",))
        assert service.requests[0].url.path == "/models"
        assert list(service.parts()) == ["model"]
        client.submit(model, lower=0, upper=1)
        assert list(service.parts()) == ["request"]
        assert service.request_document()["model"] == "sha256:ab"
        client.submit("sha256:ab", lower=0, upper=1)
        assert service.request_document()["model"] == "sha256:ab"


def test_a_submit_that_is_sent_again_keeps_its_key_and_its_file(service: Any, documents: Any) -> None:
    service.answers = [httpx.ReadError("broken"), documents.problem(503), httpx.ReadTimeout("late"), documents.job()]
    with service.client() as client:
        client.submit(b"123", lower=0, upper=1)
        client.submit(b"123", lower=0, upper=1)
    keys = [request.headers["Idempotency-Key"] for request in service.requests]
    assert len(keys) == 5
    assert len(set(keys[:4])) == 1
    assert keys[4] != keys[0]
    assert [service.parts(n)["model"][1] for n in range(5)] == [b"123"] * 5


def test_no_answer_is_reported_after_the_last_attempt_with_the_address(service: Any) -> None:
    service.answers = [httpx.ConnectError("Connection refused")]
    with service.client() as client, pytest.raises(ConnectionFailed, match=r"http://service.test .*refused"):
        client.job("job-1")
    assert len(service.requests) == 4


def test_retries_may_be_a_number(service: Any, documents: Any) -> None:
    service.answers = [documents.problem(503)]
    with Client("http://service.test", transport=httpx.MockTransport(service), retries=0) as client:
        with pytest.raises(relucensus_client.ServiceFailure):
            client.job("job-1")
    assert len(service.requests) == 1


def test_retry_after_is_obeyed_before_asking_again(service: Any, documents: Any) -> None:
    busy = documents.problem(429)
    busy.headers["Retry-After"] = "0"
    service.answers = [busy, busy, documents.job()]
    with service.client(Retries(first_pause=1000, longest_pause=1000)) as client:
        assert client.job("job-1").id == "job-1"


@pytest.mark.parametrize(
    ("status", "kind", "builtin"),
    [
        (400, relucensus_client.RequestRefused, ValueError),
        (401, relucensus_client.Unauthorized, RuntimeError),
        (403, relucensus_client.Unauthorized, RuntimeError),
        (404, relucensus_client.NotFound, LookupError),
        (409, relucensus_client.Conflict, RuntimeError),
        (413, relucensus_client.RequestRefused, ValueError),
        (415, relucensus_client.RequestRefused, ValueError),
        (418, relucensus_client.ProblemError, RuntimeError),
        (422, relucensus_client.RequestRefused, ValueError),
        (429, relucensus_client.TooManyRequests, RuntimeError),
        (500, relucensus_client.ServiceFailure, RuntimeError),
        (503, relucensus_client.ServiceFailure, RuntimeError),
    ],
)
def test_a_refusal_raises_the_error_of_its_status_with_the_problem(
    service: Any, documents: Any, status: int, kind: Any, builtin: Any
) -> None:
    service.answers = [documents.problem(status, "No such job", "job-1 was deleted", hint="ask again")]
    with service.client() as client, pytest.raises(builtin, match="No such job: job-1 was deleted") as caught:
        client.job("job-1")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.problem.status) == (status, status)
    assert caught.value.problem.to_json()["hint"] == "ask again"


def test_an_error_that_is_no_problem_document_says_what_was_answered(service: Any) -> None:
    service.answers = [httpx.Response(500, text="<h1>Internal\n Server Error</h1>" + "x" * 1000)]
    with service.client() as client, pytest.raises(relucensus_client.ServiceFailure) as caught:
        client.job("job-1")
    assert str(caught.value).startswith("HTTP 500 Internal Server Error: GET http://service.test/count/job-1 answered")
    assert "<h1>Internal Server Error</h1>" in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("body", ["<html>", "{}", '{"id": 1}', "[]", ""])
def test_an_answer_that_is_not_the_services_is_not_mistaken_for_one(service: Any, body: str) -> None:
    service.answers = [httpx.Response(200, text=body)]
    with service.client() as client, pytest.raises(UnexpectedAnswer, match="not a JobStatus"):
        client.job("job-1")


def test_a_redirection_is_reported_with_its_target(service: Any) -> None:
    service.answers = [httpx.Response(307, headers={"Location": "https://elsewhere.test/"})]
    with service.client() as client, pytest.raises(UnexpectedAnswer, match=r"https://elsewhere.test/"):
        client.job("job-1")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://", "", "http://x:port", 5])
def test_an_address_that_is_none_is_refused(url: Any) -> None:
    with pytest.raises(InvalidArgument, match="url"):
        Client(url)


def test_jobs_fetches_pages_as_they_are_needed(service: Any, documents: Any) -> None:
    first = {"jobs": [documents.job(id="a"), documents.job(id="b")], "next_cursor": "c2"}
    service.answers = [first, {"jobs": [documents.job(id="c")], "next_cursor": None}]
    with service.client() as client:
        jobs = client.jobs(state="running", page_size=2)
        assert next(jobs).id == "a"
        assert len(service.requests) == 1
        assert [job.id for job in jobs] == ["b", "c"]
    assert dict(service.requests[0].url.params) == {"state": "running", "limit": "2"}
    assert dict(service.requests[1].url.params) == {"state": "running", "limit": "2", "cursor": "c2"}


def test_a_page_of_jobs_names_the_next(service: Any, documents: Any) -> None:
    service.answers = [{"jobs": [documents.job(id="a")], "next_cursor": "c2"}]
    with service.client() as client:
        page = client.jobs_page(state=["queued", "running"], cursor="c1", page_size=1)
    assert ([status.id for status in page.jobs], page.next_cursor) == (["a"], "c2")
    assert str(service.requests[0].url.params) == "state=queued&state=running&cursor=c1&limit=1"


def test_a_problem_tells_its_name_and_the_fields_at_fault(service: Any, documents: Any) -> None:
    errors = [{"field": "engine", "message": "does not exist"}]
    kind = "urn:relucensus:problem:invalid-request"
    service.answers = [documents.problem(422, type=kind, errors=errors)]
    with service.client() as client, pytest.raises(relucensus_client.RequestRefused) as caught:
        client.submit(b"123", lower=0, upper=1)
    assert caught.value.problem.name == "invalid-request"
    assert [(error.field, error.message) for error in caught.value.problem.errors or ()] == [
        ("engine", "does not exist")
    ]


def test_a_service_may_live_below_a_path(service: Any, documents: Any) -> None:
    service.answers = [documents.job()]
    with Client("http://service.test/census/", transport=httpx.MockTransport(service)) as client:
        client.job("job-1")
    assert service.requests[0].url.path == "/census/count/job-1"


def test_proxies_are_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch, served: str, service: Any) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    service.answers = [{"jobs": [], "next_cursor": None}]
    with Client(served, retries=0) as client:
        assert list(client.jobs()) == []
