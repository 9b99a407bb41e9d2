"""Tensors are one network only if their names say so; otherwise the candidates are named, and asked for."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import torch as safetensors_torch
from torch import nn

from relucensus.errors import AmbiguousModel, CensusError, InvalidRequest, UnsupportedModel
from relucensus.readers import ReadModel, read_model
from relucensus.values.network import Network

SQUARE = 4  # every layer here takes and gives four values, so that sizes settle nothing


def layers(*names: str) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(len(names))
    tensors = {}
    for name in names:
        tensors[f"{name}.weight"] = torch.randn(SQUARE, SQUARE, generator=generator)
        tensors[f"{name}.bias"] = torch.randn(SQUARE, generator=generator)
    return tensors


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def both(tensors: dict[str, torch.Tensor]) -> list[bytes]:
    return [saved(tensors), safetensors_torch.save(tensors)]


def assert_chain(network: Network, tensors: dict[str, torch.Tensor], *names: str) -> None:
    for layer, name in zip(network.layers, names, strict=True):
        np.testing.assert_array_equal(layer.weights, tensors[f"{name}.weight"].double().numpy())


CHAINS = [
    ["0", "2", "4"],
    ["0", "1", "2"],
    ["1", "4", "7"],
    ["fc1", "fc2", "fc3"],
    ["fc1", "fc2", "out"],
    ["linear0", "linear1"],
    ["layer_1", "layer_2", "output_layer"],
    ["layers.0", "layers.1", "layers.2"],
    ["layers.0", "layers.2", "head"],
    ["net.hidden.0", "net.hidden.1", "net.final"],
    ["backbone.0", "backbone.2", "classifier"],
    ["model.layers.0.linear", "model.layers.1.linear"],
    ["actor.0", "actor.2"],
    ["policy_net.0", "policy_net.2", "policy_net.4"],
    ["actor_fc1", "actor_fc2"],
    ["layers.8", "layers.9", "layers.10"],
    ["hidden", "output"],
    ["anything"],
]


@pytest.mark.parametrize("names", CHAINS, ids=" ".join)
def test_names_that_differ_in_one_number_are_a_chain_in_the_order_of_the_numbers(names: list[str]) -> None:
    tensors = layers(*names)
    for data in both(tensors):
        assert_chain(read_model(data).network, tensors, *names)


SIDE_BY_SIDE = [
    (["actor.0", "actor.2", "critic.0", "critic.2"], ["actor", "critic"]),
    (["policy_net.0", "policy_net.2", "value_net.0", "value_net.2"], ["policy_net", "value_net"]),
    (["q1.0", "q1.2", "q2.0", "q2.2"], ["q1", "q2"]),
    (["q.0", "q.2", "q_target.0", "q_target.2"], ["q", "q_target"]),
    (["online.fc1", "online.fc2", "target.fc1", "target.fc2"], ["online", "target"]),
    (["experts.0.fc1", "experts.0.fc2", "experts.1.fc1", "experts.1.fc2"], ["experts.0", "experts.1"]),
    (["encoder.0", "encoder.2", "mean", "logvar"], ["encoder"]),
    (["encoder.0", "encoder.2", "decoder.0", "decoder.2"], ["encoder", "decoder"]),
    (["actor_fc1", "actor_fc2", "critic_fc1", "critic_fc2"], ["actor_fc", "critic_fc"]),
    (["fc1", "fc2", "shortcut"], ["fc"]),
    (["trunk.0", "trunk.2", "out", "head"], ["trunk"]),
    (["a.layers.0", "a.layers.1", "a.head", "b.layers.0", "b.layers.1", "b.head"], ["a", "b"]),
    (["0.0", "0.2", "1.0", "1.2"], ["0", "1"]),
]


@pytest.mark.parametrize(("names", "choices"), SIDE_BY_SIDE, ids=" ".join)
def test_networks_side_by_side_are_named_and_one_of_them_is_read_when_it_is_asked_for(
    names: list[str], choices: list[str]
) -> None:
    tensors = layers(*names)
    for data in both(tensors):
        with pytest.raises(AmbiguousModel) as caught:
            read_model(data)
        assert caught.value.option == "submodel"
        assert sorted(caught.value.choices) == sorted(choices)
        for choice in choices:
            read = read_model(data, submodel=choice)
            inside = [name for name in names if name.startswith((f"{choice}.", choice)) and _is_inside(name, choice)]
            assert_chain(read.network, tensors, *inside)
            assert f"only the tensors under '{choice}' are read, as asked" in read.notes


def _is_inside(name: str, choice: str) -> bool:
    return name[len(choice)] == "." or name[len(choice) :].isdigit()


@pytest.mark.parametrize(
    "names",
    [
        ["q1", "q2"],
        ["critic1", "critic2"],
        ["experts.0", "experts.1"],
        ["experts.0", "experts.2"],
        ["heads.0", "heads.1"],
        ["mean", "logvar"],
        ["gate_proj", "up_proj", "down_proj"],
        ["w1", "w2", "w3"],
        ["lora_A", "lora_B"],
        ["q_proj", "k_proj", "v_proj", "out_proj"],
        ["query", "key", "value", "out"],
        ["fc1", "fc21", "fc22", "fc3", "fc4"],
        ["fc1", "fc3"],
        ["tower1.fc", "tower2.fc"],
        ["net1.fc", "net2.fc"],
        ["stream1", "stream2"],
        ["out", "head"],
        ["value", "out"],
        ["first", "second"],
        ["0", "1", "3"],
    ],
    ids=" ".join,
)
def test_layers_that_may_be_side_by_side_are_never_chained_because_their_sizes_fit(names: list[str]) -> None:
    for data in both(layers(*names)):
        with pytest.raises(UnsupportedModel) as caught:
            read_model(data)
        assert not isinstance(caught.value, AmbiguousModel)
        assert "ONNX" in str(caught.value) or "no chain" in str(caught.value)


def test_the_stored_order_of_a_state_dict_must_be_that_of_the_numbers() -> None:
    for names in (["2", "0"], ["out", "fc1", "fc2"], ["fc2", "fc1", "out"]):
        with pytest.raises(UnsupportedModel, match="the order of the layers is not certain"):
            read_model(saved(layers(*names)))


def test_prefixes_with_commas_between_are_chained_in_that_order() -> None:
    tensors = layers("encoder.0", "encoder.2", "decoder.0", "decoder.2")
    for data in both(tensors):
        read = read_model(data, submodel="decoder, encoder")
        assert_chain(read.network, tensors, "decoder.0", "decoder.2", "encoder.0", "encoder.2")
        assert read.notes[:2] == [
            "only the tensors under 'decoder', 'encoder' are read, as asked",
            "an activation is taken to stand between the parts, too",
        ]


def test_a_prefix_that_no_tensor_has_is_refused_with_those_that_there_are() -> None:
    for data in both(layers("actor.0", "actor.2", "critic.0", "critic.2")):
        with pytest.raises(InvalidRequest, match=r"submodel 'act' .*; the file has 'actor', 'critic'"):
            read_model(data, submodel="act")


def test_the_parts_of_one_chain_can_be_asked_for_too() -> None:
    tensors = layers("0", "2", "4")
    assert_chain(read_model(saved(tensors), submodel="2").network, tensors, "2")


@pytest.mark.parametrize("name", ["emb", "embedding", "embed_tokens", "wte", "word_embeddings"])
def test_an_embedding_is_no_linear_layer(name: str) -> None:
    tensors = {f"{name}.weight": torch.ones(SQUARE, SQUARE), **layers("out")}
    with pytest.raises(UnsupportedModel, match="is an embedding by its name"):
        read_model(saved(tensors))


def test_a_first_layer_without_a_bias_may_be_an_embedding_and_is_refused() -> None:
    module = nn.Sequential(nn.Embedding(SQUARE, SQUARE), nn.Flatten(), nn.Linear(SQUARE, 2))
    for data in (saved(module.state_dict()), safetensors_torch.save(module.state_dict())):
        with pytest.raises(UnsupportedModel, match="may be an embedding"):
            read_model(data)


def test_layers_that_all_have_no_bias_are_read_and_said() -> None:
    module = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))
    assert "layers without a bias: '0', '2'" in read_model(saved(module.state_dict())).notes


def stable_baselines(shared: bool = False) -> dict[str, torch.Tensor]:
    names = ["mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "mlp_extractor.value_net.0"]
    between = ["mlp_extractor.shared_net.0"] if shared else []
    return {"log_std": torch.zeros(4), **layers(*between, *names, "action_net", "value_net")}


def test_the_networks_of_stable_baselines_are_offered_with_their_last_layers() -> None:
    tensors = stable_baselines()
    with pytest.raises(AmbiguousModel) as caught:
        read_model(saved(tensors))
    policy, value = "mlp_extractor.policy_net,action_net", "mlp_extractor.value_net,value_net"
    assert caught.value.choices == (policy, value)
    read: ReadModel = read_model(saved(tensors), submodel=policy)
    assert_chain(read.network, tensors, "mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "action_net")
    assert any("tanh" in note for note in read.notes)
    with pytest.raises(AmbiguousModel) as caught:
        read_model(saved(stable_baselines(shared=True)))
    assert caught.value.choices == ("mlp_extractor.policy_net",)


def test_candidates_of_names_made_to_mislead_are_few_and_short() -> None:
    tensors = {f"{'x.' * 100}{i}.{i}.weight": torch.ones(1, 1) for i in range(50)}
    tensors |= {f"{'y' * 500}\n{i}.{j}.weight": torch.ones(1, 1) for i in range(50) for j in range(2)}
    with pytest.raises(CensusError) as caught:
        read_model(saved(tensors))
    assert len(str(caught.value)) < 1000
