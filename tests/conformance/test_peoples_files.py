"""Small files of what people have, with counts that an independent exact program found: read, asked about, refused.

`tests/cases/files/files.json` says for each file the box, and the counts, what has to be asked, or the word of the
refusal. The same has to come out of the library, of the installed command in a process of its own, and of the service.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from relucensus import Box, Definition, Problem, count, count_regions
from relucensus.errors import AmbiguousModel, UnsupportedModel
from relucensus.readers import read_model

FILES = Path(__file__).parents[1] / "cases" / "files"
CASES: list[dict[str, Any]] = json.loads((FILES / "files.json").read_text())
NAMES = ["activation_regions", "linear_regions", "affine_pieces"]
MERGED_FOR_LONG = "lattice_8_4x8.onnx"  # its 382 regions have three maps: merging them takes a minute
COMMAND = str(Path(sys.executable).with_name("relucensus"))
QUICK = {
    "shape_start.onnx",
    "fixed_first_axis_2x2.onnx",
    "actor_critic_state_dict.pt",
    "op_max_pool.onnx",
    "lattice_4_4x4.onnx",
}
COUNTED = [case for case in CASES if "counts" in case]
ASKED = [case for case in CASES if "asked" in case]


def named(cases: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[case["file"] for case in cases])


def counts_of(case: Mapping[str, Any], **choices: Any) -> dict[str, int]:
    network = read_model((FILES / case["file"]).read_bytes(), **choices).network
    wanted = tuple(Definition(name) for name in NAMES[: 1 if case["file"] == MERGED_FOR_LONG else 3])
    box = Box.from_bounds(*case["box"], network.inputs)
    return {name.value: found.value for name, found in count_regions(Problem(network, box, wanted)).counts.items()}


@named(COUNTED)
def test_a_file_has_the_regions_that_were_counted_independently(case: dict[str, Any]) -> None:
    found = counts_of(case)
    assert {name: n for name, n in case["counts"].items() if name in found}.items() <= found.items()


@named(ASKED)
def test_a_file_that_can_be_read_in_several_ways_is_asked_about(case: dict[str, Any]) -> None:
    with pytest.raises(AmbiguousModel) as caught:
        read_model((FILES / case["file"]).read_bytes())
    assert caught.value.option == case["asked"]
    assert set(case["answers"]) <= set(caught.value.choices)
    for choice, counts in case["answers"].items():
        found = counts_of(case, **{case["asked"]: choice})
        assert counts is None or list(found.values()) == counts


def test_an_embedding_is_no_layer_of_a_chain() -> None:
    with pytest.raises(UnsupportedModel, match="embedding"):
        read_model((FILES / "embedding_state_dict.pt").read_bytes())


def test_one_line_counts_a_file() -> None:
    assert count(FILES / "shape_start.onnx", -1, 1).counts[Definition.ACTIVATION_REGIONS].value == 10


def run(case: Mapping[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
    low, high = case["box"]
    arguments = ["count", str(FILES / case["file"]), "--lower", str(low), "--upper", str(high), "--json", *options]
    if case["file"] == MERGED_FOR_LONG:
        arguments += ["--definitions", "activation_regions"]
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False)


def check_command(case: Mapping[str, Any]) -> None:
    ended = run(case)
    if "counts" in case:
        found = {name: entry["value"] for name, entry in json.loads(ended.stdout)["counts"].items()}
        assert {name: n for name, n in case["counts"].items() if name in found}.items() <= found.items()
        return
    assert (ended.returncode, ended.stdout) == (2, "")
    for choice, counts in case.get("answers", {}).items():
        assert choice in ended.stderr
        answer = json.loads(run(case, f"--{case['asked'].replace('_', '-')}", choice).stdout)
        assert counts is None or [entry["value"] for entry in answer["counts"].values()] == counts
        assert answer["notes"]


@named([case for case in CASES if case["file"] in QUICK])
def test_the_command_says_the_same(case: dict[str, Any]) -> None:
    check_command(case)


@pytest.mark.long
@named([case for case in CASES if case["file"] not in QUICK])
def test_the_command_says_the_same_of_every_file(case: dict[str, Any]) -> None:
    check_command(case)
