"""`relucensus.count` and `network_of`: everything that stands for a network gives the counts of that network."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import relucensus
from relucensus import (
    Box,
    Budget,
    CensusError,
    Definition,
    Network,
    Problem,
    Slice,
    count_regions,
    network_of,
    read_model,
)
from relucensus.errors import InvalidDomain, InvalidNetwork, InvalidRequest, UnreadableModel, UnsupportedModel
from relucensus.values.activation import RELU6

EXAMPLES = Path(__file__).parents[2] / "examples"
MOONS = EXAMPLES / "moons.onnx"
READ = read_model(MOONS.read_bytes()).network
COUNTS = {"activation_regions": 49, "linear_regions": 49, "affine_pieces": 49}


def module() -> Any:
    built = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    built.load_state_dict(torch.load(EXAMPLES / "moons.pt", weights_only=True))
    return built


class Own(nn.Module):
    """The same layers, in a module of one's own that only ONNX can tell."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = module()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layers[4](torch.relu(self.layers[2](torch.relu(self.layers[0](x)))))
        return y


SOURCES = {
    "path": lambda: MOONS,
    "text": lambda: str(MOONS),
    "state_dict file": lambda: EXAMPLES / "moons.pt",
    "bytes": MOONS.read_bytes,
    "bytearray": lambda: bytearray(MOONS.read_bytes()),
    "open file": lambda: io.BytesIO(MOONS.read_bytes()),
    "proto": lambda: onnx.load(MOONS),
    "module": module,
    "module with a gradient": lambda: module().requires_grad_(),
    "own module": Own,
    "parallel": lambda: nn.DataParallel(module()),
    "state_dict": lambda: module().state_dict(),
    "arrays by name": lambda: {name: tensor.numpy() for name, tensor in module().state_dict().items()},
    "pairs": lambda: [(layer.weights, layer.bias) for layer in READ.layers],
    "lists": lambda: [[layer.weights.tolist(), layer.bias.tolist()] for layer in READ.layers],
    "tensors": lambda: [(module()[n].weight, module()[n].bias) for n in (0, 2, 4)],
    "network": lambda: READ,
    "read model": lambda: read_model(MOONS.read_bytes()),
}


@pytest.mark.parametrize("name", SOURCES)
def test_whatever_stands_for_a_network_gives_that_network(name: str) -> None:
    assert network_of(SOURCES[name]()).digest == READ.digest


@pytest.mark.parametrize("name", ["path", "own module", "state_dict", "pairs"])
def test_one_line_counts_it(name: str) -> None:
    counted = relucensus.count(SOURCES[name](), -1, 1)
    assert {definition.value: one.value for definition, one in counted.counts.items()} == COUNTS
    assert counted.network["digest"] == READ.digest


def test_its_options_are_those_of_count_regions(tmp_path: Path) -> None:
    seen: list[Any] = []
    counted = relucensus.count(
        MOONS,
        [-1, -1],
        upper=[1, 1],
        definitions=["linear_regions"],
        engine="tree",
        workers=2,
        certificate=tmp_path / "moons.gz",
        on_progress=seen.append,
    )
    assert counted.certificate == str(tmp_path / "moons.gz")
    assert list(counted.counts) == [Definition.LINEAR_REGIONS]
    assert seen
    checked = relucensus.count(MOONS, -0.25, 0.25, definitions="activation_regions", engine="tree", cross_check="brute")
    assert checked.cross_checked_by == "brute"
    stopped = relucensus.count(MOONS, -1, 1, budget=Budget(regions=10))
    assert stopped.status == "lower_bound"


def test_a_domain_may_stand_in_the_place_of_the_bounds() -> None:
    line = Slice.through([[-1, -1], [1, 1]])
    assert relucensus.count(MOONS, domain=line).counts == count_regions(Problem(READ, line)).counts
    box = Box.from_bounds(-1, 1, 2)
    assert relucensus.count(MOONS, domain=box).counts == relucensus.count(MOONS, -1, 1).counts


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({}, "got no bounds; needed are lower and upper, or a domain"),
        ({"lower": -1}, "got lower; needed are"),
        ({"lower": -1, "upper": 1, "domain": Box.from_bounds(-1, 1, 2)}, "got lower and upper and domain"),
        ({"lower": -1, "domain": Box.from_bounds(-1, 1, 2)}, "got lower and domain"),
        ({"lower": [-1] * 3, "upper": 1}, "lower has shape"),
        ({"lower": 1, "upper": -1}, "is above"),
    ],
)
def test_bounds_that_are_no_box_are_refused(bounds: Any, words: str) -> None:
    with pytest.raises(InvalidDomain, match=words):
        relucensus.count(MOONS, **bounds)


