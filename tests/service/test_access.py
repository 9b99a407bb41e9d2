"""API keys: who gets in, whose jobs are seen, how much may be used; and what every answer says to browsers and logs."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from relucensus.engines.protocol import Settlement
from relucensus.values.result import Statistics
from relucensus_service import options
from relucensus_service.commands import keys
from relucensus_service.jobs import COUNTING
from relucensus_service.logs import REQUEST_ID, JsonFormatter
from relucensus_service.options import check_access
from relucensus_service.settings import InvalidSetting, Settings, database_in
from relucensus_service.store import Database, Quota, Store
from relucensus_service.store.schema import upgrade

MODEL = (Path(__file__).parents[1] / "cases" / "seven_7_3.onnx").read_bytes()

Expect = Callable[..., dict[str, Any]]
Listening = Callable[[Settings, Store], AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="module")
def closed_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('closed')}/test.db")
    upgrade(database)
    yield Store.on(database)
    database.close()


@pytest.fixture(scope="module")
def address(closed_store: Store, listening: Listening) -> Iterator[httpx.Client]:
    with listening(Settings(cors_origins="https://lab.example"), closed_store) as client:
        yield client


class User:
    """Someone with a key of their own."""

    def __init__(self, store: Store, client: httpx.Client, **quota: Any) -> None:
        self.key, self.text = store.keys.create("somebody", Quota(**quota))
        self._client = client

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._client.request(method, path, headers={"Authorization": f"Bearer {self.text}"}, **options)

    def post(self, file: bytes | None = MODEL, **request: Any) -> httpx.Response:
        document = {"request": (None, json.dumps({"domain": {"lower": -1, "upper": 1}, **request}))}
        model = {"model": ("m", file)} if file is not None else {}
        return self.request("POST", "/count", files={**document, **model})


@pytest.fixture
def user(closed_store: Store, address: httpx.Client) -> Callable[..., User]:
    return lambda **quota: User(closed_store, address, **quota)


NewUser = Callable[..., User]


def test_nobody_gets_in_without_a_valid_key(address: httpx.Client, user: NewUser, expect_problem: Expect) -> None:
    somebody = user()
    assert somebody.request("GET", "/count").status_code == 200
    key_id, secret = somebody.text.split("_")[1:][0], somebody.text.split("_", 2)[2]
    for text in ("-", "x", f"rlc_{key_id}_{'A' * len(secret)}", f"rlc_{'0' * 12}_{secret}", somebody.text + "x"):
        refused = address.get("/count", headers={"Authorization": f"Bearer {text}"})
        expect_problem(refused, 401, "unauthorized", "Authorization")
        assert refused.headers["www-authenticate"] == "Bearer"
    for method, path in (
        ("GET", "/count"),
        ("POST", "/count"),
        ("GET", "/count/x"),
        ("DELETE", "/count/x"),
        ("POST", "/count/x/cancel"),
        ("POST", "/count/x/retry"),
        ("GET", "/count/x/events"),
        ("GET", "/count/x/regions"),
        ("POST", "/models"),
        ("GET", "/models/x"),
    ):
        expect_problem(address.request(method, path), 401, "unauthorized")
    for path in ("/", "/healthz", "/metrics", "/openapi.json"):
        assert address.get(path).status_code == 200


def test_a_revoked_key_opens_nothing_and_the_last_one_does_not_open_everything(
    closed_store: Store, address: httpx.Client, user: NewUser, expect_problem: Expect
) -> None:
    somebody = user()
    for key in closed_store.keys.all():
        assert closed_store.keys.revoke(key.id) == (key.revoked_at is None)
    assert not closed_store.keys.revoke(somebody.key.id)
    expect_problem(somebody.request("GET", "/count"), 401, "unauthorized")
    expect_problem(address.get("/count"), 401, "unauthorized")


def test_jobs_and_models_are_seen_only_by_whoever_sent_them(
    closed_store: Store, user: NewUser, finish: Callable[..., None], expect_problem: Expect
) -> None:
    one, other = user(), user()
    job = one.post().json()
    assert job["state"] == "queued"
    assert [entry["id"] for entry in one.request("GET", "/count").json()["jobs"]] == [job["id"]]
    assert other.request("GET", "/count").json()["jobs"] == []
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/events")):
        expect_problem(other.request(method, f"/count/{job['id']}{path}"), 404, "unknown-job")
    digest = job["network"]["digest"]
    assert one.request("GET", f"/models/{digest}").status_code == 200
    expect_problem(other.request("GET", f"/models/{digest}"), 404, "unknown-model")
    expect_problem(other.post(file=None, model=digest), 404, "unknown-model")
    finish(closed_store, job["id"], 706)
    assert one.post().json()["answered_from"] == job["id"]
    assert other.post().json()["answered_from"] is None
    assert other.request("GET", f"/models/{digest}").status_code == 200


def test_the_same_idempotency_key_of_two_users_is_two_jobs(address: httpx.Client, user: NewUser) -> None:
    ids = {
        address.post(
            "/count",
            files={"model": ("m", MODEL)},
            data={"request": '{"domain": {"lower": 0, "upper": 1}}'},
            headers={"Authorization": f"Bearer {user().text}", "Idempotency-Key": "same"},
        ).json()["id"]
        for _ in range(2)
    }
    assert len(ids) == 2


def test_a_key_has_so_many_jobs_at_once(user: NewUser, expect_problem: Expect) -> None:
    somebody = user(open_jobs=2)
    jobs = [somebody.post(fresh=True).json()["id"] for _ in range(2)]
    refused = somebody.post()
    expect_problem(refused, 429, "too-many-jobs", "this API key has 2 jobs")
    assert refused.headers["retry-after"]
    somebody.request("DELETE", f"/count/{jobs[0]}")
    assert somebody.post().status_code == 202


def test_a_key_uploads_so_many_bytes_a_day(user: NewUser, expect_problem: Expect) -> None:
    somebody = user(upload_bytes=2 * len(MODEL) + 5)
    digest = somebody.post().json()["network"]["digest"]
    assert somebody.request("POST", "/models", files={"model": ("m", MODEL)}).status_code == 201
    expect_problem(somebody.post(), 429, "quota-used-up", str(len(MODEL)))
    assert somebody.post(file=None, model=digest).status_code == 202


def test_a_key_uses_so_many_cpu_seconds_a_day(closed_store: Store, user: NewUser, expect_problem: Expect) -> None:
    somebody = user(cpu_seconds=10)
    job_id = somebody.post().json()["id"]
    spent = []
    while job_id is not None:
        claimed = closed_store.leases.claim("spender", spent)
        assert claimed is not None
        job, lease = claimed
        spent.append(job.id)
        if job.id != job_id:
            closed_store.leases.hand_back(lease)
            continue
        (cube,) = closed_store.frontier.load(job_id, COUNTING)
        settlement = Settlement(open=(cube.cube,), statistics=Statistics(cpu_seconds=6))
        first = closed_store.frontier.commit(lease, COUNTING, cube, settlement)
        assert first.children is not None
        assert not first.used_up
        assert closed_store.frontier.commit(lease, COUNTING, first.children[0], settlement).used_up
        break
    expect_problem(somebody.post(fresh=True), 429, "quota-used-up", "CPU seconds")


def test_the_service_has_so_many_jobs_at_once(tmp_path: Path, listening: Listening, expect_problem: Expect) -> None:
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    with listening(Settings(queue_limit=1), Store.on(database)) as client:

        def post() -> httpx.Response:
            document = {"request": '{"domain": {"lower": 0, "upper": 1}}'}
            return client.post("/count", files={"model": ("m", MODEL)}, data=document)

        assert post().status_code == 202
        expect_problem(post(), 429, "too-many-jobs", "the service has 1 jobs")
    database.close()


def test_answers_tell_browsers_what_not_to_do(address: httpx.Client, client: httpx.Client) -> None:
    headers = address.get("/", headers={"Origin": "https://lab.example"}).headers
    assert headers["access-control-allow-origin"] == "https://lab.example"
    assert "access-control-allow-origin" not in address.get("/", headers={"Origin": "https://x.example"}).headers
    closed = client.get("/count/none", headers={"Origin": "https://lab.example"}).headers
    assert "access-control-allow-origin" not in closed
    assert closed["x-content-type-options"] == "nosniff"
    assert closed["x-frame-options"] == "DENY"
    assert closed["content-security-policy"].startswith("default-src 'none'")
    assert closed["cache-control"] == "no-store"


def test_a_request_has_an_id_in_its_answer_and_in_the_log(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "relucensus_service.requests")
    assert len(client.get("/count/none").headers["x-request-id"]) == 32
    assert client.get("/count/none", headers={"X-Request-ID": "proxy-7"}).headers["x-request-id"] == "proxy-7"
    assert client.get("/count/none", headers={"X-Request-ID": "a b\tc"}).headers["x-request-id"] != "a b\tc"
    client.get("/healthz")
    records = [record for record in caplog.records if record.name == "relucensus_service.requests"]
    assert len(records) == 3
    token = REQUEST_ID.set("proxy-7")
    line = json.loads(JsonFormatter().format(records[1]))
    REQUEST_ID.reset(token)
    assert (line["request_id"], line["method"], line["path"], line["status"]) == ("proxy-7", "GET", "/count/none", 404)
    assert line["job_id"] == "none"
    assert line["milliseconds"] > 0


def test_figures_for_prometheus(client: httpx.Client, api_store: Store) -> None:
    document = {"request": '{"domain": {"lower": 0, "upper": 1}, "fresh": true}'}
    before = _figures(client)
    client.post("/count", files={"model": ("m", MODEL)}, data=document)
    client.get("/nowhere/at/all")
    after = _figures(client)
    queued = 'relucensus_jobs{state="queued"}'
    assert after[queued] == before[queued] + 1
    assert after["relucensus_open_cubes"] == before["relucensus_open_cubes"] + 1
    assert after["relucensus_queue_age_seconds"] >= 0
    assert after['relucensus_http_requests_total{method="POST",route="/count",status="202"}'] >= 1
    assert after['relucensus_http_requests_total{method="",route="none",status="404"}'] >= 1
    api_store.leases.announce("a-runner", 3)
    figures = _figures(client)
    for name in ("slices_total", "regions_total", "failures_total", "taken_over_total"):
        assert figures[f'relucensus_runner_{name}{{runner="a-runner"}}'] == 0
    assert figures['relucensus_runner_workers{runner="a-runner"}'] == 3
    api_store.leases.withdraw("a-runner")


def _figures(client: httpx.Client) -> dict[str, float]:
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machine_alone_needs_no_key(host: str) -> None:
    check_access(host, has_keys=False, opened=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "lab.example"])
def test_other_machines_need_a_key_or_a_word(host: str) -> None:
    with pytest.raises(InvalidSetting, match=r"keys create.*--open"):
        check_access(host, has_keys=False, opened=False)
    check_access(host, has_keys=True, opened=False)
    check_access(host, has_keys=False, opened=True)


def test_keys_are_made_listed_and_revoked_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "log_to_stderr", lambda log_format: None)  # it belongs to the process of a command
    app = typer.Typer()
    app.command()(keys)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, [*arguments, "--data", str(tmp_path)])

    text = run("create", "lab", "--open-jobs", "5").stdout.strip()
    store = Store.on(Database(database_in(tmp_path)))
    key = store.keys.of(text)
    assert key is not None
    assert (key.name, key.quota) == ("lab", Quota(open_jobs=5))
    assert text.split("_", 2)[2] not in (tmp_path / "relucensus.db").read_bytes().decode("latin-1")
    listed = run("list").stdout
    assert key.id in listed
    assert "open_jobs 5" in listed
    assert text not in listed
    assert run("revoke", key.id).exit_code == 0
    assert store.keys.of(text) is None
    assert "revoked" in run("list").stdout
    for wrong in (["revoke", key.id], ["revoke", "nobody"], ["create"], ["list", "x"]):
        assert run(*wrong).exit_code == 2
    store.database.close()
