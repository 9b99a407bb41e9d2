"""safetensors files: the order of the layers is found from numbers or shapes, or the file is refused."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import numpy as safetensors_numpy
from safetensors import torch as safetensors_torch
from torch import nn

from relucensus.errors import CensusError, InvalidNetwork, UnreadableModel, UnsupportedModel
from relucensus.readers import ReaderLimits, network_from_module, read_model


def saved(**shapes: tuple[int, ...]) -> bytes:
    """A file of random tensors; two underscores in a name stand for a dot."""
    rng = np.random.default_rng(1)
    tensors = {name.replace("__", "."): rng.normal(size=shape).astype("f") for name, shape in shapes.items()}
    return safetensors_numpy.save(tensors)


def refusal(data: bytes, kind: type[CensusError], limits: ReaderLimits | None = None) -> str:
    with pytest.raises(kind) as caught:
        read_model(data, limits=limits or ReaderLimits())
    return str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_a_file_of_every_float_type_is_the_network_torch_evaluates(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(3, 7), nn.ReLU(), nn.Linear(7, 2)).to(dtype)
    read = read_model(safetensors_torch.save(model.state_dict()))
    points = torch.rand(20, 3, dtype=torch.float64) * 4 - 2
    expected = model.to(torch.float64)(points).detach().numpy()
    np.testing.assert_allclose(read.network.forward(points.numpy()), expected, rtol=1e-12, atol=1e-12)
    assert read.format == "safetensors"
    assert read.network.digest == network_from_module(model).digest
    half = [f"{str(dtype).removeprefix('torch.')} weights taken as the exact numbers they are"]
    assert read.notes == [
        "layers taken in the order of their numbers: '0', '2'",
        *(half if dtype.itemsize == 2 else []),
        "a bare safetensors file does not name its activation; taken as relu",
    ]


def test_numbers_are_compared_as_numbers() -> None:
    model = nn.Sequential(*(nn.Linear(n, n + 1) for n in range(2, 14)))
    assert read_model(safetensors_torch.save(model.state_dict())).network.widths == tuple(range(3, 14))


def test_one_layer_called_head_ends_a_chain_of_numbers() -> None:
    read = read_model(saved(layers__0__weight=(8, 3), layers__1__weight=(8, 8), head__weight=(2, 8)))
    assert read.network.widths == (8, 8)
    assert read.notes[0] == (
        "layers taken in the order of their numbers, the closing one last: 'layers.0', 'layers.1', 'head'"
    )


def test_names_of_many_kinds_are_refused() -> None:
    shapes = {f"{letter}__weight": (2, 2) for letter in "abcdefgh"}
    assert "names of 8 kinds" in refusal(saved(**shapes), UnsupportedModel)


def test_shapes_that_do_not_chain_name_two_keys() -> None:
    text = refusal(saved(fc1__weight=(8, 3), fc2__weight=(5, 7)), InvalidNetwork)
    assert text == "'fc2.weight' (5x7) does not fit behind 'fc1.weight' (8x3): it takes 7 values and gets 8"


def test_tensors_of_other_layers_are_refused_by_name() -> None:
    assert "'0.weight' (2x1x3x3) is the weight of a convolution" in refusal(
        saved(**{"0__weight": (2, 1, 3, 3)}), UnsupportedModel
    )
    assert "'1.running_mean'" in refusal(saved(**{"0__weight": (2, 2), "1__running_mean": (2,)}), UnsupportedModel)
    tensors = {"0.weight": np.zeros((2, 2), np.uint8)}
    assert "'0.weight' holds U8; supported are float16" in refusal(safetensors_numpy.save(tensors), UnsupportedModel)
    tensors = {"0.weight": np.zeros((2, 2), np.int64)}
    assert "holds I64" in refusal(safetensors_numpy.save(tensors), UnsupportedModel)


def test_a_weight_that_is_not_finite_is_named() -> None:
    data = safetensors_numpy.save({"0.weight": np.array([[1.0, np.nan]])})
    assert "'0.weight' holds nan at [0, 1]" in refusal(data, InvalidNetwork)


def test_a_network_beyond_a_limit_is_refused() -> None:
    data = saved(**{"0__weight": (9, 2), "1__weight": (1, 9)})
    assert "9 hidden neurons" in refusal(data, UnsupportedModel, ReaderLimits(neurons=8))
    assert "at most 17 entries" in refusal(data, UnsupportedModel, ReaderLimits(weights=17))


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 1600]},
        {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [2, 2], "data_offsets": [8, 16]},
        {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]},
        {"dtype": "F99", "shape": [2, 2], "data_offsets": [0, 16]},
        {"shape": [2, 2]},
        7,
    ],
)
def test_a_header_that_lies_is_refused(entry: object) -> None:
    header = json.dumps({"0.weight": entry}).encode()
    refusal(len(header).to_bytes(8, "little") + header + bytes(16), UnreadableModel)


DATA = saved(**{"0__weight": (3, 2), "0__bias": (3,), "1__weight": (1, 3)})


def test_every_truncation_of_a_file_is_refused() -> None:
    for length in range(len(DATA)):
        refusal(DATA[:length], CensusError)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(DATA) - 1), st.integers(0, 255))
def test_a_mutated_file_is_read_or_refused_but_never_crashes(position: int, byte: int) -> None:
    with contextlib.suppress(CensusError):
        read_model(DATA[:position] + bytes([byte]) + DATA[position + 1 :])


@pytest.mark.parametrize("length", [0x0280, 0x0380, 0x0480, 0x0580, 0x8B1F])
def test_a_header_whose_length_looks_like_another_format_is_no_other_format(length: int) -> None:
    weights = {"0.weight": np.eye(2), "0.bias": np.zeros(2), "2.weight": np.eye(2), "2.bias": np.zeros(2)}
    file = safetensors_numpy.save(weights)
    size = int.from_bytes(file[:8], "little")
    padded = length.to_bytes(8, "little") + file[8 : 8 + size].ljust(length) + file[8 + size :]
    assert read_model(padded).format == "safetensors"


def saved_model(module: nn.Module, tmp_path: Path, metadata: dict[str, str] | None = None) -> bytes:
    safetensors_torch.save_model(module, str(tmp_path / "m.safetensors"), metadata)
    return (tmp_path / "m.safetensors").read_bytes()


def test_a_layer_that_save_model_left_out_because_it_is_shared_is_restored(tmp_path: Path) -> None:
    shared = nn.Linear(4, 4)
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU())
    model.append(nn.Linear(4, 1))
    read = read_model(saved_model(model, tmp_path, {"format": "pt", "note": "mine"}))
    points = torch.rand(20, 2) * 4 - 2
    expected = model(points).detach().double().numpy()
    np.testing.assert_allclose(read.network.forward(points.double().numpy()), expected, rtol=1e-5, atol=1e-6)
    assert read.notes[0].startswith("tied to other tensors by the file's metadata: ")
    for name in ("'4.bias'", "'4.weight'", "'6.bias'", "'6.weight'"):
        assert name in read.notes[0]


def test_a_bias_that_save_model_left_out_because_it_is_shared_is_restored(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    model[2].bias = model[0].bias
    layers = read_model(saved_model(model, tmp_path)).network.layers
    np.testing.assert_array_equal(layers[1].bias, model[0].bias.detach().double().numpy())


def test_a_tied_tensor_is_never_a_transposed_one_since_save_model_writes_none(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = nn.Parameter(model[0].weight.t())
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        saved_model(model, tmp_path)


def test_a_tied_tensor_of_another_shape_does_not_fit(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1))
    model[2].weight = nn.Parameter(model[0].weight.view(1, 4))
    assert "does not fit behind" in refusal(saved_model(model, tmp_path), InvalidNetwork)


@pytest.mark.parametrize(
    "metadata",
    [
        {"0.bias": "0.weight"},
        {"0.bias": "anything"},
        {"2.weight": "gone.weight"},
        {"2.bias": ""},
    ],
)
def test_metadata_that_may_be_a_tie_and_is_not_certain_is_refused(metadata: dict[str, str]) -> None:
    tensors = {"0.weight": np.eye(2), "0.bias": np.zeros(2)}
    with pytest.raises(UnsupportedModel, match="as for tensors that are tied"):
        read_model(safetensors_numpy.save(tensors, metadata))


def test_other_metadata_does_no_harm() -> None:
    tensors = {"0.weight": np.eye(2), "0.bias": np.zeros(2)}
    data = safetensors_numpy.save(tensors, {"format": "pt", "bias": "true", "license": "mit", "2.0": "3"})
    assert read_model(data).network.inputs == 2


def test_tensors_of_every_type_may_lie_outside_of_the_network_that_is_asked_for() -> None:
    others = {f"other.{i}": torch.ones(3).to(kind) for i, kind in enumerate([torch.float8_e4m3fn, torch.bool])}
    others["other.mask"] = torch.ones(3, dtype=torch.complex64)
    tensors = {**{f"net.{k}": v for k, v in nn.Linear(3, 2).state_dict().items()}, **others}
    assert read_model(safetensors_torch.save(tensors), submodel="net").network.inputs == 3
    weights = {"0.weight": torch.ones(2, 2).to(torch.float8_e5m2)}
    assert "'0.weight' holds F8_E5M2; supported are float16" in refusal(safetensors_torch.save(weights), CensusError)
