"""Version 1 of VNN-LIB: ``(declare-const X_0 Real)`` declares an input, ``Y_0`` an output."""

from __future__ import annotations

import re
from typing import Final

from relucensus.errors import InvalidDomain
from relucensus.readers.limits import shown
from relucensus.readers.vnnlib.expressions import Expression, excerpt
from relucensus.readers.vnnlib.variables import NO_INPUT

_VARIABLE: Final = re.compile(r"([XY])_(0|[1-9][0-9]{0,5})")


class NumberedVariables:
    """The variables ``X_0, X_1, …`` and ``Y_0, Y_1, …`` of a file of version 1."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._inputs = 0

    @property
    def inputs(self) -> int:
        """How many inputs are declared."""
        return self._inputs

    def declare(self, statement: list[Expression]) -> None:
        """Take up a ``declare-const`` or ``declare-fun``.

        Raises:
            InvalidDomain: another name or type.
        """
        match statement:
            case ["declare-const", str(name), "Real" | "real"] | ["declare-fun", str(name), [], "Real" | "real"]:
                found = _VARIABLE.fullmatch(name)
            case _:
                found = None
        if found is None:
            raise InvalidDomain(
                f"the VNN-LIB file has {excerpt(statement)}; needed are (declare-const X_i Real) for inputs and "
                "(declare-const Y_i Real) for outputs"
            )
        place = int(found[2]) if found[1] == "X" else NO_INPUT
        if place != NO_INPUT and found[0] not in self._places:
            self._inputs += 1
        self._places[found[0]] = place

    def check(self) -> None:
        """Accept what is declared once all is.

        Raises:
            InvalidDomain: no input, or a gap between their numbers.
        """
        if not self._inputs or max(self._places.values()) != self._inputs - 1:
            raise InvalidDomain(
                f"the VNN-LIB file declares {self._inputs} inputs; needed are X_0, X_1, … without a gap"
            )

    def place(self, name: str) -> int:
        """The number behind ``X_``, `NO_INPUT` for an output."""
        found = self._places.get(name)
        if found is not None:
            return found
        if _VARIABLE.fullmatch(name):
            raise InvalidDomain(f"the VNN-LIB file uses {name}, which it does not declare")
        raise InvalidDomain(f"the VNN-LIB file uses {shown(name)}, neither X_i or Y_i nor a number")

    def name(self, place: int) -> str:
        """``X_`` and the number."""
        return f"X_{place}"
