"""Named tensors become a network: `prefix.weight` (2-D) and `prefix.bias` (1-D, optional) are one layer.

The names are the only structure such files have. What they do not say (where a normalisation stands, which of two
orders is meant) is refused, never guessed.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers.limits import ReaderLimits, shape_text, shown
from relucensus.readers.number_formats import FLOATS
from relucensus.values.activation import Activation
from relucensus.values.network import Layer, Network

_NORMALISATION: Final = ("running_mean", "running_var", "num_batches_tracked")
_SUPPORTED: Final = "supported are linear layers: '<name>.weight' with 2 axes and '<name>.bias' with 1 axis"
_USE_ONNX: Final = "export the whole network as ONNX instead"
_MAX_GROUPS: Final = 6


@dataclass(frozen=True, slots=True)
class NamedTensor:
    """A tensor of a file that is not read yet: its declared shape and type, and how to get its float64 entries."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class NamedLayer:
    """The tensors of one linear layer."""

    prefix: str
    weight: NamedTensor
    bias: NamedTensor | None

    @property
    def weight_name(self) -> str:
        """The key of the weights, quoted, with their shape."""
        return f"{shown(self.weight.name)} ({shape_text(self.weight.shape)})"


def layers_in_stored_order(tensors: Sequence[NamedTensor], limits: ReaderLimits) -> list[NamedLayer]:
    """The layers of a format that keeps the order in which the module registered its tensors.

    Raises:
        UnsupportedModel: a key that is not of a linear layer, or an order by name that is not the stored one.
    """
    layers = _grouped(tensors, limits)
    stored = [layer.prefix for layer in layers]
    natural = sorted(stored, key=_natural_key)
    if stored != natural:
        raise UnsupportedModel(
            f"the order of the layers is not certain: stored as {_listed(stored)}, but by name "
            f"{_listed(natural)}; rename the layers so that both agree, or {_USE_ONNX}"
        )
    return layers


def layers_in_forced_order(tensors: Sequence[NamedTensor], limits: ReaderLimits) -> tuple[list[NamedLayer], str]:
    """The layers of a format that sorts its tensors, and a note that says how their order was found.

    Layers whose names differ in numbers only stand in the order of the numbers. Several such groups (``encoder.0``,
    ``encoder.1``, ``head``) stand in the one order in which their shapes chain.

    Raises:
        UnsupportedModel: a key that is not of a linear layer, or several orders that chain.
        InvalidNetwork: no order that chains.
    """
    layers = sorted(_grouped(tensors, limits), key=lambda layer: _natural_key(layer.prefix))
    groups: dict[str, list[NamedLayer]] = {}
    for layer in layers:
        groups.setdefault(re.sub(r"[0-9]+", "#", layer.prefix), []).append(layer)
    if len(groups) == 1:
        return layers, f"layers taken in the order of their numbers: {_listed([a.prefix for a in layers])}"
    if len(groups) > _MAX_GROUPS:
        raise UnsupportedModel(
            f"the order of the layers is not certain: names of {len(groups)} kinds, {_listed(list(groups))}; "
            f"number the layers, or {_USE_ONNX}"
        )
    orders = [list(itertools.chain(*order)) for order in itertools.permutations(groups.values())]
    chained = [order for order in orders if _first_gap(order) is None]
    if len(chained) > 1:
        first, second = ([layer.prefix for layer in order] for order in chained[:2])
        raise UnsupportedModel(
            f"the order of the layers is not certain: {_listed(first)} and {_listed(second)} both fit the shapes; "
            f"number the layers, save a PyTorch state_dict, or {_USE_ONNX}"
        )
    order = chained[0] if chained else layers
    return order, f"layers taken in the only order that fits their shapes: {_listed([a.prefix for a in order])}"


