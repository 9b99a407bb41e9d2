"""Modules that only ONNX can tell: exported by the client, read by the library, compared with torch."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from relucensus.readers import read_model
from relucensus_client._model_source import model_file


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.inner = nn.Linear(6, 6)
        self.last = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = torch.relu(self.first(x))
        a = a + nn.functional.leaky_relu(self.inner(a), 0.2)
        y: torch.Tensor = self.last(nn.functional.hardtanh(a))
        return y


class Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.last = nn.Linear(7, 2)
        self.bend = nn.PReLU(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.last(torch.cat([self.bend(self.first(x)), x.abs()], dim=1))
        return y


class ResidualImage(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.conv2 = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.last = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = torch.relu(self.norm(self.conv1(x)))
        a = nn.functional.relu6(self.conv2(a) + a).clamp(max=3)
        a = nn.functional.adaptive_avg_pool2d(nn.functional.avg_pool2d(a, 2), 1)
        y: torch.Tensor = self.last(torch.flatten(a, 1) - 0.5)
        return y


MODULES = {
    "residual": (Residual(), (4,)),
    "dense": (Dense(), (4,)),
    "residual image": (ResidualImage(), (1, 4, 4)),
    "activations": (
        nn.Sequential(nn.Linear(4, 5), nn.PReLU(5), nn.Linear(5, 4), nn.ReLU6(), nn.Hardtanh(-0.5, 2), nn.LeakyReLU()),
        (4,),
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_with_branches_is_read_through_onnx(name: str) -> None:
    module, shape = MODULES[name]
    module.eval()
    network = read_model(model_file(module, torch.zeros(1, *shape)).data).network
    points = torch.rand(30, *shape, dtype=torch.float64) * 6 - 3
    expected = copy.deepcopy(module).to(torch.float64)(points).detach().numpy()
    np.testing.assert_allclose(network.forward(points.flatten(1).numpy()), expected, rtol=1e-4, atol=1e-4)
