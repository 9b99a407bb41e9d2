from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from relucensus.arithmetic import AffineMap, RationalPoint, dyadic

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(arrays(np.float64, st.integers(0, 6), elements=finite))
def test_floats_become_the_dyadic_rationals_they_are(values: np.ndarray) -> None:
    integers, exponent = dyadic(values)
    assert [Fraction(n, 2**exponent) for n in integers] == [Fraction(float(v)) for v in values]


@given(arrays(np.float64, (3, 2), elements=finite), arrays(np.float64, 3, elements=finite))
def test_floats_survive_the_way_through_exact_maps(weights: np.ndarray, bias: np.ndarray) -> None:
    back, shift = AffineMap.from_floats(weights, bias).reduced().to_floats()
    assert np.array_equal(back, weights)
    assert np.array_equal(shift, bias)


@given(st.lists(st.fractions(max_denominator=50), min_size=10, max_size=10))
def test_composition_is_exact(entries: list[Fraction]) -> None:
    inner = AffineMap.from_fractions([entries[0:2], entries[2:4]], entries[4:6])
    outer = AffineMap.from_fractions([entries[6:8]], [entries[8]])
    point = [entries[9], Fraction(1, 3)]
    middle = [entries[0] * point[0] + entries[1] * point[1] + entries[4]]
    middle.append(entries[2] * point[0] + entries[3] * point[1] + entries[5])
    expected = entries[6] * middle[0] + entries[7] * middle[1] + entries[8]
    both = outer.after(inner)
    at = RationalPoint.from_fractions(point)
    assert Fraction(both.at(at)[0], both.denominator * at.denominator) == expected


def test_equal_maps_have_equal_canonical_texts_whatever_their_denominators() -> None:
    half = AffineMap.from_fractions([[Fraction(1, 2)]], [Fraction(3)])
    scaled = AffineMap(half.coefficients * 6, half.constants * 6, half.denominator * 6)
    assert scaled.equals(half)
    assert scaled.canonical_text() == half.canonical_text()
    assert AffineMap.from_canonical_text(half.canonical_text()).equals(half)
    assert not half.equals(AffineMap.from_fractions([[Fraction(1, 2)]], [Fraction(4)]))


def test_a_factor_scales_its_row_and_zero_silences_it() -> None:
    rows = AffineMap.from_fractions(
        [[Fraction(1)], [Fraction(2)], [Fraction(1)]], [Fraction(3), Fraction(4), Fraction(1)]
    )
    scaled = rows.scaled([0, 1, -2], 3)
    assert scaled.at(RationalPoint((1,), 1)) == [0, 6, -4]
    assert scaled.denominator == 3 * rows.denominator


def test_rounding_a_value_beyond_float64_is_an_error() -> None:
    with pytest.raises(OverflowError):
        AffineMap.from_fractions([[Fraction(10) ** 400]], [Fraction(0)]).to_floats()