def network_of_layers(layers: Sequence[NamedLayer], limits: ReaderLimits, activation: Activation) -> Network:
    """The network in which these layers follow each other, the activation between them.

    Raises:
        InvalidNetwork: shapes that do not chain, or an entry that is not finite.
        UnsupportedModel: a network beyond the limits.
    """
    gap = _first_gap(layers)
    if gap is not None:
        before, after = layers[gap], layers[gap + 1]
        raise InvalidNetwork(
            f"{after.weight_name} does not fit behind {before.weight_name}: it takes {after.weight.shape[1]} values "
            f"and gets {before.weight.shape[0]}"
        )
    for layer in layers:
        if 0 in layer.weight.shape:
            raise InvalidNetwork(f"{layer.weight_name} has no entries; needed is at least one row and one column")
    limits.check_layers(len(layers))
    limits.check_inputs(layers[0].weight.shape[1])
    limits.check_neurons(sum(layer.weight.shape[0] for layer in layers[:-1]))
    limits.check_weights(sum(math.prod(layer.weight.shape) for layer in layers))
    built = [_built(layer, activation) for layer in layers]
    return Network(tuple(built[:-1]), built[-1])


def _built(layer: NamedLayer, activation: Activation) -> Layer:
    rows = layer.weight.shape[0]
    if layer.bias is not None and layer.bias.shape != (rows,):
        raise InvalidNetwork(
            f"{shown(layer.bias.name)} has {layer.bias.shape[0]} entries, {shown(layer.weight.name)} has {rows} rows"
        )
    bias = _finite(layer.bias) if layer.bias is not None else np.zeros(rows)
    return Layer.from_arrays(_finite(layer.weight), bias, name=shown(layer.prefix), activations=(activation,))


def _finite(tensor: NamedTensor) -> NDArray[np.float64]:
    values = tensor.load()
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        raise InvalidNetwork(
            f"tensor {shown(tensor.name)} holds {values[where]} at {list(where)}; every weight must be a finite number"
        )
    return values


def _grouped(tensors: Sequence[NamedTensor], limits: ReaderLimits) -> list[NamedLayer]:
    _refuse_normalisation(tensors)
    weights: dict[str, NamedTensor] = {}
    biases: dict[str, NamedTensor] = {}
    for tensor in tensors:
        prefix, _, last = tensor.name.rpartition(".")
        if last not in ("weight", "bias"):
            raise UnsupportedModel(f"{shown(tensor.name)} is not the tensor of a linear layer; {_SUPPORTED}")
        if tensor.dtype not in FLOATS:
            raise UnsupportedModel(f"{shown(tensor.name)} holds {tensor.dtype}; supported are {', '.join(FLOATS)}")
        limits.check_tensor(tensor.name, tensor.shape)
        _check_axes(tensor, 2 if last == "weight" else 1)
        (weights if last == "weight" else biases)[prefix] = tensor
    for prefix, bias in biases.items():
        if prefix not in weights:
            raise UnsupportedModel(f"{shown(bias.name)} has no weights beside it; {_SUPPORTED}")
    if not weights:
        raise InvalidNetwork(f"no tensor named '<name>.weight' among {len(tensors)} tensors; {_SUPPORTED}")
    return [NamedLayer(prefix, weight, biases.get(prefix)) for prefix, weight in weights.items()]


def _refuse_normalisation(tensors: Sequence[NamedTensor]) -> None:
    for tensor in tensors:
        if tensor.name.rpartition(".")[2] in _NORMALISATION:
            raise UnsupportedModel(
                f"{shown(tensor.name)} belongs to a batch normalisation, and names alone do not say where it stands; "
                f"{_USE_ONNX} (the normalisation is folded there)"
            )


def _check_axes(tensor: NamedTensor, needed: int) -> None:
    axes = len(tensor.shape)
    if axes == needed:
        return
    kinds = {1: "a normalisation or a PReLU", 3: "a convolution", 4: "a convolution", 5: "a convolution"}
    guess = f" (the shape of {kinds[axes]})" if needed == 2 and axes in kinds else ""
    raise UnsupportedModel(f"{shown(tensor.name)} has shape {shape_text(tensor.shape)}{guess}; {_SUPPORTED}")


def _first_gap(layers: Sequence[NamedLayer]) -> int | None:
    for i, (before, after) in enumerate(itertools.pairwise(layers)):
        if after.weight.shape[1] != before.weight.shape[0]:
            return i
    return None


def _natural_key(prefix: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"([0-9]+)", prefix)
    return [(0, int(part[:18]), part) if i % 2 else (1, 0, part) for i, part in enumerate(parts)]


def _listed(names: Sequence[str]) -> str:
    few = [shown(name) for name in names[:12]]
    return ", ".join(few) + (f", … ({len(names)} in all)" if len(names) > len(few) else "")
