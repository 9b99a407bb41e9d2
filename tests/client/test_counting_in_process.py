"""`relucensus count` without a service: right counts, and a clear error with status 2 for every kind of bad input."""

from __future__ import annotations

import gzip
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from typer.testing import CliRunner, Result

from relucensus_client._model_source import model_file
from relucensus_client.cli import app

CASES = Path(__file__).parent.parent / "cases"
BOX = ("--lower", "-1", "--upper", "1")


def run(model: str | Path, *arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["count", str(model), *arguments])


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[bytes], Path]:
    def save(data: bytes) -> Path:
        path = tmp_path / "model"
        path.write_bytes(data)
        return path

    return save


def _absolute(sign: float = 1.0) -> nn.Sequential:
    """|x| (or -|x|) on two neurons that meet at 0: two regions of one input."""
    network = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        network[0].weight[:] = torch.tensor([[1.0], [-1.0]])
        network[0].bias.zero_()
        network[2].weight[:] = sign
        network[2].bias.zero_()
    return network


@pytest.mark.parametrize("suffix", ["onnx", "pt"])
def test_a_known_network_has_its_known_count(suffix: str) -> None:
    answer = run(CASES / f"planar_8x3.{suffix}", *BOX, "--engine", "milp", "--json")
    assert (answer.exit_code, answer.stderr) == (0, "")
    result = json.loads(answer.stdout)
    assert result["counts"]["activation_regions"] == {"value": 40, "status": "exact"}
    assert set(result["counts"]) == {"activation_regions", "linear_regions", "affine_pieces"}
    assert result["engine"] == "milp"


def test_the_console_script_prints_the_table() -> None:
    command = [str(Path(sys.executable).with_name("relucensus")), "count", str(CASES / "planar_8x3.onnx")]
    answer = subprocess.run([*command, *BOX], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("activation regions  40  exact\n")


def test_a_box_may_have_its_own_bounds_in_every_coordinate() -> None:
    answer = run(CASES / "planar_8x3.onnx", "--lower", "-1,-0.5", "--upper", "1,0.25", "--json")
    assert json.loads(answer.stdout)["domain"] == {"kind": "box", "lower": [-1.0, -0.5], "upper": [1.0, 0.25]}


@pytest.mark.parametrize("engine", ["brute", "milp"])
def test_definitions_are_counted_as_asked(saved: Any, engine: str) -> None:
    path = saved(model_file(_absolute()).data)
    answer = run(path, *BOX, "--engine", engine, "--definitions", "linear_regions,activation_regions", "--json")
    counts = json.loads(answer.stdout)["counts"]
    assert {name: count["value"] for name, count in counts.items()} == {"linear_regions": 2, "activation_regions": 2}


def test_a_second_engine_can_confirm(saved: Any) -> None:
    answer = run(saved(model_file(_absolute()).data), *BOX, "--engine", "milp", "--cross-check", "brute", "--json")
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["cross_checked_by"] == "brute"


def test_a_limit_gives_a_lower_bound_and_status_3() -> None:
    answer = run(CASES / "planar_8x3.onnx", *BOX, "--engine", "milp", "--regions", "5")
    assert answer.exit_code == 3
    assert "lower bound, at most" in answer.stdout


def test_a_module_with_normalisation_and_dropout_is_read_as_exported(saved: Any) -> None:
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.3), nn.Identity(), nn.Linear(4, 1)
    )
    network(torch.randn(40, 2))
    answers = [run(saved(model_file(network).data), *BOX, "--engine", engine, "--json") for engine in ("brute", "milp")]
    values = [json.loads(answer.stdout)["counts"]["activation_regions"]["value"] for answer in answers]
    assert values[0] == values[1] > 1


def _onnx_of(*nodes: Any, weights: np.ndarray | None = None, inputs: list[int] | None = None) -> bytes:
    """A graph from X to Y with one stored matrix W."""
    matrix = np.eye(2, dtype=np.float32) if weights is None else weights
    x = helper.make_tensor_value_info("X", TensorProto.FLOAT, inputs or [1, 2])
    y = helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "graph", [x], [y], [numpy_helper.from_array(matrix, "W")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data: bytes = model.SerializeToString()
    return data


def _external() -> bytes:
    model = onnx.load_from_string(_onnx_of(helper.make_node("MatMul", ["X", "W"], ["Y"])))
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], "weights.bin")
    model.graph.initializer[0].ClearField("raw_data")
    data: bytes = model.SerializeToString()
    return data


def _convolution() -> bytes:
    kernel = np.ones((1, 1, 5, 5), dtype=np.float32)
    return _onnx_of(helper.make_node("Conv", ["X", "W"], ["Y"]), weights=kernel, inputs=[1, 1, 4, 4])


