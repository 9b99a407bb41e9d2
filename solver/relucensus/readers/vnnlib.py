"""The input box of a VNN-LIB property: version 1 of the format, ``declare-const`` and ``assert``.

What is asked of the outputs is passed over. An alternative (``or``) is fine as long as all its branches ask the same
of the inputs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import numpy as np

from relucensus.errors import InvalidDomain
from relucensus.readers.limits import shown
from relucensus.values.domain import Box

Expression = str | list["Expression"]
Interval = tuple[float, float]
Intervals = dict[int, Interval]

_TOKEN: Final = re.compile(r"[()]|[^\s()]+")
_VARIABLE: Final = re.compile(r"([XY])_(0|[1-9][0-9]{0,5})")
_NUMBER: Final = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,4})?")
_DEEPEST: Final = 50
_MOST_BOXES: Final = 100
_MOST_BYTES: Final = 64 * 2**20
_LONGEST_NUMBER: Final = 1000
_EVERYTHING: Final[Interval] = (-math.inf, math.inf)


def read_vnnlib(text: str, inputs: int | None = None) -> Box:
    """The box of the inputs ``X_0 .. X_n`` that the property speaks about, for a network with this many inputs.

    Decimals are rounded to the nearest float64; `rounded_bounds` tells whether any was.

    Raises:
        InvalidDomain: not VNN-LIB, an input without a bound, several boxes, a condition that is not a bound of one
            input, or another number of inputs.

    >>> text = "(declare-const X_0 Real) (assert (<= X_0 0.5)) (assert (>= X_0 -1)) (assert (>= Y_0 0))"
    >>> read_vnnlib("(declare-const Y_0 Real)" + text).upper
    array([0.5])
    """
    declared = {"X": set[int](), "Y": set[int]()}
    conditions = []
    for expression in _expressions(text):
        match expression:
            case ["declare-const", str(name), "Real" | "real"] if found := _VARIABLE.fullmatch(name):
                declared[found[1]].add(int(found[2]))
            case ["assert", condition]:
                conditions.append(condition)
            case _:
                raise InvalidDomain(
                    f"the VNN-LIB file has {_excerpt(expression)}; needed are (declare-const X_i Real) and (assert …), "
                    "version 1 of the format"
                )
    count = len(declared["X"])
    if declared["X"] != set(range(count)) or not count:
        raise InvalidDomain(f"the VNN-LIB file declares {count} inputs; needed are X_0, X_1, … without a gap")
    if inputs is not None and count != inputs:
        raise InvalidDomain(f"the VNN-LIB file declares {count} inputs, the network has {inputs} inputs")
    return _box(_Reading(declared).boxes(["and", *conditions]), count)


def rounded_bounds(text: str) -> int:
    """How many numbers of the text are not float64 numbers, and so are rounded to the nearest."""
    tokens = set(_TOKEN.findall(_without_comments(text)))
    return sum(1 for t in tokens if len(t) <= _LONGEST_NUMBER and _NUMBER.fullmatch(t) and Decimal(t) != float(t))


def _box(boxes: list[Intervals], inputs: int) -> Box:
    if len(boxes) > 1:
        raise InvalidDomain(
            f"the VNN-LIB property is about {len(boxes)} different input boxes; needed is one: split the property and "
            "count on each"
        )
    (box,) = boxes
    for side, word in ((0, "lower"), (1, "upper")):
        missing = [i for i in range(inputs) if math.isinf(box.get(i, _EVERYTHING)[side])]
        if missing:
            names = ", ".join(f"X_{i}" for i in missing[:5]) + (", …" if len(missing) > 5 else "")
            raise InvalidDomain(
                f"the VNN-LIB property has no {word} bound for {names} ({len(missing)} of {inputs} inputs); needed are "
                "both bounds of every input"
            )
    lower, upper = (np.array([box[i][side] for i in range(inputs)], dtype=np.float64) for side in (0, 1))
    return Box(lower, upper)


class _Reading:
    """Conditions as what they ask of the inputs: a list of different boxes, one of which holds."""

    def __init__(self, declared: dict[str, set[int]]) -> None:
        self._declared = declared

    def boxes(self, condition: Expression) -> list[Intervals]:
        """The boxes of a condition; a single empty one for what speaks about outputs only."""
        match condition:
            case ["and", *parts]:
                return self._all_of(parts)
            case ["or", first, *rest]:
                found = self.boxes(first)
                for part in rest:
                    found = _different([*found, *self.boxes(part)])
                return found
            case [("<=" | ">=" | "=") as relation, left, right]:
                return [self._bound(condition, relation, left, right)]
            case _:
                raise InvalidDomain(
                    f"the VNN-LIB condition {_excerpt(condition)} is not read; known are and, or, <=, >= and ="
                )

    def _all_of(self, parts: list[Expression]) -> list[Intervals]:
        """One box of all the bounds, crossed with the alternatives."""
        single: Intervals = {}
        found = [single]
        for part in parts:
            boxes = self.boxes(part)
            if len(boxes) == 1:
                for box in found:
                    _narrow(box, boxes[0])
            else:
                found = _different([_narrow(dict(box), other) for box in found for other in boxes])
        return found

    def _bound(self, condition: Expression, relation: str, left: Expression, right: Expression) -> Intervals:
        variables = list(self._variables(condition))
        if not any(name == "X" for name, _ in variables):
            return {}
        mirrored = {"<=": ">=", ">=": "<=", "=": "="}
        if _number(left) is not None:
            relation, left, right = mirrored[relation], right, left
        found = _VARIABLE.fullmatch(left) if isinstance(left, str) else None
        number = _number(right)
        if found is None or number is None:
            raise InvalidDomain(
                f"the VNN-LIB condition {_excerpt(condition)} is not a bound of one input; needed are numbers as bounds"
            )
        least = -math.inf if relation == "<=" else number
        most = math.inf if relation == ">=" else number
        return {int(found[2]): (least, most)}

    def _variables(self, expression: Expression) -> Iterator[tuple[str, int]]:
        if isinstance(expression, list):
            for part in expression[1:]:
                yield from self._variables(part)
            return
        found = _VARIABLE.fullmatch(expression)
        if found is None:
            if _NUMBER.fullmatch(expression) is None:
                raise InvalidDomain(f"the VNN-LIB file uses {shown(expression)}, neither X_i or Y_i nor a number")
            return
        if int(found[2]) not in self._declared[found[1]]:
            raise InvalidDomain(f"the VNN-LIB file uses {expression}, which it does not declare")
        yield found[1], int(found[2])


def _narrow(box: Intervals, other: Intervals) -> Intervals:
    """Intersect the first box with the other, in place."""
    for i, (least, most) in other.items():
        old = box.get(i, _EVERYTHING)
        box[i] = (max(old[0], least), min(old[1], most))
    return box


def _different(boxes: list[Intervals]) -> list[Intervals]:
    found = list({frozenset(box.items()): box for box in boxes}.values())
    if len(found) > _MOST_BOXES:
        raise InvalidDomain(f"the VNN-LIB property is about more than {_MOST_BOXES} input boxes; needed is one")
    return found


def _number(expression: Expression) -> float | None:
    """The float64 nearest to a number, None for anything else."""
    match expression:
        case ["-", inner]:
            number = _number(inner)
            return None if number is None else -number
        case str() if len(expression) <= _LONGEST_NUMBER and _NUMBER.fullmatch(expression):
            number = float(expression)
            if math.isinf(number):
                raise InvalidDomain(f"the VNN-LIB file has the number {expression[:40]}, which exceeds float64")
            return number
        case _:
            return None


def _expressions(text: str) -> Iterator[Expression]:
    """The expressions of the file, each as nested lists of its words."""
    if len(text) > _MOST_BYTES:
        raise InvalidDomain(f"the VNN-LIB file has {len(text)} characters; accepted are at most {_MOST_BYTES}")
    open_lists: list[list[Expression]] = []
    for token in _TOKEN.findall(_without_comments(text)):
        if token == "(":
            if len(open_lists) >= _DEEPEST:
                raise InvalidDomain(f"the VNN-LIB file is nested more than {_DEEPEST} deep")
            open_lists.append([])
            continue
        if not open_lists:
            raise InvalidDomain(f"the VNN-LIB file has {shown(token)} outside of parentheses")
        if token != ")":
            open_lists[-1].append(token)
            continue
        finished = open_lists.pop()
        if open_lists:
            open_lists[-1].append(finished)
        else:
            yield finished
    if open_lists:
        raise InvalidDomain("the VNN-LIB file ends inside of parentheses; it is cut off")


def _without_comments(text: str) -> str:
    return re.sub(r";[^\n]*", "", text)


def _excerpt(expression: Expression) -> str:
    words = str(expression) if isinstance(expression, str) else f"({' '.join(_flat(expression, 12))})"
    return shown(words)


def _flat(expression: list[Expression], most: int) -> list[str]:
    found = []
    for part in expression[:most]:
        found += [part] if isinstance(part, str) else ["(", *_flat(part, 4), ")"]
    return found[:most]
