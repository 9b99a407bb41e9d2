"""A slice has the counts of the network composed with it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from line_oracle import counts_on_a_segment
from relucensus import Box, Definition, Network, Problem, Slice, count_regions
from relucensus.values.activation import HARD_TANH, RELU, Activation, leaky_relu
from relucensus.values.domain import Domain

ENGINES = [("brute", "cubes"), ("tree", "cubes"), ("skeleton", "cubes"), ("milp", "cubes"), ("milp", "plain")]


def network(seed: int, inputs: int = 3, activation: Activation = RELU, rows: int = 4) -> Network:
    rng = np.random.default_rng(seed)
    layers = [(rows, inputs), (3, rows), (2, 3)]
    return Network.from_arrays(
        [(rng.integers(-3, 4, shape), rng.integers(-2, 3, shape[0])) for shape in layers], activation
    )


def composed(whole: Network, domain: Slice, activation: Activation = RELU) -> Network:
    """The network after ``u -> origin + directions^T u``; exact where all numbers are small."""
    first, *rest = [(layer.weights, layer.bias) for layer in whole.layers]
    inner = (first[0] @ domain.directions.T, first[0] @ domain.origin + first[1])
    return Network.from_arrays([inner, *rest], activation)


def all_counts(whole: Network, domain: Domain, engine: str = "milp", strategy: str = "cubes") -> dict[str, int]:
    result = count_regions(Problem(whole, domain, tuple(Definition)), engine=engine, strategy=strategy)
    assert result.domain == domain.to_json()
    return {definition.value: count.value for definition, count in result.counts.items()}


@pytest.mark.parametrize(("engine", "strategy"), ENGINES)
@pytest.mark.parametrize("activation", [RELU, leaky_relu(0.25)], ids=["relu", "leaky"])
def test_a_plane_has_the_counts_of_the_composed_network(engine: str, strategy: str, activation: Activation) -> None:
    for seed in range(2):
        whole = network(seed, 4, activation)
        plane = Slice.from_bounds([0.5, 0, 1, -1], [[1, 0, 2, 0.25], [0, -1, 1, 1]], -1, [1, 2])
        by_composition = all_counts(composed(whole, plane, activation), plane.parameters, "brute")
        assert all_counts(whole, plane, engine, strategy) == by_composition


@pytest.mark.parametrize(("engine", "strategy"), ENGINES)
def test_the_line_through_two_points_has_the_counts_of_its_breakpoints(engine: str, strategy: str) -> None:
    points = [[-1.0, 0.5, 2.0], [1.5, -2.0, 0.25]]
    direction = [b - a for a, b in zip(*points, strict=True)]
    for activation in (RELU, HARD_TANH):
        whole = network(7, 3, activation, rows=3)
        expected = counts_on_a_segment(whole, points[0], direction, 0, 1)
        assert all_counts(whole, Slice.through(points), engine, strategy) == expected


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(-3, 3), min_size=6, max_size=6))
def test_any_line_has_the_counts_of_its_breakpoints(seed: int, numbers: list[int]) -> None:
    whole = network(seed, 3, leaky_relu(-0.5))
    line = Slice.from_bounds(numbers[:3], [numbers[3:]], -1, 1)
    assert all_counts(whole, line) == counts_on_a_segment(whole, numbers[:3], numbers[3:], -1, 1)


@pytest.mark.parametrize(("engine", "strategy"), ENGINES)
def test_a_direction_with_equal_bounds_moves_the_origin(engine: str, strategy: str) -> None:
    whole = network(3)
    fixed = Slice.from_bounds([0, 1, 0], [[1, 1, 0], [0.1, 0, 3], [0, 1, -1]], [-1, 0.5, -1], [1, 0.5, 1])
    moved = Slice.from_bounds([0.05, 1, 1.5], [[1, 1, 0], [0, 1, -1]], -1, 1)
    assert fixed.directions[1, 0] * 0.5 == moved.origin[0]
    assert all_counts(whole, fixed, engine, strategy) == all_counts(whole, moved)


@pytest.mark.parametrize(("engine", "strategy"), ENGINES)
def test_a_slice_of_one_point_is_one_region(engine: str, strategy: str) -> None:
    point = Slice.from_bounds([1, 2, 3], [[1, 0, 0]], 0.5, 0.5)
    assert set(all_counts(network(4), point, engine, strategy).values()) == {1}


@pytest.mark.parametrize(("engine", "strategy"), ENGINES)
def test_dependent_directions_sweep_the_same_line(engine: str, strategy: str) -> None:
    whole = network(5)
    band = Slice.from_bounds([0, 0, 0], [[1, -1, 2], [2, -2, 4]], -1, 1)
    line = Slice.from_bounds([0, 0, 0], [[1, -1, 2]], -3, 3)
    assert all_counts(whole, band, engine, strategy) == all_counts(whole, line)


@pytest.mark.parametrize(("engine", "strategy"), ENGINES)
def test_a_direction_of_length_zero_divides_nothing(engine: str, strategy: str) -> None:
    whole = network(6)
    wide = Slice.from_bounds([0, 0, 0], [[0, 0, 0], [1, 2, -1]], -1, 1)
    line = Slice.from_bounds([0, 0, 0], [[1, 2, -1]], -1, 1)
    assert all_counts(whole, wide, engine, strategy) == all_counts(whole, line)


def test_the_slice_along_all_coordinates_is_the_box() -> None:
    whole = network(8, 2, HARD_TANH, rows=3)
    box = Box.from_bounds([-1, 0], [1, 2], 2)
    assert all_counts(whole, Slice.from_bounds([0, 0], [[1, 0], [0, 1]], [-1, 0], [1, 2])) == all_counts(whole, box)


def test_bounds_speak_of_the_dimension_of_the_slice() -> None:
    whole = network(9, 4)
    result = count_regions(Problem(whole, Slice.from_bounds([0] * 4, [[1, 1, 0, 1]], -1, 1)))
    assert result.bounds["montufar_2017"] == 5 * 4
    assert result.network["inputs"] == 4
