"""Breakpoints, volumes and distances, against sampling, other exact code and geometry that is known."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from known_cases import KNOWN_ANSWERS, NETWORKS, network_problem, problem_of
from line_oracle import counts_on_a_segment
from relucensus import (
    Box,
    Budget,
    Network,
    Problem,
    Slice,
    breakpoints_of,
    distance_to_boundary,
    distances_to_boundary,
    iterate_regions,
    measure_regions,
)
from relucensus.errors import Disagreement, InvalidRequest, UnsupportedProblem
from relucensus.geometry.documents import distances_of, geometry_of
from relucensus.geometry.pictures import picture_of
from relucensus.values.activation import HARD_TANH, RELU, Activation

SMALL = [case for case in KNOWN_ANSWERS if 0 < problem_of(case).free.box.dimension <= 3]


def random_network(seed: int, sizes: list[int], *, bias: float = 0.3, activation: Activation = RELU) -> Network:
    rng = np.random.default_rng(seed)
    layers = [(rng.normal(size=(n, m)) * np.sqrt(2 / m), rng.normal(size=n) * bias) for m, n in pairwise(sizes)]
    return Network.from_arrays(layers, activation)


def whole(problem: Problem) -> Fraction:
    box = problem.free.box
    sides = zip(box.lower.tolist(), box.upper.tolist(), strict=True)
    return math.prod((Fraction(high) - Fraction(low) for low, high in sides), start=Fraction(1))


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case["name"])
def test_volumes_of_known_answers_add_up_exactly(case) -> None:
    problem = problem_of(case)
    measured = measure_regions(problem)
    assert len(measured.regions) == case["counts"].get("activation_regions", len(measured.regions))
    assert measured.volume == whole(problem)
    assert all(region.volume > 0 for region in measured.regions)


@pytest.mark.parametrize("name", ["line_32x3", "planar_16x3", "space_16x2"])
def test_volumes_of_networks_of_files_add_up_exactly(name: str) -> None:
    case = next(case for case in NETWORKS if case["name"] == name)
    problem = network_problem(case)
    measured = measure_regions(problem)
    assert len(measured.regions) == case["activation_regions"]
    assert measured.volume == whole(problem)


@pytest.mark.parametrize("inputs", [1, 2, 3])
def test_regions_have_the_vertices_that_linear_programs_find(inputs: int) -> None:
    problem = Problem(random_network(inputs, [inputs, 5, 4, 1]), Box.from_bounds(-1, 1, inputs))
    expected = {
        bytes(symbol for layer in region.pattern for symbol in layer): set(region.vertices)
        for region in iterate_regions(problem)
    }
    assert {one.symbols: set(one.vertices) for one in measure_regions(problem).regions} == expected


def test_degenerate_boxes_of_three_inputs_are_measured_exactly() -> None:
    rng = np.random.default_rng(11)
    for _ in range(10):
        layers = [
            (rng.integers(-1, 2, (n, m)), rng.integers(-1, 2, n) * (rng.random(n) < 0.3))
            for m, n in pairwise([3, 5, 4, 1])
        ]
        problem = Problem(Network.from_arrays(layers), Box.from_bounds(-1, 1, 3))
        measured = measure_regions(problem)
        expected = [bytes(s for layer in one.pattern for s in layer) for one in iterate_regions(problem)]
        assert [one.symbols for one in measured.regions] == sorted(expected)
        assert measured.volume == 8


def test_boundaries_of_known_planes() -> None:
    planes = [([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 1.0]], [0.5, 0.0, 0.0]), ([[1.0, 1.0, 1.0]], [0.0])]
    measured = measure_regions(Problem(Network.from_arrays(planes), Box.from_bounds(-1, 1, 3)))
    hexagon = 3 * math.sqrt(3)  # x + y + z = 0 in the cube of side 2: a regular hexagon with the side sqrt(2)
    assert measured.boundary == pytest.approx(4 + 4 + hexagon)
    assert measured.boundary_of_layer == (measured.boundary,)


def test_what_is_measured_on_a_slice_is_measured_among_the_inputs() -> None:
    network = random_network(8, [4, 6, 5, 1])
    rng = np.random.default_rng(3)
    origin, along = rng.normal(size=4), rng.normal(size=(2, 4))
    mixed = np.array([[2.0, 0.0], [1.0, 4.0]]) @ along  # the same plane by other directions: u = (2 v + w, 4 w)
    first = measure_regions(Problem(network, Slice.from_bounds(origin.tolist(), along.tolist(), -1, 1)))
    quarter = Slice.from_bounds(origin.tolist(), (along / 4).tolist(), -4, 4)
    second = measure_regions(Problem(network, quarter))
    assert second.boundary == pytest.approx(first.boundary)
    assert float(second.volume) * second.volume_factor == pytest.approx(float(first.volume) * first.volume_factor)
    skewed = measure_regions(Problem(network, Slice.from_bounds(origin.tolist(), mixed.tolist(), -1, 1)))
    gram = mixed @ mixed.T
    assert skewed.volume_factor == pytest.approx(math.sqrt(np.linalg.det(gram)))


def test_directions_that_depend_on_each_other_have_no_volume_among_the_inputs() -> None:
    network = random_network(1, [1, 3, 1])
    measured = measure_regions(Problem(network, Slice.from_bounds([0.0], [[1.0], [1.0]], -1, 1)))
    assert measured.volume == 4
    assert measured.volume_factor == 0


def test_regions_along_a_line_agree_with_an_independent_count() -> None:
    rng = np.random.default_rng(0)
    for seed in range(5):
        network = random_network(seed, [6, 12, 12, 2], activation=(RELU, HARD_TANH)[seed % 2])
        origin, along = rng.normal(size=6), rng.normal(size=6)
        problem = Problem(network, Slice.from_bounds(origin.tolist(), [along.tolist()], -1, 2))
        found = breakpoints_of(problem)
        counts = counts_on_a_segment(network, origin.tolist(), along.tolist(), -1, 2)
        assert len(found) == counts["activation_regions"] == len(found.inner) + 1
        assert found.positions[0] == -1
        assert found.positions[-1] == 2
        assert list(found.positions) == sorted(set(found.positions))


def test_between_breakpoints_dense_evaluation_is_straight_and_at_them_it_bends() -> None:
    network = random_network(2, [5, 10, 8, 1], bias=0.5)
    points = np.random.default_rng(1).normal(size=(2, 5))
    problem = Problem(network, Slice.through(points.tolist(), -2, 2))
    found = breakpoints_of(problem)
    along = points[1] - points[0]
    t = np.linspace(-2, 2, 20_001)
    values = network.forward(points[0] + t[:, None] * along)
    positions = np.array([float(p) for p in found.positions])
    np.testing.assert_allclose(np.interp(t, positions, found.values[:, 0]), values[:, 0], atol=1e-9)
    number = np.clip(np.searchsorted(positions, t) - 1, 0, len(found) - 1)
    maps = found.maps[number, 0]
    np.testing.assert_allclose(maps[:, 0] * t + maps[:, 1], values[:, 0], atol=1e-9)


def test_distances_agree_with_sampling() -> None:
    network = random_network(6, [3, 10, 8, 1])
    rng = np.random.default_rng(2)
    points = rng.normal(size=(20, 3))
    directions = rng.normal(size=(20_000, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    distances = distances_to_boundary(network, points)
    for point, distance in zip(points, distances, strict=True):
        inside = patterns(network, point + 0.999 * distance * directions)
        assert (inside == patterns(network, point[None])).all()
        around = patterns(network, point + 1.01 * distance * directions)
        assert not (around == inside[0]).all()


def patterns(network: Network, points: np.ndarray) -> np.ndarray:
    values, symbols = points, []
    for layer in network.hidden:
        z = values @ layer.weights.T + layer.bias
        symbols.append(z > 0)
        values = np.maximum(z, 0)
    return np.concatenate(symbols, axis=1)


@pytest.mark.parametrize("activation", [RELU, HARD_TANH], ids=["relu", "clip"])
def test_exact_and_rounded_distances_agree(activation: Activation) -> None:
    network = random_network(9, [4, 8, 7, 2], activation=activation)
    points = np.random.default_rng(4).normal(size=(25, 4))
    exact = [distance_to_boundary(network, point) for point in points]
    np.testing.assert_allclose(distances_to_boundary(network, points), [one.value for one in exact], rtol=1e-9)
    for point, one in zip(points, exact, strict=True):
        assert one.foot is not None
        gap = [a - Fraction(b) for a, b in zip(one.foot, point.tolist(), strict=True)]
        assert sum((c * c for c in gap), Fraction(0)) == one.squared


def test_on_a_boundary_the_distance_is_zero() -> None:
    network = Network.from_arrays([([[1.0, 0.0], [0.0, 1.0]], [-0.5, 0.0]), ([[1.0, 1.0]], [0.0])])
    found = distance_to_boundary(network, [0.5, 3.0])
    assert (found.squared, found.value, found.layer, found.neuron) == (0, 0.0, 0, 0)
    assert found.foot == (Fraction(1, 2), 3)


def test_without_boundaries_there_is_no_distance() -> None:
    dead = Network.from_arrays([([[0.0, 0.0]], [0.0]), ([[1.0]], [0.0])])
    assert distance_to_boundary(dead, [1.0, 2.0]).value == math.inf
    assert distances_to_boundary(dead, [[1.0, 2.0]]).tolist() == [math.inf]
    assert distances_of(dead, [[1.0, 2.0]], exact=True) == {"distances": [None], "mean": None, "exact": [None]}


def test_tiny_and_huge_distances_are_rounded_right() -> None:
    for size in (2.0**-600, 2.0**600):
        network = Network.from_arrays([([[1.0]], [0.0]), ([[1.0]], [0.0])])
        assert distance_to_boundary(network, [size]).value == size


@pytest.mark.parametrize("size", [2.0**-1000, 2.0**-600, 1.0, 2.0**600, 2.0**1000])
def test_no_boundary_is_lost_in_weights_beyond_the_range_of_float64(size: float) -> None:
    network = random_network(0, [2, 3, 3, 1])
    first, *others = ((layer.weights, layer.bias) for layer in network.layers)
    scaled = Network.from_arrays([(first[0] * size, first[1] * size), (others[0][0] * size, others[0][1]), others[1]])
    points = [[0.25, 0.5], [-1.0, 2.0]]
    assert np.isfinite(distances_to_boundary(scaled, points)).all()
    exact = [distance_to_boundary(scaled, point).value for point in points]
    assert distances_to_boundary(scaled, points) == pytest.approx(exact)


def test_inputs_at_the_end_of_float64_have_distances() -> None:
    network = random_network(0, [2, 3, 1])
    for point in ([1.7e308, 0.0], [-1e308, 1e308], [5e-324, 0.0]):
        found = distances_of(network, [point], exact=True)
        assert found["distances"][0] == pytest.approx(found["exact"][0]["distance"])


def test_a_boundary_beyond_float64_is_at_an_infinite_distance() -> None:
    network = Network.from_arrays([([[1e-300]], [1e300]), ([[1.0]], [0.0])])
    assert distance_to_boundary(network, [0.0]).value == math.inf
    assert distances_to_boundary(network, [[0.0]]).tolist() == [math.inf]
    with pytest.raises(UnsupportedProblem, match="beyond the range of float64"):
        distances_of(network, [[0.0]], exact=True)


@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize(
    ("lower", "upper"),
    [(-1e-300, 1e-300), (0, 5e-324), (-1e300, 1e300), (-1.7e308, 1.7e308), (1e300, 1.0000000000001e300)],
)
def test_boxes_beyond_the_range_of_float64_are_neither_drawn_nor_measured(
    inputs: int, lower: float, upper: float
) -> None:
    problem = Problem(random_network(0, [inputs, 3, 1]), Box.from_bounds(lower, upper, inputs))
    for document in (picture_of, geometry_of):
        with pytest.raises(UnsupportedProblem, match="a coordinate varies by"):
            document(problem)


@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize("size", [1e-90, 1e90])
def test_documents_of_very_small_and_large_boxes_hold_their_regions(inputs: int, size: float) -> None:
    problem = Problem(random_network(0, [inputs, 3, 3, 1], bias=0), Box.from_bounds(-size, size, inputs))
    picture, measured = picture_of(problem), geometry_of(problem)
    assert picture["regions"] == measured["regions"] > 1
    assert measured["volume"] == pytest.approx((2 * size) ** inputs)
    corners = picture["vertices"] if inputs == 2 else picture["positions"]
    assert (min(corners), max(corners)) == pytest.approx((-size, size))


@pytest.mark.parametrize("inputs", [1, 2])
def test_outputs_beyond_the_range_of_float64_are_not_drawn(inputs: int) -> None:
    layer = [[1e200] * inputs], [1e200]
    network = Network.from_arrays([layer, ([[1e200]], [0.0])])
    with pytest.raises(UnsupportedProblem, match="beyond the range of float64"):
        picture_of(Problem(network, Box.from_bounds(-1, 1, inputs)))


def test_directions_beyond_the_range_of_float64_are_not_measured() -> None:
    domain = Slice.from_bounds([0, 0], [[1e250, 0], [0, 1e250]], -1, 1)
    with pytest.raises(UnsupportedProblem, match="too large for float64"):
        geometry_of(Problem(random_network(0, [2, 3, 1]), domain))


def test_points_that_do_not_fit_are_refused() -> None:
    network = random_network(0, [2, 3, 1])
    for points, words in (([[1.0]], "2 numbers"), ([[1.0, math.nan]], "finite"), ([["a", "b"]], "2 numbers")):
        with pytest.raises(InvalidRequest, match=words):
            distances_to_boundary(network, points)
    with pytest.raises(InvalidRequest, match="16"):
        distances_of(network, [[0.0, 0.0]] * 17, exact=True)


def test_what_cannot_be_measured_is_refused() -> None:
    problem = Problem(random_network(0, [4, 3, 1]), Box.from_bounds(-1, 1, 4))
    with pytest.raises(UnsupportedProblem, match="4 do"):
        measure_regions(problem)
    plane = Problem(random_network(1, [2, 12, 8, 1]), Box.from_bounds(-1, 1, 2))
    with pytest.raises(UnsupportedProblem, match="limits"):
        measure_regions(plane, budget=Budget(regions=5))
    with pytest.raises(UnsupportedProblem, match="along a line"):
        breakpoints_of(plane)
    with pytest.raises(InvalidRequest, match="volumes"):
        geometry_of(plane, volumes="some")
    with pytest.raises(Disagreement, match="7 were counted"):
        geometry_of(plane, regions=7)


def test_the_document_of_a_line() -> None:
    network = Network.from_arrays([([[3.0], [1.0]], [-1.0, 0.0]), ([[1.0, 1.0]], [0.0])])
    found = geometry_of(Problem(network, Box.from_bounds(-1, 1, 1)), volumes="exact", regions=3)
    assert found == {
        "dimension": 1,
        "regions": 3,
        "volume": 2.0,
        "volume_factor": 1.0,
        "boundary": 2.0,
        "boundary_of_layer": [2.0],
        "breakpoints": [0.0, 1 / 3],
        "exact_breakpoints": ["0", "1/3"],
        "volumes": ["1", "1/3", "2/3"],
        "patterns": ["00", "40", "c0"],
    }
