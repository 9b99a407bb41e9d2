"""Small torch files of every kind, with the counts that an independent program found for them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch

from relucensus import Box, Problem, count_regions
from relucensus.errors import AmbiguousModel, UnsupportedModel
from relucensus.readers import read_model

FILES = Path(__file__).parents[1] / "cases" / "files"
COUNTS = {
    "tied_save_model.safetensors": (2, 8),
    "tied_bias.safetensors": (1, 18),
    "checkpoint_with_extras.pt": (1, 6),
    "checkpoint_model_state_dict.pt": (1, 6),
    "legacy_serialisation.pt": (1, 6),
    "averaged_model.pt": (1, 6),
    "negated_view.pt": (1, 38),
}


@pytest.mark.parametrize(("name", "side", "regions"), [(name, *right) for name, right in COUNTS.items()])
def test_a_file_has_the_regions_that_were_counted_independently(name: str, side: int, regions: int) -> None:
    network = read_model((FILES / name).read_bytes()).network
    result = count_regions(Problem(network, Box.from_bounds(-side, side, network.inputs)))
    assert {counted.value for counted in result.counts.values()} == {regions}


def test_a_weight_norm_is_folded() -> None:
    read = read_model((FILES / "weight_norm.pt").read_bytes())
    assert "'0': weight_norm folded into its weight once in float64" in read.notes


def test_an_embedding_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="may be an embedding"):
        read_model((FILES / "embedding_state_dict.pt").read_bytes())


@pytest.mark.parametrize(
    ("name", "choices"),
    [("actor_critic_state_dict.pt", ("actor", "critic")), ("policy_value.pt", ("policy_net", "value_net"))],
)
def test_networks_side_by_side_are_asked_about(name: str, choices: tuple[str, ...]) -> None:
    with pytest.raises(AmbiguousModel) as caught:
        read_model((FILES / name).read_bytes())
    assert caught.value.choices == choices
    assert read_model((FILES / name).read_bytes(), submodel=choices[0]).network.widths == (4,)


def test_networks_of_tensors_that_cannot_be_read_are_asked_about_and_then_refused_by_name() -> None:
    sparse = torch.ones(2, 2).to_sparse()
    layers = {"0.weight": sparse, "0.bias": torch.zeros(2), "2.weight": sparse, "2.bias": torch.zeros(2)}
    file = io.BytesIO()
    torch.save({f"{name}.{key}": value for name in ("actor", "critic") for key, value in layers.items()}, file)
    with pytest.raises(AmbiguousModel) as caught:
        read_model(file.getvalue())
    assert caught.value.choices == ("actor", "critic")
    with pytest.raises(UnsupportedModel, match=r"'actor\.0\.weight' is a .*sparse"):
        read_model(file.getvalue(), submodel="actor")
