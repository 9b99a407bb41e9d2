"""PyTorch state_dict files: read as torch reads them, and nothing in a hostile one ever runs."""

from __future__ import annotations

import collections
import contextlib
import io
import itertools
import os
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from relucensus.errors import CensusError, InvalidNetwork, UnreadableModel, UnsupportedModel
from relucensus.readers import ReaderLimits, read_model
from relucensus.values.activation import ACTIVATIONS, activation_named


def saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def rewritten(data: bytes, change: Any, **options: Any) -> bytes:
    """The archive with every record passed through change(name, bytes); None drops it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w", **options) as target:
        for name in source.namelist():
            content = change(name, source.read(name))
            if content is not None:
                target.writestr(name, content)
    return buffer.getvalue()


def archive(program: bytes, **records: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("m/data.pkl", program)
        for name, content in records.items():
            target.writestr(f"m/{name}", content)
    return buffer.getvalue()


def refusal(data: bytes, kind: type[CensusError], limits: ReaderLimits | None = None) -> str:
    with pytest.raises(kind) as caught:
        read_model(data, limits=limits or ReaderLimits())
    return str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_a_state_dict_of_every_float_type_is_the_network_torch_evaluates(dtype: torch.dtype) -> None:
    model = mlp(3, 8, 5, 2).to(dtype)
    read = read_model(saved(model.state_dict()))
    points = torch.rand(20, 3, dtype=torch.float64) * 4 - 2
    expected = model.to(torch.float64)(points).detach().numpy()
    np.testing.assert_allclose(read.network.forward(points.numpy()), expected, rtol=1e-12, atol=1e-12)
    assert read.format == "state_dict"
    assert read.input_shape is None
    half = [f"{str(dtype).removeprefix('torch.')} weights taken as the exact numbers they are"]
    assert read.notes == [
        *(half if dtype.itemsize == 2 else []),
        "a bare state_dict does not name its activation; taken as relu",
    ]


def test_weights_are_the_exact_stored_numbers() -> None:
    model = mlp(4, 3, 2)
    network = read_model(saved(model.state_dict())).network
    for layer, index in zip(network.layers, (0, 2), strict=True):
        np.testing.assert_array_equal(layer.weights, model[index].weight.detach().double().numpy())
        np.testing.assert_array_equal(layer.bias, model[index].bias.detach().double().numpy())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_of_torch_is_read(protocol: int) -> None:
    model = mlp(2, 3, 1)
    assert read_model(saved(model.state_dict(), pickle_protocol=protocol)).network.widths == (3,)


def test_views_of_one_storage_and_transposed_views_are_read() -> None:
    storage = torch.arange(30, dtype=torch.float32)
    weights = {
        "0.weight": storage[2:14].view(3, 4).t(),
        "0.bias": storage[20:24],
        "1.weight": storage[::7][:4].view(1, 4),
    }
    network = read_model(saved(weights)).network
    np.testing.assert_array_equal(network.hidden[0].weights, weights["0.weight"].numpy())
    np.testing.assert_array_equal(network.hidden[0].bias, weights["0.bias"].numpy())
    np.testing.assert_array_equal(network.output.weights, weights["1.weight"].numpy())
    assert not network.output.bias.any()


def test_parameters_and_plain_dicts_are_read() -> None:
    layer = nn.Linear(3, 2)
    assert read_model(saved({"weight": layer.weight, "bias": layer.bias})).network.inputs == 3


def test_a_state_dict_under_its_usual_key_is_read_and_noted() -> None:
    read = read_model(saved({"state_dict": mlp(2, 3, 1).state_dict()}))
    assert read.notes[0] == "weights taken from the key 'state_dict'"


def test_more_than_ten_layers_stand_in_the_order_of_their_numbers() -> None:
    model = mlp(*range(2, 16))
    read = read_model(saved(model.state_dict()))
    assert read.network.widths == tuple(range(3, 15))


def test_big_endian_storages_are_read() -> None:
    model = nn.Linear(3, 2).state_dict()

    def swapped(name: str, content: bytes) -> bytes:
        if "/data/" in name:
            return np.frombuffer(content, "<f4").astype(">f4").tobytes()
        return b"big" if name.endswith("byteorder") else content

    network = read_model(rewritten(saved(model), swapped)).network
    np.testing.assert_array_equal(network.output.weights, model["weight"].numpy())


class Payload:
    def __init__(self, path: Path) -> None:
        self.command = f"touch {path}"

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def test_nothing_of_a_pickled_payload_runs(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    hidden = {"0.weight": torch.zeros(2, 2), "x": Payload(target)}
    for data in (
        saved(Payload(target)),
        saved(hidden),
        saved(collections.OrderedDict(hidden)),
        archive(pickle.dumps(Payload(target), protocol=0)),
        pickle.dumps(Payload(target), protocol=2),
        archive(pickle.dumps(Payload(target), protocol=5)),
        pickle.dumps(Payload(target)),
        saved(hidden, _use_new_zipfile_serialization=False),
    ):
        refusal(data, UnsupportedModel)
    assert not target.exists()
    words = f"beside tensors it holds 'x' (object of '{os.system.__module__}.system'), nothing of which was run"
    assert words in refusal(saved(hidden), UnsupportedModel)


def test_a_whole_pickled_module_is_refused_with_the_way_to_save_it() -> None:
    text = refusal(saved(mlp(2, 3, 1)), UnsupportedModel)
    assert "'torch.nn.modules.container.Sequential'" in text
    assert "torch.save(model.state_dict(), path)" in text


def test_torchscript_and_exported_programs_are_refused() -> None:
    model = mlp(2, 3, 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*", category=DeprecationWarning)
        script, buffer = torch.jit.trace(model, torch.zeros(1, 2)), io.BytesIO()
        torch.jit.save(script, buffer)
    assert refusal(buffer.getvalue(), UnsupportedModel).startswith("a TorchScript archive holds code")
    assert ".pt2" in refusal(archive(b"", archive_format=b"pt2"), UnsupportedModel)


def test_a_file_that_is_no_dict_is_refused() -> None:
    assert "holds a list, not a state_dict" in refusal(saved([torch.zeros(2)]), UnsupportedModel)
    assert "holds a tensor, not a state_dict" in refusal(saved(torch.zeros(2)), UnsupportedModel)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 3)), "'0.weight' (2x1x3x3) is the weight of a convolution"),
        (nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)), "'1.weight' (3) belongs to a LayerNorm or GroupNorm"),
        (nn.Sequential(nn.Linear(2, 3), nn.RMSNorm(3)), "'1.weight' (3) holds the slopes of a PReLU or belongs to an"),
        (nn.LSTM(2, 3), "'weight_ih_l0' belongs to a recurrent layer"),
        (nn.MultiheadAttention(2, 1), "'in_proj_weight' belongs to an attention layer"),
        (nn.Sequential(nn.Linear(2, 3), nn.Bilinear(2, 2, 3)), "'1.weight' (3x2x2) is the weight of a convolution (or"),
    ],
)
def test_tensors_of_other_layers_are_refused_by_name(model: nn.Module, words: str) -> None:
    text = refusal(saved(model.state_dict()), UnsupportedModel)
    assert words in text


def test_a_bias_without_weights_is_refused() -> None:
    assert "'1.bias' has no weights" in refusal(
        saved({"0.weight": torch.zeros(2, 2), "1.bias": torch.zeros(2)}), CensusError
    )


def test_integer_weights_are_refused() -> None:
    weights = {"0.weight": torch.zeros(2, 2, dtype=torch.int64)}
    assert "holds int64; supported are float16" in refusal(saved(weights), UnsupportedModel)


def test_an_order_that_is_not_certain_is_refused_with_both_orders() -> None:
    weights = {
        "layers.1.weight": torch.ones(2, 3),
        "layers.0.weight": torch.ones(3, 2),
    }
    text = refusal(saved(weights), UnsupportedModel)
    assert "stored as 'layers.1', 'layers.0', by name 'layers.0', 'layers.1'" in text


def test_shapes_that_do_not_chain_name_both_keys() -> None:
    weights = {"0.weight": torch.ones(3, 2), "2.weight": torch.ones(2, 4)}
    text = refusal(saved(weights), InvalidNetwork)
    assert text == "'2.weight' (2x4) does not fit behind '0.weight' (3x2): it takes 4 values and gets 3"


def test_a_bias_of_another_length_is_named() -> None:
    weights = {"0.weight": torch.ones(3, 2), "0.bias": torch.ones(4)}
    assert refusal(saved(weights), InvalidNetwork) == "'0.bias' has 4 entries, '0.weight' has 3 rows"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_named(number: float) -> None:
    weights = {"0.weight": torch.ones(3, 2), "0.bias": torch.tensor([0.0, number, 0.0])}
    assert f"'0.bias' holds {number} at [1]" in refusal(saved(weights), InvalidNetwork)


def test_an_empty_state_dict_is_refused() -> None:
    assert "no tensor named '<name>.weight'" in refusal(saved({}), InvalidNetwork)
    refusal(saved({"0.weight": torch.ones(0, 3)}), InvalidNetwork)
    refusal(saved({"0.weight": torch.ones(3, 0)}), InvalidNetwork)


def test_a_tensor_that_reaches_beyond_its_storage_is_refused() -> None:
    data = saved({"0.weight": torch.arange(6.0).view(2, 3)})
    short = rewritten(data, lambda name, content: content[:-1] if name.endswith("/data/0") else content)
    assert "reaches entry 5 of a storage with 5 entries" in refusal(short, UnreadableModel)
    empty = rewritten(data, lambda name, content: b"" if name.endswith("/data/0") else content)
    assert "storage with 0 entries" in refusal(empty, UnreadableModel)
    missing = rewritten(data, lambda name, content: None if name.endswith("/data/0") else content)
    assert "no record 'data/0'" in refusal(missing, UnreadableModel)


def test_a_repeated_view_cannot_ask_for_much_memory() -> None:
    weights = {"0.weight": torch.zeros(1, 1).expand(2**20, 2**20)}
    assert "declares the shape 1048576x1048576" in refusal(saved(weights), UnsupportedModel)


def test_a_compressed_archive_is_refused() -> None:
    data = rewritten(saved(mlp(2, 3, 1).state_dict()), lambda _, c: c, compression=zipfile.ZIP_DEFLATED)
    assert "is compressed, which torch.save never does" in refusal(data, UnsupportedModel)


def test_a_network_beyond_a_limit_is_refused() -> None:
    data = saved(mlp(2, 30, 1).state_dict())
    assert "30 hidden neurons" in refusal(data, UnsupportedModel, ReaderLimits(neurons=29))
    assert "2 layers" in refusal(data, UnsupportedModel, ReaderLimits(layers=1))
    assert "2 inputs" in refusal(data, UnsupportedModel, ReaderLimits(inputs=1))
    assert "90 weights" in refusal(data, UnsupportedModel, ReaderLimits(weights=89))


def test_another_zip_archive_is_refused() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    assert "not a PyTorch state_dict" in refusal(buffer.getvalue(), UnsupportedModel)


def test_every_truncation_of_a_file_is_refused() -> None:
    data = saved(mlp(2, 3, 1).state_dict())
    for length in range(0, len(data), 7):
        refusal(data[:length], CensusError)


def test_a_pickle_that_would_take_forever_to_hash_or_print_is_refused_at_once() -> None:
    nested = b"".join(bytes([ord("q"), i, ord("h"), i, 0x86]) for i in range(1, 200))
    for end in (b"K\x01s.", b"h\x01R.", b"h\x01\x93.", b"Q.", b"."):
        with contextlib.suppress(CensusError):
            read_model(archive(b"\x80\x02})" + nested + end))
    refusal(archive(b"\x80\x02})" + nested + b"K\x01s."), UnsupportedModel)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_random_pickles_raise_nothing_but_a_census_error(program: bytes) -> None:
    with pytest.raises(CensusError):
        read_model(archive(program))


DATA = saved(mlp(2, 3, 1).state_dict())
with zipfile.ZipFile(io.BytesIO(DATA)) as opened:
    PROGRAM = opened.read(next(name for name in opened.namelist() if name.endswith("data.pkl")))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(DATA) - 1), st.integers(0, 255))
def test_a_mutated_archive_is_read_or_refused_but_never_crashes(position: int, byte: int) -> None:
    with contextlib.suppress(CensusError):
        read_model(DATA[:position] + bytes([byte]) + DATA[position + 1 :])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(PROGRAM) - 1), st.integers(0, 255))
def test_a_mutated_pickle_is_read_or_refused_but_never_crashes(position: int, byte: int) -> None:
    program = PROGRAM[:position] + bytes([byte]) + PROGRAM[position + 1 :]
    data = rewritten(DATA, lambda name, content: program if name.endswith("data.pkl") else content)
    with contextlib.suppress(CensusError):
        read_model(data)


@pytest.mark.parametrize("name", [*ACTIVATIONS, "leaky_relu:0.2", "leaky_relu:-3"])
def test_the_activation_that_is_asked_for_stands_between_the_layers(name: str) -> None:
    read = read_model(saved(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).state_dict()), activation=name)
    assert read.network.hidden[0].activations == (activation_named(name),)
    assert read.notes == [f"a bare state_dict does not name its activation; taken as {name}"]


@pytest.mark.parametrize(
    "name", ["leaky_relu:nan", "leaky_relu:", "relu:1", "elu", "leaky_relu:inf", "leaky_relu:1\n", "x" * 500]
)
def test_an_activation_without_a_finite_slope_is_refused(name: str) -> None:
    data = saved(nn.Linear(2, 3).state_dict())
    with pytest.raises(UnsupportedModel, match=r"activation .* is not supported; known are relu, leaky_relu") as caught:
        read_model(data, activation=name)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("slopes", [1, 3])
def test_the_slopes_of_a_prelu_are_refused_and_never_ignored(slopes: int) -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.PReLU(slopes), nn.Linear(3, 1))
    with pytest.raises(UnsupportedModel, match=r"'1\.weight' \(.\) (is the slope|holds the slopes) of a PReLU"):
        read_model(saved(module.state_dict()))
