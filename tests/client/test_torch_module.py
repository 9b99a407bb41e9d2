from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from relucensus_client import InvalidArgument
from relucensus_client._model_source import model_file


def _network(inputs: int = 4) -> nn.Sequential:
    torch.manual_seed(5)
    network = nn.Sequential(
        nn.Flatten(),
        nn.Sequential(nn.Linear(inputs, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5)),
        nn.Identity(),
        nn.Linear(6, 3),
    )
    network(torch.randn(50, inputs))  # gives the normalisation something to remember
    return network


class Branching(nn.Module):
    """A module of one's own, whose layers are not stored in the order of use."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(5, 2)
        self.first = nn.Linear(3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.last(torch.relu(self.first(x)))
        return y


def _run(data: bytes, points: np.ndarray) -> Any:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: row[None]})[0] for row in points])


def test_the_file_computes_what_the_module_computes_in_evaluation() -> None:
    network = _network()
    file = model_file(network)
    points = np.random.default_rng(1).normal(size=(100, 4)).astype(np.float32)
    expected = network.eval()(torch.from_numpy(points)).detach().numpy()
    assert file.name == "model.onnx"
    np.testing.assert_allclose(_run(file.data, points), expected, rtol=1e-5, atol=1e-6)


def test_double_precision_stays_double() -> None:
    network = _network().double()
    weights = {tuple(w.dims): onnx.numpy_helper.to_array(w) for w in _initializers(model_file(network).data)}
    assert weights[(3, 6)].dtype == np.float64
    np.testing.assert_array_equal(weights[(3, 6)], network[3].weight.detach().numpy())


def test_single_precision_weights_arrive_bit_for_bit() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    sent = [onnx.numpy_helper.to_array(w).tobytes() for w in _initializers(model_file(network).data)]
    assert sorted(sent) == sorted(p.detach().numpy().tobytes() for p in network.parameters())


def _initializers(data: bytes) -> Any:
    return onnx.load_from_string(data).graph.initializer


def test_the_file_is_complete_and_nothing_is_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = model_file(nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))).data
    assert not any(w.data_location == onnx.TensorProto.EXTERNAL for w in _initializers(data))
    assert len(data) > 784 * 512 * 4
    assert list(tmp_path.iterdir()) == []


def test_the_module_is_left_as_it_was() -> None:
    network = _network()
    network[1][1].eval()
    modes = [part.training for part in network.modules()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random_state = torch.get_rng_state()
    model_file(network)
    assert [part.training for part in network.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


def test_the_module_is_left_as_it_was_when_the_export_fails() -> None:
    network = Branching()
    with pytest.raises(InvalidArgument):
        model_file(network)
    assert network.training


def test_exporting_warns_of_nothing_about_the_exporter_itself() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model_file(_network())
    assert caught == []


def test_a_module_whose_layers_are_stored_in_another_order_needs_an_example() -> None:
    network = Branching()
    with pytest.raises(InvalidArgument, match=r"Branching could not be exported .*\[1, 5\].*pass example_input"):
        model_file(network)
    data = model_file(network, torch.zeros(1, 3)).data
    points = np.random.default_rng(1).normal(size=(10, 3)).astype(np.float32)
    expected = network(torch.from_numpy(points)).detach().numpy()
    np.testing.assert_allclose(_run(data, points), expected, rtol=1e-5, atol=1e-6)


def test_a_module_without_linear_layer_asks_for_an_example() -> None:
    with pytest.raises(InvalidArgument, match=r"no torch\.nn\.Linear"):
        model_file(nn.Sequential(nn.ReLU()))


class Deciding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(x)
        return y if x[0, 0] > 0 else 1 - 2 * y


def test_a_computation_that_depends_on_the_data_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relucensus_client._exporter._installed", lambda _package: False)
    with pytest.warns(torch.jit.TracerWarning):
        model_file(Deciding())


def test_a_computation_that_the_current_exporter_finds_to_depend_on_the_data_is_refused() -> None:
    pytest.importorskip("onnxscript")
    with pytest.raises(InvalidArgument, match="data-dependent expression"):
        model_file(Deciding())


def test_a_state_dict_becomes_a_file_that_torch_reads_without_executing_anything() -> None:
    tensors = _network().state_dict()
    file = model_file(tensors)
    read = torch.load(io.BytesIO(file.data), weights_only=True)
    assert file.name == "state_dict.pt"
    assert list(read) == list(tensors)
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)


def test_a_view_does_not_take_along_what_it_is_a_view_of() -> None:
    huge = torch.zeros(1000, 1000)
    assert len(model_file({"weight": huge[:2, :2]}).data) < 10_000


@pytest.mark.parametrize("model", [{}, {"weight": 1}, {1: torch.zeros(1)}, torch.zeros(3)])
def test_what_is_no_state_dict_is_refused(model: Any) -> None:
    with pytest.raises(InvalidArgument, match="its state_dict"):
        model_file(model)
