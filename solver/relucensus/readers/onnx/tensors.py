"""Tensors of an ONNX file as numpy arrays: sizes are checked against the data before anything is allocated."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import RefusedFormat, UnreadableModel, UnsupportedModel
from relucensus.readers.limits import ReaderLimits, shape_text, shown
from relucensus.readers.number_formats import FLOATS, as_float64, stored_type

Constant = NDArray[np.float64] | NDArray[np.int64]

FLOAT_TYPES: Final = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}

_FORMATS: Final = FLOAT_TYPES | {3: "int8", 6: "int32", 7: "int64", 9: "bool"}
_DATA_FIELDS: Final = {
    "float32": "float_data",
    "float64": "double_data",
    "int64": "int64_data",
    "float16": "int32_data",
    "bfloat16": "int32_data",
    "int8": "int32_data",
    "int32": "int32_data",
    "bool": "int32_data",
}
_ALL_DATA: Final = ("raw_data", "uint64_data", "string_data", *sorted(set(_DATA_FIELDS.values())))
_SIXTEEN_BITS: Final = 0xFFFF
_EXTERNAL: Final = 1


def refuse_external_data(tensor: Any) -> None:
    """Raise `RefusedFormat` if the tensor's entries lie in another file."""
    if tensor.data_location == _EXTERNAL or len(tensor.external_data):
        raise RefusedFormat(
            f"tensor {shown(tensor.name)} lies in another file (external data); write one file instead: "
            "onnx.save(onnx.load(path), new_path, save_as_external_data=False)"
        )


def tensor_constant(tensor: Any, limits: ReaderLimits) -> Constant:
    """The entries of a TensorProto: float64 for float types, int64 for integers and truth values.

    Raises:
        UnsupportedModel: external data, a type that is not read, a tensor beyond the limits.
        UnreadableModel: data that has not as many entries as the declared shape.
    """
    refuse_external_data(tensor)
    number_format = _FORMATS.get(tensor.data_type)
    if number_format is None:
        known = ", ".join(_FORMATS.values())
        raise UnsupportedModel(f"tensor {shown(tensor.name)} has the data type {tensor.data_type}; read are {known}")
    shape = tuple(tensor.dims)
    entries = limits.check_tensor(tensor.name, shape)
    stored = _stored(tensor, number_format)
    if stored.size != entries:
        raise UnreadableModel(
            f"tensor {shown(tensor.name)} declares {entries} entries ({shape_text(shape)}) and holds {stored.size}"
        )
    stored = stored.reshape(shape)
    return as_float64(stored, number_format) if number_format in FLOATS else stored.astype(np.int64)


def _stored(tensor: Any, number_format: str) -> NDArray[Any]:
    kind = stored_type(number_format)
    if sum(1 for name in _ALL_DATA if len(getattr(tensor, name))) > 1:
        raise UnreadableModel(f"tensor {shown(tensor.name)} has its entries twice; it is damaged")
    raw: bytes = tensor.raw_data
    if raw:
        if len(raw) % kind.itemsize:
            raise UnreadableModel(
                f"tensor {shown(tensor.name)} has {len(raw)} bytes of {number_format}; a part is missing"
            )
        return np.frombuffer(raw, dtype=kind)
    values = getattr(tensor, _DATA_FIELDS[number_format])
    if number_format in ("float16", "bfloat16"):
        bits = np.array(values, dtype=np.int64) & _SIXTEEN_BITS
        return bits.astype("<u2").view(kind)
    return np.array(values, dtype=np.int64 if number_format in ("int8", "bool") else kind)


def rounded_to(number_format: str, entries: Constant) -> Constant:
    """The entries converted to a float type, which is what a Cast of a constant computes, as float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        if number_format == "bfloat16":
            raise UnsupportedModel("a constant is converted to bfloat16; supported are float16, float32 and float64")
        return entries.astype(stored_type(number_format)).astype(np.float64)
