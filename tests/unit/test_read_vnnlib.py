"""VNN-LIB properties: their input box, or why there is none."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relucensus import Box, read_vnnlib
from relucensus.command import vnnlib_box
from relucensus.errors import InvalidDomain
from relucensus.readers.vnnlib import read_property, rounded_bounds, vnnlib_boxes

FILES = Path(__file__).parents[1] / "cases" / "files"
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
    assert answer["notes"] == ["1 bound of the VNN-LIB file rounded to the nearest float64"]
    assert vnnlib_box(text.replace("0.1", "0.25"))["notes"] == []


@pytest.mark.parametrize(
    "name", sorted(path.name for path in FILES.glob("*.vnnlib") if path.name != "two_boxes.vnnlib")
)
def test_every_small_file_has_the_box_that_is_known(name: str) -> None:
    assert_box(read_vnnlib((FILES / name).read_bytes(), 2), [-1, 0], [1, 0.5])


@pytest.mark.parametrize(
    "condition",
    [
        "(<= (* 2 X_0) 1)",
        "(<= (* X_0 4 0.5) 1)",
        "(>= (* -2 X_0) -1)",
        "(<= (+ X_0 1) 1.5)",
        "(<= (- X_0 0.25) 0.25)",
        "(>= 0 (- X_0 0.5))",
        "(>= (- X_0) (- 0.5))",
        "(<= (/ X_0 2) (/ 1 4))",
        "(<= (+ X_0 X_0 X_1) (+ 1 X_1))",
        "(<= -1e3 X_0 0.5)",
        "(<= (* (+ X_0 1) 2) 3)",
        "(and (<= X_0 0.5) (<= (+ X_0 Y_0) 0))",
        "(and (<= (- Y_0 Y_0) (- 0.5 X_0)) (<= (* Y_0 X_0) 0))",
        "(and (<= X_0 0.5) (<= X_0 (* Y_0 Y_1)) (not (<= Y_0 0)) (=> (< Y_0 0) (> Y_1 0)))",
        "(<= X_0 0.5 ; the larger half\n)",
        "(and true (or false (<= X_0 0.5)))",
    ],
)
def test_a_bound_may_be_computed_and_outputs_are_left_off(condition: str) -> None:
    rest = "(assert (<= -1 X_0)) (assert (= X_1 0))"
    assert_box(read_vnnlib(f"{DECLARED}(assert {condition}){rest}"), [-1, 0], [0.5, 0])


def test_one_third_is_the_nearest_float_to_one_third() -> None:
    found = read_property("(declare-const X_0 Real) (assert (<= (* 3 X_0) 1)) (assert (>= (* 0.1 X_0) 0))")
    assert found.box().upper[0] == 1 / 3
    assert found.notes == ("1 bound of the VNN-LIB file rounded to the nearest float64",)


def test_strict_bounds_are_taken_with_their_boundary_and_this_is_said() -> None:
    found = read_property(
        "(declare-const X_0 Real) (assert (< X_0 1)) (assert (> X_0 -1)) (assert (< Y_0 0))".replace(
            "(assert (< X_0", "(declare-fun Y_0 () Real) (assert (< X_0"
        )
    )
    assert_box(found.box(), [-1], [1])
    assert found.notes == (
        "2 strict bounds of the VNN-LIB file taken with the boundary",
        "1 condition on outputs in the VNN-LIB file left off",
    )


@pytest.mark.parametrize(
    "conditions",
    [
        "(assert (< X_0 0)) (assert (> X_0 0))",
        "(assert (< X_0 0)) (assert (>= X_0 0))",
        "(assert (<= X_0 0.1)) (assert (>= X_0 0.10000000000000000000001))",
        "(assert (or (and (<= X_0 0) (>= X_0 1)) (and (< X_0 2) (= X_0 2))))",
        "(assert (<= X_0 1)) (assert (>= X_0 0)) (assert (<= 2 1))",
        "(assert false)",
    ],
)
def test_conditions_that_no_input_satisfies_are_refused(conditions: str) -> None:
    with pytest.raises(InvalidDomain, match="no input satisfies the VNN-LIB property"):
        read_vnnlib("(declare-const X_0 Real)" + conditions)


def test_an_alternative_that_no_input_satisfies_is_none() -> None:
    text = "(assert (or (and (<= X_0 0) (>= X_0 1)) (and (<= X_0 3) (>= X_0 2)))) (assert (= X_1 0))"
    assert_box(read_vnnlib(DECLARED + text), [2, 0], [3, 0])


TWO = "(assert (or (and (<= X_0 1) (>= X_0 0)) (and (<= X_0 3) (>= X_0 2)))) (assert (<= 0 X_1 1))"


def test_several_boxes_are_listed_and_one_may_be_chosen() -> None:
    with pytest.raises(InvalidDomain, match="about 2 input boxes; say which with box=K") as caught:
        read_vnnlib(DECLARED + TWO)
    assert str(caught.value).endswith("counted from 0:\n  0: X_0 in [0.0, 1.0]\n  1: X_0 in [2.0, 3.0]")
    assert_box(read_vnnlib(DECLARED + TWO, box=1), [2, 0], [3, 1])
    assert [list(box.lower) for box in vnnlib_boxes(DECLARED + TWO, 2)] == [[0, 0], [2, 0]]
    for number in (-1, 2):
        with pytest.raises(InvalidDomain, match=f"box is {number}; the VNN-LIB property has the boxes 0 to 1"):
            read_vnnlib(DECLARED + TWO, box=number)
    assert vnnlib_box(DECLARED + TWO, 0)["domain"] == {"kind": "box", "lower": [0.0, 0.0], "upper": [1.0, 1.0]}
    assert vnnlib_box(DECLARED + TWO)["error"]["status"] == 422


def test_the_list_of_many_boxes_is_not_long() -> None:
    many = " ".join(f"(and (>= X_0 {i}) (<= X_0 {i}.5))" for i in range(700))
    with pytest.raises(InvalidDomain) as caught:
        read_vnnlib(f"{DECLARED}(assert (or {many})) (assert (= X_1 0))")
    assert len(str(caught.value)) < 1000
    assert str(caught.value).endswith("… (700 in all)")


@pytest.mark.parametrize("copies", [1, 100])
def test_boxes_within_another_are_left_off(copies: int) -> None:
    inner = "".join(f" (and (>= X_0 0.25) (<= X_0 {i / 200}) (<= Y_0 {i}))" for i in range(100, 100 + copies))
    outer = "(and (>= X_0 -1) (<= X_0 1))"
    for either in (inner + outer, outer + inner, inner + outer + inner + outer):
        assert_box(read_vnnlib(f"{DECLARED}(assert (= X_1 0))(assert (or {either}))"), [-1, 0], [1, 0])


def test_an_alternative_of_outputs_alone_leaves_the_inputs_as_they_are() -> None:
    half = "(assert (or (<= X_0 0) (<= Y_0 1)))"
    assert_box(read_vnnlib(DECLARED + BOUNDS + half), [-1, -0.25], [0.5, 0.2])


COMPARISONS = st.tuples(st.sampled_from(["<=", ">=", "<", ">", "="]), st.integers(0, 1), st.integers(-3, 3))


def _grown(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=4))


def _written(condition: object) -> str:
    match condition:
        case (str(relation), int(i), int(number)):
            return f"({relation} X_{i} {number})"
        case (str(word), list(parts)):
            return f"({word} {' '.join(map(_written, parts))})"
    raise AssertionError


def _closure_holds(condition: object, point: tuple[float, float]) -> bool:
    match condition:
        case (str(relation), int(i), int(number)):
            relations = {"<=": point[i] <= number, ">=": point[i] >= number, "=": point[i] == number}
            return relations.get(relation, (point[i] < number) if relation == "<" else (point[i] > number))
        case (str(word), list(parts)):
            return (all if word == "and" else any)(_closure_holds(part, point) for part in parts)
    raise AssertionError


@settings(max_examples=300, deadline=None)
@given(st.recursive(COMPARISONS, _grown, max_leaves=12))
def test_the_boxes_together_are_the_points_that_satisfy_the_conditions(condition: object) -> None:
    text = f"{DECLARED}(assert (<= -3 X_0 3)) (assert (<= -3 X_1 3)) (assert {_written(condition)})"
    inside = [(x / 2 - 3.25, y / 2 - 3.25) for x in range(14) for y in range(14)]  # no bound goes through these
    on_bounds = [(float(x), float(y)) for x in range(-3, 4) for y in range(-3, 4)]
    points = [p for p in [*inside, *on_bounds] if max(map(abs, p)) <= 3]
    try:
        boxes = vnnlib_boxes(text)
    except InvalidDomain:
        assert not any(_closure_holds(condition, point) for point in points)
        return
    for point in points:
        covered = any(bool((box.lower <= point).all() and (point <= box.upper).all()) for box in boxes)
        assert covered or not _closure_holds(condition, point)
        if point in inside:
            assert covered == _closure_holds(condition, point)
    for box in boxes:
        assert not any(
            other is not box and (other.lower <= box.lower).all() and (other.upper >= box.upper).all()
            for other in boxes
        )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "declares 0 inputs; needed are X_0"),
        ("(declare-const X_1 Real)", "without a gap"),
        (DECLARED + "(assert (<= X_0 1))", "no lower bound for X_0, X_1 (2 of 2 inputs)"),
        (DECLARED + BOUNDS.replace("(assert (<= X_1 2e-1))", ""), "no upper bound for X_1"),
        (DECLARED + BOUNDS + "(assert (<= X_0 X_1))", "is about X_0 and X_1 together; polytopes are not a domain yet"),
        (DECLARED + BOUNDS + "(assert (<= (+ (* -1.5 X_1) X_0) -15.0))", "polytopes are not a domain yet"),
        (DECLARED + BOUNDS + "(assert (<= (* X_0 X_1) 1))", "is not linear in the inputs"),
        (DECLARED + BOUNDS + "(assert (<= (/ 1 X_0) 1))", "is not linear in the inputs"),
        (DECLARED + BOUNDS + "(assert (<= (/ X_0 0) 1))", "divides by zero"),
        (DECLARED + BOUNDS + "(assert (<= (sin X_0) 1))", "is not read; known are numbers, variables, +, -, *"),
        (DECLARED + BOUNDS + "(assert (!= X_0 1))", "is not read; known are and, or, <=, >=, <, >, =, =="),
        (DECLARED + BOUNDS + "(assert (<= X_0))", "is not read"),
        (DECLARED + BOUNDS + "(assert (not (<= X_0 1)))", "is not read"),
        (DECLARED + BOUNDS + "(assert X_0)", "is not read"),
        (DECLARED + BOUNDS + "(assert (<= X_7 1))", "uses X_7, which it does not declare"),
        (DECLARED + BOUNDS + "(assert (<= Z 1))", "uses 'Z', neither X_i or Y_i nor a number"),
        (DECLARED + BOUNDS + "(assert (<= X_0 nan))", "uses 'nan'"),
        (DECLARED + "(assert (<= -1 X_0)) (assert (<= X_0 1e999)) (assert (= X_1 0))", "exceeds float64"),
        (DECLARED + "(assert (<= X_0 0)) (assert (>= X_0 1)) (assert (= X_1 0))", "X_0 is at least 1 and at most 0"),
        ("(vnnlib-version <3.0>)", "is of version '<3.0>'; read are versions 1 and 2"),
        ("(define-fun f () Real 1)", "needed are (declare-const X_i Real), or a (declare-network …), and (assert …)"),
        (DECLARED + BOUNDS + "(check-sat) (assert (<= X_0 0))", "goes on behind its end"),
        (DECLARED + "(declare-network N (declare-input X Real [1]))", "of the other version of the format"),
        (DECLARED + BOUNDS + "(assert (<= (* 1e999 1e999 X_0) 1))", "numbers of more than 4096 bits"),
        (DECLARED + BOUNDS + f"(assert (<= X_0 {'1' * 500}))", "neither X_i or Y_i nor a number"),
        ('(set-info :source "never closed', "cut off"),
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
    many = "".join(f"(declare-const X_{i} Real) (assert (or (<= X_{i} 0) (>= X_{i} 1)))" for i in range(40))
    with pytest.raises(InvalidDomain, match="more than 10000 input boxes"):
        read_vnnlib(many)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(assert (<= (* " + "1.37 " * 300_000 + " X_0) 1))", "numbers of more than 4096 bits"),
        ("(assert (<= (/ X_0 " + "1.37 " * 300_000 + ") 1))", "numbers of more than 4096 bits"),
        ('(set-info :source "' + '\\"' * 4_000_000, "cut off"),
        ("(a[ a[ " * 300_000, "nested more than 50 deep"),
        ("(a" + " a[" * 1_000_000, "cut off"),
        ("(<=" + " " * 1_000_000, "cut off"),
        (f"(assert (or {' '.join(f'(<= X_0 {i})' for i in range(20_000))}))", "more than 10000 input boxes"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_hostile_text_is_refused_without_much_work(text: str, words: str) -> None:
    start = time.process_time()
    with pytest.raises(InvalidDomain, match=words):
        read_vnnlib(DECLARED + text)
    assert time.process_time() - start < 10


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
