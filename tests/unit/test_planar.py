"""The polygons of planes, against counts, exact polytopes and evaluation at points."""

import time
from itertools import pairwise

import numpy as np
import pytest

from known_cases import KNOWN_ANSWERS, NETWORKS, network_problem, problem_of
from relucensus import Box, Budget, Definition, Network, Problem, Slice, count_regions, measure_regions, polygons_of
from relucensus.errors import UnsupportedProblem
from relucensus.geometry import planar
from relucensus.geometry.planar import Polygons
from relucensus.values.activation import ABS, HARD_TANH, RELU, Activation, leaky_relu

PLANAR = [case for case in KNOWN_ANSWERS if problem_of(case).free.box.dimension == 2]
NAMED = [case for case in NETWORKS if case["name"] in ("planar_8x3", "planar_16x3", "planar_32x3", "moons_16x3")]


def random_network(seed: int, sizes: list[int], *, bias: float = 0.1, activation: Activation = RELU) -> Network:
    rng = np.random.default_rng(seed)
    layers = [(rng.normal(size=(n, m)) * np.sqrt(2 / m), rng.normal(size=n) * bias) for m, n in pairwise(sizes)]
    return Network.from_arrays(layers, activation)


def square(network: Network, half: float = 1.0) -> Problem:
    return Problem(network, Box.from_bounds(-half, half, network.inputs), (Definition.ACTIVATION_REGIONS,))


def counted(problem: Problem) -> int:
    asked = Problem(problem.network, problem.domain, (Definition.ACTIVATION_REGIONS,))
    return count_regions(asked, engine="tree").counts[Definition.ACTIVATION_REGIONS].value


def assert_right(problem: Problem, polygons: Polygons) -> None:
    """The box is tiled, and the pattern and the outputs at inner points are those claimed."""
    box = problem.free.box
    assert polygons.areas.sum() == pytest.approx(float(np.prod(box.upper - box.lower)), rel=1e-9)
    assert (polygons.areas >= 0).all()
    assert len({row.tobytes() for row in polygons.symbols}) == len(polygons)
    free, thick = problem.free.network, np.flatnonzero(polygons.areas > 1e-6)
    centres = polygons.centres[thick]
    values = np.einsum("noc,nc->no", polygons.maps[thick, :, :2], centres) + polygons.maps[thick, :, 2]
    np.testing.assert_allclose(values, free.forward(centres), atol=1e-9 * (1 + np.abs(values).max()))


@pytest.mark.parametrize("case", PLANAR, ids=lambda case: case["name"])
def test_known_answers_have_as_many_polygons_as_regions(case) -> None:
    problem = problem_of(case)
    polygons = polygons_of(problem)
    assert len(polygons) == case["counts"].get("activation_regions", len(polygons))
    assert_right(problem, polygons)


@pytest.mark.parametrize("case", NAMED, ids=lambda case: case["name"])
def test_networks_of_files_have_as_many_polygons_as_regions(case) -> None:
    problem = network_problem(case)
    polygons = polygons_of(problem)
    assert len(polygons) == case["activation_regions"]
    assert_right(problem, polygons)


@pytest.mark.parametrize("activation", [RELU, ABS, HARD_TANH, leaky_relu(0.1)], ids=["relu", "abs", "clip", "leaky"])
@pytest.mark.parametrize("bias", [0.0, 0.3])
def test_random_networks_agree_with_the_count(activation: Activation, bias: float) -> None:
    for seed in range(4):
        problem = square(random_network(seed, [2, 9, 8, 2], bias=bias, activation=activation))
        polygons = polygons_of(problem)
        assert len(polygons) == counted(problem)
        assert_right(problem, polygons)


def test_degenerate_networks_agree_with_exact_polytopes() -> None:
    rng = np.random.default_rng(5)
    for _ in range(30):
        layers = [
            (rng.integers(-1, 2, (n, m)), rng.integers(-1, 2, n) * (rng.random(n) < 0.4))
            for m, n in pairwise([2, 5, 5, 4, 1])
        ]
        problem = square(Network.from_arrays(layers))
        polygons, measured = polygons_of(problem), measure_regions(problem)
        assert [row.tobytes() for row in polygons.symbols] == [region.symbols for region in measured.regions]
        np.testing.assert_allclose(polygons.areas, [float(region.volume) for region in measured.regions], atol=1e-13)
        sides = np.linalg.norm(polygons.points - polygons.points[polygons.following], axis=1)
        assert sides[polygons.rows >= 0].sum() / 2 == pytest.approx(measured.boundary)


