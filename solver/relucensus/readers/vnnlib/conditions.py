"""Conditions of a VNN-LIB file as what they ask of the inputs: alternatives, each with bounds of single inputs."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from typing import Final

from relucensus.errors import InvalidDomain
from relucensus.readers.vnnlib.expressions import Expression, excerpt, is_bound, parts_of_bound
from relucensus.readers.vnnlib.intervals import Intervals, any_of, both
from relucensus.readers.vnnlib.linear import LinearForms
from relucensus.readers.vnnlib.numbers import Exact, is_number, nearest
from relucensus.readers.vnnlib.variables import NO_INPUT, Variables

_RELATIONS: Final = ("<=", ">=", "<", ">", "=", "==")
_MIRRORED: Final = {"<=": ">=", ">=": "<=", "<": ">", ">": "<", "=": "=", "==": "=="}
_BELOW: Final = frozenset({"<=", "<", "=", "=="})
_ABOVE: Final = frozenset({">=", ">", "=", "=="})


class Conditions:
    """Reads conditions over these variables, and counts what is left off: `of_outputs`, and `strict` bounds."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self._forms = LinearForms(variables)
        self.of_outputs = 0
        self.strict = 0

    def boxes(self, condition: Expression) -> list[Intervals]:
        """The alternatives of a condition; one without bounds for what is asked of outputs, none for what never holds.

        Raises:
            InvalidDomain: a condition on inputs that is neither a bound of one nor made of such by `and` and `or`.
        """
        match condition:
            case str() if is_bound(condition):
                return self.all_of([condition])
            case "true" | "false":
                return [Intervals()] if condition == "true" else []
            case ["and", *parts]:
                return self.all_of(parts)
            case ["or", *parts]:
                return any_of([self.boxes(part) for part in parts])
            case [str(relation), _, _, *_] if relation in _RELATIONS:
                return self._compared(relation, condition)
            case _:
                return self._left_off(condition)

    def all_of(self, parts: Iterable[Expression]) -> list[Intervals]:
        """The alternatives of conditions that hold together."""
        single = Intervals()
        several: list[list[Intervals]] = []
        for part in parts:
            if isinstance(part, str) and part[0] == "(":  # is_bound, written out: a file may have a million
                relation, name, number = parts_of_bound(part)
                place = self._variables.place(name)
                if place == NO_INPUT:
                    self.of_outputs += 1
                else:
                    self._narrow(single, place, relation, number)
                continue
            found = self.boxes(part)
            if len(found) == 1:
                single.narrow(found[0])
            else:
                several.append(found)
        alternatives = [single]
        for found in several:
            alternatives = both(alternatives, found)
        return alternatives

    def _narrow(self, box: Intervals, place: int, relation: str, number: Exact) -> None:
        value = float(number) if isinstance(number, str) else nearest(number)
        strict = len(relation) == 1 and relation != "="
        self.strict += strict
        if relation in _BELOW:
            box.narrow_upper(place, (value, -strict, number))
        if relation in _ABOVE:
            box.narrow_lower(place, (value, +strict, number))

    def _compared(self, relation: str, condition: list[Expression]) -> list[Intervals]:
        """The box of a comparison of two or more expressions, each with the next."""
        box = Intervals()
        for left, right in pairwise(condition[1:]):
            form = self._forms.of(left).minus(self._forms.of(right))
            if form.others:
                self.of_outputs += 1
            elif len(form.inputs) > 1:
                first, second, *_ = (self._variables.name(place) for place in form.inputs)
                raise InvalidDomain(
                    f"the VNN-LIB condition {excerpt(condition)} is about {first} and {second} together; polytopes are "
                    "not a domain yet: needed is a bound of one input"
                )
            elif form.inputs:
                ((place, factor),) = form.inputs.items()
                asked = relation if factor > 0 else _MIRRORED[relation]
                self._narrow(box, place, asked, -form.constant / factor)
            elif not _holds(form.constant, relation):
                return []
        return [box]

    def _left_off(self, condition: Expression) -> list[Intervals]:
        """All inputs, for a condition that speaks of outputs only."""
        if self._speaks_of_inputs(condition):
            raise InvalidDomain(
                f"the VNN-LIB condition {excerpt(condition)} is not read; known are and, or, {', '.join(_RELATIONS)}"
            )
        self.of_outputs += 1
        return [Intervals()]

    def _speaks_of_inputs(self, condition: Expression) -> bool:
        """Whether an input stands anywhere in it, or nothing at all."""
        found = set[bool]()
        waiting = [condition]
        while waiting:
            part = waiting.pop()
            if isinstance(part, list):
                waiting += part[1:]
            elif is_bound(part):
                waiting.append(parts_of_bound(part)[1])
            elif not is_number(part):
                found.add(self._variables.place(part) != NO_INPUT)
        return found != {False}


def _holds(number: Fraction, relation: str) -> bool:
    """Whether a number stands in this relation to zero."""
    return (
        (number < 0 and relation in ("<=", "<"))
        or (number > 0 and relation in (">=", ">"))
        or (number == 0 and relation in ("<=", ">=", "=", "=="))
    )
