"""The input domain: a closed box, or a slice, the affine image of one.

Coordinates with ``lower == upper`` are fixed and substituted out later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

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


@dataclass(frozen=True, eq=False)
class Slice:
    """The affine image ``x = origin + directions^T u`` of a box in u: a line or plane through inputs, or more.

    `origin` (inputs,), `directions` (k, inputs), float64, finite, read-only; `parameters` is the box of u, (k,).
    Regions of a slice are the regions of the network composed with this map.

    Raises:
        InvalidDomain: shapes that do not fit each other, or an entry that is not finite.
    """

    origin: NDArray[np.float64]
    directions: NDArray[np.float64]
    parameters: Box

    def __post_init__(self) -> None:
        shape = self.directions.shape
        if self.origin.ndim != 1 or len(shape) != 2 or shape[1] != self.origin.shape[0] or not shape[0]:
            raise InvalidDomain(
                f"the slice's origin has shape {list(self.origin.shape)}, its directions {list(shape)}; "
                "needed are n numbers and at least one list of n numbers"
            )
        if self.parameters.dimension != shape[0]:
            raise InvalidDomain(
                f"the slice has {shape[0]} directions and bounds for {self.parameters.dimension}; needed is the same"
            )
        for name, array in (("origin", self.origin), ("directions", self.directions)):
            bad = np.argwhere(~np.isfinite(array))
            if len(bad):
                where = tuple(int(i) for i in bad[0])
                raise InvalidDomain(f"{name}{list(where)} is {array[where]}; every entry must be a finite number")
            array.setflags(write=False)

    @classmethod
    def from_bounds(
        cls, origin: Sequence[float], directions: Sequence[Sequence[float]], lower: Bound, upper: Bound
    ) -> Slice:
        """The slice with these bounds on u; a number stands for the same bound in every direction; copies the lists.

        >>> Slice.from_bounds([0, 0], [[1, 1]], 0, 1).dimension
        2
        """
        try:
            start = np.array(origin, dtype=np.float64)
            along = np.array(directions, dtype=np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidDomain(f"origin and directions must be lists of numbers ({error})") from None
        count = along.shape[0] if along.ndim == 2 else 0
        return cls(start, along, Box.from_bounds(lower, upper, count))

    @classmethod
    def through(cls, points: Sequence[Sequence[float]], lower: Bound = 0.0, upper: Bound = 1.0) -> Slice:
        """The line through two points, the plane through three, ...: ``u = 0`` is the first, a unit vector another.

        The differences of the points are rounded to float64; the slice is exactly what `origin` and `directions` say.
        """
        if len(points) < 2:
            raise InvalidDomain(f"a slice through {len(points)} points; needed are two or more")
        try:
            first, *rest = (np.array(point, dtype=np.float64) for point in points)
            return cls.from_bounds(first.tolist(), [(point - first).tolist() for point in rest], lower, upper)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidDomain(f"the points of a slice must be lists of the same length ({error})") from None

    @property
    def dimension(self) -> int:
        """Number of coordinates of x."""
        return int(self.origin.shape[0])

    def to_json(self) -> dict[str, Any]:
        """The domain as it appears in requests and results."""
        return {
            "kind": "slice",
            "origin": self.origin.tolist(),
            "directions": self.directions.tolist(),
            "lower": self.parameters.lower.tolist(),
            "upper": self.parameters.upper.tolist(),
        }


Domain = Box | Slice


def domain_from_json(document: Mapping[str, Any], inputs: int) -> Domain:
    """The domain of a request, for a network with this many inputs; without a `kind` it is a box.

    Raises:
        InvalidDomain: a kind that does not exist, a part that is missing or too much, or what `Box` and `Slice` refuse.
    """
    kind = document.get("kind", "box")
    if not isinstance(kind, str) or kind not in _PARTS:
        raise InvalidDomain(f"a domain of kind {kind!r} does not exist; known are {', '.join(_PARTS)}")
    parts = {name: value for name, value in document.items() if name != "kind"}
    if set(parts) != set(_PARTS[kind]):
        found = ", ".join(sorted(parts)) or "nothing"
        raise InvalidDomain(f"the {kind} has {found}; needed are {', '.join(_PARTS[kind])}")
    for name, value in parts.items():
        _expect_numbers(name, value)
    if kind == "box":
        return Box.from_bounds(**parts, inputs=inputs)
    made = Slice.from_bounds(**parts)
    if made.dimension != inputs:
        raise InvalidDomain(f"the slice has {made.dimension} coordinates, the network has {inputs} inputs")
    return made


def _expect_numbers(name: str, value: object) -> None:
    """Nothing, unless there are words or truth values in the list, or in a list in it, which numpy would convert."""
    rows = value if isinstance(value, list | tuple) else [value]
    for row in rows:
        for entry in row if isinstance(row, list | tuple) else [row]:
            if isinstance(entry, str | bool):
                raise InvalidDomain(f"{name} holds {str(entry)[:40]!r}, which is not a number")


_PARTS: Final = {"box": ("lower", "upper"), "slice": ("origin", "directions", "lower", "upper")}
