"""torch modules in-process: read as torch evaluates them, refused by the path of what is not supported."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from relucensus.errors import CensusError, InvalidNetwork, UnsupportedModel
from relucensus.readers import ReaderLimits, network_from_module
from relucensus.values.activation import HARD_TANH, RELU6, clip, leaky_relu


def trained_norm(features: int, **options: Any) -> nn.BatchNorm1d:
    norm = nn.BatchNorm1d(features, **options)
    for _ in range(3):
        norm(torch.randn(16, features) * 3 + 1)
    if norm.affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return norm


class Renamed(nn.Sequential):
    """A Sequential with a name of its own and nothing else."""


class Reversed(nn.Sequential):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        for module in reversed(self):
            value = module(value)
        return value


class Scaled(nn.Linear):
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(value)


MODULES = {
    "plain": lambda: nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)),
    "single linear": lambda: nn.Linear(3, 2),
    "without bias": lambda: nn.Sequential(nn.Linear(3, 5, bias=False), nn.ReLU(inplace=True), nn.Linear(5, 2)),
    "nested": lambda: nn.Sequential(
        nn.Flatten(),
        nn.Sequential(nn.Linear(3, 5), nn.Sequential(nn.ReLU(), nn.Identity())),
        Renamed(nn.Dropout(0.5), nn.Linear(5, 2)),
    ),
    "two affine layers": lambda: nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)),
    "ends with relu": lambda: nn.Sequential(nn.Linear(3, 5), nn.ReLU()),
    "starts with relu": lambda: nn.Sequential(nn.ReLU(), nn.Linear(3, 5)),
    "norm after linear": lambda: nn.Sequential(nn.Linear(3, 5), trained_norm(5), nn.ReLU(), nn.Linear(5, 2)),
    "norm of the input": lambda: nn.Sequential(trained_norm(3), nn.Linear(3, 5), nn.ReLU(), trained_norm(5)),
    "norm without affine": lambda: nn.Sequential(nn.Linear(3, 5), trained_norm(5, affine=False), nn.ReLU()),
    "one module twice": lambda: nn.Sequential(*[nn.Linear(3, 3), nn.ReLU()] * 2),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_read_as_the_function_torch_evaluates(name: str, dtype: torch.dtype) -> None:
    module = MODULES[name]().to(dtype)
    network = network_from_module(module)
    points = torch.rand(20, 3, dtype=torch.float64) * 4 - 2
    expected = copy.deepcopy(module).to(torch.float64).eval()(points).detach().numpy()
    np.testing.assert_allclose(network.forward(points.numpy()), expected, rtol=1e-9, atol=1e-9)


def test_reading_a_module_changes_nothing_and_does_not_follow_it() -> None:
    module = MODULES["norm after linear"]().train()
    before = copy.deepcopy(module.state_dict())
    network = network_from_module(module)
    digest = network.digest
    assert module.training
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    with torch.no_grad():
        module[0].weight += 1
    assert network.digest == digest


class Opaque(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return self.layer(value) ** 2


def hooked() -> nn.Module:
    linear = nn.Linear(2, 2)
    linear.register_forward_hook(lambda module, inputs, output: 2 * output)
    return nn.Sequential(linear)


def replaced() -> nn.Module:
    linear = nn.Linear(2, 2)
    linear.forward = lambda value: value  # type: ignore[method-assign]
    return nn.Sequential(linear)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (
            nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Sigmoid())),
            "module.1.0 is Sigmoid; supported are Sequential",
        ),
        (nn.Sequential(nn.Linear(2, 2), nn.Threshold(0.5, 0)), "module.1 is Threshold; supported are"),
        (nn.Sequential(nn.Linear(2, 2), nn.MaxPool2d(2)), "module.1 is MaxPool2d; supported are"),
        (Opaque(), "module is Opaque; supported are"),
        (Reversed(nn.Linear(2, 2)), "module is Reversed; supported are"),
        (nn.Sequential(Scaled(2, 2)), "module.0 is Scaled; supported are"),
        (nn.Sequential(nn.LazyLinear(2)), "module.0 is LazyLinear; supported are"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "module is ParametrizedLinear; supported are"),
        (hooked(), "module.0 is Linear; with hooks"),
        (replaced(), "module.0 is Linear; with hooks or a forward of its own"),
        (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, track_running_stats=False)), "without running statistics"),
        (
            nn.Sequential(nn.Flatten(0), nn.Linear(2, 2)),
            "module.0 is Flatten; supported is Flatten with 1 <= start_dim",
        ),
        (nn.Linear(2, 2, dtype=torch.complex64), "module.weight has the type torch.complex64"),
        ("not a module", "module is str; supported are"),
    ],
)
def test_what_is_not_supported_is_named_by_its_path(module: Any, words: str) -> None:
    with pytest.raises(UnsupportedModel) as caught:
        network_from_module(module)
    assert words in str(caught.value)


def negative_variance() -> nn.Module:
    norm = nn.BatchNorm1d(2)
    norm.running_var.fill_(-1)
    return norm


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 1)), "module.1 takes 4 values and gets 3"),
        (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(2)), "module.1 normalises 2 values and gets 3"),
        (nn.Sequential(nn.ReLU()), "the module has no Linear layer"),
        (nn.Sequential(), "the module has no Linear layer"),
        (negative_variance(), "module has statistics that give no finite scale"),
        (nn.Linear(2, 2, device="meta"), "module.weight is on the meta device"),
    ],
)
def test_layers_that_do_not_fit_are_named_by_their_path(module: nn.Module, words: str) -> None:
    with pytest.raises(InvalidNetwork) as caught:
        network_from_module(module)
    assert words in str(caught.value)


def test_a_weight_that_is_not_finite_is_named() -> None:
    module = nn.Sequential(nn.Linear(2, 2))
    with torch.no_grad():
        module[0].bias[1] = float("nan")
    with pytest.raises(InvalidNetwork, match=r"module\.0\.bias holds nan at \[1\]"):
        network_from_module(module)


def test_a_module_beyond_a_limit_is_refused() -> None:
    with pytest.raises(CensusError, match="50 hidden neurons; accepted are at most 49"):
        network_from_module(nn.Sequential(nn.Linear(2, 50), nn.ReLU()), limits=ReaderLimits(neurons=49))


BENDS = {
    "leaky": (nn.LeakyReLU(0.2), (leaky_relu(0.2),)),
    "leaky with a negative slope": (nn.LeakyReLU(-1.5), (leaky_relu(-1.5),)),
    "prelu": (nn.PReLU(init=0.25), (leaky_relu(0.25),)),
    "prelu per neuron": (nn.PReLU(5), None),
    "relu6": (nn.ReLU6(), (RELU6,)),
    "hard tanh": (nn.Hardtanh(), (HARD_TANH,)),
    "hard tanh with ends": (nn.Hardtanh(-0.5, 2.0), (clip(-0.5, 2),)),
}


@pytest.mark.parametrize("name", BENDS)
def test_an_activation_is_read_with_its_numbers(name: str) -> None:
    bend, expected = BENDS[name]
    if name == "prelu per neuron":
        nn.init.normal_(bend.weight)
        expected = tuple(leaky_relu(slope) for slope in bend.weight.tolist())
    module = nn.Sequential(nn.Linear(3, 5), bend, nn.Linear(5, 2))
    network = network_from_module(module)
    assert network.hidden[0].activations == expected
    points = torch.rand(20, 3, dtype=torch.float64) * 6 - 3
    wanted = copy.deepcopy(module).to(torch.float64)(points).detach().numpy()
    np.testing.assert_allclose(network.forward(points.numpy()), wanted, rtol=1e-9, atol=1e-9)


def image_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm


IMAGES = {
    "convolutions": nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),
        image_norm(3),
        nn.PReLU(3, init=0.3),
        nn.AvgPool2d(2),
        nn.Conv2d(3, 2, (2, 1), stride=(1, 2), bias=False),
        nn.Hardtanh(),
        nn.Flatten(),
        nn.Linear(2, 3),
    ),
    "groups dilation same": nn.Sequential(
        nn.Conv2d(2, 4, (3, 2), groups=2, dilation=(1, 2), padding="same"), nn.ReLU()
    ),
    "valid": nn.Sequential(nn.Conv2d(2, 1, 2, padding="valid"), nn.Flatten(2), nn.Linear(9, 2)),
    "pool with padding": nn.Sequential(nn.AvgPool2d(3, 2, padding=1), nn.Flatten(1, 2), nn.Flatten()),
    "pool without the padding": nn.Sequential(nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), nn.ReLU()),
    "linear of the last axis": nn.Sequential(nn.Linear(4, 2), nn.LeakyReLU()),
}


@pytest.mark.parametrize("name", IMAGES)
def test_a_module_of_images_is_read_with_the_shape_of_its_input(name: str) -> None:
    module = IMAGES[name].eval()
    network = network_from_module(module, input_shape=(2, 4, 4))
    points = torch.rand(20, 2, 4, 4, dtype=torch.float64) * 4 - 2
    expected = copy.deepcopy(module).to(torch.float64)(points).detach().flatten(1).numpy()
    np.testing.assert_allclose(network.forward(points.flatten(1).numpy()), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("module", "shape", "words"),
    [
        (nn.Conv2d(1, 1, 1), None, "module (Conv2d) takes inputs of any size; needed is input_shape"),
        (nn.Conv2d(1, 1, 1), (4,), "module (Conv2d): needs an input with a batch, channels"),
        (nn.Conv2d(1, 1, 5), (1, 3, 3), "module (Conv2d): has a window of 5x5 entries, which does not fit into 3x3"),
        (nn.Conv2d(1, 1, 1, padding=1, padding_mode="reflect"), (1, 3, 3), "with padding_mode = 'reflect'"),
        (nn.AvgPool2d(2, ceil_mode=True), (1, 3, 3), "module is AvgPool2d; with ceil_mode=True"),
        (nn.AvgPool2d(2, divisor_override=3), (1, 4, 4), "with a divisor of its own"),
        (nn.PReLU(3), (4,), "module has 3 slopes and gets 4 channels"),
        (nn.LeakyReLU(float("nan")), (4,), "module.negative_slope is nan; needed is a finite number"),
        (nn.Conv2d(64, 64, 3, padding=1), (64, 64, 64), "150994944 weights; accepted are at most"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(module: nn.Module, shape: Any, words: str) -> None:
    limits = ReaderLimits(inputs=300_000)
    with pytest.raises(CensusError) as caught:
        network_from_module(module, input_shape=shape, limits=limits)
    assert words in str(caught.value)
