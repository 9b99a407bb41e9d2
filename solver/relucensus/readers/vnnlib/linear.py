"""The sums, differences and products of a VNN-LIB file as linear forms with rational coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from typing import Final

from relucensus.errors import InvalidDomain
from relucensus.readers.vnnlib.expressions import Expression, excerpt
from relucensus.readers.vnnlib.numbers import exact, is_number
from relucensus.readers.vnnlib.variables import NO_INPUT, Variables

_MOST_BITS: Final = 4096
_MOST_TERMS: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class LinearForm:
    """A constant plus coefficients times inputs, by coordinate, and times other values, by name; none is zero."""

    constant: Fraction
    inputs: dict[int, Fraction] = field(default_factory=dict)
    others: dict[str, Fraction] = field(default_factory=dict)

    @property
    def is_constant(self) -> bool:
        """Whether no variable is left."""
        return not self.inputs and not self.others

    def scaled(self, factor: Fraction) -> LinearForm:
        """The form times a number."""
        return LinearForm(
            self.constant * factor,
            {key: value * factor for key, value in self.inputs.items() if factor},
            {key: value * factor for key, value in self.others.items() if factor},
        )

    def minus(self, other: LinearForm) -> LinearForm:
        """The difference of two forms."""
        return _summed([self, other.scaled(Fraction(-1))])


class LinearForms:
    """Expressions over these variables as linear forms, within a bound on the work."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self._terms = 0
        self._operations: dict[str, Callable[[Expression, list[LinearForm]], LinearForm]] = {
            "+": lambda _, parts: _summed(parts),
            "-": lambda _, parts: _difference(parts),
            "*": self._product,
            "/": self._quotient,
        }

    def of(self, expression: Expression) -> LinearForm:
        """The form of an expression.

        A product of outputs with anything is a value of its own, like an output.

        Raises:
            InvalidDomain: an unknown operation or variable, a product of inputs, or too much work.
        """
        self._terms += 1
        if self._terms > _MOST_TERMS:
            raise InvalidDomain(
                f"the VNN-LIB file has more than {_MOST_TERMS} terms in sums; that is the most accepted"
            )
        match expression:
            case str() if is_number(expression):
                return _checked(LinearForm(exact(expression)))
            case str():
                place = self._variables.place(expression)
                one = Fraction(1)
                return LinearForm(Fraction(0), {place: one}) if place != NO_INPUT else self._other(expression)
            case [str(name), *parts] if parts and name in self._operations:
                return _checked(self._operations[name](expression, [self.of(part) for part in parts]))
            case _:
                raise InvalidDomain(
                    f"the VNN-LIB expression {excerpt(expression)} is not read; known are numbers, variables, +, -, * "
                    "and / by a number"
                )

    def _product(self, expression: Expression, parts: list[LinearForm]) -> LinearForm:
        return reduce(lambda one, other: self._times(expression, one, other), parts)

    def _times(self, expression: Expression, one: LinearForm, other: LinearForm) -> LinearForm:
        if one.is_constant or other.is_constant:
            form, factor = (other, one.constant) if one.is_constant else (one, other.constant)
            return _checked(form.scaled(factor))
        return self._not_linear(expression, [one, other])

    def _quotient(self, expression: Expression, parts: list[LinearForm]) -> LinearForm:
        first, *rest = parts
        for part in rest:
            if not part.is_constant:
                return self._not_linear(expression, parts)
            if not part.constant:
                raise InvalidDomain(f"the VNN-LIB expression {excerpt(expression)} divides by zero")
            first = _checked(first.scaled(1 / part.constant))
        return first

    def _not_linear(self, expression: Expression, parts: list[LinearForm]) -> LinearForm:
        if any(part.others for part in parts):
            return self._other(f"{self._terms}th term")
        raise InvalidDomain(
            f"the VNN-LIB expression {excerpt(expression)} is not linear in the inputs; needed are bounds of one input"
        )

    @staticmethod
    def _other(name: str) -> LinearForm:
        return LinearForm(Fraction(0), {}, {name: Fraction(1)})


def _summed(parts: list[LinearForm]) -> LinearForm:
    inputs: dict[int, Fraction] = {}
    others: dict[str, Fraction] = {}
    constant = Fraction(0)
    for part in parts:
        constant += part.constant
        for place, value in part.inputs.items():
            inputs[place] = inputs.get(place, Fraction(0)) + value
        for name, value in part.others.items():
            others[name] = others.get(name, Fraction(0)) + value
        _check_bits(constant)
    return LinearForm(
        constant,
        {place: value for place, value in inputs.items() if value},
        {name: value for name, value in others.items() if value},
    )


def _difference(parts: list[LinearForm]) -> LinearForm:
    first, *rest = parts
    return first.minus(_summed(rest)) if rest else first.scaled(Fraction(-1))


def _checked(form: LinearForm) -> LinearForm:
    for number in (form.constant, *form.inputs.values(), *form.others.values()):
        _check_bits(number)
    return form


def _check_bits(number: Fraction) -> None:
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > _MOST_BITS:
        raise InvalidDomain(f"the VNN-LIB file has a sum with numbers of more than {_MOST_BITS} bits; needed are fewer")
