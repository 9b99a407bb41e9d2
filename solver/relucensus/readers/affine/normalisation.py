"""Batch normalisation in evaluation mode, folded into one factor and one offset for each channel.

The square root is not rational: factor and offset are evaluated once in float64 and are exact from there on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def folded_normalisation(
    parameters: tuple[FloatArray, FloatArray],
    statistics: tuple[FloatArray, FloatArray],
    epsilon: float,
    fail: Callable[[str], NoReturn],
) -> tuple[FloatArray, FloatArray]:
    """Factors f and offsets g with ``f x + g == scale (x - mean) / sqrt(variance + epsilon) + bias`` in float64.

    `parameters` are scale and bias, `statistics` mean and variance; `fail` raises for statistics without a root.
    """
    (scale, bias), (mean, variance) = parameters, statistics
    with np.errstate(all="ignore"):
        factors = scale / np.sqrt(variance + epsilon)
        offsets = bias - mean * factors
    if not (np.isfinite(factors).all() and np.isfinite(offsets).all()):
        fail("has statistics that give no finite scale; needed is a positive variance + epsilon in every channel")
    return factors, offsets
