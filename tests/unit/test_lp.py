"""The three answers: every certain one carries evidence that exact arithmetic accepts."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relucensus import Box, exact_lp
from relucensus.arithmetic import AffineMap
from relucensus.feasibility import Empty, ExactBox, Inhabited, Rows, System
from relucensus.lp import BoundingProgram, LpCounter, LpSolver, Undecided, Unstable

entries = st.sampled_from([-3, -2, -1, -1, 0, 0, 1, 1, 2, 3]).map(Fraction)


def system(rows: list[list[Fraction]], constants: list[Fraction], box: ExactBox, weak: list[bool]) -> System:
    exact = AffineMap.from_fractions(rows, constants)
    return System((Rows.of(exact, box),), ((1,) * len(constants),), (tuple(weak),))


@st.composite
def systems(draw: st.DrawFn) -> tuple[System, ExactBox]:
    dimension, count = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    box = ExactBox(Box.from_bounds(draw(st.sampled_from([-1.0, 0.0, -0.3])), 1.0, dimension))
    rows = draw(st.lists(st.lists(entries, min_size=dimension, max_size=dimension), min_size=count, max_size=count))
    constants = draw(st.lists(entries, min_size=count, max_size=count))
    weak = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return system(rows, constants, box, weak), box


def proves(problem: System, box: ExactBox, answer: Inhabited | Empty) -> bool:
    if isinstance(answer, Inhabited):
        return box.contains(answer.witness) and problem.holds_at(answer.witness)
    return problem.refuted_by(answer.multipliers, box)


@settings(max_examples=400, deadline=None)
@given(systems())
def test_floating_point_and_rational_simplex_agree_and_prove_it(case: tuple[System, ExactBox]) -> None:
    problem, box = case
    by_rationals = exact_lp.decide(problem, box)
    by_floats = LpSolver(box).decide(problem)
    assert type(by_rationals) is type(by_floats)
    assert proves(problem, box, by_rationals)
    assert proves(problem, box, by_floats)


def test_a_sliver_thinner_than_the_grid_of_floats_is_settled_in_rationals() -> None:
    box = ExactBox(Box.from_bounds(-1, 1, 1))
    third = Fraction(1 / 3)
    problem = system([[Fraction(-3)], [Fraction(1)]], [Fraction(1), -third], box, [False, False])
    solver = LpSolver(box)
    assert isinstance(solver.propose(problem), Undecided)
    answer = solver.decide(problem)
    assert isinstance(answer, Inhabited)
    assert third < answer.witness.to_fractions()[0] < Fraction(1, 3)
    assert solver.counter.exact_fallbacks == 1


def test_half_spaces_that_meet_in_a_face_only_are_empty_when_open() -> None:
    box = ExactBox(Box.from_bounds(-1, 1, 2))
    rows = [[Fraction(1), Fraction(1)], [Fraction(-1), Fraction(-1)]]
    opened = system(rows, [Fraction(0)] * 2, box, [False, False])
    closed = system(rows, [Fraction(0)] * 2, box, [True, True])
    assert isinstance(LpSolver(box).decide(opened), Empty)
    assert isinstance(LpSolver(box).decide(closed), Inhabited)


def test_multipliers_that_prove_nothing_are_not_accepted() -> None:
    box = ExactBox(Box.from_bounds(-1, 1, 1))
    problem = system([[Fraction(1)], [Fraction(-1)]], [Fraction(0), Fraction(1, 2)], box, [False, False])
    assert not problem.refuted_by((1, 0), box)
    assert not problem.refuted_by((0, 0), box)
    assert not problem.refuted_by((-1, -1), box)


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1.0, 1e30, 1e300])
def test_the_size_of_rows_does_not_matter(size: float) -> None:
    box = ExactBox(Box.from_bounds(-1, 1, 2))
    scale = Fraction(size)
    rows = [[scale, Fraction(0)], [-scale, scale], [Fraction(0), -scale]]
    problem = system(rows, [Fraction(0)] * 3, box, [False] * 3)
    assert isinstance(LpSolver(box).decide(problem), Empty)
    assert isinstance(LpSolver(box).decide(system(rows[:2], [Fraction(0)] * 2, box, [False] * 2)), Inhabited)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_proven_bounds_hold_at_every_point_of_the_relaxation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    walls, constants = rng.standard_normal((2, 3)), np.abs(rng.standard_normal(2))
    program = BoundingProgram(walls, constants, LpCounter())
    weights, constant = rng.standard_normal(3), float(rng.standard_normal())
    reach = float(np.abs(weights).sum() + abs(constant))
    weights, constant = weights / reach, constant / reach
    program.add_activation(Unstable(0, 3, 1.0, weights, constant, 0.0, -1.0, 1.0))
    goal = rng.standard_normal(4)
    bound = program.maximum(goal, 0.5)
    points = rng.uniform(-1, 1, (2000, 3))
    points = points[(points @ walls.T + constants >= 0).all(axis=1)]
    activations = np.maximum(points @ weights + constant, 0.0)
    values = points @ goal[:3] + activations * goal[3] + 0.5
    assert values.max(initial=-np.inf) <= bound <= program.box_maximum(goal, 0.5) + 1e-9
