"""The numbers of a VNN-LIB file: decimals as they are written, their exact value and the nearest float64."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final

from relucensus.errors import InvalidDomain

NUMBER: Final = r"[-+]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,4})?"
Exact = str | Fraction

_NUMBER: Final = re.compile(NUMBER)


def is_number(word: str) -> bool:
    """Whether the word is a decimal, of at most 400 digits on either side of the point."""
    return _NUMBER.fullmatch(word) is not None


def exact(number: Exact) -> Fraction:
    """The value of a number, of which `is_number` holds if it is a word."""
    return Fraction(Decimal(number)) if isinstance(number, str) else number


def nearest(number: Fraction) -> float:
    """The nearest float64 to a number that was computed.

    Raises:
        InvalidDomain: a number beyond them.

    >>> nearest(Fraction(1, 3))
    0.3333333333333333
    """
    try:
        return float(number)
    except OverflowError:
        raise InvalidDomain("the VNN-LIB file has a bound that exceeds float64; needed is a smaller one") from None


def is_rounded(number: Exact) -> bool:
    """Whether the number is no float64, so that the nearest stands for it."""
    if isinstance(number, str):
        return Decimal(number) != float(number)
    return number != Fraction(float(number))
