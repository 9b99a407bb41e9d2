"""The domain of a count as the caller gives it, and as it stands in a request."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from relucensus_client._errors import InvalidArgument


class ArrayLike(Protocol):
    """What numpy arrays and torch tensors have in common here."""

    def tolist(self) -> Any:
        """The values as Python numbers."""


Vector = Sequence[float] | ArrayLike
Bound = float | Vector


@dataclass(frozen=True)
class Slice:
    """A line or plane through inputs, or more: ``origin + u[0] directions[0] + …`` for u between the bounds.

    `origin` is one input, `directions` a list of vectors as long; a number as bound holds for every direction.

    >>> Slice.through([[0, 0], [1, 2]]).directions
    [[1.0, 2.0]]
    """

    origin: Vector
    directions: Sequence[Vector]
    lower: Bound = 0.0
    upper: Bound = 1.0

    @classmethod
    def through(cls, points: Sequence[Vector], lower: Bound = 0.0, upper: Bound = 1.0) -> Self:
        """The line through two inputs, the plane through three, …: u = 0 is the first, a unit vector another one.

        The differences of the points are rounded to float64; what is counted on is exactly `origin` and `directions`.

        Raises:
            InvalidArgument: fewer than two points, or points that are not vectors of the same length.
        """
        first, *rest = [vector(f"point {i}", point) for i, point in enumerate(points)] or [[]]
        if not rest or any(len(point) != len(first) for point in rest):
            lengths = ", ".join(str(len(point)) for point in (first, *rest))
            raise InvalidArgument(
                f"the slice goes through points of lengths {lengths}; needed are two or more, as long"
            )
        directions = [[b - a for a, b in zip(first, point, strict=True)] for point in rest]
        return cls(first, directions, lower, upper)

    def to_json(self) -> dict[str, Any]:
        """The slice as the domain of a request.

        Raises:
            InvalidArgument: a number that is none or not finite.
        """
        directions = [vector(f"directions[{i}]", one) for i, one in enumerate(listed("directions", self.directions))]
        return {
            "kind": "slice",
            "origin": vector("origin", self.origin),
            "directions": directions,
            "lower": number_or_vector("lower", self.lower),
            "upper": number_or_vector("upper", self.upper),
        }


Domain = Slice | Mapping[str, Any]


def domain_document(lower: Bound | None, upper: Bound | None, domain: Domain | None) -> dict[str, Any]:
    """The domain of a request: a box with these bounds, or what `domain` is.

    Raises:
        InvalidArgument: both or neither, half a box, or a number that is none or not finite.

    >>> domain_document(-1, [1, 2], None)
    {'kind': 'box', 'lower': -1.0, 'upper': [1.0, 2.0]}
    """
    if domain is not None:
        if lower is not None or upper is not None:
            raise InvalidArgument("the domain is given twice; needed are lower and upper, or domain")
        if isinstance(domain, Slice):
            return domain.to_json()
        if isinstance(domain, Mapping):
            return _checked(domain)
        raise InvalidArgument(f"domain is a {type(domain).__qualname__}; needed is a Slice or a mapping")
    if lower is None or upper is None:
        raise InvalidArgument("the domain is not given; needed are lower and upper, or domain")
    return {"kind": "box", "lower": number_or_vector("lower", lower), "upper": number_or_vector("upper", upper)}


def _checked(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document, its numbers checked; which parts it needs is for the service to say."""
    parts = dict(document)
    for name in ("lower", "upper"):
        if name in parts:
            parts[name] = number_or_vector(name, parts[name])
    if "origin" in parts:
        parts["origin"] = vector("origin", parts["origin"])
    if "directions" in parts:
        found = listed("directions", parts["directions"])
        parts["directions"] = [vector(f"directions[{i}]", one) for i, one in enumerate(found)]
    return parts


def listed(name: str, values: Any) -> Sequence[Any]:
    """The values as a list.

    Raises:
        InvalidArgument: they are none.
    """
    values = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        raise InvalidArgument(f"{name} is {values!r}; needed is a list")
    return values


def vector(name: str, values: Any) -> list[float]:
    """The values as finite numbers.

    Raises:
        InvalidArgument: they are none.
    """
    return [_finite(f"{name}[{i}]", value) for i, value in enumerate(listed(name, values))]


def number_or_vector(name: str, bound: Any) -> float | list[float]:
    """A finite number, or the values as finite numbers.

    Raises:
        InvalidArgument: neither.
    """
    values = bound.tolist() if hasattr(bound, "tolist") else bound
    if isinstance(values, Sequence) and not isinstance(values, (str, bytes)):
        return vector(name, values)
    return _finite(name, values)


def _finite(name: str, value: Any) -> float:
    try:
        if isinstance(value, (str, bytes, bool)):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidArgument(f"{name} is {value!r}; needed is a number") from None
    if not math.isfinite(number):
        raise InvalidArgument(f"{name} is {number}; needed is a finite number")
    return number
