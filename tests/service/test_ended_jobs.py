"""Jobs that have ended: answers known from them, going on with them, following them to their end."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from relucensus_service.jobs import COUNTING
from relucensus_service.store import Store

MODEL = (Path(__file__).parents[1] / "cases" / "seven_7_3.onnx").read_bytes()

Post = Callable[..., httpx.Response]
Expect = Callable[..., dict[str, Any]]
Finish = Callable[..., None]


@pytest.fixture(scope="module")
def post(client: httpx.Client) -> Post:
    def post(headers: dict[str, str] | None = None, **request: Any) -> httpx.Response:
        document = {"domain": {"lower": -1, "upper": 1}, **request}
        return client.post(
            "/count", files={"model": ("m", MODEL)}, data={"request": json.dumps(document)}, headers=headers
        )

    return post


def box(number: float) -> dict[str, Any]:
    """A domain that no other test asks for."""
    return {"lower": -number, "upper": number}


def test_an_exact_answer_that_is_known_is_given_at_once(post: Post, api_store: Store, finish: Finish) -> None:
    first = post(domain=box(2)).json()["id"]
    assert post(domain=box(2)).status_code == 202
    finish(api_store, first, 706)
    again = post(domain={"lower": [-2] * 7, "upper": 2}, limits={"seconds": 3})
    assert again.status_code == 200
    job = again.json()
    assert (job["state"], job["done"], job["answered_from"]) == ("succeeded", True, first)
    assert job["id"] != first
    assert job["result"]["counts"]["activation_regions"] == {"value": 706, "status": "exact"}
    assert job["progress"]["activation_regions"] == 706
    assert post(domain=box(2)).json()["answered_from"] == first


@pytest.mark.parametrize(
    "change",
    [
        {"fresh": True},
        {"domain": box(3.5)},
        {"definitions": ["linear_regions"]},
        {"engine": "milp"},
        {"engine": "milp", "strategy": "plain"},
        {"cross_check": "brute"},
        {"certificate": True},
    ],
    ids=str,
)
def test_another_question_is_counted(post: Post, api_store: Store, finish: Finish, change: dict[str, Any]) -> None:
    finish(api_store, post(domain=box(3), fresh=True).json()["id"], 5)
    assert post(domain=box(3)).status_code == 200
    assert post(**{"domain": box(3), **change}).status_code == 202


def test_the_engine_that_answered_may_be_asked_for(post: Post, api_store: Store, finish: Finish) -> None:
    finish(api_store, post(domain=box(4), engine="milp").json()["id"], 5, engine="milp")
    assert post(domain=box(4), engine="milp").status_code == post(domain=box(4)).status_code == 200


def test_a_lower_bound_answers_nobody(post: Post, api_store: Store, finish: Finish) -> None:
    finish(api_store, post(domain=box(5)).json()["id"], 5, exact=False)
    assert post(domain=box(5)).status_code == 202


def test_a_key_keeps_its_job_even_when_an_answer_is_known(post: Post, api_store: Store, finish: Finish) -> None:
    headers = {"Idempotency-Key": "known"}
    first = post(headers, domain=box(6)).json()["id"]
    finish(api_store, first, 5)
    assert post(headers, domain=box(6)).json()["id"] == first


def test_a_job_that_stopped_early_goes_on_from_its_frontier(
    post: Post, client: httpx.Client, api_store: Store, finish: Finish, expect_problem: Expect
) -> None:
    job = post(domain=box(7), limits={"regions": 3}).json()["id"]
    expect_problem(client.post(f"/count/{job}/retry"), 409, "nothing-to-retry", "queued")
    finish(api_store, job, 3, exact=False)
    assert client.get(f"/count/{job}").json()["done"]
    response = client.post(f"/count/{job}/retry")
    assert response.status_code == 202
    queued = response.json()
    assert (queued["state"], queued["result"], queued["finished_at"]) == ("queued", None, None)
    assert (queued["progress"]["activation_regions"], queued["progress"]["open_cubes"]) == (4, 1)
    found = api_store.jobs.find(job)
    assert found is not None
    assert (found.regions, found.regions_before) == (3, 3)
    finish(api_store, job, 2)
    assert api_store.jobs.find(job).exact  # type: ignore[union-attr]
    expect_problem(client.post(f"/count/{job}/retry"), 409, "nothing-to-retry", "exact")


def test_a_job_whose_frontier_was_forgotten_begins_anew(
    post: Post, client: httpx.Client, api_store: Store, finish: Finish
) -> None:
    job = post(domain=box(8)).json()["id"]
    finish(api_store, job, 3, exact=False)
    database = api_store.database
    with database.write() as connection:
        for table in ("cubes", "settlements"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    assert client.post(f"/count/{job}/retry").json()["progress"]["activation_regions"] == 1
    assert len(api_store.frontier.load(job, COUNTING)) == 1


def test_a_deadline_that_has_passed_is_final(
    post: Post, client: httpx.Client, api_store: Store, finish: Finish, expect_problem: Expect
) -> None:
    job = post(domain=box(9), limits={"deadline": "2020-01-01T00:00:00Z"}).json()
    assert job["request"]["limits"]["deadline"] == "2020-01-01T00:00:00Z"
    finish(api_store, job["id"], 3, exact=False)
    expect_problem(client.post(f"/count/{job['id']}/retry"), 409, "nothing-to-retry", "deadline")


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The events in the answer: name, id, data."""
    found = []
    for block in response.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append({"event": lines["event"], "id": lines["id"], "data": json.loads(lines["data"])})
    return found