def _not_finite(value: float) -> bytes:
    return _onnx_of(helper.make_node("MatMul", ["X", "W"], ["Y"]), weights=np.array([[1, value]] * 2, np.float32))


def _dead_pickle(trace: Path) -> bytes:
    class Payload:
        def __reduce__(self) -> Any:
            return (Path.write_text, (trace, "ran"))

    return pickle.dumps(Payload())


BAD_FILES: list[tuple[str, Callable[[], bytes], str]] = [
    ("not a model", lambda: b"\x00 what is this? " * 40, "model"),
    ("empty", lambda: b"", "empty"),
    ("truncated ONNX", lambda: (CASES / "planar_8x3.onnx").read_bytes()[:700], ""),
    ("truncated zip", lambda: (CASES / "planar_8x3.pt").read_bytes()[:900], ""),
    ("external data", _external, "external"),
    ("an unknown operator", lambda: _onnx_of(helper.make_node("Cos", ["X"], ["Y"])), "Cos"),
    ("an ELU", lambda: model_file(nn.Sequential(nn.Linear(2, 2), nn.ELU(), nn.Linear(2, 1))).data, "Elu"),
    ("a convolution that does not fit", _convolution, "has a window of 5x5 entries, which does not fit into 4x4"),
    ("a NaN weight", lambda: _not_finite(np.nan), "nan"),
    ("an infinite weight", lambda: _not_finite(np.inf), "inf"),
    (
        "a state_dict whose shapes do not chain",
        lambda: (
            model_file(
                {
                    "0.weight": torch.ones(3, 2),
                    "0.bias": torch.ones(3),
                    "2.weight": torch.ones(1, 4),
                    "2.bias": torch.ones(1),
                }
            ).data
        ),
        "4",
    ),
]


@pytest.mark.parametrize(("make", "said"), [case[1:] for case in BAD_FILES], ids=[case[0] for case in BAD_FILES])
def test_a_bad_file_is_refused_with_status_2(saved: Any, make: Callable[[], bytes], said: str) -> None:
    answer = run(saved(make()), *BOX)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.startswith(("error: Un", "error: Invalid network: ", "error: Refused format: "))
    assert said.lower() in answer.stderr.lower()
    assert len(answer.stderr) > len("error: Unreadable model: ") + 20


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "in a zip"])
def test_a_pickle_with_a_payload_is_refused_and_nothing_of_it_runs(tmp_path: Path, saved: Any, wrapped: bool) -> None:
    trace = tmp_path / "trace"
    path = saved(_dead_pickle(trace))
    if wrapped:
        data = path.read_bytes()
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", data)
            archive.writestr("archive/version", "3\n")
    answer = run(path, *BOX)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert not trace.exists()


def test_a_whole_pickled_module_is_refused_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "module.pt"
    torch.save(_absolute(), path)
    answer = run(path, *BOX)
    assert answer.exit_code == 2
    assert "state_dict" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lower", "-1,-1,-1", "--upper", "1"], "2 inputs"),
        (["--lower", "1", "--upper", "-1"], "lower[0]"),
        ([*BOX, "--engine", "abacus"], "abacus"),
        ([*BOX, "--strategy", "magic"], "magic"),
        ([*BOX, "--cross-check", "abacus"], "abacus"),
        ([*BOX, "--definitions", "pieces"], "pieces"),
        ([*BOX, "--definitions", ""], "definition"),
        ([*BOX, "--definitions", "linear_regions,linear_regions"], "twice"),
        ([*BOX, "--seconds", "0"], "limit seconds"),
        ([*BOX, "--seconds", "-1"], "limit seconds"),
        ([*BOX, "--regions", "0"], "limit regions"),
    ],
)
def test_a_bad_request_is_refused_with_status_2(arguments: list[str], said: str) -> None:
    answer = run(CASES / "planar_8x3.onnx", *arguments)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: ")
    assert said in answer.stderr


def test_an_unknown_activation_of_a_state_dict_is_refused_with_status_2() -> None:
    answer = run(CASES / "planar_8x3.pt", *BOX, "--activation", "sigmoid")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "sigmoid" in answer.stderr


PROPERTY = """; the box of a property
(declare-const X_0 Real) (declare-const X_1 Real) (declare-const Y_0 Real)
(assert (>= X_0 -1)) (assert (<= X_0 1)) (assert (>= X_1 -1.0)) (assert (<= X_1 1))
(assert (or (and (>= Y_0 0.3)) (and (<= Y_0 -2))))
"""


