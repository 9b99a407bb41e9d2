"""What of torch is taken as a plain stack of layers, and that its file is the network that an export gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from relucensus import read_model
from relucensus.readers import network_from_module
from relucensus_client._model_source import snapshot_file

torch = pytest.importorskip("torch")
nn = torch.nn


def stack(*, dtype: Any = torch.float32, activation: Callable[[], Any] = nn.ReLU) -> Any:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(5, 5, bias=False), activation(), nn.Identity())
    return nn.Sequential(nn.Linear(3, 5), activation(), nn.Dropout(0.5), inner, nn.Linear(5, 2)).to(dtype)


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        return self.last(torch.relu(self.first(x)))


class Doubled(nn.Sequential):
    def forward(self, x: Any) -> Any:
        return 2 * super().forward(x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU6])
def test_the_file_of_a_stack_is_the_network_of_the_module(dtype: Any, activation: Callable[[], Any]) -> None:
    module = stack(dtype=dtype, activation=activation)
    file, named = snapshot_file(module)
    assert file.name == "stack.safetensors"
    network = read_model(file.data, activation=named).network
    assert network.digest == network_from_module(module).digest


def test_weights_that_are_views_are_written_as_they_are_seen() -> None:
    module = stack()
    module[0].weight = nn.Parameter(torch.arange(15.0).reshape(3, 5).t())
    assert not module[0].weight.is_contiguous()
    file, named = snapshot_file(module)
    assert read_model(file.data, activation=named).network.digest == network_from_module(module).digest


def altered(change: Callable[[Any], Any]) -> Any:
    module = stack()
    change(module)
    return module


@pytest.mark.parametrize(
    "module",
    [
        Own(),
        Doubled(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)),
        nn.Sequential(nn.Linear(3, 2)),
        nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)),
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.ReLU()),
        nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(0.25), nn.Linear(4, 2)),
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU6(), nn.Linear(4, 2)),
        nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).eval(),
        altered(lambda module: module[0].register_forward_hook(lambda _module, _inputs, output: 2 * output)),
        altered(lambda module: nn.utils.parametrizations.orthogonal(module[3][0])),
        altered(lambda module: setattr(module, "forward", lambda x: 2 * nn.Sequential.forward(module, x))),
    ],
    ids=lambda module: type(module).__name__,
)
def test_what_may_compute_something_else_is_exported(module: Any) -> None:
    try:
        file, named = snapshot_file(module)
    except ValueError as error:
        assert "could not be exported" in str(error)  # noqa: PT017 - refused is right as well
        return
    assert file.name == "model.onnx"
    assert named is None
