"""The API without a runner: what is accepted, and the problem document for everything that is not."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from relucensus_service.settings import Settings
from relucensus_service.store import Database, Store

CASES = Path(__file__).parents[1] / "cases"
MODEL = (CASES / "seven_7_3.onnx").read_bytes()
UPLOAD_LIMIT = 200_000
INPUTS = 7

Post = Callable[..., httpx.Response]
Expect = Callable[..., dict[str, Any]]
Listening = Callable[[Settings, Store], AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="module")
def post(client: httpx.Client) -> Post:
    def post(file: bytes = MODEL, text: str | None = None, **request: Any) -> httpx.Response:
        document = {"domain": {"lower": -1, "upper": 1}, **request}
        files = {"model": ("model", file)}
        return client.post("/count", files=files, data={"request": text or json.dumps(document)})

    return post


def test_a_count_is_queued(post: Post, client: httpx.Client) -> None:
    response = post()
    assert response.status_code == 202
    assert response.headers["retry-after"]
    job = response.json()
    assert response.headers["location"] == f"/count/{job['id']}"
    assert (job["state"], job["done"], job["result"], job["error"]) == ("queued", False, None, None)
    assert job["network"]["hidden"] == [7, 3]
    assert job["progress"] == {
        "activation_regions": 1,
        "open_cubes": 1,
        "regions_per_second": None,
        "heartbeat_at": None,
    }
    assert client.get(f"/count/{job['id']}").json() == job


def test_the_request_comes_back_with_its_defaults(post: Post) -> None:
    job = post(limits={"seconds": 5}).json()
    digest = job["network"]["digest"]
    assert job["request"] == {
        "domain": {"kind": "box", "lower": -1.0, "upper": 1.0},
        "definitions": ["activation_regions", "linear_regions", "affine_pieces"],
        "engine": "auto",
        "strategy": "cubes",
        "limits": {"seconds": 5.0, "regions": None, "deadline": None},
        "certificate": False,
        "cross_check": None,
        "activation": "relu",
        "model_output": None,
        "model_input": None,
        "submodel": None,
        "batch_axis": None,
        "nnet_normalisation": None,
        "model": digest,
        "fresh": False,
    }


def test_a_model_may_be_named_by_its_digest(post: Post, client: httpx.Client) -> None:
    uploaded = client.post("/models", files={"model": ("m.onnx", MODEL)})
    assert uploaded.status_code == 201
    model = uploaded.json()
    assert (model["inputs"], model["hidden"], model["format"]) == (INPUTS, [7, 3], "onnx")
    assert client.get(uploaded.headers["location"]).json() == model
    response = client.post(
        "/count",
        files={"request": (None, json.dumps({"domain": {"lower": -1, "upper": 1}, "model": model["digest"]}))},
    )
    assert response.status_code == 202
    assert response.json()["network"]["digest"] == model["digest"]


def test_the_same_network_in_another_format_has_the_same_digest(client: httpx.Client) -> None:
    digests = {
        client.post("/models", files={"model": ("m", (CASES / f"seven_7_3.{ending}").read_bytes())}).json()["digest"]
        for ending in ("onnx", "pt")
    }
    assert len(digests) == 1


def test_the_same_key_and_request_again_are_the_same_job(client: httpx.Client) -> None:
    def post(request: str) -> httpx.Response:
        files = {"model": ("m", MODEL)}
        headers = {"Idempotency-Key": "3f6d-retry"}
        return client.post("/count", files=files, data={"request": request}, headers=headers)

    first = post('{"domain": {"lower": 0, "upper": 1}}')
    again = post('{"domain": {"lower": 0, "upper": 1}}')
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    other = post('{"domain": {"lower": 0, "upper": 2}}')
    assert other.status_code == 422
    assert other.json()["type"] == "urn:relucensus:problem:idempotency-key-reused"


@pytest.mark.parametrize(
    "request_text",
    [
        '{"domain": {"lower": -1, "upper": 1}, "definitions": [' + ",".join(['""'] * 9_000) + "]}",
        '{"domain": {"upper": 1, "lower": [' + ",".join(['""'] * 9_000) + "]}}",
        '{"domain": {"lower": 0, "upper": 1}, ' + ",".join(f'"k{i}": 1' for i in range(2_000)) + "}",
        '{"domain": {"lower": 0, "upper": 1}, ' + ",".join(f'"k{i}": 1' for i in range(60)) + "}",
    ],
    ids=["definitions", "bounds", "fields", "unknown fields"],
)
def test_a_request_with_many_mistakes_gets_a_short_answer(client: httpx.Client, request_text: str) -> None:
    response = client.post("/count", files={"model": ("m", MODEL)}, data={"request": request_text})
    assert response.status_code == 422
    assert response.json()["type"] == "urn:relucensus:problem:invalid-request"
    assert len(response.content) < 10_000


def test_prefer_wait_is_honoured_and_capped_by_what_was_asked(post: Post, client: httpx.Client) -> None:
    job = post().json()
    response = client.get(f"/count/{job['id']}?wait=0.2")
    assert 0.2 <= response.elapsed.total_seconds() < 2
    posted = client.post(
        "/count",
        files={"model": ("m", MODEL)},
        data={"request": '{"domain": {"lower": 0, "upper": 1}}'},
        headers={"Prefer": "respond-async, wait=1"},
    )
    assert posted.status_code == 202
    assert posted.headers["preference-applied"] == "wait=1"
    assert posted.elapsed.total_seconds() >= 1


def test_jobs_are_listed_in_pages(post: Post, client: httpx.Client) -> None:
    newest = [post().json()["id"] for _ in range(3)][::-1]
    first = client.get("/count?limit=2").json()
    assert [job["id"] for job in first["jobs"]] == newest[:2]
    second = client.get(f"/count?limit=2&cursor={first['next_cursor']}").json()
    assert second["jobs"][0]["id"] == newest[2]
    assert client.get("/count?state=succeeded").json() == {"jobs": [], "next_cursor": None}


def test_cancelling_is_idempotent_and_deleting_forgets(
    expect_problem: Expect, post: Post, client: httpx.Client
) -> None:
    job = post().json()["id"]
    for _ in range(2):
        response = client.post(f"/count/{job}/cancel")
        assert (response.status_code, response.json()["state"]) == (202, "cancelling")
    assert [entry["id"] for entry in client.get("/count?state=cancelling").json()["jobs"]] == [job]
    assert client.delete(f"/count/{job}").status_code == 204
    expect_problem(client.delete(f"/count/{job}"), 404, "unknown-job", job)


SLICE = {"kind": "slice", "origin": [0] * 7, "directions": [[1] * 7], "lower": -1, "upper": 1}
BAD_REQUESTS: list[tuple[str, dict[str, Any], str, list[str]]] = [
    ("too few bounds", {"domain": {"lower": [-1, -1], "upper": 1}}, "invalid-domain", ["lower", "7 inputs"]),
    ("too many bounds", {"domain": {"lower": -1, "upper": [1] * 8}}, "invalid-domain", ["upper", "7 inputs"]),
    ("crossed bounds", {"domain": {"lower": 1, "upper": -1}}, "invalid-domain", ["lower[0]", "above"]),
    ("no bounds", {"domain": {}}, "invalid-request", ["domain.lower"]),
    ("nested bounds", {"domain": {"lower": [[1]], "upper": 1}}, "invalid-request", ["domain.lower"]),
    ("a bound that is text", {"domain": {"lower": "-1", "upper": 1}}, "invalid-request", ["domain.lower"]),
    ("a bound that is a bool", {"domain": {"lower": False, "upper": True}}, "invalid-request", ["domain.lower"]),
    ("a slice without all", {"domain": {"kind": "slice", "origin": [0]}}, "invalid-request", ["domain.directions"]),
    ("no directions", {"domain": SLICE | {"directions": []}}, "invalid-request", ["domain.directions"]),
    (
        "a direction in words",
        {"domain": SLICE | {"directions": [["x"] * 7]}},
        "invalid-request",
        ["domain.directions[0]"],
    ),
    ("a slice of few inputs", {"domain": SLICE | {"origin": [0] * 6}}, "invalid-domain", ["origin", "[6]", "[1, 7]"]),
    (
        "a slice of other inputs",
        {"domain": SLICE | {"origin": [0] * 6, "directions": [[1] * 6]}},
        "invalid-domain",
        ["6 coordinates", "7 inputs"],
    ),
    ("too many bounds of a slice", {"domain": SLICE | {"upper": [1, 1]}}, "invalid-domain", ["upper"]),
    (
        "a box with directions",
        {"domain": {"lower": 0, "upper": 1, "origin": [1]}},
        "invalid-request",
        ["domain.origin"],
    ),
    ("no object", {"domain": [1]}, "invalid-request", ["domain"]),
    ("another kind", {"domain": {"kind": "ball", "lower": 0, "upper": 1}}, "invalid-request", ["domain.kind"]),
    ("unknown engine", {"engine": "abacus"}, "invalid-request", ["abacus", "milp"]),
    ("unknown checker", {"cross_check": "abacus"}, "invalid-request", ["abacus", "milp"]),
    ("checked by auto", {"cross_check": "auto"}, "invalid-request", ["cross_check"]),
    ("unknown strategy", {"strategy": "luck"}, "invalid-request", ["luck", "cubes"]),
    ("unknown definition", {"definitions": ["holes"]}, "invalid-request", ["definitions[0]"]),
    ("no definition", {"definitions": []}, "invalid-request", ["definitions"]),
    ("twice a definition", {"definitions": ["linear_regions"] * 2}, "invalid-request", ["twice"]),
    ("unknown activation", {"activation": "sigmoid"}, "invalid-request", ["sigmoid", "relu"]),
    ("unknown field", {"colour": "red"}, "invalid-request", ["colour"]),
    ("unknown limit", {"limits": {"minutes": 1}}, "invalid-request", ["limits.minutes"]),
    ("no time", {"limits": {"seconds": 0}}, "invalid-request", ["limits.seconds"]),
    ("half a region", {"limits": {"regions": 0.5}}, "invalid-request", ["limits.regions"]),
    (
        "a certificate of what has none",
        {"certificate": True, "definitions": ["activation_patterns"]},
        "invalid-request",
        ["activation_patterns"],
    ),
    (
        "another engine's strategy",
        {"engine": "tree", "strategy": "plain"},
        "invalid-request",
        ["plain", "milp", "tree"],
    ),
    ("nobody's strategy", {"strategy": "plain"}, "invalid-request", ["plain", "milp", "auto"]),
    ("checked by itself", {"engine": "milp", "cross_check": "milp"}, "invalid-request", ["cross_check", "milp"]),
    ("a deadline that is a number", {"limits": {"deadline": 5}}, "invalid-request", ["limits.deadline"]),
    ("a deadline without zone", {"limits": {"deadline": "2030-01-01T00:00"}}, "invalid-request", ["limits.deadline"]),
    ("a file and a digest", {"model": "sha256:" + "0" * 64}, "invalid-request", ["both"]),
    ("no digest", {"model": "md5:0"}, "invalid-request", ["model"]),
]


@pytest.mark.parametrize(
    ("request_", "name", "words"), [bad[1:] for bad in BAD_REQUESTS], ids=[b[0] for b in BAD_REQUESTS]
)
def test_a_bad_request_is_refused(
    expect_problem: Expect, post: Post, request_: dict[str, Any], name: str, words: list[str]
) -> None:
    expect_problem(post(**request_), 422, name, *words)


BAD_TEXTS = {
    "not JSON": ('{"domain": ', "not JSON"),
    "NaN": ('{"domain": {"lower": NaN, "upper": 1}}', "NaN"),
    "NaN in a slice": ('{"domain": {"kind": "slice", "origin": [NaN], "directions": [[1]]}}', "NaN"),
    "a direction too large": (
        '{"domain": {"kind": "slice", "origin": [0], "directions": [[1e999]], "lower": 0, "upper": 1}}',
        "directions",
    ),
    "Infinity": ('{"domain": {"lower": 0, "upper": Infinity}}', "Infinity"),
    "a number too large": ('{"domain": {"lower": 0, "upper": 1e999}}', "upper"),
    "an integer too large": ('{"domain": {"lower": 0, "upper": 1' + "0" * 400 + "}}", "upper"),
    "an integer beyond reading": ('{"domain": {"lower": 0, "upper": 1' + "0" * 5000 + "}}", "JSON"),
    "nested without end": ("[" * 100_000, "nested"),
    "a field twice": ('{"domain": {"lower": 0, "upper": 1, "lower": 2}}', "'lower' is given twice"),
    "a list": ("[]", ""),
}


@pytest.mark.parametrize(("text", "word"), BAD_TEXTS.values(), ids=BAD_TEXTS.keys())
def test_a_request_that_is_not_proper_json_is_refused(post: Post, text: str, word: str) -> None:
    response = post(text=text)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert word in response.json()["detail"]


def test_each_wrong_field_is_named(expect_problem: Expect, post: Post) -> None:
    problem = expect_problem(post(engine="abacus", colour="red"), 422, "invalid-request")
    assert {error["field"] for error in problem["errors"]} == {"engine", "colour"}


def test_the_parts_of_the_form_are_checked(expect_problem: Expect, client: httpx.Client) -> None:
    request = {"request": '{"domain": {"lower": 0, "upper": 1}}'}
    model = {"model": ("m", MODEL)}
    expect_problem(client.post("/count", files=model), 422, "invalid-request", "'request'")
    expect_problem(client.post("/count", files={"x": (None, "")}, data=request), 422, "invalid-request", "'x'")
    expect_problem(client.post("/count", files={"model": (None, "text")}, data=request), 422, "invalid-request", "file")
    expect_problem(
        client.post("/count", files={"request": (None, request["request"])}), 422, "invalid-request", "neither"
    )
    twice = [("model", ("a", MODEL)), ("model", ("b", MODEL))]
    expect_problem(client.post("/count", files=twice, data=request), 422, "invalid-request", "more than once")
    expect_problem(client.post("/count", json={}), 415, "unsupported-media-type", "application/json")
    expect_problem(client.post("/models"), 415, "unsupported-media-type", "multipart/form-data")
    headers = {"content-type": "multipart/form-data"}
    expect_problem(client.post("/models", content=b"x", headers=headers), 400, "bad-request")


def test_an_unknown_digest_is_refused(expect_problem: Expect, client: httpx.Client) -> None:
    digest = "sha256:" + "0" * 64
    document = {"domain": {"lower": 0, "upper": 1}, "model": digest}
    response = client.post("/count", files={"request": (None, json.dumps(document))})
    expect_problem(response, 404, "unknown-model", digest)
    expect_problem(client.get(f"/models/{digest}"), 404, "unknown-model", digest)


def test_unknown_jobs_and_addresses_and_methods_are_problems(expect_problem: Expect, client: httpx.Client) -> None:
    for response in (client.get("/count/none"), client.post("/count/none/cancel"), client.delete("/count/none")):
        expect_problem(response, 404, "unknown-job", "'none'")
    expect_problem(client.get("/nowhere"), 404, "not-found", "/nowhere")
    refused = client.put("/count")
    expect_problem(refused, 405, "method-not-allowed", "PUT /count")
    assert refused.headers["allow"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "state=asleep", "cursor=%20"])
def test_a_bad_query_is_refused(expect_problem: Expect, client: httpx.Client, query: str) -> None:
    expect_problem(client.get(f"/count?{query}"), 422, "invalid-request", query.split("=", maxsplit=1)[0])


@pytest.mark.parametrize("wait", ["-1", "nan", "soon"])
def test_a_bad_wait_is_refused(expect_problem: Expect, post: Post, client: httpx.Client, wait: str) -> None:
    job = post().json()["id"]
    expect_problem(client.get(f"/count/{job}?wait={wait}"), 422, "invalid-request", "wait")


def test_a_body_over_the_limit_is_refused_by_what_it_says_and_by_what_it_is(
    expect_problem: Expect, client: httpx.Client, post: Post
) -> None:
    too_large = b"\0" * (UPLOAD_LIMIT + 1)
    expect_problem(post(too_large), 413, "too-large", str(UPLOAD_LIMIT))

    def chunks() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="model"; filename="m"\r\n\r\n'
        for _ in range(30):
            yield b"\0" * 10_000

    headers = {"content-type": "multipart/form-data; boundary=b"}
    expect_problem(client.post("/models", content=chunks(), headers=headers), 413, "too-large", str(UPLOAD_LIMIT))
    assert post().status_code == 202


def test_a_mistake_of_the_service_shows_no_traceback(
    expect_problem: Expect, client: httpx.Client, api_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr(type(api_store.jobs), "find", broken)
    response = client.get("/count/any")
    expect_problem(response, 500, "internal-error")
    assert "secret" not in response.text


def test_the_service_says_whether_it_lives_and_is_ready(
    expect_problem: Expect, client: httpx.Client, api_store: Store
) -> None:
    assert client.get("/").json()["name"] == "relucensus"
    assert client.get("/healthz").json() == {"status": "ok"}
    problem = expect_problem(client.get("/readyz"), 503, "not-ready", "runner")
    assert problem["checks"] == {
        "database": "ok",
        "schema": "ok",
        "runner": "none was heard of lately",
        "scheduler": "not known without a runner",
    }
    api_store.leases.announce("runner", 0)
    expect_problem(client.get("/readyz"), 503, "not-ready", "has no workers")
    api_store.leases.announce("runner", 2)
    assert client.get("/readyz").json() == {
        "status": "ok",
        "checks": {"database": "ok", "schema": "ok", "runner": "ok", "scheduler": "ok"},
    }
    api_store.leases.withdraw("runner")


def test_a_service_without_its_schema_or_database_is_not_ready(
    expect_problem: Expect, listening: Listening, tmp_path: Path
) -> None:
    database = Database(f"sqlite:///{tmp_path}/empty.db")
    unreachable = Database("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")
    for each, word in ((database, "relucensus migrate"), (unreachable, "database")):
        with listening(Settings(), Store.on(each)) as client:
            expect_problem(client.get("/readyz"), 503, "not-ready", word)
            refused = client.get("/count")
            expect_problem(refused, 503, "not-ready", "try again")
            assert refused.headers["retry-after"]
        each.close()


def test_every_route_is_documented_with_its_problems(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert "CountRequest" in schemas
    assert "$defs" not in json.dumps(document)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
    posted = document["paths"]["/count"]["post"]
    assert set(posted["responses"]) >= {"200", "202", "404", "413", "415", "422"}
    assert "application/problem+json" in posted["responses"]["422"]["content"]
    references = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert references <= set(schemas)


def test_a_slice_is_a_domain(post: Post) -> None:
    job = post(domain=SLICE).json()
    assert job["request"]["domain"] == {
        "kind": "slice",
        "origin": [0.0] * 7,
        "directions": [[1.0] * 7],
        "lower": -1.0,
        "upper": 1.0,
    }


def test_the_schema_shows_both_domains(client: httpx.Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert {"BoxDomain", "SliceDomain"} <= set(schemas)
    text = json.dumps(schemas["CountRequest"]["properties"]["domain"])
    assert "#/components/schemas/SliceDomain" in text
    assert "#/components/schemas/BoxDomain" in text


def test_a_bare_file_is_uploaded_with_the_activation_asked_for(client: httpx.Client, expect_problem: Expect) -> None:
    files = {"model": ("m.pt", (Path(__file__).parents[1] / "cases" / "planar_8x3.pt").read_bytes())}
    models = [client.post("/models", params={"activation": a}, files=files) for a in ("hard_tanh", "leaky_relu:0.2")]
    assert [response.status_code for response in models] == [201, 201]
    first, second = (response.json() for response in models)
    assert (first["activation"], first["neurons"], first["breakpoints"]) == ("hard_tanh", 24, 48)
    assert (second["activation"], second["breakpoints"]) == ("piecewise_linear", 24)
    long = "leaky_relu:0.0123456789012345678901234567890123456789"
    assert client.post("/models", params={"activation": long}, files=files).status_code == 201
    expect_problem(client.post("/models", params={"activation": "elu"}, files=files), 422, "invalid-request", "elu")