def test_a_job_is_followed_to_its_end(post: Post, client: httpx.Client, api_store: Store, finish: Finish) -> None:
    job = post(domain=box(10)).json()["id"]

    def end() -> None:
        time.sleep(0.5)
        finish(api_store, job, 12)

    ending = threading.Thread(target=end)
    ending.start()
    response = client.get(f"/count/{job}/events")
    ending.join()
    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response)
    assert events[0]["event"] == "progress"
    assert events[0]["data"]["state"] == "queued"
    assert [event["event"] for event in events].count("done") == 1
    assert events[-1]["data"]["result"]["counts"]["activation_regions"]["value"] == 12
    assert len({event["id"] for event in events}) == len(events)


def test_who_comes_back_gets_only_what_is_new(
    post: Post, client: httpx.Client, api_store: Store, finish: Finish
) -> None:
    job = post(domain=box(11)).json()["id"]
    with client.stream("GET", f"/count/{job}/events") as response:
        seen = next(line.removeprefix("id: ") for line in response.iter_lines() if line.startswith("id: "))
    finish(api_store, job, 12)
    (last,) = events_of(client.get(f"/count/{job}/events", headers={"Last-Event-ID": seen}))
    assert last["event"] == "done"
    assert client.get(f"/count/{job}/events", headers={"Last-Event-ID": last["id"]}).status_code == 204
    assert [e["id"] for e in events_of(client.get(f"/count/{job}/events"))] == [last["id"]]


def test_the_regions_of_an_unknown_or_unfinished_job_are_refused(
    post: Post, client: httpx.Client, api_store: Store, finish: Finish, expect_problem: Expect
) -> None:
    expect_problem(client.get("/count/none/events"), 404, "unknown-job")
    expect_problem(client.get("/count/none/regions"), 404, "unknown-job")
    job = post(domain=box(12)).json()["id"]
    expect_problem(client.get(f"/count/{job}/regions"), 409, "not-finished", "queued")
    finish(api_store, job, 3, exact=False)
    expect_problem(client.get(f"/count/{job}/regions"), 409, "not-finished", "no exact count")


def test_regions_are_listed_as_they_are_found_again(
    post: Post, client: httpx.Client, api_store: Store, finish: Finish, tmp_path: Path, expect_problem: Expect
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    job = post(domain=box(10), fresh=True).json()["id"]
    finish(api_store, job, 706)
    listed = client.get(f"/count/{job}/regions", timeout=120)
    assert listed.headers["content-type"] == "application/x-ndjson"
    rows = [json.loads(line) for line in listed.text.splitlines()]
    assert len({tuple(row["pattern"]) for row in rows}) == len(rows) == 706
    assert all(len(row["interior_point"]) == 7 for row in rows)
    columns = {"format": "parquet", "columns": "pattern,weights"}
    answer = client.get(f"/count/{job}/regions", params=columns, timeout=120)
    (tmp_path / "regions").write_bytes(answer.content)
    table = parquet.read_table(tmp_path / "regions")
    assert (table.num_rows, table.column_names) == (706, ["pattern", "weights"])
    expect_problem(client.get(f"/count/{job}/regions?columns=colour"), 422, "invalid-request", "colour")
    expect_problem(client.get(f"/count/{job}/regions?format=csv"), 422, "invalid-request", "format")


def test_a_listing_that_does_not_confirm_the_count_breaks_off(
    post: Post, client: httpx.Client, api_store: Store, finish: Finish
) -> None:
    job = post(domain=box(10), fresh=True).json()["id"]
    finish(api_store, job, 707)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(f"/count/{job}/regions", timeout=120)
    assert client.get("/healthz").status_code == 200
