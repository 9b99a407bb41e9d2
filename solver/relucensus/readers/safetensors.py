"""A safetensors file of linear layers. The format sorts its tensors, so names and shapes must settle their order."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import UnreadableModel, UnsupportedModel
from relucensus.readers.limits import ReaderLimits, shown
from relucensus.readers.number_formats import as_float64, stored_type
from relucensus.readers.torch.chain import NamedTensor, layers_in_forced_order, network_of_layers
from relucensus.values.activation import Activation
from relucensus.values.network import Network

_TYPES: Final = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64"}


def read_safetensors(data: bytes, limits: ReaderLimits, activation: Activation) -> tuple[Network, list[str]]:
    """The network of the file's linear layers with this activation between them, and a note on their order.

    Raises:
        UnreadableModel: a damaged header, or offsets that do not fit the file.
        UnsupportedModel: tensors that are not of linear layers, an order that is not certain, a limit passed.
        InvalidNetwork: shapes that do not chain, or weights that are not finite.
    """
    import safetensors  # noqa: PLC0415 - only a safetensors file needs it

    try:
        entries = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise UnreadableModel(f"the safetensors file is damaged or cut off ({error})") from None
    tensors = [_named(name, entry, limits) for name, entry in entries]
    layers, note = layers_in_forced_order(tensors, limits)
    return network_of_layers(layers, limits, activation), [note]


def _named(name: str, entry: dict[str, Any], limits: ReaderLimits) -> NamedTensor:
    native = entry["dtype"]
    if native not in _TYPES:
        raise UnsupportedModel(f"tensor {shown(name)} has the type {native}; supported are {', '.join(_TYPES)}")
    shape = tuple(int(n) for n in entry["shape"])
    limits.check_tensor(name, shape)
    return NamedTensor(name, shape, _TYPES[native], lambda: _loaded(entry["data"], _TYPES[native], shape))


def _loaded(data: bytes, number_format: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    if not data:
        return np.zeros(shape)
    return as_float64(np.frombuffer(data, dtype=stored_type(number_format)).reshape(shape), number_format)
