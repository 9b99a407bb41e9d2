"""One adapter a peer: `count(layers, lower, upper, limits)` is its number of activation regions on the box.

Importing an adapter imports its peer; that time is not measured. An adapter that had to stop raises `Stopped`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Layers = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """What a peer may spend."""

    seconds: float


class Stopped(Exception):
    """The peer reached its time limit, having found some regions."""

    def __init__(self, found: int) -> None:
        super().__init__(f"stopped after {found} regions")
        self.found = found


class Unsupported(Exception):
    """The peer cannot take this problem; the message says why."""