def test_slivers_are_there() -> None:
    slope = np.nextafter(1.0, 2.0)
    weights = [[1.0, -1.0], [1.0, -slope], [slope, -1.0], [1.0, 1.0]]
    network = Network.from_arrays([(weights, [0.0, 2.0**-60, 0.0, 2.0**-1000]), ([[1.0] * 4], [0.0])])
    problem = square(network)
    polygons = polygons_of(problem)
    assert len(polygons) == counted(problem)
    assert polygons.areas.min() < 1e-15
    assert_right(problem, polygons)


def test_signs_that_rounding_leaves_unsure_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = square(random_network(3, [2, 7, 6, 1]))
    expected = polygons_of(problem)
    signs_at = planar.forms.signs_at
    monkeypatch.setattr(planar.forms, "signs_at", lambda *given: np.full_like(signs_at(*given), 2))
    monkeypatch.setattr(planar, "_ROUGH", 0.0)
    found = polygons_of(problem)
    assert (found.symbols == expected.symbols).all()
    assert (found.rows == expected.rows).all()
    np.testing.assert_allclose(found.points, expected.points, atol=1e-12)


def test_corners_are_as_near_as_they_say() -> None:
    problem = square(random_network(7, [2, 8, 8, 1]))
    polygons, measured = polygons_of(problem), measure_regions(problem)
    for i, region in enumerate(measured.regions):
        exact = np.array([[float(c) for c in vertex] for vertex in region.vertices])
        some = slice(polygons.offsets[i], polygons.offsets[i + 1])
        gaps = np.abs(polygons.points[some, None] - exact).max(axis=2).min(axis=1)
        assert len(exact) == len(gaps)
        assert (gaps <= polygons.radius[some] + 1e-15).all()


def test_some_thousand_cells_at_a_time_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = square(random_network(1, [2, 16, 16, 16, 1]))
    expected = polygons_of(problem)
    monkeypatch.setattr(planar, "_MOST_CELLS", 7)
    found = polygons_of(problem)
    assert (found.symbols == expected.symbols).all()
    assert (found.offsets == expected.offsets).all()


def test_fixed_inputs_and_slices_and_large_boxes() -> None:
    network = random_network(2, [3, 8, 8, 2])
    fixed = Problem(network, Box.from_bounds([-1, 0.5, -1], [1, 0.5, 1], 3))
    plane = Problem(network, Slice.from_bounds([0, 0.5, 0], [[1, 0, 0], [0, 0, 1]], -1, 1))
    for problem in (fixed, plane, Problem(network, Slice.through(np.eye(3).tolist(), -1e6, 1e6))):
        polygons = polygons_of(problem)
        assert len(polygons) == counted(problem)
        assert_right(problem, polygons)
    np.testing.assert_array_equal(polygons_of(fixed).points, polygons_of(plane).points)


def test_a_network_without_hidden_layers_is_one_polygon() -> None:
    polygons = polygons_of(square(Network.from_arrays([([[1.0, 2.0]], [3.0])])))
    assert (len(polygons), polygons.areas.tolist(), polygons.maps.tolist()) == (1, [4.0], [[[1.0, 2.0, 3.0]]])
    assert polygons.rows.tolist() == [-1] * 4


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(UnsupportedProblem, match="3 vary"):
        polygons_of(square(random_network(0, [3, 4, 1])))
    with pytest.raises(UnsupportedProblem, match="limits of the picture"):
        polygons_of(square(random_network(1, [2, 16, 16, 1])), budget=Budget(regions=20))


def test_ten_thousand_regions_take_a_second_or_so() -> None:
    problem = square(random_network(1, [2, 64, 48, 48, 3]))
    started = time.process_time()
    polygons = polygons_of(problem)
    assert time.process_time() - started < 5
    assert len(polygons) == counted(problem) > 10_000
    assert_right(problem, polygons)


def test_a_plane_through_data_points_of_many_inputs_agrees_with_the_count() -> None:
    network = random_network(4, [784, 32, 32, 10])
    points = np.random.default_rng(0).normal(size=(3, 784))
    problem = Problem(network, Slice.through(points.tolist(), -1, 2))
    polygons = polygons_of(problem)
    assert len(polygons) == counted(problem)
    assert_right(problem, polygons)
