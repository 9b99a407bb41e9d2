"""The number formats of tensors in files, and how their bytes become float64 without rounding."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FLOATS: Final = ("float16", "bfloat16", "float32", "float64")

_STORED_AS: Final = {
    "float16": "f2",
    "bfloat16": "u2",
    "float32": "f4",
    "float64": "f8",
    "bool": "u1",
    "int8": "i1",
    "int32": "i4",
    "int64": "i8",
}

# The integer type of the bits, the bits of the exponent, those of the fraction, and what the last one is worth.
_SUBNORMALS: Final = {
    "float16": (np.uint16, 0x7C00, 0x3FF, 2.0**-24),
    "float32": (np.uint32, 0x7F800000, 0x7FFFFF, 2.0**-149),
}


def stored_type(number_format: str, order: str = "<") -> np.dtype[Any]:
    """The numpy type of the entries as they lie in the file; bfloat16 lies there as 16-bit integers."""
    return np.dtype(order + _STORED_AS[number_format])


def as_float64(stored: NDArray[Any], number_format: str) -> NDArray[np.float64]:
    """The entries as float64; a copy. Integers above 2**53 in size would be rounded, floats never are.

    Subnormal numbers are made of their bits, whatever the processor is told to do with them.
    """
    if number_format == "bfloat16":
        stored, number_format = np.asarray(stored.astype(np.uint32) << 16, dtype=np.uint32).view(np.float32), "float32"
    with np.errstate(invalid="ignore"):
        wide = stored.astype(np.float64)
    if number_format in _SUBNORMALS:
        word, exponents, fraction, unit = _SUBNORMALS[number_format]
        bits = np.ascontiguousarray(stored.astype(stored.dtype.newbyteorder("="))).view(word).reshape(stored.shape)
        small = (bits & exponents) == 0
        signs = np.where(bits > exponents + fraction, -1.0, 1.0)
        wide[small] = (signs * (bits & fraction) * unit)[small]
    return wide
