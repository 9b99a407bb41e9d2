"""Modules that people write, through `network_of`: each is read as torch evaluates it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune

from relucensus.readers import network_of


def made(parts: dict[str, Any], forward: Callable[..., Any]) -> Any:
    class Made(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

    Made.forward = forward
    return Made()


def two() -> dict[str, Any]:
    return {"a": nn.Linear(3, 6), "b": nn.Linear(6, 2)}


def plain() -> Any:
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2))


def with_first(change: Callable[[Any], Any], size: int = 6) -> Any:
    return nn.Sequential(change(nn.Linear(3, size)), nn.ReLU(), nn.Linear(size, 2))


def dueling(self: Any, x: Any) -> Any:
    h = functional.relu(self.a(x))
    return self.v(h) + self.d(h) - self.d(h).mean(1, keepdim=True)


def heads() -> dict[str, Any]:
    return {"a": nn.Linear(3, 6), "v": nn.Linear(6, 1), "d": nn.Linear(6, 4)}


def low_rank() -> dict[str, Any]:
    return {"u": nn.Parameter(torch.randn(6, 2)), "v": nn.Parameter(torch.randn(2, 3)), "b": nn.Linear(6, 2)}


X = torch.zeros(1, 3)
MODULES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "parallel": lambda: (nn.DataParallel(plain()), None),
    "spectral norm": lambda: (with_first(nn.utils.parametrizations.spectral_norm), None),
    "old spectral norm": lambda: (with_first(nn.utils.spectral_norm), None),
    "orthogonal": lambda: (with_first(nn.utils.parametrizations.orthogonal, 3), None),
    "pruned": lambda: (with_first(lambda layer: prune.l1_unstructured(layer, "weight", 5)), None),
    "unflatten": lambda: (
        nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Unflatten(1, (2, 4)), nn.Flatten(), nn.Linear(8, 2)),
        None,
    ),
    "slice of the input": lambda: (
        made(
            {"a": nn.Linear(2, 4), "b": nn.Linear(5, 2)},
            lambda self, x: self.b(torch.cat([functional.relu(self.a(x[:, :2])), x[:, 2:]], 1)),
        ),
        X,
    ),
    "permuted input": lambda: (made(two(), lambda self, x: self.b(functional.relu(self.a(x[:, [2, 0, 1]])))), X),
    "dueling head": lambda: (made(heads(), dueling), X),
    "low rank": lambda: (
        made(low_rank(), lambda self, x: self.b(functional.relu(functional.linear(x, self.u @ self.v)))),
        X,
    ),
    "absolute weights": lambda: (
        made(two(), lambda self, x: functional.linear(functional.relu(self.a(x)), self.b.weight.abs(), self.b.bias)),
        X,
    ),
    "clamped weights": lambda: (
        made(
            two(),
            lambda self, x: functional.linear(functional.relu(self.a(x)), self.b.weight.clamp(min=0), self.b.bias),
        ),
        X,
    ),
    "hard sigmoid": lambda: (nn.Sequential(nn.Linear(3, 6), nn.Hardsigmoid(), nn.Linear(6, 2)), None),
    "maximum": lambda: (made(two(), lambda self, x: self.b(torch.maximum(self.a(x), torch.zeros(())))), X),
    "two outputs": lambda: (
        made(heads(), lambda self, x: (self.v(functional.relu(self.a(x))), self.d(functional.relu(self.a(x))))),
        X,
    ),
    "two inputs": lambda: (
        made(
            {"a": nn.Linear(5, 6), "b": nn.Linear(6, 2)},
            lambda self, x, u: self.b(functional.relu(self.a(torch.cat([x, u], 1)))),
        ),
        (torch.zeros(1, 3), torch.zeros(1, 2)),
    ),
    "example without batch": lambda: (made(two(), lambda self, x: self.b(functional.relu(self.a(x)))), torch.zeros(3)),
}


@pytest.fixture(params=["current", "older"], autouse=True)
def exporter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "current":
        pytest.importorskip("onnxscript")
    else:
        monkeypatch.setattr("relucensus.readers.torch.exporter._installed", lambda _package: False)


@pytest.mark.filterwarnings("ignore::FutureWarning:torch")
@pytest.mark.parametrize("name", MODULES)
def test_a_module_that_people_write_is_read_as_torch_evaluates_it(name: str) -> None:
    module, example = MODULES[name]()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    network = network_of(module, example_input=example)
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    inputs = [one.reshape(1, -1) for one in (example if isinstance(example, tuple) else (X,))]
    module.eval()
    for number in range(20):
        point = [torch.randn(one.shape) * (number + 1) for one in inputs]
        found = module(*point)
        wanted = torch.cat([one.flatten() for one in (found if isinstance(found, tuple) else (found,))])
        got = network.forward(torch.cat(point, 1).double().numpy())[0]
        np.testing.assert_allclose(got, wanted.detach().numpy(), rtol=1e-3, atol=1e-4)


def test_a_network_read_twice_is_the_same_network() -> None:
    module = made(two(), lambda self, x: self.b(functional.relu(self.a(x))))
    first = network_of(module, example_input=X)
    assert network_of(copy.deepcopy(module), example_input=[0.0, 0.0, 0.0]).digest == first.digest