def test_the_box_of_a_vnnlib_property_is_counted_on(tmp_path: Path) -> None:
    path = tmp_path / "p.vnnlib"
    path.write_text(PROPERTY)
    answer = run(CASES / "planar_8x3.onnx", "--vnnlib", str(path), "--json")
    assert answer.exit_code == 0
    result, expected = json.loads(answer.stdout), json.loads(run(CASES / "planar_8x3.onnx", *BOX, "--json").stdout)
    assert result["counts"] == expected["counts"]
    assert result["domain"] == {"kind": "box", "lower": [-1.0, -1.0], "upper": [1.0, 1.0]}


def test_rounded_decimals_of_a_property_are_told_on_stderr(tmp_path: Path) -> None:
    path = tmp_path / "p.vnnlib"
    path.write_text(PROPERTY.replace("<= X_1 1", "<= X_1 0.1").replace("0.3", "0.5"))
    answer = run(CASES / "planar_8x3.onnx", "--vnnlib", str(path), "--json")
    assert json.loads(answer.stdout)["domain"]["upper"] == [1.0, 0.1]
    assert "note: 1 bound of the VNN-LIB file rounded to the nearest float64" in answer.stderr


def test_one_of_several_boxes_of_a_property_is_counted_on_once_it_is_chosen(tmp_path: Path) -> None:
    text = PROPERTY.replace("(assert (<= X_1 1))", "(assert (or (<= X_1 0) (and (>= X_1 0.5) (<= X_1 1))))")
    path = tmp_path / "p.vnnlib.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + text.encode()))
    model = CASES / "planar_8x3.onnx"
    answer = run(model, "--vnnlib", str(path))
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "say which with box=K (--box K on the command line), counted from 0:" in answer.stderr
    assert "  0: X_1 in [-1.0, 0.0]\n  1: X_1 in [0.5, 1.0]\n" in answer.stderr
    answer = run(model, "--vnnlib", str(path), "--box", "1", "--json")
    assert json.loads(answer.stdout)["domain"] == {"kind": "box", "lower": [-1.0, 0.5], "upper": [1.0, 1.0]}
    assert "conditions on outputs in the VNN-LIB file left off" in answer.stderr
    assert run(model, "--vnnlib", str(path), "--box", "2").exit_code == 2


def test_a_property_without_a_box_is_refused_with_status_2(tmp_path: Path) -> None:
    path = tmp_path / "p.vnnlib"
    path.write_text(PROPERTY.replace("(assert (<= X_1 1))", ""))
    answer = run(CASES / "planar_8x3.onnx", "--vnnlib", str(path))
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "no upper bound for X_1" in answer.stderr
    path.write_bytes(b"\xff\xfe")
    assert run(CASES / "planar_8x3.onnx", "--vnnlib", str(path)).exit_code == 2
    assert run(CASES / "planar_8x3.onnx", "--vnnlib", str(tmp_path / "none")).exit_code == 2


def test_a_slice_is_counted_on(tmp_path: Path) -> None:
    path = tmp_path / "line.json"
    path.write_text('{"points": [[-1, -1], [1, 1]]}')
    answer = run(CASES / "planar_8x3.onnx", "--slice", str(path), "--json")
    assert answer.exit_code == 0
    result = json.loads(answer.stdout)
    assert result["domain"]["directions"] == [[2.0, 2.0]]
    fewer, all_ = (
        json.loads(text)["counts"]["activation_regions"]["value"]
        for text in (answer.stdout, run(CASES / "planar_8x3.onnx", *BOX, "--json").stdout)
    )
    assert 1 < fewer < all_


def test_a_slice_of_other_inputs_is_refused_with_status_2(tmp_path: Path) -> None:
    path = tmp_path / "line.json"
    path.write_text('{"origin": [0, 0, 0], "directions": [[1, 1, 1]], "lower": 0, "upper": 1}')
    answer = run(CASES / "planar_8x3.onnx", "--slice", str(path))
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "the slice has 3 coordinates, the network has 2 inputs" in answer.stderr


@pytest.mark.parametrize("engine", ["tree", "skeleton"])
def test_workers_share_a_count(engine: str) -> None:
    answer = run(CASES / "planar_8x3.onnx", *BOX, "--engine", engine, "--workers", "2", "--json")
    result = json.loads(answer.stdout)
    assert (result["counts"]["activation_regions"], result["engine"]) == ({"value": 40, "status": "exact"}, engine)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--engine", "milp"), "engine milp works in one thread"),
        (("--url", "http://127.0.0.1:9"), "a service has workers of its own"),
    ],
)
def test_workers_are_refused_where_they_cannot_share(arguments: tuple[str, ...], words: str) -> None:
    answer = run(CASES / "planar_8x3.onnx", *BOX, "--workers", "2", *arguments)
    assert answer.exit_code == 2
    assert words in answer.stderr
