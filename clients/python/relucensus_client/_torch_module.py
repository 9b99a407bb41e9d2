"""A torch module as a self-contained ONNX file, a `state_dict` as a `.pt` file, both in memory. Loads torch."""

from __future__ import annotations

import inspect
import io
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch

from relucensus_client._errors import InvalidArgument

_OPSET: Final = 17
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
    """The tensors as `torch.save` writes them, on the CPU and without the storage they may be views of."""
    buffer = io.BytesIO()
    torch.save({name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}, buffer)
    return buffer.getvalue()


def stack_bytes(module: Any) -> tuple[bytes, str] | None:
    """A safetensors file and the activation of a `torch.nn.Sequential` of linear layers with ReLU (or ReLU6) between.

    None for everything else: a module of another kind, hooks, other layers. Takes a hundredth of the time of an export.
    """
    layers: list[Any] = []
    between: list[str] = []
    for leaf in _leaves(getattr(module, "_orig_mod", module)):
        kind = type(leaf)
        if kind is torch.nn.Linear and len(layers) == len(between) and leaf.weight.dtype in _SAFETENSORS:
            layers.append(leaf)
        elif kind in _ACTIVATIONS and len(layers) == len(between) + 1:
            between.append(_ACTIVATIONS[kind])
        elif kind not in _NOTHING:
            return None
    if len(layers) < 2 or len(layers) != len(between) + 1 or len(set(between)) > 1:
        return None
    return _safetensors(layers), between[0]


def onnx_bytes(module: Any, example_input: Any = None) -> bytes:
    """One ONNX file that computes what the module computes in evaluation mode; the module is left as it was.

    The input size is that of the first `torch.nn.Linear`, unless `example_input` (a batch of one) is given.
    Warnings that the traced computation may depend on the data are passed on: they are about the module.

    Raises:
        InvalidArgument: there is no linear layer to tell the input size from, or the export fails.
    """
    module = getattr(module, "_orig_mod", module)  # what torch.compile wraps
    example = _example_input(module) if example_input is None else torch.as_tensor(example_input)
    buffer = io.BytesIO()
    try:
        with _evaluation_mode(module), torch.no_grad(), _exporter_warnings_ignored():
            torch.onnx.export(module, (example,), buffer, **_exporter_options())
    except Exception as error:
        raise InvalidArgument(
            f"the module {type(module).__name__} could not be exported to ONNX with an input of shape "
            f"{list(example.shape)}: {error}. If its input has another shape, pass example_input"
        ) from error
    return buffer.getvalue()


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


def _example_input(module: Any) -> Any:
    for part in module.modules():
        if isinstance(part, torch.nn.Linear):
            return torch.zeros(1, part.in_features, dtype=part.weight.dtype, device=part.weight.device)
    raise InvalidArgument(
        f"the module {type(module).__name__} has no torch.nn.Linear to tell the input size from; pass example_input"
    )


def _exporter_options() -> dict[str, Any]:
    """Options for the exporter that writes one file without external data, whatever the version of torch."""
    options: dict[str, Any] = {
        "opset_version": _OPSET,
        "input_names": ["input"],
        "output_names": ["output"],
        "dynamic_axes": {"input": {0: "batch"}, "output": {0: "batch"}},
    }
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False
    return options


@contextmanager
def _evaluation_mode(module: Any) -> Iterator[None]:
    """Puts every part into evaluation mode and back into the mode each was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


@contextmanager
def _exporter_warnings_ignored() -> Iterator[None]:
    """Silences what the exporter says about itself: that it is deprecated, and uses deprecated functions."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You are using the legacy TorchScript", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"torch\.onnx")
        warnings.filterwarnings("ignore", message=".*feature will be removed", category=DeprecationWarning)
        yield
