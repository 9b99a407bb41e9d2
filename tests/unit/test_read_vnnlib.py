"""VNN-LIB properties: their input box, or why there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relucensus import Box, read_vnnlib
from relucensus.command import vnnlib_box
from relucensus.errors import InvalidDomain
from relucensus.readers.vnnlib import rounded_bounds

DECLARED = """; a property of a network with two inputs
(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)
(declare-const Y_1 Real)
"""
BOUNDS = "(assert (<= X_0 0.5)) (assert (>= X_0 -1)) (assert (<= X_1 2e-1))(assert (>= X_1 -.25)) ; to here\n"
OUTPUTS = "(assert (or (and (>= Y_0 Y_1)) (and (<= Y_1 3.0))))\n(assert (<= Y_0 (+ Y_1 1)))"


def assert_box(box: Box, lower: list[float], upper: list[float]) -> None:
    np.testing.assert_array_equal(box.lower, lower)
    np.testing.assert_array_equal(box.upper, upper)


def test_the_bounds_of_the_inputs_are_the_box_and_outputs_are_passed_over() -> None:
    assert_box(read_vnnlib(DECLARED + BOUNDS + OUTPUTS, 2), [-1, -0.25], [0.5, 0.2])


@pytest.mark.parametrize(
    "conditions",
    [
        "(assert (and (<= X_0 0.5) (>= X_0 -1) (<= X_1 0.2) (>= X_1 -0.25)))",
        "(assert (>= 0.5 X_0)) (assert (<= (- 1) X_0)) (assert (and (<= X_1 0.2) (and (>= X_1 -0.25))))",
        "(assert (<= X_0 7)) (assert (<= X_0 0.5)) (assert (<= X_0 1)) (assert (>= X_0 -1)) "
        "(assert (<= X_1 0.2)) (assert (>= X_1 -0.25))",
        "(assert (or (and (<= X_0 0.5) (>= X_0 -1) (<= X_1 0.2) (>= X_1 -0.25) (<= Y_0 1))"
        "            (and (>= X_1 -0.25) (<= X_0 0.5) (>= X_0 -1) (<= X_1 0.2) (<= Y_1 1))))",
    ],
)
def test_the_same_box_may_be_written_in_many_ways(conditions: str) -> None:
    assert_box(read_vnnlib(DECLARED + conditions), [-1, -0.25], [0.5, 0.2])


def test_an_equation_fixes_an_input() -> None:
    box = read_vnnlib("(declare-const X_0 Real) (assert (= X_0 0.1))")
    assert_box(box, [0.1], [0.1])


def test_decimals_become_the_nearest_float_and_this_is_said() -> None:
    text = "(declare-const X_0 Real) (assert (<= X_0 0.1)) (assert (>= X_0 -0.5))"
    assert read_vnnlib(text).upper[0] == 0.1
    assert rounded_bounds(text) == 1
    answer = vnnlib_box(text)
    assert answer["domain"] == {"kind": "box", "lower": [-0.5], "upper": [0.1]}
    assert answer["notes"] == ["1 different decimals of the VNN-LIB file are rounded to the nearest float64"]
    assert vnnlib_box(text.replace("0.1", "0.25"))["notes"] == []


def test_several_boxes_are_refused() -> None:
    two = "(assert (or (and (<= X_0 1) (>= X_0 0)) (and (<= X_0 3) (>= X_0 2))))"
    with pytest.raises(InvalidDomain, match="about 2 different input boxes; needed is one"):
        read_vnnlib(DECLARED + two)
    half = "(assert (or (<= X_0 0) (<= Y_0 1)))"
    with pytest.raises(InvalidDomain, match="about 2 different input boxes"):
        read_vnnlib(DECLARED + BOUNDS + half)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "declares 0 inputs; needed are X_0"),
        ("(declare-const X_1 Real)", "without a gap"),
        (DECLARED + "(assert (<= X_0 1))", "no lower bound for X_0, X_1 (2 of 2 inputs)"),
        (DECLARED + BOUNDS.replace("(assert (<= X_1 2e-1))", ""), "no upper bound for X_1"),
        (DECLARED + BOUNDS + "(assert (<= X_0 X_1))", "(<= X_0 X_1)' is not a bound of one input"),
        (DECLARED + BOUNDS + "(assert (<= X_0 Y_1))", "is not a bound of one input"),
        (DECLARED + BOUNDS + "(assert (<= (+ X_0 X_1) 1))", "is not a bound of one input"),
        (DECLARED + BOUNDS + "(assert (< X_0 1))", "is not read; known are and, or, <=, >= and ="),
        (DECLARED + BOUNDS + "(assert (not (<= X_0 1)))", "is not read"),
        (DECLARED + BOUNDS + "(assert X_0)", "is not read"),
        (DECLARED + BOUNDS + "(assert (<= X_7 1))", "uses X_7, which it does not declare"),
        (DECLARED + BOUNDS + "(assert (<= Z 1))", "uses 'Z', neither X_i or Y_i nor a number"),
        (DECLARED + BOUNDS + "(assert (<= X_0 nan))", "uses 'nan'"),
        (DECLARED + BOUNDS + "(assert (<= X_0 1e999))", "exceeds float64"),
        (DECLARED + "(assert (<= X_0 0)) (assert (>= X_0 1)) (assert (= X_1 0))", "lower[0] = 1.0 is above upper[0]"),
        ("(vnnlib-version <2.0>)", "needed are (declare-const X_i Real) and (assert …), version 1 of the format"),
        ("(declare-const X_0 Int)", "needed are (declare-const X_i Real)"),
        ("(declare-const X_0 Real", "cut off"),
        ("hello", "has 'hello' outside of parentheses"),
        (")", "outside of parentheses"),
        ("(" * 100, "nested more than 50 deep"),
    ],
)
def test_what_is_not_one_box_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidDomain) as caught:
        read_vnnlib(text)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


def test_another_number_of_inputs_is_refused() -> None:
    with pytest.raises(InvalidDomain, match="declares 2 inputs, the network has 3 inputs"):
        read_vnnlib(DECLARED + BOUNDS, 3)


def test_alternatives_do_not_multiply_without_end() -> None:
    many = "".join(f"(declare-const X_{i} Real) (assert (or (<= X_{i} 0) (<= X_{i} 1)))" for i in range(40))
    with pytest.raises(InvalidDomain, match="more than 100 input boxes"):
        read_vnnlib(many)


def test_a_property_of_many_inputs_is_read_in_time() -> None:
    n = 5000
    declared = "".join(f"(declare-const X_{i} Real)" for i in range(n))
    bounds = "".join(f"(assert (<= X_{i} {i}.5))(assert (>= X_{i} 0))" for i in range(n))
    assert read_vnnlib(declared + bounds).dimension == n


@settings(max_examples=300, deadline=None)
@given(st.text("()<>=;XY_01 .-eandorassertdeclare\n", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(InvalidDomain):
        read_vnnlib(text)
