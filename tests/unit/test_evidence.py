"""Records of the merges section: what is right passes, what is wrong is refused; facets are found where they are."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relucensus import Box, Network, Problem
from relucensus.affine import Preactivations
from relucensus.errors import SolverFailure
from relucensus.lp import LpCounter
from relucensus.proof.evidence import Apart, Join, check_apart, check_join
from relucensus.proof.facets import Facet, FacetFinder, NoFacet
from relucensus.values.frame import Frame

floats = st.floats(allow_nan=False, allow_infinity=False)
rationals = st.fractions(max_denominator=10**9)


@given(floats, st.integers(-1100, 1100), rationals)
def test_box_coordinates_are_exact_in_both_directions(reference: float, width: int, x: Fraction) -> None:
    frame = Frame((reference,), (width,), ())
    (u,) = frame.coordinates([x])
    assert Fraction(reference) + Fraction(2) ** width * u == x
    assert frame.place([u]) == (x,)


FRAME = Frame((0.25, -3.0), (-1, 2), (3, 0, -2))


def crossing() -> Preactivations:
    """Rows x, y and x + y - 1/2; the output is zero everywhere."""
    layers = [([[1, 0], [0, 1], [1, 1]], [0, 0, -0.5]), ([[0, 0, 0]], [0])]
    return Preactivations(Problem(Network.from_arrays(layers), Box.from_bounds(-1, 1, 2)))


def at(x: Fraction | int, y: Fraction | int) -> tuple[Fraction, ...]:
    return FRAME.coordinates([Fraction(x), Fraction(y)])


LEFT, RIGHT = bytes([0, 1, 0]), bytes([1, 1, 0])


def test_a_point_inside_a_common_facet_joins() -> None:
    check_join(crossing(), Join(LEFT, RIGHT, at(0, Fraction(1, 3))), FRAME)


@pytest.mark.parametrize(
    ("point", "second"),
    [
        ((Fraction(1, 10**9), Fraction(1, 3)), RIGHT),
        ((0, 0), RIGHT),
        ((0, Fraction(1, 2)), RIGHT),
        ((0, Fraction(3, 4)), RIGHT),
        ((0, 1), bytes([1, 1, 1])),
        ((0, Fraction(1, 3)), bytes([1, 0, 0])),
    ],
    ids=["off the wall", "on two rows", "on a third row", "outside the regions", "on the box", "another region"],
)
def test_other_points_join_nothing(point: tuple[Fraction | int, Fraction | int], second: bytes) -> None:
    with pytest.raises(SolverFailure, match="facet"):
        check_join(crossing(), Join(LEFT, second, at(*point)), FRAME)


BELOW, BEYOND = bytes([1, 0, 1]), bytes([0, 0, 1])


def nearly_apart() -> Apart:
    """Below y = 0, the line x = 0 is nowhere above x + y = 1/2: 1 (-y) + 1 (x + y - 1/2) - 1 x = -1/2."""
    return Apart.scaled(BELOW, BEYOND, {1: 1 / FRAME.unit(1), 2: 1 / FRAME.unit(2)}, -1 / FRAME.unit(0))


def test_multipliers_that_leave_no_facet_keep_apart() -> None:
    apart = nearly_apart()
    assert [y for _, y in apart.multipliers] == [1, 4]
    check_apart(crossing(), apart, FRAME)
    second = tuple((k + 3, y) for k, y in apart.multipliers)
    check_apart(crossing(), replace(apart, multipliers=second), FRAME)


@pytest.mark.parametrize(
    "change",
    [
        {"multipliers": ()},
        {"multipliers": ((1, Fraction(1)), (2, Fraction(-4)))},
        {"multipliers": ((1, Fraction(1)), (2, Fraction(1)))},
        {"multipliers": ((0, Fraction(1)), (1, Fraction(1)), (2, Fraction(4)))},
        {"slope": Fraction(0)},
        {"slope": Fraction(1, 8)},
    ],
    ids=["none", "negative", "another", "of the wall itself", "no slope", "the other way"],
)
def test_other_multipliers_keep_nothing_apart(change: dict[str, object]) -> None:
    with pytest.raises(SolverFailure, match="apart"):
        check_apart(crossing(), replace(nearly_apart(), **change), FRAME)


def test_a_facet_has_a_point_strictly_inside_although_the_best_one_is_a_corner() -> None:
    """Along x = 0 the other half-spaces have most room at y = 1, on the side of the box."""
    pre = crossing()
    upper = bytes([0, 1, 1])
    found = FacetFinder(pre, LpCounter()).find(upper, 0)
    assert isinstance(found, Facet)
    assert pre.box.contains_strictly(found.point)
    check_join(pre, Join(upper, bytes([1, 1, 1]), FRAME.coordinates(found.point.to_fractions())), FRAME)


def test_where_the_wall_is_beyond_another_there_is_no_facet() -> None:
    found = FacetFinder(crossing(), LpCounter()).find(BELOW, 0)
    assert isinstance(found, NoFacet)
    assert set(found.multipliers) == {1, 2}


def test_a_wall_outside_the_box_is_refused() -> None:
    layers = [([[1.0, 0], [1, 1]], [-1.0, 0]), ([[0, 0]], [0])]
    for reach in (1, 0.5):
        pre = Preactivations(Problem(Network.from_arrays(layers), Box.from_bounds(-reach, reach, 2)))
        with pytest.raises(SolverFailure, match="both sides"):
            FacetFinder(pre, LpCounter()).find(bytes([0, 1]), 0)
