"""Arrays of exact rational numbers: float64 where every entry is exactly a float, else `flint.fmpq` objects.

What is computed with floats here is proven exact before it is done, by the widths of their mantissas, which are read
from their bits; everything else is computed with rationals. So no result depends on how a processor rounds.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import numpy as np
from flint import fmpq
from numpy.typing import NDArray

from relucensus.arithmetic import decoded
from relucensus.errors import InvalidNetwork

Numbers = NDArray[Any]
Ints = NDArray[np.int64]

_MAGNITUDE: Final = (1 << 63) - 1
_MANTISSA_BITS: Final = 53
_LEAST_EXPONENT: Final = -1074
_MOST_EXPONENT: Final = 1023
_SAFE_EXPONENT: Final = 960
_ONE: Final = fmpq(1)


def are_floats(numbers: Numbers) -> bool:
    """Whether the array holds float64 numbers."""
    return bool(numbers.dtype != object)


def rationals(numbers: Numbers) -> Numbers:
    """The numbers as rationals, whatever they are held as: floats, integers, truth values or rationals.

    Raises:
        InvalidNetwork: one is NaN or infinite.
    """
    if not are_floats(numbers):
        return numbers
    found = np.empty(numbers.shape, dtype=object)
    if numbers.dtype != np.float64:
        found.reshape(-1)[:] = [fmpq(int(n)) for n in numbers.ravel().tolist()]
        return found
    if not np.isfinite(numbers).all():
        raise InvalidNetwork("computes exactly with a number that is NaN or infinite; every weight must be finite")
    mantissas, exponents = decoded(np.ascontiguousarray(numbers).ravel())
    pairs = zip(mantissas.tolist(), exponents.tolist(), strict=True)
    found.reshape(-1)[:] = [fmpq(m << e) if e >= 0 else fmpq(m, 1 << -e) for m, e in pairs]
    return found


def of_fractions(values: list[Fraction] | tuple[Fraction, ...]) -> Numbers:
    """The fractions as an array."""
    found = np.empty(len(values), dtype=object)
    found[:] = [fmpq(v.numerator, v.denominator) for v in values]
    return settled(found)


def fraction(number: Any) -> Fraction:
    """One entry of an array as a fraction, exactly."""
    if isinstance(number, fmpq):
        return Fraction(int(number.p), int(number.q))
    return Fraction(number)


def rounded(numbers: Numbers) -> NDArray[np.float64]:
    """Every entry correctly rounded to float64.

    Raises:
        OverflowError: an entry beyond the range of float64.
    """
    if are_floats(numbers):
        return numbers.astype(np.float64)
    entries = [int(x.p) / int(x.q) for x in numbers.ravel().tolist()]
    return np.array(entries, dtype=np.float64).reshape(numbers.shape)


def settled(numbers: Numbers) -> Numbers:
    """The same numbers as float64, if every one of them is a float."""
    if are_floats(numbers):
        return numbers
    found = []
    for x in numbers.ravel().tolist():
        exact = _as_float(int(x.p), int(x.q))
        if exact is None:
            return numbers
        found.append(exact)
    return np.array(found, dtype=np.float64).reshape(numbers.shape)


def product(first: Numbers, second: Numbers) -> Numbers:
    """Entry by entry, both of the same shape or broadcast by numpy's rules."""
    if are_floats(first) and are_floats(second):
        a, b = np.broadcast_arrays(first, second)
        if _have_exact_products(np.ascontiguousarray(a).ravel(), np.ascontiguousarray(b).ravel()):
            return np.asarray(a * b)
    return settled(_objects(rationals(first) * rationals(second)))


def total(first: Numbers, second: Numbers, sign: int = 1) -> Numbers:
    """``first + sign * second``, entry by entry."""
    if are_floats(first) and are_floats(second):
        if not nonzero(second).any():
            return np.broadcast_to(first, np.broadcast_shapes(first.shape, second.shape)).copy()
        if not nonzero(first).any():
            return np.broadcast_to(sign * second, np.broadcast_shapes(first.shape, second.shape)).copy()
    return settled(_objects(rationals(first) + rationals(second) * sign))


def reciprocal(numbers: Numbers) -> Numbers:
    """One over every entry; none may be zero."""
    return settled(_objects(_ONE / rationals(numbers)))


def sums_of_runs(numbers: Numbers, starts: Ints) -> Numbers:
    """The sums of the entries from each start to the next one; every run has an entry."""
    if len(starts) == len(numbers):
        return numbers
    return settled(np.add.reduceat(rationals(numbers), starts))


def nonzero(numbers: Numbers) -> NDArray[np.bool_]:
    """Which entries are not zero."""
    if are_floats(numbers):
        if numbers.dtype != np.float64:
            return np.asarray(numbers != 0)
        return np.asarray((np.ascontiguousarray(numbers).view(np.int64) & _MAGNITUDE) != 0).reshape(numbers.shape)
    return np.array([x != 0 for x in numbers.ravel().tolist()], dtype=np.bool_).reshape(numbers.shape)


def longest(numbers: Numbers) -> int:
    """The most bits of a numerator or denominator of rationals; 0 of floats."""
    if are_floats(numbers):
        return 0
    return max((max(int(x.p).bit_length(), int(x.q).bit_length()) for x in numbers.ravel().tolist()), default=0)


def _objects(numbers: Any) -> Numbers:
    """The numbers as an array; numpy gives a bare one for arrays without axes."""
    return np.asarray(numbers, dtype=object)


def _have_exact_products(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    a, p = decoded(first)
    b, q = decoded(second)
    widths = [np.frexp(np.abs(m).astype(np.float64))[1] for m in (a, b)]
    narrow = widths[0] + widths[1] <= _MANTISSA_BITS
    inside = np.abs(p + q) <= _SAFE_EXPONENT
    return bool((narrow & inside).all())


def _as_float(numerator: int, denominator: int) -> float | None:
    """The float that the reduced fraction is; None if it is none."""
    if denominator & (denominator - 1):
        return None
    shift = denominator.bit_length() - 1
    length = abs(numerator).bit_length()
    zeros_below = (numerator & -numerator).bit_length() - 1 if numerator else 0
    fits = length - zeros_below <= _MANTISSA_BITS
    inside = zeros_below - shift >= _LEAST_EXPONENT and length - shift <= _MOST_EXPONENT
    return numerator / denominator if fits and inside else None
