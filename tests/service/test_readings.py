"""What a file leaves open, the files beside it and what was assumed of it, on their way through the service."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from relucensus import read_model, readers
from relucensus.errors import AmbiguousModel
from relucensus.readers.choices import ReadingOptions
from relucensus.readers.model import ReadModel
from relucensus_service import intake_child
from relucensus_service.intake import Reading
from relucensus_service.problems import Refusal, problem
from relucensus_service.request_schemas import ReadingRequest
from relucensus_service.settings import Settings
from relucensus_service.store import Store

CASES = Path(__file__).parents[1] / "cases"
ONNX = (CASES / "planar_8x3.onnx").read_bytes()
STATE_DICT = (CASES / "planar_8x3.pt").read_bytes()  # the same network
DOMAIN = {"lower": -1, "upper": 1}
CHOICES = {
    "activation": "abs",
    "model_output": "value",
    "model_input": {"state": [0.0, 1.0]},
    "submodel": "actor",
    "batch_axis": "none",
    "nnet_normalisation": "apply",
}

Expect = Callable[..., dict[str, Any]]
Listening = Callable[[Settings, Store], AbstractContextManager[httpx.Client]]


class Recorder:
    """Takes the place of the child processes: remembers what it was given, and reads."""

    def __init__(self) -> None:
        self.given: list[tuple[dict[str, bytes], dict[str, Any]]] = []
        self.refusal: Refusal | None = None

    def read(self, data: bytes, *, files: Mapping[str, bytes], choices: Mapping[str, Any]) -> Reading:
        self.given.append((dict(files), dict(choices)))
        if self.refusal is not None:
            raise self.refusal
        network = read_model(data, activation=choices["activation"]).network
        sizes = {"inputs": network.inputs, "outputs": network.outputs, "neurons": network.neurons}
        told = {"hidden": list(network.widths), "activation": network.activation, "format": "onnx", "notes": []}
        return Reading(network.digest, {"digest": network.digest, **sizes, **told}, network.to_bytes())

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def recorded(store: Store, listening: Listening, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of an API whose readers are the recorder."""
    monkeypatch.setattr("relucensus_service.app.Intake", lambda settings: recorder)
    recorder.given.clear()
    recorder.refusal = None
    with listening(Settings(upload_limit=200_000), store) as client:
        yield client


def count(client: httpx.Client, *parts: tuple[str, Any], model: bytes = ONNX, **request: Any) -> httpx.Response:
    text = json.dumps({"domain": DOMAIN, **request})
    return client.post("/count", files=[*parts, ("request", (None, text)), ("model", ("m", model))])


def test_the_service_takes_the_choices_that_the_readers_know() -> None:
    assert set(ReadingRequest.model_fields) == set(ReadingOptions.__annotations__) == set(CHOICES)


def test_choices_of_a_request_come_to_the_reader(recorded: httpx.Client, recorder: Recorder) -> None:
    response = count(recorded, **CHOICES)
    assert response.status_code == 202, response.text
    assert recorder.given == [({}, CHOICES)]
    assert {name: response.json()["request"][name] for name in CHOICES} == CHOICES


def test_choices_of_a_query_come_to_the_reader(recorded: httpx.Client, recorder: Recorder) -> None:
    query = CHOICES | {"model_input": json.dumps(CHOICES["model_input"])}
    response = recorded.post("/models", params=query, files={"model": ("m", ONNX)})
    assert response.status_code == 201, response.text
    assert recorder.given == [({}, CHOICES)]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"batch_axis": "last"}, ("batch_axis", "first, none")),
        ({"model_input": {"x": "1"}}, ("model_input.x",)),
        ({"model_input": {"x": [1, True]}}, ("model_input.x", "entry 1 is not a number")),
        ({"model_input": [1]}, ("model_input",)),
        ({"model_input": {"x": [0, 10**400]}}, ("model_input.x",)),
        ({"model_output": ""}, ("model_output",)),
        ({"submodel": "a" * 1001}, ("submodel",)),
        ({"activation": "gelu"}, ("activation", "gelu")),
    ],
)
def test_a_choice_that_cannot_be_is_refused(
    recorded: httpx.Client, expect_problem: Expect, choice: dict[str, Any], words: tuple[str, ...]
) -> None:
    expect_problem(count(recorded, **choice), 422, "invalid-request", *words)
    query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in choice.items()}
    expect_problem(recorded.post("/models", params=query, files={"model": ("m", ONNX)}), 422, "invalid-request", *words)


@pytest.mark.parametrize("text", ["{", '{"x": NaN}', '{"x": 1e999}', '{"x": 1, "x": 2}'])
def test_inputs_in_a_query_are_strict_json(recorded: httpx.Client, expect_problem: Expect, text: str) -> None:
    response = recorded.post("/models", params={"model_input": text}, files={"model": ("m", ONNX)})
    assert "Input should" not in expect_problem(response, 422, "invalid-request")["detail"]


