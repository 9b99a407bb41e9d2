"""The input boxes of a VNN-LIB property, and what was left off to have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from relucensus.errors import InvalidDomain
from relucensus.readers.vnnlib.boxes import ClosedBoxes, closed_boxes
from relucensus.readers.vnnlib.conditions import Conditions
from relucensus.readers.vnnlib.statements import read_statements
from relucensus.readers.vnnlib.text import property_text
from relucensus.readers.vnnlib.variables import Variables
from relucensus.values.domain import Box

_LISTED: Final = 20
_SHOWN_INPUTS: Final = 3


@dataclass(frozen=True, slots=True)
class Property:
    """What a property asks of the inputs of a network.

    boxes:     closed and different, none within another; an input satisfies the property only if it is in one of them
    notes:     what was rounded, closed or left off, in words for the user
    variables: the names of the inputs
    """

    boxes: tuple[Box, ...]
    notes: tuple[str, ...]
    variables: Variables

    @property
    def inputs(self) -> int:
        """How many inputs the property declares."""
        return self.variables.inputs

    def box(self, number: int | None = None, *, inputs: int | None = None) -> Box:
        """The box of this number, counted from 0, or the only one, for a network with this many inputs.

        Raises:
            InvalidDomain: several boxes and no number, a number that no box has, or another number of inputs.
        """
        self.check_inputs(inputs)
        if number is None and len(self.boxes) == 1:
            return self.boxes[0]
        if number is None:
            raise InvalidDomain(
                f"the VNN-LIB property is about {len(self.boxes)} input boxes; say which with box=K (--box K on the "
                f"command line), counted from 0:{self._listed()}"
            )
        if not 0 <= number < len(self.boxes):
            raise InvalidDomain(
                f"box is {number}; the VNN-LIB property has the boxes 0 to {len(self.boxes) - 1}:{self._listed()}"
            )
        return self.boxes[number]

    def check_inputs(self, inputs: int | None) -> None:
        """Accept a network with this many inputs.

        Raises:
            InvalidDomain: the property declares another number.
        """
        if inputs is not None and inputs != self.inputs:
            raise InvalidDomain(f"the VNN-LIB file declares {self.inputs} inputs, the network has {inputs} inputs")

    def _listed(self) -> str:
        """The boxes, one a line, by the first inputs in which they differ."""
        first = self.boxes[0]
        differing = np.zeros(self.inputs, dtype=bool)
        for box in self.boxes:
            differing |= (box.lower != first.lower) | (box.upper != first.upper)
        places = [int(i) for i in (np.flatnonzero(differing) if differing.any() else np.arange(self.inputs))]
        lines = [
            f"{number}: {', '.join(self._interval(box, i) for i in places[:_SHOWN_INPUTS])}"
            for number, box in enumerate(self.boxes[:_LISTED])
        ]
        more = [f"… ({len(self.boxes)} in all)"] if len(self.boxes) > _LISTED else []
        return "".join(f"\n  {line}" for line in lines + more)

    def _interval(self, box: Box, i: int) -> str:
        return f"{self.variables.name(i)} in [{float(box.lower[i])}, {float(box.upper[i])}]"


def read_property(data: bytes | str) -> Property:
    """The property in a VNN-LIB file of version 1 or 2, which may be gzip; nothing in it is executed.

    Raises:
        InvalidDomain: not VNN-LIB, conditions that no input satisfies, an input without a bound, or a condition on
            inputs that is not a bound of one.
    """
    variables, asserted = read_statements(property_text(data))
    conditions = Conditions(variables)
    found = closed_boxes(conditions.all_of(asserted), variables)
    return Property(found.boxes, _notes(found, conditions), variables)


def read_vnnlib(text: bytes | str, inputs: int | None = None, box: int | None = None) -> Box:
    """The box of the inputs that the property speaks about, for a network with this many inputs.

    Bounds are rounded to the nearest float64; `Property.notes` tells whether any was.

    Raises:
        InvalidDomain: as `read_property`; several boxes and no number `box` of one, counted from 0, or another number
            of inputs.

    >>> text = "(declare-const X_0 Real) (assert (<= X_0 0.5)) (assert (>= X_0 -1)) (assert (>= Y_0 0))"
    >>> read_vnnlib("(declare-const Y_0 Real)" + text).upper
    array([0.5])
    """
    return read_property(text).box(box, inputs=inputs)


def vnnlib_boxes(text: bytes | str, inputs: int | None = None) -> tuple[Box, ...]:
    """All boxes of inputs that the property speaks about; none lies within another.

    Raises:
        InvalidDomain: as `read_property`, or another number of inputs.
    """
    found = read_property(text)
    found.check_inputs(inputs)
    return found.boxes


def rounded_bounds(text: bytes | str) -> int:
    """How many different bounds of the boxes are not float64 numbers, and so are rounded to the nearest."""
    variables, asserted = read_statements(property_text(text))
    return closed_boxes(Conditions(variables).all_of(asserted), variables).rounded


def _notes(found: ClosedBoxes, conditions: Conditions) -> tuple[str, ...]:
    notes = (
        (found.rounded, "bound", "of the VNN-LIB file rounded to the nearest float64"),
        (conditions.strict, "strict bound", "of the VNN-LIB file taken with the boundary"),
        (conditions.of_outputs, "condition", "on outputs in the VNN-LIB file left off"),
    )
    return tuple(f"{number} {noun if number == 1 else noun + 's'} {done}" for number, noun, done in notes if number)
