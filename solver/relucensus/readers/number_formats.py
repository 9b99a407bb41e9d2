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


def stored_type(number_format: str, order: str = "<") -> np.dtype[Any]:
    """The numpy type of the entries as they lie in the file; bfloat16 lies there as 16-bit integers."""
    return np.dtype(order + _STORED_AS[number_format])


def as_float64(stored: NDArray[Any], number_format: str) -> NDArray[np.float64]:
    """The entries as float64; a copy. Integers above 2**53 in size would be rounded, floats never are."""
    with np.errstate(invalid="ignore"):
        if number_format == "bfloat16":
            return np.asarray((stored.astype(np.uint32) << 16).view(np.float32), dtype=np.float64)
        return stored.astype(np.float64)