def test_files_beside_the_model_come_to_the_reader_by_name(recorded: httpx.Client, recorder: Recorder) -> None:
    beside = {"m.onnx.data": b"\x00\x01", "inner/../ä b": b""}
    parts = [("data", (name, content)) for name, content in beside.items()]
    assert count(recorded, *parts).status_code == 202
    assert recorded.post("/models", files=[*parts, ("model", ("m", STATE_DICT))]).status_code == 201
    assert [files for files, _ in recorder.given] == [beside, beside]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([("data", ("a", b"1")), ("data", ("a", b"2"))], ("two parts 'data'", "'a'")),
        ([("data", (None, b"1"))], ("no file name",)),
        ([("data", ("a" * 1025, b"1"))], ("no file name, or one that cannot be",)),
        ([("data", (f"d{i}", b"")) for i in range(65)], ("65 parts 'data'; accepted are at most 64",)),
    ],
)
def test_data_that_is_no_named_file_is_refused(
    recorded: httpx.Client, recorder: Recorder, expect_problem: Expect, parts: list[Any], words: tuple[str, ...]
) -> None:
    expect_problem(count(recorded, *parts), 422, "invalid-request", *words)
    assert recorder.given == []


def test_very_many_files_or_bytes_beside_a_model_are_refused(recorded: httpx.Client, recorder: Recorder) -> None:
    assert count(recorded, *(("data", (f"d{i}", b"")) for i in range(500))).status_code == 400
    assert count(recorded, ("data", ("d", bytes(200_001)))).status_code == 413
    assert recorder.given == []


def test_what_only_says_how_a_file_is_read_is_refused_without_one(
    recorded: httpx.Client, expect_problem: Expect
) -> None:
    digest = recorded.post("/models", files={"model": ("m", ONNX)}).json()["digest"]
    for name, value in CHOICES.items():
        if name != "activation":
            request = json.dumps({"domain": DOMAIN, "model": digest, name: value})
            response = recorded.post("/count", files={"request": (None, request)})
            expect_problem(response, 422, "invalid-request", name, "send the file")
    named = ("request", (None, json.dumps({"domain": DOMAIN, "model": digest})))
    response = recorded.post("/count", files=[("data", ("d", b"")), named])
    expect_problem(response, 422, "invalid-request", "no part 'model'")


def test_the_same_file_is_read_anew_for_every_other_choice_and_file_beside_it(
    recorded: httpx.Client, recorder: Recorder
) -> None:
    asked: list[dict[str, Any]] = [{}, *({name: value} for name, value in CHOICES.items())]
    asked += [{"model_output": "other"}, {"submodel": "value"}, {"batch_axis": "first"}]
    asked += [{"model_input": {"state": 0}}, {"model_input": {"other": [0, 1]}}]
    beside: list[list[tuple[str, Any]]] = [[("data", pair)] for pair in (("d", b"1"), ("d", b"2"), ("e", b"1"))]
    for _ in range(2):
        for choice in asked:
            assert count(recorded, model=STATE_DICT, **choice).status_code == 202
        for parts in beside:
            assert count(recorded, *parts, model=STATE_DICT).status_code == 202
    assert len(recorder.given) == len(asked) + len(beside), "each once"


def test_a_file_with_another_choice_is_another_network(client: httpx.Client) -> None:
    """By the real readers."""
    digests = set()
    for activation in ("relu", "abs", "leaky_relu:0.2", "relu"):
        answer = client.post("/models", params={"activation": activation}, files={"model": ("m", STATE_DICT)}).json()
        assert answer["notes"] == [f"a bare state_dict does not name its activation; taken as {activation}"]
        digests.add(answer["digest"])
    assert len(digests) == 3


def test_what_is_asked_comes_with_its_choices(
    recorded: httpx.Client, recorder: Recorder, expect_problem: Expect
) -> None:
    recorder.refusal = Refusal(problem("ambiguous-model", "which?", option="submodel", choices=["actor", "critic"]))
    for response in (count(recorded), recorded.post("/models", files={"model": ("m", ONNX)})):
        document = expect_problem(response, 422, "ambiguous-model", "which?")
        assert (document["option"], document["choices"]) == ("submodel", ["actor", "critic"])


class Child:
    """Runs the program of the child process in this one, with another reader."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        monkeypatch.setattr(intake_child, "_limit", lambda memory, seconds: None)

    def answer(self, read: Callable[..., ReadModel], given: bytes) -> dict[str, Any]:
        written = io.BytesIO()
        self._patch.setattr(readers, "read_model", read)
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        self._patch.setattr(sys, "stdout", io.TextIOWrapper(written))
        assert intake_child.main(["1000", "1"]) == 0
        answer: dict[str, Any] = json.loads(written.getvalue().partition(b"\n")[0])
        return answer


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Child:
    return Child(monkeypatch)


def test_the_child_passes_on_choices_and_files(child: Child) -> None:
    seen: dict[str, Any] = {}

    def read(data: bytes, **given: Any) -> ReadModel:
        seen.update(given, data=data)
        return read_model(ONNX)

    header = {"choices": CHOICES, "model": 3, "files": [["a", 2], ["b", 0], ["c", 1]]}
    answer = child.answer(read, json.dumps(header).encode() + b"\n" + b"123" + b"45" + b"6")
    assert seen == {"data": b"123", "files": {"a": b"45", "b": b"", "c": b"6"}, **CHOICES}
    assert answer["summary"]["notes"] == []


def test_the_child_passes_on_what_is_asked_and_never_endlessly(child: Child) -> None:
    names = [f"output {i}" for i in range(1000)]

    def read(data: bytes, **given: Any) -> ReadModel:
        raise AmbiguousModel("the graph has many outputs", option="model_output", choices=["o" * 300, *names])

    header = json.dumps({"choices": {}, "model": 0, "files": []}).encode()
    error = child.answer(read, header + b"\n")["error"]
    assert (error["kind"], error["option"], error["choices"]) == ("AmbiguousModel", "model_output", names[:100])
    assert len(error["detail"]) == 2000
