"""The coordinates and units in which a certificate states its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Frame:
    """Box coordinates u with ``x_c = reference_c + 2**widths_c * u_c``, and forms ``f_i = 2**exponents_i * z_i``.

    `reference` and `widths` have an entry for each coordinate x_c of the box, `exponents` one for each row i of all
    hidden layers, whose preactivation is z_i. Any finite floats and any integers make a frame.
    """

    reference: tuple[float, ...]
    widths: tuple[int, ...]
    exponents: tuple[int, ...]

    def coordinates(self, point: Sequence[Fraction]) -> tuple[Fraction, ...]:
        """The point x in box coordinates u, exactly.

        >>> Frame((0.5,), (-1,), ()).coordinates([Fraction(3, 4)])
        (Fraction(1, 2),)
        """
        places = zip(point, self.reference, self.widths, strict=True)
        return tuple((x - Fraction(reference)) / power_of_two(width) for x, reference, width in places)

    def place(self, coordinates: Sequence[Fraction]) -> tuple[Fraction, ...]:
        """The point x with these box coordinates u, exactly."""
        places = zip(coordinates, self.reference, self.widths, strict=True)
        return tuple(Fraction(reference) + u * power_of_two(width) for u, reference, width in places)

    def unit(self, row: int) -> Fraction:
        """What the form of a row is divided by to give its preactivation: ``2**exponents_i``."""
        return power_of_two(self.exponents[row])


def power_of_two(exponent: int) -> Fraction:
    """2 to an integer power, exactly.

    >>> power_of_two(-3)
    Fraction(1, 8)
    """
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)
