"""The notes of a file in the result and the certificate of its count: those of the file that was sent, no other's."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx

from relucensus import read_model, verify
from relucensus.values.problem import Budget
from relucensus_service import worker
from relucensus_service.runner import Runner
from relucensus_service.schemas import job_view
from relucensus_service.settings import Settings
from relucensus_service.store import Store
from relucensus_service.work import Answer, Conclusion, Failure, Slice

CASES = Path(__file__).parents[1] / "cases"
ONNX = (CASES / "planar_8x3.onnx").read_bytes()
STATE_DICT = (CASES / "planar_8x3.pt").read_bytes()  # the same network
TAKEN = ["a bare state_dict does not name its activation; taken as relu"]

Listening = Callable[[Settings, Store], AbstractContextManager[httpx.Client]]


class Done:
    def __init__(self, outcome: Answer) -> None:
        self._outcome = outcome

    def done(self) -> bool:
        return True

    def answer(self) -> Answer:
        return self._outcome

    def abandon(self) -> None:
        pass


class Here:
    """A cluster that does the work at once, in this process."""

    def workers(self) -> int:
        return 1

    def ready(self) -> bool:
        return True

    def submit(self, work: Slice | Conclusion, on_done: Callable[[], None]) -> Done:
        outcome = worker.perform(replace(work, budget=Budget()))
        assert not isinstance(outcome, Failure), outcome
        on_done()
        return Done(outcome)

    def close(self) -> None:
        pass


def asked(client: httpx.Client, model: bytes | str, **request: Any) -> dict[str, Any]:
    """The job of a count of a file, or of the network with a digest."""
    document = {"domain": {"lower": -1, "upper": 1}, **request}
    if isinstance(model, str):
        response = client.post("/count", files={"request": (None, json.dumps({**document, "model": model}))})
    else:
        response = client.post("/count", files={"model": ("m", model)}, data={"request": json.dumps(document)})
    assert response.status_code in (200, 202), response.text
    job: dict[str, Any] = response.json()
    return job


def counted(store: Store, client: httpx.Client, model: bytes | str, **request: Any) -> dict[str, Any]:
    """The same job when a runner is done with it."""
    job = asked(client, model, **request)
    runner = Runner(store, Here(), Settings(lease_seconds=0.5), "runner")
    for _ in range(100):
        if job["done"]:
            assert job["result"]["counts"]["activation_regions"] == {"value": 40, "status": "exact"}
            return job
        runner.turn()
        job = client.get(f"/count/{job['id']}").json()
    raise AssertionError(job)


def test_a_result_has_the_notes_of_its_own_file(store: Store, listening: Listening) -> None:
    with listening(Settings(), store) as client:
        first = counted(store, client, STATE_DICT)
        assert first["result"]["notes"] == TAKEN
        other = counted(store, client, ONNX, fresh=True)
        assert (other["answered_from"], other["result"]["notes"]) == (None, [])
        assert first["network"] == other["network"]


def test_an_answer_that_is_known_has_the_notes_of_the_file_that_was_sent_now(
    store: Store, listening: Listening
) -> None:
    with listening(Settings(), store) as client:
        first = counted(store, client, ONNX)
        assert first["result"]["notes"] == []
        known = asked(client, STATE_DICT)
        assert (known["answered_from"], known["result"]["notes"]) == (first["id"], TAKEN)
        assert client.get(f"/count/{known['id']}").json()["result"]["notes"] == TAKEN
        assert asked(client, ONNX)["result"]["notes"] == []
        assert client.get(f"/count/{first['id']}").json()["result"]["notes"] == []


def test_a_count_by_digest_has_the_notes_of_the_file_that_was_sent_last(store: Store, listening: Listening) -> None:
    with listening(Settings(), store) as client:
        for file, notes in ((STATE_DICT, TAKEN), (ONNX, []), (STATE_DICT, TAKEN)):
            model = client.post("/models", files={"model": ("m", file)}).json()
            assert model["notes"] == notes
            assert client.get(f"/models/{model['digest']}").json() == model
            assert counted(store, client, model["digest"])["result"]["notes"] == notes


def test_a_certificate_has_the_notes_in_its_header_and_is_accepted(store: Store, listening: Listening) -> None:
    with listening(Settings(), store) as client:
        jobs = [counted(store, client, file, certificate=True) for file in (STATE_DICT, ONNX, STATE_DICT)]
        assert [job["answered_from"] for job in jobs] == [None, None, jobs[0]["id"]], "one answer for each header"
        for job, notes in zip(jobs, (TAKEN, None, TAKEN), strict=True):
            certificate = client.get(job["result"]["certificate"]).content
            header = json.loads(gzip.decompress(certificate).partition(b"\n")[0])
            assert header.get("notes") == notes
            proven = verify(read_model(ONNX).network, BytesIO(certificate))
            assert proven.counts["activation_regions"] == 40


def test_a_job_that_was_done_before_notes_were_kept_has_none(store: Store, listening: Listening) -> None:
    with listening(Settings(), store) as client:
        job = counted(store, client, ONNX)
        old = store.jobs.find(job["id"])
        assert old is not None
        assert old.result is not None
        before = replace(old, result={name: value for name, value in old.result.items() if name != "notes"}, notes=())
        assert job_view(before)["result"]["notes"] == []
