"""Alternatives of bounds as closed boxes of float64, without those that lie in another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidDomain
from relucensus.readers.vnnlib.intervals import Intervals
from relucensus.readers.vnnlib.numbers import Exact, is_rounded
from relucensus.readers.vnnlib.variables import Variables
from relucensus.values.domain import Box

_MOST_NUMBERS: Final = 8_000_000
_MOST_BOXES: Final = 10_000
_MOST_COMPARISONS: Final = 5_000_000_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClosedBoxes:
    """The boxes, and how many different bounds of them are rounded."""

    boxes: tuple[Box, ...]
    rounded: int


def closed_boxes(alternatives: list[Intervals], variables: Variables) -> ClosedBoxes:
    """The different boxes of the alternatives, in their order; the float64 nearest to each bound belongs to its box.

    Raises:
        InvalidDomain: no point that satisfies one alternative, an input without bounds, or too many boxes.
    """
    possible = [box for box in alternatives if box.contradiction() is None]
    if not possible:
        raise InvalidDomain(_contradiction(alternatives, variables))
    inputs = variables.inputs
    if len(possible) > _MOST_BOXES or len(possible) * inputs > _MOST_NUMBERS:
        raise InvalidDomain(
            f"the VNN-LIB property is about {len(possible)} boxes of {inputs} inputs; accepted are at most "
            f"{_MOST_BOXES} boxes and {_MOST_NUMBERS} numbers in them"
        )
    for box in possible:
        _check_bounded(box, variables)
    lower = np.array([[box.lower[i][0] for i in range(inputs)] for box in possible]) + 0.0
    upper = np.array([[box.upper[i][0] for i in range(inputs)] for box in possible]) + 0.0
    _check_finite(np.concatenate([lower, upper]))
    kept = _outermost(lower, upper)
    boxes = tuple(Box(lower[i].copy(), upper[i].copy()) for i in kept)
    return ClosedBoxes(boxes, _rounded([possible[i] for i in kept]))


def _check_finite(bounds: Floats) -> None:
    if not np.isfinite(bounds).all():
        raise InvalidDomain("the VNN-LIB file has a bound that exceeds float64; needed is a smaller one")


def _check_bounded(box: Intervals, variables: Variables) -> None:
    for side, word in ((box.lower, "lower"), (box.upper, "upper")):
        if len(side) == variables.inputs:
            continue
        missing = [i for i in range(variables.inputs) if i not in side]
        names = ", ".join(variables.name(i) for i in missing[:5]) + (", …" if len(missing) > 5 else "")
        raise InvalidDomain(
            f"the VNN-LIB property has no {word} bound for {names} ({len(missing)} of {variables.inputs} inputs); "
            "needed are both bounds of every input"
        )


def _contradiction(alternatives: list[Intervals], variables: Variables) -> str:
    """Why there is no point at all, by the first alternative."""
    for box in alternatives:
        place = box.contradiction()
        if place is not None:
            (_, above, low), (_, below, high) = box.lower[place], box.upper[place]
            least, most = "above" if above else "at least", "below" if below else "at most"
            return (
                f"no input satisfies the VNN-LIB property: {variables.name(place)} is {least} "
                f"{str(low)[:40]} and {most} {str(high)[:40]}"
            )
    return "no input satisfies the VNN-LIB property: a condition of it never holds"


def _outermost(lower: Floats, upper: Floats) -> list[int]:
    """The numbers of the boxes that lie in no other; of equal ones the first."""
    first: dict[bytes, int] = {}
    for i, row in enumerate(np.hstack([lower, upper])):
        first.setdefault(row.tobytes(), i)
    different = np.array(list(first.values()))
    if len(different) == 1:
        return [0]
    lower, upper = lower[different], upper[different]
    varied = np.flatnonzero(np.any(lower != lower[0], axis=0) | np.any(upper != upper[0], axis=0))
    if len(different) ** 2 * len(varied) > _MOST_COMPARISONS:
        raise InvalidDomain(
            f"the VNN-LIB property is about {len(different)} boxes that differ in {len(varied)} inputs; needed are "
            "fewer"
        )
    return [int(number) for i, number in enumerate(different) if not _is_inside(i, lower, upper, varied)]


def _is_inside(i: int, lower: Floats, upper: Floats, varied: NDArray[np.intp]) -> bool:
    """Whether another of these different boxes contains box i; few are left after a few coordinates."""
    others = np.flatnonzero(np.arange(len(lower)) != i)
    for k in varied:
        others = others[(lower[others, k] <= lower[i, k]) & (upper[others, k] >= upper[i, k])]
        if not len(others):
            return False
    return True


def _rounded(boxes: list[Intervals]) -> int:
    bounds: set[Exact] = {number for box in boxes for side in (box.lower, box.upper) for _, _, number in side.values()}
    return sum(map(is_rounded, bounds))
