"""The tensors of a file sorted by the module they belong to, and what each module is: linear, a normalisation, other.

The names and shapes are all there is. A module that is not certainly a linear layer or a batch normalisation is
`other`, with the reason in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from relucensus.errors import UnsupportedModel
from relucensus.readers.limits import ReaderLimits, shape_text, shown
from relucensus.readers.torch.named_tensor import NamedTensor
from relucensus.readers.torch.reparametrised import folded_weight

USE_ONNX: Final = "export the whole network as ONNX instead"
_SUPPORTED: Final = "supported are linear layers: '<name>.weight' with 2 axes and '<name>.bias' with 1 axis"
_LONGEST_NAME: Final = 1_000
_COUNTERS: Final = ("num_batches_tracked",)
_STATISTICS: Final = ("running_mean", "running_var")
_EMBEDDING: Final = re.compile(
    r"(^|[._])(tok|token|pos|position|word)?_?(emb|embs|embed|embeds|embedding|embeddings|embed_tokens|wte|wpe)([._0-9]|$)"
)


class Kind(Enum):
    """What a module is, as far as its tensors tell."""

    LINEAR = "linear"
    NORM = "norm"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Part:
    """A module of a file: its path, its tensors by their last name.

    `reason` says why a part of the kind `OTHER` is not read; `note` what was folded, "" for nothing; `counters` are
    the tensors that only training uses.
    """

    path: str
    kind: Kind
    tensors: Mapping[str, NamedTensor]
    reason: str = ""
    note: str = ""
    counters: tuple[NamedTensor, ...] = ()

    @property
    def weight(self) -> NamedTensor:
        """The weights of a linear part."""
        return self.tensors["weight"]

    @property
    def bias(self) -> NamedTensor | None:
        """The bias of a linear part."""
        return self.tensors.get("bias")

    @property
    def size(self) -> int:
        """The values that come out of a linear part, or go through a normalisation."""
        return (self.weight if self.kind is Kind.LINEAR else self.tensors["running_mean"]).shape[0]

    def check(self, limits: ReaderLimits) -> None:
        """Accept a part whose tensors can be loaded; raises UnsupportedModel for another."""
        for tensor in self.tensors.values():
            tensor.check(limits)


def parts_of(tensors: Iterable[NamedTensor]) -> list[Part]:
    """The modules in the order in which their first tensors stand.

    Raises:
        UnsupportedModel: two tensors of one name, or a name that is too long.
    """
    modules: dict[str, dict[str, NamedTensor]] = {}
    for tensor in tensors:
        if len(tensor.path) > _LONGEST_NAME:
            raise UnsupportedModel(f"{shown(tensor.path)} is a name of more than {_LONGEST_NAME} characters")
        path, last = _split(tensor.path)
        if last in modules.setdefault(path, {}):
            raise UnsupportedModel(f"two tensors have the name {shown(tensor.path)} without their prefixes; {USE_ONNX}")
        modules[path][last] = tensor
    return [_part(path, tensors) for path, tensors in modules.items()]


def _split(path: str) -> tuple[str, str]:
    module, found, rest = path.partition("parametrizations.")
    if found and (not module or module.endswith(".")):
        return module.removesuffix("."), f"parametrizations.{rest}"
    module, _, last = path.rpartition(".")
    return module, last


def _part(path: str, tensors: dict[str, NamedTensor]) -> Part:
    counters = tuple(tensors[name] for name in _COUNTERS if name in tensors)
    stored = {name: tensor for name, tensor in tensors.items() if name not in _COUNTERS}
    try:
        used, note = folded_weight(path, stored)
    except UnsupportedModel as error:
        return Part(path, Kind.OTHER, stored, str(error))
    kind = Kind.NORM if any(name in used for name in _STATISTICS) else Kind.LINEAR
    reason = _not_a_norm(used) if kind is Kind.NORM else _not_linear(path, used)
    return Part(path, Kind.OTHER if reason else kind, used, reason, note, counters)


def _not_a_norm(tensors: Mapping[str, NamedTensor]) -> str:
    """Why these are not the tensors of a batch normalisation, "" if they are."""
    first = next(iter(tensors.values()))
    names = set(tensors)
    if names not in (set(_STATISTICS), {*_STATISTICS, "weight", "bias"}):
        return f"{shown(first.name)} belongs to a normalisation with other tensors than a BatchNorm has; {USE_ONNX}"
    shapes = {tensor.shape for tensor in tensors.values()}
    if len(shapes) != 1 or len(first.shape) != 1:
        return f"{shown(first.name)} belongs to a normalisation whose tensors have several shapes; {USE_ONNX}"
    return ""


def _not_linear(path: str, tensors: Mapping[str, NamedTensor]) -> str:
    """Why these are not the tensors of a linear layer, "" if they are."""
    for last, tensor in tensors.items():
        if last not in ("weight", "bias"):
            return _other_tensor(last, tensor)
    if "weight" not in tensors:
        return f"{shown(tensors['bias'].name)} has no weights beside it; {_SUPPORTED}"
    weight, bias = tensors["weight"], tensors.get("bias")
    if len(weight.shape) != 2 and not weight.problem:
        return _other_axes(weight, bias)
    if bias is None and _EMBEDDING.search(path.lower()):
        return f"{weight.text} is an embedding by its name, which is no linear layer; {USE_ONNX}"
    if bias is not None and len(bias.shape) != 1 and not bias.problem:
        return f"{shown(bias.name)} has shape {shape_text(bias.shape)}; {_SUPPORTED}"
    return ""


def _other_tensor(last: str, tensor: NamedTensor) -> str:
    name = shown(tensor.name)
    if last.startswith(("weight_ih", "weight_hh", "bias_ih", "bias_hh")):
        return f"{name} belongs to a recurrent layer, and recurrent networks are not counted"
    if last.startswith(("in_proj", "out_proj")):
        return f"{name} belongs to an attention layer, which is not piecewise linear and not counted"
    if last.startswith("lora_"):
        return f"{name} belongs to a low-rank adapter; merge it first (merge_and_unload of peft)"
    return f"{name} is not the tensor of a linear layer; {_SUPPORTED}, or {USE_ONNX}"


def _other_axes(weight: NamedTensor, bias: NamedTensor | None) -> str:
    if 3 <= len(weight.shape) <= 5:
        return (
            f"{weight.text} is the weight of a convolution (or a bilinear layer), whose strides and image size no file "
            f"of tensors holds; {USE_ONNX}, or count the torch module itself"
        )
    if weight.shape == (1,) and bias is None:
        return f"{weight.text} is the slope of a PReLU, and names alone do not say where it stands; {USE_ONNX}"
    if len(weight.shape) == 1 and bias is None:
        return f"{weight.text} holds the slopes of a PReLU or belongs to an RMSNorm; {USE_ONNX}"
    if len(weight.shape) == 1:
        return (
            f"{weight.text} belongs to a LayerNorm or GroupNorm, which is not piecewise linear (a batch normalisation "
            "with its running statistics is read)"
        )
    return f"{weight.text} is not the weight of a linear layer; {_SUPPORTED}"
