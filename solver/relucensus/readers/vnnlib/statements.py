"""The statements of a VNN-LIB file: what it declares, and the conditions that it asserts."""

from __future__ import annotations

import re
from typing import Final, TypeVar

from relucensus.errors import InvalidDomain
from relucensus.readers.limits import shown
from relucensus.readers.vnnlib.expressions import Expression, excerpt, expressions
from relucensus.readers.vnnlib.variables import Variables
from relucensus.readers.vnnlib.version1 import NumberedVariables
from relucensus.readers.vnnlib.version2 import TensorVariables

_NUMBERED: Final = ("declare-const", "declare-fun")
_PASSED_OVER: Final = ("set-logic", "set-info", "set-option", "echo")
_LAST: Final = ("check-sat", "get-model", "get-value", "get-info", "get-assertions", "exit")
_VERSION: Final = re.compile(r"<([12])\.[0-9]{1,3}>")

_V = TypeVar("_V", NumberedVariables, TensorVariables)


class _Statements:
    """Takes up one statement after the other."""

    def __init__(self) -> None:
        self.conditions: list[Expression] = []
        self.variables: NumberedVariables | TensorVariables | None = None
        self._is_over = False

    def take(self, statement: list[Expression]) -> None:
        match statement:
            case ["assert", condition]:
                self._check_not_over(statement)
                self.conditions.append(condition)
            case [str(name), *_] if name in _NUMBERED:
                self._declared(NumberedVariables, statement).declare(statement)
            case ["declare-network", *_]:
                self._declared(TensorVariables, statement).declare(statement)
            case ["vnnlib-version", str(version)]:
                self._take_version(version)
            case [str(name), *_] if name in _PASSED_OVER:
                pass
            case [str(name), *_] if name in _LAST:
                self._is_over = True
            case _:
                raise InvalidDomain(
                    f"the VNN-LIB file has {excerpt(statement)}; needed are (declare-const X_i Real), or a "
                    "(declare-network …), and (assert …)"
                )

    def _take_version(self, version: str) -> None:
        found = _VERSION.fullmatch(version)
        if found is None:
            raise InvalidDomain(f"the VNN-LIB file is of version {shown(version)}; read are versions 1 and 2")
        if self.variables is None:
            self.variables = NumberedVariables() if found[1] == "1" else TensorVariables()

    def _declared(self, kind: type[_V], statement: list[Expression]) -> _V:
        self._check_not_over(statement)
        if self.variables is None:
            self.variables = kind()
        if not isinstance(self.variables, kind):
            raise InvalidDomain(
                f"the VNN-LIB file has {excerpt(statement)} beside declarations of the other version of the format"
            )
        return self.variables

    def _check_not_over(self, statement: list[Expression]) -> None:
        if self._is_over:
            raise InvalidDomain(
                f"the VNN-LIB file goes on behind its end with {excerpt(statement)}; needed is one property"
            )


def read_statements(text: str) -> tuple[Variables, list[Expression]]:
    """The variables that the file declares and the conditions that it asserts.

    Raises:
        InvalidDomain: a statement that is not of VNN-LIB, or declarations that do not make inputs.
    """
    statements = _Statements()
    for statement in expressions(text):
        statements.take(statement)
    variables = NumberedVariables() if statements.variables is None else statements.variables
    variables.check()
    return variables, statements.conditions