def test_weights_beside_a_model_are_found_in_its_folder(tmp_path: Path) -> None:
    model = onnx.load(MOONS)
    onnx.save(model, tmp_path / "moons.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert network_of(tmp_path / "moons.onnx").digest == READ.digest


def test_the_activation_of_what_names_none_is_chosen() -> None:
    pairs = [(layer.weights, layer.bias) for layer in READ.layers]
    for model in (pairs, module().state_dict(), EXAMPLES / "moons.pt"):
        assert network_of(model, activation="relu6").hidden[0].activations == (RELU6,)


def test_a_bias_may_be_missing_and_two_pairs_of_numbers_are_not_taken_for_layers() -> None:
    network = network_of([(np.ones((3, 2)), None), (np.ones((1, 3)), None)])
    assert network.forward(np.array([[1.0, 2.0]])).tolist() == [[9.0]]
    with pytest.raises(InvalidNetwork, match="layer 1: weights have 0 axes and bias 0; needed are pairs of 2 and 1"):
        network_of([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("model", "options", "error", "words"),
    [
        ("missing.onnx", {}, UnreadableModel, r"model file 'missing.onnx' cannot be read: No such file"),
        (EXAMPLES, {}, UnreadableModel, "cannot be read: Is a directory"),
        (io.StringIO("text"), {}, UnreadableModel, "open in text mode; open it with mode 'rb'"),
        (b"", {}, UnreadableModel, "the file is empty"),
        (7, {}, UnsupportedModel, "the model is a int. Needed is a path, bytes"),
        (np.zeros((2, 2)), {}, UnsupportedModel, r"the model is a numpy.ndarray; give \(weights, bias\) pairs"),
        (torch.zeros(2), {}, UnsupportedModel, r"the model is a torch.Tensor; give a torch.nn.Module"),
        ({}, {}, UnsupportedModel, "the mapping holds nothing; needed is a state_dict"),
        ({"weight": "a"}, {}, UnsupportedModel, "the mapping holds str; needed is a state_dict"),
        ({"net": {}, "epoch": 3}, {}, UnsupportedModel, "names to tensors, perhaps what lies under 'net'$"),
        ({"a": torch.zeros(2, 2, device="meta")}, {}, InvalidNetwork, "the tensor a is on the meta device"),
        ([], {}, InvalidNetwork, "at least one layer"),
        ([(np.ones((2, 2)), ["a", "b"])], {}, InvalidNetwork, "layer 1: weights and bias must be arrays of numbers"),
        (READ, {"activation": "relu"}, InvalidRequest, "activation is for models that leave it open"),
        ([([[1.0]], [0.0])], {"submodel": "a"}, InvalidRequest, "submodel is for files that leave it open"),
        (READ, {"example_input": [0, 0]}, InvalidRequest, "example_input is for torch modules"),
        (READ, {"batch_axis": "last"}, InvalidRequest, "batch_axis is 'last'"),
        (nn.Linear(2, 2, device="meta"), {}, InvalidNetwork, "module.weight is on the meta device"),
        (nn.Sequential(nn.ReLU()), {}, InvalidNetwork, "no Linear layer"),
        (Own(), {"example_input": torch.zeros(1, 3)}, UnsupportedModel, r"an input of shape \[1, 3\] it raises"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_stands_for_no_network_is_refused_in_one_sentence(
    model: Any, options: Any, error: type[CensusError], words: str
) -> None:
    with pytest.raises(error, match=words):
        network_of(model, **options)


class Deciding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(x)
        return y if x[0, 0] > 0 else 1 - 2 * y


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_path_that_depends_on_the_input_is_refused_even_where_the_exporter_only_warns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("relucensus.readers.torch.exporter._installed", lambda _package: False)
    with pytest.raises(UnsupportedModel, match="computes something else than the ONNX file"):
        network_of(Deciding())


def test_a_chain_is_read_with_the_size_of_its_example() -> None:
    chain = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 1)).eval()
    for example in (torch.zeros(1, 1, 3, 3), np.zeros((5, 1, 3, 3))):
        assert network_of(chain, example_input=example).inputs == 9


PROGRAM = """
import sys
from relucensus import count, network_of
counted = count([([[1.0], [-1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0])], -1, 1)
assert counted.counts["linear_regions"].value == 2
print(*sorted({"torch", "sklearn", "onnx"} & set(sys.modules)))
"""


def test_counting_arrays_loads_neither_torch_nor_scikit_learn_and_prints_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_the_function_is_not_hidden_by_a_module_of_its_name() -> None:
    assert callable(relucensus.count)
    assert isinstance(READ, Network)
