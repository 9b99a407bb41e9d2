"""What a file leaves open, on the command line and in the client: asked, said, and what was assumed is shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from relucensus import command, read_model
from relucensus.errors import AmbiguousModel
from relucensus.readers.choices import ReadingOptions as Known
from relucensus.readers.model import ReadModel
from relucensus_client import InvalidArgument, ReadingOptions, RequestRefused
from relucensus_client.cli import app

CASES = Path(__file__).parents[1] / "cases"
ONNX, STATE_DICT = str(CASES / "planar_8x3.onnx"), str(CASES / "planar_8x3.pt")  # the same network
CERTIFICATE = str(CASES.parent / "certificates" / "planar_8x3.cert")
COMMAND = str(Path(sys.executable).with_name("relucensus"))
BOX = ["--lower", "-1", "--upper", "1"]
TAKEN = "a bare state_dict does not name its activation; taken as relu"
GIVEN = ["--activation", "abs", "--model-output", "value", "--submodel", "actor", "--batch-axis", "none"]
GIVEN += ["--model-input", "state=0,1.5", "--model-input", "t:0=a=2"]
GIVEN += ["--nnet-normalisation", "apply"]
SAID = {
    "activation": "abs",
    "model_output": "value",
    "submodel": "actor",
    "batch_axis": "none",
    "nnet_normalisation": "apply",
    "model_input": {"state": [0.0, 1.5], "t:0=a": 2.0},
}


def run(*arguments: str) -> Result:
    return CliRunner(env={"RELUCENSUS_URL": None, "RELUCENSUS_API_KEY": None, "COLUMNS": "200"}).invoke(
        app, list(arguments)
    )


def real(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def verbs(tmp_path: Path) -> dict[str, list[str]]:
    """Every verb that reads a model in this process, with what it needs."""
    (tmp_path / "points.json").write_text("[[0, 0]]")
    return {
        "count": BOX,
        "regions": [*BOX, "--output", str(tmp_path / "regions.ndjson")],
        "verify": [CERTIFICATE],
        "picture": [*BOX, "--output", str(tmp_path / "picture.json")],
        "geometry": BOX,
        "distance": ["--points", str(tmp_path / "points.json")],
    }


def test_the_client_knows_the_choices_that_the_readers_know() -> None:
    assert set(ReadingOptions.__annotations__) == set(Known.__annotations__) == set(SAID)


def test_every_verb_passes_the_choices_and_the_files_to_the_reader(
    verbs: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb, needed in verbs.items():
        seen: list[dict[str, Any]] = []

        def read(data: bytes, seen: list[dict[str, Any]] = seen, **given: Any) -> ReadModel:
            seen.append(given)
            return read_model(data)

        monkeypatch.setattr(command, "read_model", read)
        answer = run(verb, ONNX, *needed, *GIVEN)
        assert answer.exit_code == 0, (verb, answer.stderr)
        assert seen == [{"files": {}, **SAID}], verb


def test_every_verb_lists_what_may_be_chosen_and_ends_with_2(
    verbs: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(data: bytes, **given: Any) -> ReadModel:
        raise AmbiguousModel("the file has two networks side by side", option="submodel", choices=["actor", "critic"])

    monkeypatch.setattr(command, "read_model", read)
    for verb, needed in verbs.items():
        answer = run(verb, ONNX, *needed)
        assert answer.exit_code == 2, verb
        assert "say which with submodel (--submodel on the command line): actor, critic" in answer.stderr
        assert answer.stdout == ""


def test_a_problem_of_this_process_has_the_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(data: bytes, **given: Any) -> ReadModel:
        raise AmbiguousModel("which?", option="batch_axis", choices=["first", "none"])

    monkeypatch.setattr(command, "read_model", read)
    error = command.count_file(b"", {"domain": {"lower": 0, "upper": 1}})["error"]
    assert (error["type"], error["status"]) == ("urn:relucensus:problem:ambiguous-model", 422)
    assert (error["option"], error["choices"]) == ("batch_axis", ["first", "none"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("state", "--model-input is 'state'; needed is NAME=VALUES"),
        ("=1", "--model-input is '=1'; needed is NAME=VALUES"),
        ("state=", "--model-input state is ''"),
        ("state=1,x", "--model-input state is '1,x'"),
    ],
)
def test_an_input_that_is_not_fixed_to_numbers_is_refused(given: str, words: str) -> None:
    answer = run("count", ONNX, *BOX, "--model-input", given)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert words in answer.stderr


def test_an_input_fixed_twice_and_an_axis_that_does_not_exist_are_refused() -> None:
    answer = run("count", ONNX, *BOX, "--model-input", "a=1", "--model-input", "a=2")
    assert (answer.exit_code, "fixes 'a' twice" in answer.stderr) == (2, True)
    answer = run("count", ONNX, *BOX, "--batch-axis", "last")
    assert (answer.exit_code, "known are first, none" in answer.stderr) == (2, True)


def test_choices_of_submit_and_upload_are_sent(served: str, service: Any, documents: Any) -> None:
    service.answers = [documents.job()]
    answer = run("submit", ONNX, *BOX, *GIVEN, "--url", served)
    assert answer.exit_code == 0, answer.stderr
    assert {name: service.request_document()[name] for name in SAID} == SAID
    service.answers = [documents.result["network"] | {"notes": ["one", "two"]}]
    answer = run("upload", ONNX, *GIVEN, "--url", served)
    assert answer.exit_code == 0, answer.stderr
    assert (answer.stdout, answer.stderr) == ("sha256:ab\n", "note: one\nnote: two\n")
    params = dict(service.requests[-1].url.params)
    assert json.loads(params.pop("model_input")) == SAID["model_input"]
    assert params == {name: value for name, value in SAID.items() if name != "model_input"}


def test_a_service_that_asks_ends_the_command_with_2(served: str, service: Any, documents: Any) -> None:
    asked = {"type": "urn:relucensus:problem:ambiguous-model", "option": "submodel", "choices": ["actor", "critic"]}
    service.answers = [documents.problem(422, "Which?", "say which with submodel: actor, critic", **asked)]
    answer = run("count", ONNX, *BOX, "--url", served)
    assert (answer.exit_code, "actor, critic" in answer.stderr) == (2, True)


def test_a_program_learns_what_may_be_chosen(service: Any, documents: Any) -> None:
    asked = {"type": "urn:relucensus:problem:ambiguous-model", "option": "submodel", "choices": ["actor", "critic"]}
    service.answers = [documents.problem(422, "Which?", "…", **asked)]
    with service.client() as client, pytest.raises(RequestRefused) as refused:
        client.submit(ONNX, lower=-1, upper=1)
    problem = refused.value.problem
    assert (problem.name, problem.option, problem.choices) == ("ambiguous-model", "submodel", ("actor", "critic"))


@pytest.mark.parametrize("value", [{"a": "x"}, {"a": [[1]]}, {"a": float("inf")}, {"a": None}, [1]])
def test_inputs_fixed_to_no_numbers_are_not_sent(service: Any, value: Any) -> None:
    with service.client() as client, pytest.raises(InvalidArgument, match="needed is"):
        client.submit(ONNX, lower=-1, upper=1, model_input=value)
    assert service.requests == []


def test_the_command_shows_what_was_assumed_and_nothing_where_nothing_was() -> None:
    answer = real("count", STATE_DICT, *BOX)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.splitlines()[0] == "activation regions  40  exact"
    assert f"\n\nnote: {TAKEN}\n" in answer.stdout
    assert "note" not in real("count", ONNX, *BOX).stdout
    assert json.loads(real("count", STATE_DICT, *BOX, "--json").stdout)["notes"] == [TAKEN]


def test_other_verbs_show_what_was_assumed_without_disturbing_what_they_print(verbs: dict[str, list[str]]) -> None:
    for verb, needed in verbs.items():
        answer = run(verb, STATE_DICT, *needed)
        assert answer.exit_code == 0, answer.stderr
        place = answer.stdout if verb in ("count", "verify") else answer.stderr
        assert f"note: {TAKEN}\n" in place, verb
    assert json.loads(run("geometry", STATE_DICT, *BOX, "--json").stdout)["regions"] == 40
    assert json.loads(run("verify", STATE_DICT, CERTIFICATE, "--json").stdout)["notes"] == [TAKEN]


def test_notes_of_a_service_are_shown(served: str, service: Any, documents: Any) -> None:
    result = documents.result | {"notes": ["the last Softmax was left off"]}
    service.answers = [documents.job(), documents.finished(result=result)]
    assert "note: the last Softmax was left off\n" in run("count", ONNX, *BOX, "--url", served).stdout


def test_distance_on_a_service_shows_what_was_assumed(served: str, service: Any, verbs: dict[str, list[str]]) -> None:
    kept = httpx.Response(201, json={"digest": "sha256:ab", "notes": [TAKEN]})
    service.answers = [kept, httpx.Response(200, json={"distances": [0.5], "mean": 0.5})]
    answer = run("distance", STATE_DICT, *verbs["distance"], "--submodel", "actor", "--url", served)
    assert (answer.stdout.split(), answer.stderr) == (["0.5", "mean", "0.5"], f"note: {TAKEN}\n")
    assert dict(service.requests[0].url.params) == {"submodel": "actor"}
    assert service.requests[1].url.path == "/models/sha256:ab/distances"


def test_nothing_is_said_about_a_network_that_was_read_before(service: Any) -> None:
    words = "submodel says how a file is read, and sha256:ab names a network that was read before; give the file"
    with service.client() as client, pytest.raises(InvalidArgument, match=words):
        client.distances("sha256:ab", [[0.0]], activation=None, submodel="actor")
    assert not service.requests


def test_an_empty_choice_is_not_passed_over() -> None:
    answer = run("count", ONNX, *BOX, "--batch-axis", "")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "batch_axis is ''; known are first, none" in answer.stderr
