"""Normalisations in files of tensors: folded where their names say where they stand, compared with torch's values."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import torch as safetensors_torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers import ReadModel, read_model


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def trained(model: nn.Module, inputs: int) -> nn.Module:
    """The module in double precision, after a few steps that move every statistic."""
    torch.manual_seed(1)
    model.double().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        (model(torch.randn(32, inputs, dtype=torch.float64)) ** 2).sum().backward()
        optimizer.step()
    return model.eval()


def assert_agrees(model: nn.Module, data: bytes, inputs: int) -> ReadModel:
    read = read_model(data)
    points = torch.randn(50, inputs, dtype=torch.float64)
    expected = model(points).detach().numpy()
    np.testing.assert_allclose(read.network.forward(points.numpy()), expected, rtol=1e-9, atol=1e-9)
    return read


def sequential(*kinds: Any) -> nn.Sequential:
    return nn.Sequential(*kinds)


PLACED = {
    "before the activation": lambda: sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)),
    "after the activation": lambda: sequential(nn.Linear(3, 5), nn.ReLU(), nn.BatchNorm1d(5), nn.Linear(5, 2)),
    "of the input": lambda: sequential(nn.BatchNorm1d(3), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)),
    "of the output": lambda: sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2), nn.BatchNorm1d(2)),
    "with a dropout": lambda: sequential(
        nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.1), nn.Linear(5, 2)
    ),
    "without parameters": lambda: sequential(
        nn.Linear(3, 5), nn.BatchNorm1d(5, affine=False), nn.ReLU(), nn.Linear(5, 2)
    ),
    "of a layer without a bias": lambda: sequential(
        nn.Linear(3, 5, bias=False), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)
    ),
    "after every layer": lambda: sequential(
        *[nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU()],
        nn.Linear(4, 2),
    ),
    "twice": lambda: sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)),
}


@pytest.mark.parametrize("make", PLACED.values(), ids=PLACED.keys())
def test_a_batch_normalisation_stands_where_its_number_says(make: Any) -> None:
    model = trained(make(), 3)
    for data in (saved(model.state_dict()), safetensors_torch.save(model.state_dict())):
        notes = assert_agrees(model, data, 3).notes
        assert "normalisations folded in once in float64, with torch's usual epsilon of 1e-05" in notes


@pytest.mark.parametrize(
    "model",
    [
        sequential(nn.Linear(3, 5), nn.ReLU(), nn.BatchNorm1d(5), nn.Dropout(), nn.Linear(5, 2)),
        sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)),
        sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2), nn.Linear(2, 2)),
        sequential(nn.Linear(3, 5), nn.ReLU(), nn.BatchNorm1d(5)),
        sequential(nn.BatchNorm1d(3), nn.Linear(3, 5), nn.Linear(5, 2)),
    ],
)
def test_a_batch_normalisation_whose_place_the_numbers_do_not_settle_is_refused(model: nn.Module) -> None:
    for data in (saved(model.state_dict()), safetensors_torch.save(model.state_dict())):
        with pytest.raises(UnsupportedModel, match="export the whole network as ONNX"):
            read_model(data)


class Named(nn.Module):
    """fc1, bn1, fc2, bn2, out, in the usual order."""

    def __init__(self, *, norms_first: bool = False) -> None:
        super().__init__()
        norms = [("bn1", nn.BatchNorm1d(5)), ("bn2", nn.BatchNorm1d(5))]
        layers = [("fc1", nn.Linear(5, 5)), ("fc2", nn.Linear(5, 5)), ("out", nn.Linear(5, 2))]
        for name, module in [*norms, *layers] if norms_first else [*layers, *norms]:
            self.add_module(name, module)

    def forward(self, x: Any) -> Any:
        for i in (1, 2):
            x = torch.relu(getattr(self, f"bn{i}")(getattr(self, f"fc{i}")(x)))
        return self.out(x)


def test_normalisations_named_like_their_layers_stand_behind_them() -> None:
    model = trained(Named(), 5)
    for data in (saved(model.state_dict()), safetensors_torch.save(model.state_dict())):
        notes = assert_agrees(model, data, 5).notes
        assert "normalisations taken to stand between their layer and its activation: 'bn1', 'bn2'" in notes


def test_a_normalisation_stored_before_its_layer_may_stand_before_it_and_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="'bn1' is stored before 'fc1', and may stand before it"):
        read_model(saved(Named(norms_first=True).state_dict()))


def test_blocks_of_a_layer_and_its_normalisation_are_read() -> None:
    class Blocks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = [(3, 5), (5, 4), (4, 6)]
            self.blocks = nn.ModuleList(sequential(nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()) for a, b in widths)
            self.head = nn.Linear(6, 2)

        def forward(self, x: Any) -> Any:
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    model = trained(Blocks(), 3)
    assert_agrees(model, saved(model.state_dict()), 3)


@pytest.mark.parametrize("names", [["fc1", "bn2", "fc2"], ["fc1", "fc2", "norm"], ["fc1", "fc2", "scale1"]])
def test_normalisations_that_no_name_pairs_with_a_layer_are_refused(names: list[str]) -> None:
    parts = {name: nn.Linear(4, 4) if name.startswith("fc") else nn.BatchNorm1d(4) for name in names}
    parts = {name: part for name, part in parts.items() if name != "fc2" or "bn2" not in parts}
    with pytest.raises(UnsupportedModel, match="names do not say where the normalisation"):
        read_model(saved(nn.ModuleDict(parts).state_dict()))


def test_a_normalisation_of_another_size_is_named() -> None:
    parts = nn.ModuleDict({"fc1": nn.Linear(3, 5), "bn1": nn.BatchNorm1d(4), "fc2": nn.Linear(5, 1)})
    with pytest.raises(InvalidNetwork, match="'bn1' has 4 channels; at its place needed are 5"):
        read_model(saved(parts.state_dict()))


def test_a_variance_without_a_root_is_refused() -> None:
    model = sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2))
    model[1].running_var.fill_(-1.0)
    with pytest.raises(InvalidNetwork, match="statistics that give no finite scale"):
        read_model(saved(model.state_dict()))


def normed(kind: str) -> nn.Sequential:
    made = [nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 2)]
    for layer in made:
        match kind:
            case "weight_norm":
                parametrizations.weight_norm(layer)
            case "weight_norm of columns":
                parametrizations.weight_norm(layer, dim=1)
            case "weight_norm of all":
                parametrizations.weight_norm(layer, dim=None)  # type: ignore[arg-type]
            case "old weight_norm":
                nn.utils.weight_norm(layer)
            case "old weight_norm of columns":
                nn.utils.weight_norm(layer, dim=1)
            case "spectral_norm":
                parametrizations.spectral_norm(layer)
            case "old spectral_norm":
                nn.utils.spectral_norm(layer)
            case "pruning":
                prune.random_unstructured(layer, "weight", amount=0.5)
    return nn.Sequential(*itertools.chain(*((layer, nn.ReLU()) for layer in made[:-1])), made[-1])


@pytest.mark.parametrize(
    "kind",
    [
        "weight_norm",
        "weight_norm of columns",
        "weight_norm of all",
        "old weight_norm",
        "old weight_norm of columns",
        "spectral_norm",
        "old spectral_norm",
        "pruning",
    ],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weights_that_a_module_computes_are_folded(kind: str) -> None:
    model = trained(normed(kind), 3)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    word = "a pruning mask" if kind == "pruning" else kind.removeprefix("old ").partition(" ")[0]
    for data in (saved(model.state_dict()), safetensors_torch.save(tensors)):
        read = assert_agrees(model, data, 3)
        assert f"'0': {word} folded into its weight once in float64" in read.notes


def test_spectral_vectors_that_fit_the_transposed_square_better_are_refused() -> None:
    layer = parametrizations.spectral_norm(nn.Linear(4, 4), dim=1, n_power_iterations=30)
    with pytest.raises(UnsupportedModel, match="the vectors of its spectral_norm do not fit"):
        read_model(saved(nn.Sequential(layer).state_dict()))


def test_another_parametrisation_is_refused_with_what_to_do() -> None:
    layer = parametrizations.orthogonal(nn.Linear(3, 3))
    with pytest.raises(UnsupportedModel, match="remove_parametrizations first, or export the whole network as ONNX"):
        read_model(saved(nn.Sequential(layer).state_dict()))


def test_weights_of_no_length_are_refused() -> None:
    tensors = {"0.weight_g": torch.ones(2, 1), "0.weight_v": torch.zeros(2, 2)}
    with pytest.raises(InvalidNetwork, match="divides by zero"):
        read_model(saved(tensors))
    tensors = {"0.weight_g": torch.ones(5), "0.weight_v": torch.ones(2, 2)}
    with pytest.raises(UnsupportedModel, match="lengths of shape 5 do not fit"):
        read_model(saved(tensors))
