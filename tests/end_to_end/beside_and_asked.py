"""Files that leave something open, and weights beside the file: command line, client and service, with real readers.

Not collected until every reader is there; then this file is to be called test_beside_and_asked.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import httpx
import onnx
import pytest
from onnx import TensorProto

from relucensus_client import Client, RequestRefused

CASES = Path(__file__).parents[1] / "cases"
FILES = CASES / "files"  # with their right counts in docs/uploads.md and the issue they come from
COMMAND = str(Path(sys.executable).with_name("relucensus"))
BOX = ["--lower", "-1", "--upper", "1", "--definitions", "activation_regions"]
ALONE = CASES / "planar_8x3.onnx"  # 40 regions on [-1, 1]^2

# file, option, what is chosen, and the regions; from exact counts that this project did not make with its engines
CHOSEN = [
    ("fixed_first_axis_2x2.onnx", "batch_axis", "none", 16),
    ("fixed_first_axis_2x2.onnx", "batch_axis", "first", 4),
]


class Service(Protocol):
    """What the fixture gives; see conftest.py."""

    client: httpx.Client


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False)


def counted(answer: subprocess.CompletedProcess[str]) -> int:
    assert answer.returncode == 0, answer.stderr
    count: int = json.loads(answer.stdout)["counts"]["activation_regions"]["value"]
    return count


@pytest.mark.parametrize(("name", "option", "choice", "regions"), CHOSEN)
def test_a_choice_is_asked_for_and_taken_everywhere(
    service: Service, name: str, option: str, choice: str, regions: int
) -> None:
    path, url = str(FILES / name), str(service.client.base_url)
    flag = f"--{option.replace('_', '-')}"
    for where in ([], ["--url", url]):
        asked = run("count", path, *BOX, *where)
        assert (asked.returncode, asked.stdout) == (2, "")
        assert f"{flag} on the command line" in asked.stderr
        assert counted(run("count", path, *BOX, *where, flag, choice, "--json")) == regions
    with Client(url) as client:
        with pytest.raises(RequestRefused) as refused:
            client.upload(path)
        problem = refused.value.problem
        assert (problem.name, problem.option) == ("ambiguous-model", option)
        assert choice in problem.choices
        uploaded = client.upload(path, **{option: choice})  # type: ignore[arg-type]
        result = client.count(uploaded, lower=-1, upper=1, progress=False)
    assert result.counts["activation_regions"].value == regions
    assert result.notes == uploaded.notes
    assert result.notes


def test_of_two_networks_side_by_side_one_is_chosen(service: Service) -> None:
    path, url = str(FILES / "actor_critic_state_dict.pt"), str(service.client.base_url)
    for where in ([], ["--url", url]):
        asked = run("count", path, *BOX, *where)
        assert (asked.returncode, "actor" in asked.stderr, "critic" in asked.stderr) == (2, True, True)
    networks = {}
    for name in ("actor", "critic"):
        here = json.loads(run("count", path, *BOX, "--submodel", name, "--json").stdout)
        there = json.loads(run("count", path, *BOX, "--submodel", name, "--json", "--url", url).stdout)
        assert (here["counts"], here["notes"]) == (there["counts"], there["notes"])
        networks[name] = here["network"]["digest"]
    assert networks["actor"] != networks["critic"]


def test_one_output_is_chosen_and_one_input_fixed(service: Service) -> None:
    url = str(service.client.base_url)
    outputs, inputs = str(FILES / "two_outputs.onnx"), str(FILES / "two_inputs_concat.onnx")
    for where in ([], ["--url", url]):
        assert counted(run("count", outputs, *BOX, "--model-output", "v", "--json", *where)) == 15
        one = json.loads(run("count", inputs, *BOX, "--model-input", "u=0.25", "--json", *where).stdout)
        assert one["network"]["inputs"] == 2
        assert run("count", outputs, *BOX, "--model-output", "nothing", *where).returncode == 2


@pytest.fixture(params=["one file", "a file for each tensor"])
def beside(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The network of 40 regions, its weights beside it."""
    one = request.param == "one file"
    location = "m.onnx.data" if one else None
    options: dict[str, Any] = {"all_tensors_to_one_file": one, "location": location, "size_threshold": 0}
    onnx.save(onnx.load(ALONE), tmp_path / "m.onnx", save_as_external_data=True, **options)
    assert len(list(tmp_path.iterdir())) > 1
    return tmp_path / "m.onnx"


def test_weights_beside_the_file_are_read_everywhere(service: Service, beside: Path) -> None:
    url = str(service.client.base_url)
    assert counted(run("count", str(beside), *BOX, "--json")) == 40
    assert counted(run("count", str(beside), *BOX, "--json", "--url", url, "--fresh")) == 40
    with Client(url) as client:
        assert client.upload(beside).digest == client.upload(ALONE).digest
    certificate = str(beside.parent / "certificate")
    run("count", str(ALONE), *BOX, "--certificate", certificate)
    assert run("verify", str(beside), certificate).returncode == 0


def test_weights_that_are_not_there_are_told_and_nothing_is_guessed(service: Service, beside: Path) -> None:
    model = ("model", ("m.onnx", beside.read_bytes()))
    weights = {path.name: path.read_bytes() for path in beside.parent.iterdir() if path != beside}
    for name, content in weights.items():
        others = [("data", (other, kept)) for other, kept in weights.items() if other != name]
        without = service.client.post("/models", files=[model, *others])
        assert without.status_code in (415, 422)
        assert name in without.text
        cut_off = service.client.post("/models", files=[model, *others, ("data", (name, content[:-1]))])
        assert cut_off.status_code in (415, 422)
        (beside.parent / name).unlink()
        refused = run("count", str(beside), *BOX)
        assert (refused.returncode, name in refused.stderr) == (2, True)
        (beside.parent / name).write_bytes(content)
    assert counted(run("count", str(beside), *BOX, "--json")) == 40


@pytest.mark.parametrize("location", ["../secret", "{tmp}/secret", "link"])
def test_nothing_outside_of_the_folder_is_read_or_sent(service: Service, tmp_path: Path, location: str) -> None:
    """The file there would do: it has the right number of bytes."""
    (tmp_path / "models").mkdir()
    model = onnx.load(ALONE)
    tensor = model.graph.initializer[0]
    (tmp_path / "secret").write_bytes(tensor.raw_data)
    (tmp_path / "models" / "link").symlink_to(tmp_path / "secret")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location.replace("{tmp}", str(tmp_path)))
    path = tmp_path / "models" / "m.onnx"
    onnx.save(model, path)
    for where in ([], ["--url", str(service.client.base_url)]):
        assert run("count", str(path), *BOX, *where).returncode == 2
