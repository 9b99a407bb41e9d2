"""A torch module as a self-contained ONNX file, a `state_dict` as a `.pt` file, both in memory. Loads torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import torch

from relucensus_client._errors import InvalidArgument
from relucensus_client._evaluation import ExportFailed, bare, saved
from relucensus_client._exporter import onnx_of_module

_ACTIVATIONS: Final = {torch.nn.ReLU: "relu", torch.nn.ReLU6: "relu6"}
_NOTHING: Final = (torch.nn.Identity, torch.nn.Dropout)
_SAFETENSORS: Final = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
}


def is_module(model: object) -> bool:
    """Whether this is a `torch.nn.Module`."""
    return isinstance(model, torch.nn.Module)


def is_state_dict(model: object) -> bool:
    """Whether this is a non-empty mapping from names to tensors."""
    return (
        isinstance(model, Mapping)
        and len(model) > 0
        and all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in model.items())
    )


def state_dict_bytes(tensors: Mapping[str, Any]) -> bytes:
    """The tensors as `torch.save` writes them, on the CPU and without the storage they may be views of.

    Raises:
        InvalidArgument: a tensor without values.
    """
    try:
        return saved(tensors)
    except ExportFailed as error:
        raise InvalidArgument(str(error)) from None


def stack_bytes(module: Any) -> tuple[bytes, str] | None:
    """A safetensors file and the activation of a `torch.nn.Sequential` of linear layers with ReLU (or ReLU6) between.

    None for everything else: a module of another kind, hooks, other layers. Takes a hundredth of the time of an export.
    """
    layers: list[Any] = []
    between: list[str] = []
    for leaf in _leaves(bare(module)):
        kind = type(leaf)
        if kind is torch.nn.Linear and len(layers) == len(between) and _has_values(leaf):
            layers.append(leaf)
        elif kind in _ACTIVATIONS and len(layers) == len(between) + 1:
            between.append(_ACTIVATIONS[kind])
        elif kind not in _NOTHING:
            return None
    if len(layers) < 2 or len(layers) != len(between) + 1 or len(set(between)) > 1:
        return None
    return _safetensors(layers), between[0]


def onnx_bytes(module: Any, example_input: Any = None, *, quick: bool = False) -> bytes:
    """One ONNX file that computes, for a batch of one, what the module computes in evaluation mode.

    The module is left as it was, and nothing is printed on stdout. The input size is that of the first
    `torch.nn.Linear`, unless `example_input` is given: a tensor or array, or a tuple of them for several inputs.
    `quick` asks the older exporter first, which takes a fraction of the time. Where the current one is not installed,
    warnings that the traced computation may depend on the data are passed on: they are about the module.

    Raises:
        InvalidArgument: there is no linear layer to tell the input size from, or the export fails.
    """
    try:
        return onnx_of_module(module, example_input, quick=quick)
    except ExportFailed as error:
        raise InvalidArgument(str(error)) from error


def _has_values(layer: Any) -> bool:
    return layer.weight.dtype in _SAFETENSORS and not any(tensor.is_meta for tensor in layer.parameters())


def _leaves(module: Any) -> Iterator[Any]:
    """What a Sequential evaluates, one after the other; an `object` in the place of what may compute something else."""
    of_torch = type(module).__module__.startswith("torch.nn.modules.")
    if not of_torch or module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module):
        yield object()
    elif type(module) is torch.nn.Sequential:
        for part in module:
            yield from _leaves(part)
    else:
        yield module


def _safetensors(layers: Sequence[Any]) -> bytes:
    """The weights and biases of the layers, which are numbered, in the safetensors format.

    A layer without a bias is written with zeros: in a file, weights without a bias may be an embedding.
    """
    header: dict[str, Any] = {}
    pieces = []
    end = 0
    for number, layer in enumerate(layers):
        bias = torch.zeros(len(layer.weight), dtype=layer.weight.dtype) if layer.bias is None else layer.bias
        for name, tensor in (("weight", layer.weight), ("bias", bias)):
            piece = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
            pieces.append(piece)
            begin, end = end, end + len(piece)
            header[f"{number}.{name}"] = {
                "dtype": _SAFETENSORS[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": [begin, end],
            }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *pieces])
