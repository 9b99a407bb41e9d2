"""Tensors of an ONNX file as exact constants: sizes are checked against the data before anything is allocated."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import UnreadableModel, UnsupportedModel
from relucensus.readers.data_files import DataFiles
from relucensus.readers.limits import ReaderLimits, shape_text, shown
from relucensus.readers.number_formats import FLOATS, as_float64, stored_type
from relucensus.readers.onnx.tensors import Constant

FLOAT_TYPES: Final = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}
KINDS: Final = FLOAT_TYPES | {
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    12: "uint32",
    13: "uint64",
    21: "uint4",
    22: "int4",
}
_FLOAT8: Final = {17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz"}
_DATA_FIELDS: Final = {
    "float32": "float_data",
    "float64": "double_data",
    "int64": "int64_data",
    "uint32": "uint64_data",
    "uint64": "uint64_data",
}
_ALL_DATA: Final = ("raw_data", "string_data", "int32_data", "uint64_data", "float_data", "double_data", "int64_data")
_STORED_AS: Final = {"uint8": "u1", "uint16": "u2", "int16": "i2", "uint32": "u4", "uint64": "u8"}
_SIXTEEN_BITS: Final = 0xFFFF
_EXTERNAL: Final = 1
_MOST_INT: Final = 2**63


class StoredTensors:
    """Makes constants of the tensors of one file, and of the files beside it that hold their bytes."""

    def __init__(self, files: DataFiles, limits: ReaderLimits) -> None:
        self.limits = limits
        self.float_kinds: set[str] = set()  # that values of the network may have
        self._files = files
        self._opened: dict[str, bytes] = {}

    def constant(self, tensor: Any) -> Constant:
        """The entries of a TensorProto.

        Raises:
            UnsupportedModel: a type that is not read, a tensor beyond the limits.
            UnreadableModel: data that has not as many entries as the declared shape, a data file that is not there.
        """
        kind = KINDS.get(tensor.data_type) or ("float8" if tensor.data_type in _FLOAT8 else None)
        if kind is None:
            known = ", ".join([*KINDS.values(), "float8"])
            raise UnsupportedModel(
                f"tensor {shown(tensor.name)} has the data type {tensor.data_type}; read are {known}"
            )
        shape = tuple(tensor.dims)
        size = self.limits.check_tensor(tensor.name, shape)
        entries = self._entries(tensor, kind, size)
        if entries.size != size:
            raise UnreadableModel(
                f"tensor {shown(tensor.name)} declares {size} entries ({shape_text(shape)}) and holds {entries.size}"
            )
        return Constant(_typed(entries.reshape(shape), kind, tensor), kind)

    def _entries(self, tensor: Any, kind: str, size: int) -> NDArray[Any]:
        if sum(1 for name in _ALL_DATA if len(getattr(tensor, name))) > 1:
            raise UnreadableModel(f"tensor {shown(tensor.name)} has its entries twice; it is damaged")
        raw = self._outside(tensor) if _is_outside(tensor) else tensor.raw_data
        if not raw:
            return _of_fields(tensor, kind, size)
        if kind in ("int4", "uint4", "float8"):
            return _small(raw, tensor.data_type, kind, size)
        stored = _stored_type(kind)
        if len(raw) % stored.itemsize:
            raise UnreadableModel(f"tensor {shown(tensor.name)} has {len(raw)} bytes of {kind}; a part is missing")
        return np.frombuffer(raw, dtype=stored)

    def _outside(self, tensor: Any) -> bytes:
        """The bytes of a tensor that lie in another file."""
        said = {entry.key: entry.value for entry in tensor.external_data}
        location = said.get("location", "")
        try:
            offset, length = int(said.get("offset") or 0), int(said.get("length") or -1)
        except ValueError:
            raise UnreadableModel(f"tensor {shown(tensor.name)} lies at a place that is no number") from None
        data = self._file(location, tensor)
        end = len(data) if length < 0 else offset + length
        if not 0 <= offset <= end <= len(data):
            raise UnreadableModel(
                f"tensor {shown(tensor.name)} lies from byte {offset} to {end} of {shown(location)}, which has "
                f"{len(data)} bytes"
            )
        return data[offset:end]

    def _file(self, location: str, tensor: Any) -> bytes:
        if location not in self._opened:
            try:
                data = self._files[location]
            except KeyError:
                raise UnreadableModel(
                    f"tensor {shown(tensor.name)} lies in another file, {shown(location)}, which is not here (external "
                    "data): keep it beside the model, send it along, or write one file: "
                    "onnx.save(onnx.load(path), new_path, save_as_external_data=False)"
                ) from None
            self.limits.check_bytes(len(data))
            self._opened[location] = data
        return self._opened[location]


def _is_outside(tensor: Any) -> bool:
    return bool(tensor.data_location == _EXTERNAL or len(tensor.external_data))


def _stored_type(kind: str) -> np.dtype[Any]:
    return np.dtype("<" + _STORED_AS[kind]) if kind in _STORED_AS else stored_type(kind)


def _of_fields(tensor: Any, kind: str, size: int) -> NDArray[Any]:
    values = getattr(tensor, _DATA_FIELDS.get(kind, "int32_data"))
    if kind in ("float16", "bfloat16"):
        bits = np.array(values, dtype=np.int64) & _SIXTEEN_BITS
        return bits.astype("<u2").view(stored_type(kind))
    if kind in ("int4", "uint4", "float8"):
        return _small(bytes(int(n) & 0xFF for n in values), tensor.data_type, kind, size)
    if kind in FLOATS:
        return np.array(values, dtype=_stored_type(kind))
    return np.array(values, dtype=np.uint64 if kind.startswith("u") else np.int64)


def _small(raw: bytes, data_type: int, kind: str, size: int) -> NDArray[Any]:
    """Numbers of a byte or half a byte; two halves a byte, the low one first."""
    stored = np.frombuffer(raw, dtype=np.uint8)
    if kind == "float8":
        import ml_dtypes  # noqa: PLC0415 - comes with onnx

        kinds = {name: getattr(ml_dtypes, name.replace("e4", "_e4").replace("e5", "_e5")) for name in _FLOAT8.values()}
        return np.asarray(stored.view(kinds[_FLOAT8[data_type]]), dtype=np.float64)
    if len(stored) != math.ceil(size / 2):
        raise UnreadableModel(f"a tensor of {size} numbers of {kind} has {len(stored)} bytes")
    halves = np.stack([stored & 0xF, stored >> 4], axis=1).ravel()[:size].astype(np.int64)
    return np.where(halves > 7, halves - 16, halves) if kind == "int4" else halves


def _typed(entries: NDArray[Any], kind: str, tensor: Any) -> NDArray[Any]:
    if kind == "float8":
        return entries
    if kind in FLOATS:
        return as_float64(entries, kind)
    if kind == "uint64" and entries.size and int(entries.max()) >= _MOST_INT:
        raise UnsupportedModel(f"tensor {shown(tensor.name)} holds a uint64 number of 2**63 or more")
    return entries.astype(np.bool_) if kind == "bool" else entries.astype(np.int64)
