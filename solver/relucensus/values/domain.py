"""The input domain: a closed box. Coordinates with ``lower == upper`` are fixed and substituted out later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidDomain

Bound = float | Sequence[float]


@dataclass(frozen=True, eq=False)
class Box:
    """The closed box ``lower <= x <= upper``; both arrays (inputs,), float64, finite, read-only.

    Raises:
        InvalidDomain: lengths that differ, a bound that is not finite, lower above upper.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.lower.ndim != 1 or self.lower.shape != self.upper.shape:
            raise InvalidDomain(
                f"lower has shape {self.lower.shape}, upper has shape {self.upper.shape}; needed are equal lengths"
            )
        for name, array in (("lower", self.lower), ("upper", self.upper)):
            bad = np.flatnonzero(~np.isfinite(array))
            if len(bad):
                raise InvalidDomain(f"{name}[{bad[0]}] is {array[bad[0]]}; every bound must be a finite number")
        crossed = np.flatnonzero(self.lower > self.upper)
        if len(crossed):
            i = int(crossed[0])
            raise InvalidDomain(
                f"lower[{i}] = {self.lower[i]} is above upper[{i}] = {self.upper[i]}; needed is lower <= upper"
            )
        for array in (self.lower, self.upper):
            array.setflags(write=False)

    @classmethod
    def from_bounds(cls, lower: Bound, upper: Bound, inputs: int) -> Box:
        """The box for a network with this many inputs; a number stands for the same bound in every coordinate.

        >>> Box.from_bounds(-1, [1, 2], inputs=2).upper
        array([1., 2.])
        """
        return cls(_spread("lower", lower, inputs), _spread("upper", upper, inputs))

    @property
    def dimension(self) -> int:
        """Number of coordinates, fixed ones included."""
        return int(self.lower.shape[0])

    def to_json(self) -> dict[str, Any]:
        """The domain as it appears in requests and results."""
        return {"kind": "box", "lower": self.lower.tolist(), "upper": self.upper.tolist()}


def _spread(name: str, bound: Bound, inputs: int) -> NDArray[np.float64]:
    try:
        array = np.array(bound, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidDomain(f"{name} must be a number or a list of {inputs} numbers ({error})") from None
    if array.ndim == 0:
        return np.full(inputs, float(array))
    if array.shape != (inputs,):
        raise InvalidDomain(
            f"{name} has shape {list(array.shape)}, the network has {inputs} inputs; "
            f"needed is one number or {inputs} numbers"
        )
    return array
