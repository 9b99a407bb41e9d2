"""Checkpoints as people have them: the state_dict in them is read, the rest stays a description that nothing runs."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import io
import pathlib
import pickle
import random
import zipfile
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from relucensus.errors import AmbiguousModel, CensusError, InvalidRequest, RefusedFormat, UnsupportedModel
from relucensus.readers import network_from_module, read_model


def saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))


@dataclasses.dataclass
class Settings:
    rate: float = 0.1
    folder: pathlib.Path = pathlib.Path("x")


def training_state(model: nn.Module) -> dict[str, Any]:
    """What training scripts save beside the weights, of every kind."""
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.rand(4, 2)).sum().backward()
    optimizer.step()
    return {
        "epoch": 3,
        "optimizer": optimizer.state_dict(),
        "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 2).state_dict(),
        "arguments": argparse.Namespace(rate=0.1),
        "settings": Settings(),
        "when": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
        "history": collections.defaultdict(list, loss=[1.0, 0.5]),
        "counts": collections.Counter("aab"),
        "recent": collections.deque([1]),
        "curve": np.arange(5.0),
        "best": np.float64(0.5),
        "python random": random.getstate(),
        "torch random": torch.get_rng_state(),
        "sets": ({1, 2}, frozenset("ab")),
        "others": (2**80, -(2**70), 1 + 2j, b"bytes", bytearray(b"array"), slice(1, 2), len, torch.float32),
        "sizes": (torch.Size([1, 2]), torch.device("cpu")),
        (1, 2): "a key of its own kind",
        None: "another",
    }


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net", "weights"])
def test_the_weights_of_a_checkpoint_are_read_with_whatever_lies_beside_them(
    key: str, protocol: int, zipped: bool
) -> None:
    model = mlp()
    content = {**training_state(model), key: model.state_dict()}
    data = saved(content, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    read = read_model(data)
    assert read.network.digest == network_from_module(model).digest
    assert read.notes[0].startswith(f"weights taken from the key '{key}'; not looked at: 'epoch', 'optimizer'")


def test_several_state_dicts_are_asked_about_and_each_is_read_by_its_key() -> None:
    actor, critic = mlp(), mlp()
    data = saved({"actor_state_dict": actor.state_dict(), "nested": {"critic": critic.state_dict()}, "step": 1})
    with pytest.raises(AmbiguousModel, match="the file holds 2 state_dicts") as caught:
        read_model(data)
    assert caught.value.choices == ("actor_state_dict", "nested.critic")
    for key, model in (("actor_state_dict", actor), ("nested.critic", critic)):
        assert read_model(data, submodel=key).network.digest == network_from_module(model).digest
    with pytest.raises(InvalidRequest, match=r"its state_dicts are 'actor_state_dict', 'nested\.critic'"):
        read_model(data, submodel="actor")


def test_a_network_within_one_of_several_state_dicts_is_read_by_both_names() -> None:
    actor, critic = mlp(), mlp()
    both = nn.ModuleDict({"actor": actor, "critic": critic}).state_dict()
    data = saved({"model": both, "ema": both})
    with pytest.raises(AmbiguousModel) as caught:
        read_model(data, submodel="ema")
    assert caught.value.choices == ("ema.actor", "ema.critic")
    assert read_model(data, submodel="ema.critic").network.digest == network_from_module(critic).digest


def test_state_dicts_of_a_file_are_chained_if_that_is_asked_for() -> None:
    encoder, decoder = nn.Sequential(nn.Linear(4, 2)), nn.Sequential(nn.Linear(2, 4))
    data = saved({"encoder": encoder.state_dict(), "decoder": decoder.state_dict()})
    read = read_model(data, submodel="encoder,decoder")
    whole = nn.Sequential(encoder, nn.ReLU(), decoder)
    assert read.network.digest == network_from_module(whole).digest


@pytest.mark.parametrize("prefix", ["module.", "model.", "net.", "module.model.", "_orig_mod.module."])
def test_a_prefix_of_every_name_is_taken_off_and_said(prefix: str) -> None:
    model = mlp()
    read = read_model(saved({f"{prefix}{name}": tensor for name, tensor in model.state_dict().items()}))
    assert read.network.digest == network_from_module(model).digest
    assert f"names taken without the prefix '{prefix}'" in read.notes


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_wrapped_modules_are_read_as_what_they_wrap() -> None:
    model = mlp()
    for wrapped in (nn.DataParallel(model), torch.compile(model), AveragedModel(model)):
        read = read_model(saved(wrapped.state_dict()))
        assert read.network.digest == network_from_module(model).digest
        assert any("names taken without the prefix" in note for note in read.notes)
    inside = nn.Module()
    inside.net, inside.other = torch.compile(model), mlp()
    read = read_model(saved(inside.state_dict()), submodel="net")
    assert read.network.digest == network_from_module(model).digest


def test_the_prefix_that_was_taken_off_may_be_named_too() -> None:
    actor, critic = mlp(), mlp()
    both = nn.DataParallel(nn.ModuleDict({"actor": actor, "critic": critic})).state_dict()
    for name in ("actor", "module.actor"):
        assert read_model(saved(both), submodel=name).network.digest == network_from_module(actor).digest


def test_two_names_that_become_one_without_their_prefixes_are_refused() -> None:
    tensors = {"a.0.weight": torch.ones(2, 2), "a._orig_mod.0.weight": torch.zeros(2, 2)}
    with pytest.raises(UnsupportedModel, match="two tensors have the name"):
        read_model(saved(tensors))


def test_a_pickled_module_is_refused_alone_and_in_a_checkpoint() -> None:
    for content in (mlp(), {"model": mlp(), "epoch": 1}):
        for zipped in (True, False):
            with pytest.raises(RefusedFormat, match=r"torch\.nn\.modules\.container\.Sequential.*nothing of them was"):
                read_model(saved(content, _use_new_zipfile_serialization=zipped))


def test_arrays_and_lists_of_weights_are_no_state_dict() -> None:
    arrays = {name: tensor.numpy() for name, tensor in mlp().state_dict().items()}
    for content in (arrays, {"weights": [torch.zeros(2, 2)]}, {"epoch": 1}, (mlp().state_dict(), 1)):
        with pytest.raises(RefusedFormat, match=r"torch\.save\(model\.state_dict\(\), path\)"):
            read_model(saved(content))


def test_every_truncation_of_a_legacy_file_is_refused() -> None:
    data = saved(mlp().state_dict(), _use_new_zipfile_serialization=False)
    for length in range(0, len(data), 5):
        with pytest.raises(CensusError):
            read_model(data[:length])


def test_views_of_storages_in_the_oldest_pickles_are_read() -> None:
    """Files of before torch 0.4 name a storage as a part of another; their writer is gone, so one is made by hand."""
    tensor = torch.arange(10, dtype=torch.float32)

    class Writer(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return ("storage", torch.FloatStorage, "7", "cpu", 10, ("8", 3, 6)) if obj == "here" else None

    class Tensor:
        def __reduce__(self) -> Any:
            return torch._utils._rebuild_tensor, ("here", 1, (2, 2), (2, 1))

    def pickled(content: Any) -> bytes:
        buffer = io.BytesIO()
        Writer(buffer, protocol=2).dump(content)
        return buffer.getvalue()

    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    heads = [0x1950A86A20F9469CFC6C, 1001, system, {"weight": Tensor()}, ["7"]]
    data = b"".join(map(pickled, heads)) + (10).to_bytes(8, "little") + tensor.numpy().tobytes()
    expected = torch.load(io.BytesIO(data), weights_only=False)["weight"]
    np.testing.assert_array_equal(read_model(data).network.output.weights, expected.double().numpy())
    np.testing.assert_array_equal(expected.numpy(), [[4, 5], [6, 7]])


def test_the_archive_of_a_whole_agent_of_stable_baselines_is_opened() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data", "{}")
        archive.writestr("policy.pth", saved(mlp().state_dict()))
        archive.writestr("_stable_baselines3_version", "2.3.0")
    assert read_model(buffer.getvalue()).notes[0].startswith("weights taken from policy.pth")


def test_keys_made_to_mislead_are_shown_short() -> None:
    odd = {"a\nb": mlp().state_dict(), "x" * 5000: mlp().state_dict(), (1, 2): 3, 2**90: 4, "plain": mlp().state_dict()}
    with pytest.raises(AmbiguousModel) as caught:
        read_model(saved(odd))
    assert caught.value.choices == ("plain",)
    assert "\n" not in str(caught.value)
    assert read_model(saved({**{k: v for k, v in odd.items() if isinstance(k, int | tuple)}, "m": odd["plain"]})).notes
