"""A PyTorch `state_dict` in the zip format of `torch.save`, read without torch and without running its pickle."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import RefusedFormat, UnreadableModel, UnsupportedModel
from relucensus.readers.limits import ReaderLimits, shape_text, shown
from relucensus.readers.number_formats import as_float64, stored_type
from relucensus.readers.torch.chain import NamedTensor, layers_in_stored_order, network_of_layers
from relucensus.readers.torch.unpickler import SAVE_STATE_DICT, StoredTensor, described_object
from relucensus.values.activation import Activation
from relucensus.values.network import Network

_MAX_RECORDS: Final = 10_000
_PT2_RECORDS: Final = ("archive_format", "archive_version", "serialized_exported_program.json", "models/model.json")
_TORCHSCRIPT: Final = f"a TorchScript archive holds code and is refused; {SAVE_STATE_DICT}"
_PT2: Final = f"a .pt2 archive of torch.export is refused; {SAVE_STATE_DICT}, or export the network as ONNX"


def read_state_dict(data: bytes, limits: ReaderLimits, activation: Activation) -> tuple[Network, list[str]]:
    """The network of the state_dict's linear layers with this activation between them, and notes on the file.

    Raises:
        UnreadableModel: a damaged archive, or a tensor that reaches beyond its storage.
        UnsupportedModel: anything but a state_dict of linear layers, or one beyond the limits.
        InvalidNetwork: shapes that do not chain, or weights that are not finite.
    """
    archive = _Archive(data, limits)
    described, notes = _state_dict_of(described_object(archive.record("data.pkl")))
    tensors = [_named(name, tensor, archive, limits) for name, tensor in described.items()]
    layers = layers_in_stored_order(tensors, limits)
    return network_of_layers(layers, limits, activation), notes


class _Archive:
    """The records of a zip file as `torch.save` writes it: one top folder, nothing compressed."""

    def __init__(self, data: bytes, limits: ReaderLimits) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OSError, OverflowError, RuntimeError) as error:
            raise UnreadableModel(f"the zip archive is damaged or cut off ({shown(error)})") from None
        records = self._zip.infolist()
        if len(records) > _MAX_RECORDS:
            raise UnsupportedModel(f"the archive has {len(records)} records; accepted are at most {_MAX_RECORDS}")
        names = {record.filename for record in records}
        self._folder = _folder_of(names)
        for record in records:
            if record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size:
                raise UnsupportedModel(
                    f"record {shown(record.filename)} is compressed, which torch.save never does; {SAVE_STATE_DICT}"
                )
        limits.check_bytes(sum(record.file_size for record in records))
        if len(names) < len(records):
            raise UnreadableModel("the archive has two records of the same name")
        self.order: str = _byte_order(self.record("byteorder")) if self.has("byteorder") else "<"

    def has(self, name: str) -> bool:
        """Whether the archive has this record."""
        return f"{self._folder}{name}" in self._zip.NameToInfo

    def record(self, name: str) -> bytes:
        """The bytes of a record."""
        try:
            return self._zip.read(f"{self._folder}{name}")
        except KeyError:
            raise UnreadableModel(f"the archive has no record {shown(name)}") from None
        except (zipfile.BadZipFile, EOFError, ValueError, OSError, OverflowError, RuntimeError) as error:
            raise UnreadableModel(f"record {shown(name)} of the archive is damaged ({shown(error)})") from None


def _folder_of(names: set[str]) -> str:
    inner = {name.partition("/")[2] for name in names} | names
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        raise RefusedFormat(_TORCHSCRIPT)
    if any(name in inner for name in _PT2_RECORDS):
        raise RefusedFormat(_PT2)
    pickles = sorted(name for name in names if name == "data.pkl" or name.endswith("/data.pkl"))
    if len(pickles) != 1:
        raise RefusedFormat(
            f"the zip archive is not a PyTorch state_dict: it has {len(pickles)} records named data.pkl, needed is one"
        )
    return pickles[0].removesuffix("data.pkl")


def _byte_order(record: bytes) -> str:
    orders = {b"little": "<", b"big": ">"}
    if record not in orders:
        raise UnreadableModel(f"the record byteorder says {shown(record[:20])}; known are little and big")
    return orders[record]


def _state_dict_of(described: Any) -> tuple[Mapping[str, StoredTensor], list[str]]:
    if not isinstance(described, dict):
        raise RefusedFormat(f"the file holds a {type(described).__name__}, not a state_dict; {SAVE_STATE_DICT}")
    if list(described) == ["state_dict"] and isinstance(described["state_dict"], dict):
        return _only_tensors(described["state_dict"]), ["weights taken from the only key of the file, 'state_dict'"]
    return _only_tensors(described), []


def _only_tensors(described: dict[Any, Any]) -> Mapping[str, StoredTensor]:
    others = [key for key, value in described.items() if not (isinstance(key, str) and isinstance(value, StoredTensor))]
    if others:
        named = ", ".join(f"{shown(key)} ({type(described[key]).__name__})" for key in others[:8])
        raise RefusedFormat(f"the file is not a plain state_dict: beside tensors it holds {named}; {SAVE_STATE_DICT}")
    return described


def _named(name: str, tensor: StoredTensor, archive: _Archive, limits: ReaderLimits) -> NamedTensor:
    limits.check_tensor(name, tensor.shape)
    return NamedTensor(name, tensor.shape, tensor.dtype, lambda: _loaded(name, tensor, archive))


def _loaded(name: str, tensor: StoredTensor, archive: _Archive) -> NDArray[np.float64]:
    kind = stored_type(tensor.dtype, archive.order)
    record = archive.record(f"data/{tensor.key}")
    entries = len(record) // kind.itemsize
    reach = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    if math.prod(tensor.shape) == 0:
        return np.zeros(tensor.shape)
    if reach >= entries:
        raise UnreadableModel(
            f"tensor {shown(name)} ({shape_text(tensor.shape)}) reaches entry {reach} of a storage with {entries} "
            "entries; the file is damaged"
        )
    storage = np.frombuffer(record, dtype=kind, count=entries)
    strides = [step * kind.itemsize if n > 1 else 0 for n, step in zip(tensor.shape, tensor.strides, strict=True)]
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides, writeable=False)
    return as_float64(view, tensor.dtype)
