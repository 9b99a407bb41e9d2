"""A file of `torch.save`, of either format, read without torch and without running its pickle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import UnreadableModel, UnsupportedModel
from relucensus.readers.choices import Choices
from relucensus.readers.limits import ReaderLimits, shape_text, shown
from relucensus.readers.number_formats import FLOATS, as_float64, stored_type
from relucensus.readers.torch.checkpoint import Tensor, chosen_state_dicts
from relucensus.readers.torch.files.archive import Archive
from relucensus.readers.torch.files.descriptions import ITEM_BYTES, OtherTensor, StoredTensor
from relucensus.readers.torch.files.legacy import LegacyFile
from relucensus.readers.torch.named_tensor import NamedTensor
from relucensus.readers.torch.stable_baselines import policy_within
from relucensus.readers.torch.submodels import network_of_tensors
from relucensus.readers.torch.wrappers import unwrapped
from relucensus.values.network import Network


def read_state_dict(data: bytes, limits: ReaderLimits, chosen: Choices) -> tuple[Network, list[str]]:
    """The network of the linear layers in the file's state_dict, and notes on what was assumed.

    Raises:
        UnreadableModel: a damaged file, or a tensor that reaches beyond its storage.
        AmbiguousModel: several state_dicts, or several networks in one, of which none was chosen.
        UnsupportedModel: anything but a state_dict of linear layers, or one beyond the limits.
        InvalidNetwork: shapes that do not chain, or weights that are not finite.
        InvalidRequest: a submodel that is not in the file.
    """
    notes = []
    if data[:2] == b"PK" and (policy := policy_within(data)) is not None:
        data = policy
        notes.append("weights taken from policy.pth in an archive of stable-baselines3")
    source = Archive(data, limits) if data[:2] == b"PK" else LegacyFile(data)
    found = chosen_state_dicts(source.described, chosen)
    tensors: list[NamedTensor] = []
    notes += found.notes
    for key, state_dict in found.tensors.items():
        inner, said = unwrapped(_named(state_dict, source, limits))
        notes += said
        tensors += [_under(key, tensor) for tensor in inner] if key else inner
    network, said = network_of_tensors(tensors, limits, found.choices, stored_in_order=True)
    return network, [*notes, *said]


def _under(key: str, tensor: NamedTensor) -> NamedTensor:
    return replace(tensor, name=f"{key}.{tensor.name}", path=f"{key}.{tensor.path}")


def _named(state_dict: Mapping[str, Tensor], source: Archive | LegacyFile, limits: ReaderLimits) -> list[NamedTensor]:
    return [_one(name, tensor, source, limits) for name, tensor in state_dict.items()]


def _one(name: str, tensor: Tensor, source: Archive | LegacyFile, limits: ReaderLimits) -> NamedTensor:
    def load() -> NDArray[np.float64]:
        if isinstance(tensor, OtherTensor) or tensor.dtype not in FLOATS:
            raise UnsupportedModel(f"{shown(name)} is not a tensor of floats")
        limits.check_tensor(name, tensor.shape)
        values = _loaded(name, tensor, source)
        return -values if tensor.negated else values

    if isinstance(tensor, OtherTensor):
        return NamedTensor(name, name, (), "", load, tensor.kind)
    return NamedTensor(name, name, tensor.shape, tensor.dtype, load)


def _loaded(name: str, tensor: StoredTensor, source: Archive | LegacyFile) -> NDArray[np.float64]:
    kind = stored_type(tensor.dtype, source.order)
    record = source.storage(tensor.storage.key)
    root = tensor.storage
    first = root.first + tensor.offset
    declared = (root.first + root.entries) * ITEM_BYTES[root.dtype]
    entries = min(declared, len(record)) // kind.itemsize
    reach = first + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    if math.prod(tensor.shape) == 0:
        return np.zeros(tensor.shape)
    if reach >= entries:
        raise UnreadableModel(
            f"tensor {shown(name)} ({shape_text(tensor.shape)}) reaches entry {reach} of a storage with {entries} "
            "entries; the file is damaged"
        )
    storage = np.frombuffer(record, dtype=kind, count=entries)
    strides = [step * kind.itemsize if n > 1 else 0 for n, step in zip(tensor.shape, tensor.strides, strict=True)]
    view = np.lib.stride_tricks.as_strided(storage[first:], tensor.shape, strides, writeable=False)
    return as_float64(view, tensor.dtype)
