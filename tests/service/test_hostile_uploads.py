"""Whatever is uploaded: the right problem, nothing run, nothing written, and the service as healthy as before."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event, insert, text

from hostile_files import FILES, MILLION, TRACE, Attack
from relucensus_service.intake import Intake
from relucensus_service.problems import Refusal
from relucensus_service.settings import Settings
from relucensus_service.store import Database, Store
from relucensus_service.store.schema import upgrade
from relucensus_service.store.tables import jobs

GOOD = (Path(__file__).parents[1] / "cases" / "seven_7_3.onnx").read_bytes()
REFUSALS = ("unreadable-model", "refused-format", "unsupported-model")
LONGEST_ANSWER = 5000  # characters; a refusal never repeats a file
DOMAIN = {"domain": {"lower": -1, "upper": 1}}

Expect = Callable[..., dict[str, Any]]
Listening = Callable[[Settings, Store], AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="module")
def client(api_store: Store, listening: Listening) -> Iterator[httpx.Client]:
    """A service that takes larger files than the other tests need, and keeps few jobs."""
    with listening(Settings(upload_limit=6_000_000, queue_limit=3), api_store) as client:
        yield client


@pytest.fixture(scope="module")
def digest(client: httpx.Client) -> str:
    """A network that is there."""
    return str(client.post("/models", files={"model": ("m", GOOD)}).json()["digest"])


@pytest.fixture(autouse=True)
def healthy(client: httpx.Client) -> Iterator[None]:
    yield
    assert client.get("/healthz").json() == {"status": "ok"}
    assert not TRACE.exists()


@pytest.mark.parametrize("attack", FILES.values(), ids=FILES.keys())
def test_a_file_that_attacks_its_reader_is_refused(client: httpx.Client, attack: Attack) -> None:
    response = client.post("/models", files={"model": ("../../etc/passwd", attack.make())})
    assert response.status_code == attack.status, response.text[:500]
    assert attack.word in response.text
    assert "Traceback" not in response.text
    assert len(response.text) < LONGEST_ANSWER
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"].rpartition(":")[2] in REFUSALS


def test_a_file_whose_reading_fills_the_memory_is_refused() -> None:
    file = FILES["protobuf: a million nodes"].make()
    with closing(Intake(Settings(parse_memory=400 * 2**20))) as intake, pytest.raises(Refusal) as refusal:
        intake.read(file + file[-1_900_000:] * 4, choices={})
    assert refusal.value.problem.status in (415, 422)


def form(*parts: tuple[str, bytes], end: bytes = b"--b--\r\n") -> bytes:
    """A multipart form; a part is the rest of its Content-Disposition and its content."""
    return (
        b"".join(b"--b\r\nContent-Disposition: form-data" + n.encode() + b"\r\n\r\n" + c + b"\r\n" for n, c in parts)
        + end
    )


def request_part(**more: Any) -> tuple[str, bytes]:
    return '; name="request"', json.dumps({**DOMAIN, **more}).encode()


FILE = ('; name="model"; filename="m"', GOOD)
BOUNDARY = "multipart/form-data; boundary=b"
BAD, UNPROCESSABLE, KIND, LARGE = (
    (400, "bad-request"),
    (422, "invalid-request"),
    (415, "unsupported-media-type"),
    (413, "too-large"),
)
BODIES: dict[str, tuple[str, Callable[[], bytes], tuple[int, str]]] = {
    "no content type": ("", lambda: b"x", KIND),
    "JSON": ("application/json", lambda: b"{}", KIND),
    "a form of another type": ("application/x-www-form-urlencoded", lambda: b"model=1&request=2", KIND),
    "a long content type": ("a" * 5000, lambda: b"", KIND),
    "no boundary": ("multipart/form-data", lambda: b"x", BAD),
    "a long boundary": ("multipart/form-data; boundary=" + "b" * 5000, lambda: b"x", BAD),
    "an encoding that takes for ever": (f"{BOUNDARY}; charset=punycode", lambda: form(FILE, request_part()), KIND),
    "an encoding that is none": (f"{BOUNDARY}; charset=no", lambda: form(FILE, request_part()), KIND),
    "empty": (BOUNDARY, lambda: b"", BAD),
    "no parts": (BOUNDARY, form, UNPROCESSABLE),
    "cut off within the file": (BOUNDARY, lambda: form(request_part(), FILE, end=b"")[:-200], BAD),
    "cut off before the end": (BOUNDARY, lambda: form(FILE, request_part(), end=b""), BAD),
    "cut off within a header": (
        BOUNDARY,
        lambda: form(FILE, end=b'--b\r\nContent-Disposition: form-data; name="requ'),
        BAD,
    ),
    "a part twice": (BOUNDARY, lambda: form(FILE, request_part(), request_part()), UNPROCESSABLE),
    "a file twice": (BOUNDARY, lambda: form(FILE, FILE, request_part()), UNPROCESSABLE),
    "a part that is not known": (BOUNDARY, lambda: form(FILE, request_part(), ('; name="../x"', b"")), UNPROCESSABLE),
    "a part without a name": (BOUNDARY, lambda: form(("", b"x")), BAD),
    "a long name": (BOUNDARY, lambda: form((f'; name="{"n" * MILLION}"', b"x")), BAD),
    "many parts": (BOUNDARY, lambda: form(*[('; name="request"', b"")] * 20_000), BAD),
    "many files": (BOUNDARY, lambda: form(*[('; name="model"; filename="m"', b"")] * 20_000), BAD),
    "many headers of a part": (BOUNDARY, lambda: b"--b\r\n" + b"A: b\r\n" * 100_000 + form(FILE), BAD),
    "a model without a file name": (BOUNDARY, lambda: form(('; name="model"', GOOD), request_part()), UNPROCESSABLE),
    "compressed": (BOUNDARY, lambda: b"\x1f\x8b\x08" + bytes(1000), BAD),
    "a large request part": (BOUNDARY, lambda: form(FILE, ('; name="request"', b" " * 4_200_000)), BAD),
    "a large file": (BOUNDARY, lambda: form(('; name="model"; filename="m"', bytes(6_000_001)), request_part()), LARGE),
    "a request that is not text": (
        BOUNDARY,
        lambda: form(FILE, ('; name="request"; filename="r"', b"\xff")),
        UNPROCESSABLE,
    ),
}


@pytest.mark.parametrize(("kind", "body", "problem"), BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_no_form_is_refused(
    client: httpx.Client, expect_problem: Expect, kind: str, body: Callable[[], bytes], problem: tuple[int, str]
) -> None:
    response = client.post("/count", content=body(), headers={"Content-Type": kind} if kind else {})
    expect_problem(response, *problem)
    assert len(response.text) < LONGEST_ANSWER


def with_field(name: str, value: str) -> str:
    return f'{json.dumps(DOMAIN)[:-1]}, "{name}": {value}}}'


def slice_with(directions: str) -> str:
    return f'{{"domain": {{"kind": "slice", "origin": [0], "lower": 0, "upper": 1, "directions": {directions}}}}}'


REQUESTS: dict[str, Callable[[], str]] = {
    "not JSON": lambda: "<xml/>",
    "NaN": lambda: '{"domain": {"lower": NaN, "upper": 1}}',
    "Infinity": lambda: '{"domain": {"lower": -Infinity, "upper": 1}}',
    "a number beyond floats": lambda: '{"domain": {"lower": -1e999, "upper": 1}}',
    "a number of many digits": lambda: f'{{"domain": {{"lower": 0, "upper": {"9" * 100_000}}}}}',
    "a limit of many digits": lambda: with_field("limits", f'{{"regions": {"9" * 4000}}}'),
    "a limit that is infinite": lambda: with_field("limits", '{"seconds": 1e999}'),
    "lists in lists": lambda: "[" * MILLION,
    "objects in objects": lambda: '{"a":' * 200_000,
    "lists in a bound": lambda: f'{{"domain": {{"upper": 1, "lower": {"[" * 900}{"]" * 900}}}}}',
    "a field twice": lambda: '{"domain": {"lower": 0, "upper": 1, "upper": 2}}',
    "a long field twice": lambda: f'{{"{"a" * MILLION}": 1, "{"a" * MILLION}": 1}}',
    "many fields": lambda: "{" + ", ".join(f'"{i}": 1' for i in range(100_000)) + "}",
    "a long field": lambda: with_field("a" * MILLION, "1"),
    "a long engine": lambda: with_field("engine", f'"{"a" * MILLION}"'),
    "half a character": lambda: with_field("engine", r'"\ud800"'),
    "half a character as a field": lambda: with_field(r"\ud800", "1"),
    "a NUL": lambda: with_field("activation", r'"relu\u0000"'),
    "another model's digest in a path": lambda: with_field("model", '"../../etc/passwd"'),
    "too many bounds": lambda: f'{{"domain": {{"lower": [{"0, " * 900_000}0], "upper": 1}}}}',
    "a million wrong bounds": lambda: f'{{"domain": {{"lower": [{"{}, " * MILLION}0], "upper": 1}}}}',
    "a million wrong directions": lambda: slice_with(f"[{'1, ' * MILLION}1]"),
    "a million wrong definitions": lambda: with_field("definitions", f"[{'1, ' * MILLION}1]"),
    "a list": lambda: "[]",
    "nothing": lambda: "",
}


@pytest.mark.parametrize("document", REQUESTS.values(), ids=REQUESTS.keys())
def test_a_request_that_is_not_one_is_refused(client: httpx.Client, digest: str, document: Callable[[], str]) -> None:
    sent = document().encode()
    for parts in ((FILE, ('; name="request"', sent)), (('; name="request"', sent),)):
        response = client.post("/count", content=form(*parts), headers={"Content-Type": BOUNDARY})
        assert response.status_code == 422, response.text[:500]
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] in (f"urn:relucensus:problem:invalid-{what}" for what in ("request", "domain"))
        assert len(response.text) < LONGEST_ANSWER


def test_a_method_that_is_not_served_is_answered_with_all_that_are(client: httpx.Client) -> None:
    for address, methods in (("/count", {"GET", "POST"}), ("/count/x", {"GET", "DELETE"}), ("/models/x", {"GET"})):
        response = client.put(address)
        assert response.status_code == 405
        assert set(response.headers["allow"].split(", ")) == methods


def cursor(number: int) -> str:
    return "/count?cursor=" + base64.urlsafe_b64encode(str(number).encode()).decode()


ADDRESSES: dict[str, tuple[str, int]] = {
    "a job with a NUL": ("/count/%00", 404),
    "a job in a path": ("/count/..%2f..%2fetc%2fpasswd", 404),
    "a job of many characters": (f"/count/{'a' * 5000}", 404),
    "half a character": ("/count/%ed%a0%80", 404),
    "events of a NUL": ("/count/%00/events", 404),
    "a network with a NUL": ("/models/%00", 404),
    "a cursor beyond the database's numbers": (cursor(10**30), 422),
    "a negative cursor": (cursor(-(10**30)), 422),
    "a cursor that is not text": ("/count?cursor=%ff%fe", 422),
    "a page of nothing": ("/count?limit=0", 422),
    "a page of everything": ("/count?limit=100000000000000000000000", 422),
    "a state that is none": ("/count?state=%00", 422),
    "a wait that is no number": ("/count/x?wait=nan", 404),
}


@pytest.mark.parametrize(("address", "status"), ADDRESSES.values(), ids=ADDRESSES.keys())
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_address_that_leads_nowhere_is_a_problem(
    hosts: Mapping[str, httpx.Client], kind: str, address: str, status: int
) -> None:
    response = hosts[kind].get(address)
    assert response.status_code == status, response.text[:500]
    assert response.headers["content-type"] == "application/problem+json"
    assert len(response.text) < 2 * LONGEST_ANSWER


@pytest.fixture(scope="module")
def hosts(
    client: httpx.Client, new_postgres: Callable[[], str], listening: Listening
) -> Iterator[Mapping[str, httpx.Client]]:
    """The service on each of the databases."""
    database = Database(new_postgres())
    upgrade(database)
    with listening(Settings(), Store.on(database)) as on_postgres:
        yield {"sqlite": client, "postgresql": on_postgres}
    database.close()


def said(address: httpx.URL, *pieces: bytes, more: Callable[[], bytes] | None = None) -> httpx.Response:
    """What a connection answers to these bytes, and to `more` of them until it does."""
    answer = b""
    with socket.create_connection((address.host, address.port or 80), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if more is not None:
            connection.settimeout(0.1)
        while True:
            try:
                received = connection.recv(65536)
            except TimeoutError:
                assert more is not None, "no answer within 30 seconds"
                connection.sendall(more())
                continue
            answer += received
            if not received:
                break
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return httpx.Response(int(first.split()[1]), headers=[tuple(line.split(": ", 1)) for line in lines], content=body)


HEAD = (
    b"POST /models HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000\r\n\r\n"
)


BEGUN = b'--b\r\nContent-Disposition: form-data; name="model"; filename="m"\r\n\r\n'


@pytest.fixture(scope="module")
def impatient(api_store: Store, listening: Listening) -> Iterator[httpx.URL]:
    """The address of a service that waits for half a second of silence, and two seconds for a body."""
    with listening(Settings(silence_seconds=0.5, upload_seconds=2), api_store) as client:
        yield client.base_url


@pytest.mark.parametrize(
    "pieces", [(), (b"POST /models HT",), (b"GET / HTTP/1.1\r\nX: ",), (HEAD,), (HEAD, b"--b\r\n")]
)
def test_a_client_that_falls_silent_is_not_waited_for(
    impatient: httpx.URL, expect_problem: Expect, pieces: tuple[bytes, ...]
) -> None:
    expect_problem(said(impatient, *pieces), 408, "too-slow", "in time")


def test_an_upload_of_a_byte_at_a_time_ends(impatient: httpx.URL, expect_problem: Expect) -> None:
    expect_problem(said(impatient, HEAD + BEGUN, more=lambda: b"-"), 408, "too-slow", "in time")


def test_headers_of_a_byte_at_a_time_end(impatient: httpx.URL, expect_problem: Expect) -> None:
    expect_problem(said(impatient, b"GET / HTTP/1.1\r\nX: ", more=lambda: b"-"), 408, "too-slow", "in time")


def test_what_is_not_http_is_a_problem(client: httpx.Client, expect_problem: Expect) -> None:
    expect_problem(said(client.base_url, b"\x16\x03\x01 hello\r\n\r\n"), 400, "bad-request", "not a request")
    twice = b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
    expect_problem(said(client.base_url, twice), 400, "bad-request", "not a request")


def test_headers_without_end_are_a_problem(client: httpx.Client, expect_problem: Expect) -> None:
    answer = said(client.base_url, b"GET / HTTP/1.1\r\n", more=lambda: b"X: " + b"a" * 70_000)
    expect_problem(answer, 431, "headers-too-large")


def test_a_client_that_goes_away_is_forgotten(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as connection:
        connection.sendall(HEAD + b"--b\r\n")
    assert client.get("/count").status_code == 200


def test_a_body_longer_than_it_says_is_not_another_request(client: httpx.Client, expect_problem: Expect) -> None:
    smuggled = b"POST /models HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX"
    assert said(client.base_url, smuggled, b"\r\n\r\n").status_code in (400, 415)


def test_a_full_queue_takes_no_more(client: httpx.Client, digest: str, expect_problem: Expect) -> None:
    for _ in range(4):
        response = client.post("/count", files={"request": (None, json.dumps({**DOMAIN, "model": digest}))})
    expect_problem(response, 429, "too-many-jobs")
    assert response.headers["retry-after"]


def test_a_page_of_very_many_jobs_is_found_by_an_index(tmp_path: Path, digest: str, api_store: Store) -> None:
    database = Database(f"sqlite:///{tmp_path}/many.db")
    upgrade(database)
    store = Store.on(database)
    row = {"state": "queued", "model": digest, "request": DOMAIN, "created_at": 0.0}
    asked: list[Any] = []
    with database.write() as connection:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        connection.execute(
            text(
                "INSERT INTO models (digest, file, network, summary, created_at) "
                "VALUES (:digest, x'00', x'00', '{}', 0)"
            ),
            {"digest": digest},
        )
        connection.execute(insert(jobs), [{**row, "id": f"{i:032x}"} for i in range(20_000)])
    event.listen(database.engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    page = store.jobs.page(states=[], below=10_000, limit=50)
    assert [job.number for job in page] == list(range(9_999, 9_949, -1))
    statement, parameters = asked[-1]
    with database.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    steps = [str(step[-1]) for step in plan]
    assert not any("SCAN jobs" in step or "TEMP B-TREE" in step for step in steps), steps
    database.close()
