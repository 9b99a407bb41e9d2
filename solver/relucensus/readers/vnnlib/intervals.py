"""Bounds of inputs as a property states them: exact, strict or not, and not yet for every input."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from relucensus.errors import InvalidDomain
from relucensus.readers.vnnlib.numbers import Exact, exact

_MOST_ALTERNATIVES: Final = 10_000
_MOST_BOUNDS: Final = 4_000_000
_FEW: Final = 64


# A bound of one input: the nearest float64, which settles most comparisons; 0 for one that may be attained, else 1 for
# a lower and -1 for an upper bound, the side on which values are; the number itself. A plain tuple: files have many.
Bound = tuple[float, int, Exact]


def is_above(first: Bound, second: Bound) -> bool:
    """Whether the first bound lies above the second, a lower or upper one each; exact."""
    (one, side, one_exact), (other, other_side, other_exact) = first, second
    if one != other:
        return one > other
    if one_exact != other_exact and exact(one_exact) != exact(other_exact):
        return exact(one_exact) > exact(other_exact)
    return side > other_side


class Intervals:
    """The inputs between some bounds, by coordinate; without any, all inputs."""

    __slots__ = ("lower", "upper")

    def __init__(self, lower: dict[int, Bound] | None = None, upper: dict[int, Bound] | None = None) -> None:
        self.lower = {} if lower is None else lower
        self.upper = {} if upper is None else upper

    def __len__(self) -> int:
        """How many bounds there are."""
        return len(self.lower) + len(self.upper)

    def narrow_lower(self, place: int, bound: Bound) -> None:
        """Leave out what lies below the bound."""
        old = self.lower.get(place)
        if old is None or is_above(bound, old):
            self.lower[place] = bound

    def narrow_upper(self, place: int, bound: Bound) -> None:
        """Leave out what lies above the bound."""
        old = self.upper.get(place)
        if old is None or is_above(old, bound):
            self.upper[place] = bound

    def narrow(self, other: Intervals) -> None:
        """Leave out what the other bounds leave out."""
        for place, bound in other.lower.items():
            self.narrow_lower(place, bound)
        for place, bound in other.upper.items():
            self.narrow_upper(place, bound)

    def copy(self) -> Intervals:
        """The same bounds, to be narrowed alone."""
        return Intervals(dict(self.lower), dict(self.upper))

    def contradiction(self) -> int | None:
        """A coordinate that no number is left for; None if there is none."""
        for place, low in self.lower.items():
            high = self.upper.get(place)
            if high is not None and low[0] >= high[0] and is_above(low, high):
                return place
        return None

    def contains(self, other: Intervals) -> bool:
        """Whether each of these bounds is one of the other too, or follows from one."""
        return all(
            place in other.lower and not is_above(bound, other.lower[place]) for place, bound in self.lower.items()
        ) and all(
            place in other.upper and not is_above(other.upper[place], bound) for place, bound in self.upper.items()
        )


def any_of(alternatives: Iterable[list[Intervals]]) -> list[Intervals]:
    """The union: all alternatives of all lists, or the one without bounds.

    Raises:
        InvalidDomain: too many.
    """
    found: list[Intervals] = []
    for boxes in alternatives:
        if not all(boxes):
            return [Intervals()]
        found += boxes
        _check_number(len(found))
    return _outermost(found)


def both(first: list[Intervals], second: list[Intervals]) -> list[Intervals]:
    """The intersection of two unions, every alternative of one with every one of the other.

    Raises:
        InvalidDomain: too many.
    """
    _check_number(len(first) * len(second))
    bounds = len(second) * sum(map(len, first)) + len(first) * sum(map(len, second))
    if bounds > _MOST_BOUNDS:
        raise InvalidDomain(
            f"the alternatives of the VNN-LIB property have {bounds} bounds together; accepted are at most "
            f"{_MOST_BOUNDS}"
        )
    found = []
    for box in first:
        for other in second:
            narrowed = box.copy()
            narrowed.narrow(other)
            found.append(narrowed)
    return _outermost(found)


def _outermost(boxes: list[Intervals]) -> list[Intervals]:
    """The boxes without those that lie in another; many are left as they are, for arrays to compare."""
    if not 1 < len(boxes) <= _FEW:
        return boxes
    kept: list[Intervals] = []
    for box in boxes:
        if not any(other.contains(box) for other in kept):
            kept = [other for other in kept if not box.contains(other)] + [box]
    return kept


def _check_number(alternatives: int) -> None:
    if alternatives > _MOST_ALTERNATIVES:
        raise InvalidDomain(
            f"the VNN-LIB property is about more than {_MOST_ALTERNATIVES} input boxes; that is the most accepted"
        )
