"""What a `.pt` file says about its tensors: read as torch itself reads it, or refused by name, in either format."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from relucensus.errors import CensusError, UnsupportedModel
from relucensus.readers import read_model
from relucensus.readers.torch.files.descriptions import Inert, Name, OtherTensor, Storage, StoredTensor, described_call

CASES = Path(__file__).parents[1] / "cases" / "files"


def saved(weight: Any, *, zipped: bool) -> bytes:
    buffer = io.BytesIO()
    tensors = {"0.weight": weight, "0.bias": torch.zeros(3), "2.weight": torch.ones(1, 3), "2.bias": torch.zeros(1)}
    torch.save(tensors, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


class Subclass(torch.Tensor):
    pass


def with_attribute(tensor: Any) -> Any:
    tensor.origin = "somewhere"
    return tensor


def numbers(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


READ: dict[str, Callable[[], Any]] = {
    "plain": lambda: numbers(3, 2),
    "a negated view": lambda: torch._neg_view(numbers(3, 2)),
    "a negated view of doubles": lambda: torch._neg_view(numbers(3, 2, dtype=torch.float64)),
    "a negated parameter": lambda: nn.Parameter(torch._neg_view(numbers(3, 2))),
    "a negated transposed view": lambda: torch._neg_view(numbers(2, 3)).t(),
    "the imaginary part of a conjugate": lambda: numbers(3, 2, dtype=torch.complex64).conj().imag,
    "the real part of a conjugate": lambda: numbers(3, 2, dtype=torch.complex64).conj().real,
    "transposed": lambda: numbers(2, 3).t(),
    "from the middle of a storage": lambda: numbers(60)[7:13].view(3, 2),
    "overlapping": lambda: numbers(60).as_strided((3, 2), (1, 1), 5),
    "repeated": lambda: numbers(3, 1).expand(3, 2),
    "every fifth": lambda: numbers(60)[::5][:6].view(3, 2),
    "a parameter": lambda: nn.Parameter(numbers(3, 2)),
    "a parameter with an attribute": lambda: with_attribute(nn.Parameter(numbers(3, 2))),
    "a tensor with an attribute": lambda: with_attribute(numbers(3, 2)),
    "a negated tensor with an attribute": lambda: with_attribute(torch._neg_view(numbers(3, 2))),
    "a buffer": lambda: nn.Buffer(numbers(3, 2)),
    "of another type by its bytes": lambda: numbers(3, 4, dtype=torch.float16).view(torch.float32),
    "one that wants gradients": lambda: numbers(3, 2).requires_grad_(),
    "bfloat16": lambda: numbers(3, 2).bfloat16(),
    "float16": lambda: numbers(3, 2).half(),
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("make", READ.values(), ids=READ.keys())
def test_a_tensor_is_read_as_torch_reads_it(make: Callable[[], Any], zipped: bool) -> None:
    data = saved(make(), zipped=zipped)
    expected = torch.load(io.BytesIO(data), weights_only=True)["0.weight"].detach().double().resolve_neg()
    np.testing.assert_array_equal(read_model(data).network.layers[0].weights, expected.numpy())


def quantised() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(numbers(3, 2), 0.1, 0, torch.qint8)


def compressed() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return numbers(3, 2).to_sparse_csr()


def nested() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([numbers(2), numbers(3)])


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "quantised": (quantised, "is a quantised tensor"),
    "sparse": (lambda: numbers(3, 2).to_sparse(), "is a sparse tensor"),
    "sparse, compressed": (compressed, "is a sparse tensor"),
    "nested": (nested, "is a nested tensor"),
    "without entries": (lambda: torch.empty(3, 2, device="meta"), "is a tensor of the meta device"),
    "of a subclass": (lambda: numbers(3, 2).as_subclass(Subclass), "is a tensor of the class"),
    "float8": (lambda: numbers(3, 2).to(torch.float8_e4m3fn), "float8_e4m3fn"),
    "uint16": (lambda: torch.ones(3, 2, dtype=torch.uint16), "uint16"),
    "bool": (lambda: torch.ones(3, 2, dtype=torch.bool), "holds bool"),
    "int8": (lambda: torch.ones(3, 2, dtype=torch.int8), "holds int8"),
    "complex": (lambda: numbers(3, 2, dtype=torch.complex64), "holds complex64"),
    "a conjugate": (lambda: numbers(3, 2, dtype=torch.complex64).conj(), "flag 'conj'"),
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_another_kind_of_tensor_is_refused_by_name(make: Callable[[], Any], words: str, zipped: bool) -> None:
    with pytest.raises(UnsupportedModel) as caught:
        read_model(saved(make(), zipped=zipped))
    assert words in str(caught.value)
    assert "'0.weight'" in str(caught.value)


def test_tensors_of_one_storage_are_read_each_for_itself() -> None:
    storage = numbers(12)
    weights = {"0.weight": storage.view(3, 4)[:, :2], "1.weight": storage.view(4, 3), "2.weight": storage.view(3, 4)}
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    network = read_model(buffer.getvalue()).network
    for layer, tensor in zip(network.layers, weights.values(), strict=True):
        np.testing.assert_array_equal(layer.weights, tensor.double().numpy())


STORAGE = Storage("float32", "0", "cpu", 6)
PLAIN: tuple[Any, ...] = (STORAGE, 0, (3, 2), (2, 1))
V1, V2, V3, PARAMETER = (
    Name("torch._utils", f"_rebuild_{kind}") for kind in ("tensor", "tensor_v2", "tensor_v3", "parameter")
)


def test_the_ways_in_which_torch_rebuilds_a_tensor_are_understood() -> None:
    tensor = StoredTensor("float32", STORAGE, 0, (3, 2), (2, 1))
    assert described_call(V1, PLAIN) == tensor
    assert described_call(V2, (*PLAIN, True, {})) == tensor
    assert described_call(V2, (*PLAIN, False, None, {})) == tensor
    assert described_call(V2, (*PLAIN, False, {}, {"neg": True})).negated
    assert described_call(V3, (*PLAIN, False, {}, Name("torch", "float16"))).dtype == "float16"
    negated = described_call(V2, (*PLAIN, False, {}, {"neg": True}))
    assert described_call(PARAMETER, (negated, True, {})).negated


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (V2, (*PLAIN, False, {}, {"conj": True})),
        (V2, (*PLAIN, False, {}, {"something": True})),
        (V2, (*PLAIN, False, {}, {"neg": 1})),
        (V2, (*PLAIN, False, {}, {"neg": False})),  # which torch takes for true
        (V2, (*PLAIN, False, {}, 0)),
        (V2, (*PLAIN, False, {}, [1])),
        (V2, (*PLAIN, False, {"hook": 1})),
        (V3, (*PLAIN, False, {}, Name("torch", "float8_e5m2"))),
        (V3, (*PLAIN, False, {}, Name("other", "float32"))),
        (Name("torch._utils", "_rebuild_of_tomorrow"), PLAIN),
        (Name("torch._tensor", "_rebuild_from_type_v2"), (V2, Name("a", "B"), (*PLAIN, False, {}), {})),
    ],
)
def test_a_flag_that_is_not_understood_is_never_passed_over(function: Name, arguments: tuple[Any, ...]) -> None:
    assert isinstance(described_call(function, arguments), OtherTensor)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (V1, PLAIN[:3]),
        (V1, (STORAGE, 0, (3, 2), (1,))),
        (V1, (STORAGE, -1, (3, 2), (2, 1))),
        (V1, (Inert("x"), 0, (3, 2), (2, 1))),
        (V2, (*PLAIN, 1, {})),
        (V2, (*PLAIN, False)),
        (V2, (*PLAIN, False, {}, {}, {})),
        (PARAMETER, ({}, True, {})),
        (7, ()),
        (V1, [1]),
    ],
)
def test_arguments_that_torch_never_gives_are_refused(function: Any, arguments: Any) -> None:
    with pytest.raises(CensusError):
        described_call(function, arguments)


@settings(max_examples=100, deadline=None)
@given(
    shape=st.tuples(st.just(3), st.integers(1, 4)),
    strides=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    offset=st.integers(0, 9),
    negated=st.booleans(),
    zipped=st.booleans(),
)
def test_any_view_of_a_storage_is_read_as_torch_reads_it(
    shape: tuple[int, int], strides: tuple[int, int], offset: int, negated: bool, zipped: bool
) -> None:
    view = torch.arange(100, dtype=torch.float32).as_strided(shape, strides, offset)
    data = saved(torch._neg_view(view) if negated else view, zipped=zipped)
    expected = torch.load(io.BytesIO(data), weights_only=True)["0.weight"].double().resolve_neg().numpy()
    np.testing.assert_array_equal(read_model(data).network.layers[0].weights, expected)


FILES = [(CASES / f"{name}.pt").read_bytes() for name in ("negated_view", "averaged_model", "legacy_serialisation")]


def changed(data: bytes, position: float, byte: int) -> bytes:
    """The file with one byte of its pickle (in the older format, of the whole file) changed."""
    if not data.startswith(b"PK"):
        at = int(position * len(data))
        return data[:at] + bytes([byte]) + data[at + 1 :]
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("data.pkl"):
                at = int(position * len(content))
                content = content[:at] + bytes([byte]) + content[at + 1 :]
            target.writestr(name, content)
    return buffer.getvalue()


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(FILES), st.floats(0, 1, exclude_max=True), st.integers(0, 255))
def test_a_changed_file_that_torch_reads_too_has_the_tensors_that_torch_reads(
    data: bytes, position: float, byte: int
) -> None:
    data = changed(data, position, byte)
    try:
        network = read_model(data).network
    except CensusError:
        return
    try:
        tensors = torch.load(io.BytesIO(data), weights_only=True)
    except Exception:  # torch itself refuses it, by an error of one of many kinds
        return
    weights = [v.detach().double().resolve_neg().numpy() for k, v in tensors.items() if k.endswith("weight")]
    for layer, weight in zip(network.layers, weights, strict=True):
        np.testing.assert_array_equal(layer.weights, weight)
