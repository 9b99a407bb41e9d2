"""A safetensors file of linear layers: its tensors, and those that its metadata says are tied to one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import UnreadableModel, UnsupportedModel
from relucensus.readers.choices import Choices
from relucensus.readers.limits import ReaderLimits, shown
from relucensus.readers.number_formats import as_float64, stored_type
from relucensus.readers.torch.named_tensor import NamedTensor
from relucensus.readers.torch.series import listed
from relucensus.readers.torch.submodels import network_of_tensors
from relucensus.readers.torch.wrappers import unwrapped
from relucensus.values.network import Network

_FLOATS: Final = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_USE_ONNX: Final = "export the network as ONNX instead"


def read_safetensors(data: bytes, limits: ReaderLimits, chosen: Choices) -> tuple[Network, list[str]]:
    """The network of the file's linear layers, and notes on what was assumed. The format sorts its tensors by name.

    Raises:
        UnreadableModel: a damaged header, or offsets that do not fit the file.
        AmbiguousModel: several networks, of which none was chosen.
        UnsupportedModel: tensors that are not of linear layers, ties that are not certain, a limit passed.
        InvalidNetwork: shapes that do not chain, or weights that are not finite.
        InvalidRequest: a submodel that is not in the file.
    """
    import safetensors  # noqa: PLC0415 - only a safetensors file needs it

    try:
        entries = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise UnreadableModel(f"the safetensors file is damaged or cut off ({error})") from None
    tensors = {name: _named(name, entry, limits) for name, entry in entries}
    tied = _tied(tensors, _metadata(data))
    paths, notes = unwrapped(sorted([*tensors.values(), *tied.values()], key=lambda tensor: tensor.name))
    if tied:
        notes.append(f"tied to other tensors by the file's metadata: {listed(list(tied))}")
    network, said = network_of_tensors(paths, limits, chosen, stored_in_order=False)
    return network, [*notes, *said]


def _named(name: str, entry: Mapping[str, Any], limits: ReaderLimits) -> NamedTensor:
    native, shape = entry["dtype"], tuple(int(n) for n in entry["shape"])
    dtype = _FLOATS.get(native, native)

    def load() -> NDArray[np.float64]:
        if native not in _FLOATS:
            raise UnsupportedModel(f"tensor {shown(name)} has the type {native}; supported are {', '.join(_FLOATS)}")
        limits.check_tensor(name, shape)
        if not entry["data"]:
            return np.zeros(shape)
        return as_float64(np.frombuffer(entry["data"], dtype=stored_type(dtype)).reshape(shape), dtype)

    return NamedTensor(name, name, shape, dtype, load)


def _metadata(data: bytes) -> dict[str, str]:
    """What the header, which is known to be sound, says beside its tensors."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size], object_pairs_hook=_without_repeats)
    metadata = header.get("__metadata__") or {}
    return {str(name): str(value) for name, value in metadata.items()}


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise UnreadableModel("the header of the safetensors file says something twice; the file is damaged")
    return dict(pairs)


def _tied(tensors: Mapping[str, NamedTensor], metadata: Mapping[str, str]) -> dict[str, NamedTensor]:
    """The tensors that `save_model` left out because others share their memory, by the names it gives as metadata.

    It writes no view that is not contiguous, so that a tensor of the same memory has the same entries in order; one of
    another shape does not fit where it is needed.

    Raises:
        UnsupportedModel: an entry that may name such a tensor and is not certain to.
    """
    tied = {}
    for alias, kept in metadata.items():
        if kept in tensors and alias not in tensors:
            tied[alias] = replace(tensors[kept], name=alias, path=alias)
        elif alias in tensors or kept in tensors or alias.endswith((".weight", ".bias")):
            raise UnsupportedModel(
                f"the metadata of the file names {shown(alias)} beside {shown(kept)}, as for tensors that are tied, "
                f"but not one of them alone is in the file; {_USE_ONNX}"
            )
    return tied
