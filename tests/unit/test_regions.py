"""Regions one by one: their patterns, points, maps, half-spaces and vertices, against independent exact arithmetic."""

import tracemalloc
from fractions import Fraction
from itertools import islice, pairwise, product
from math import nextafter
from typing import Any

import numpy as np
import pytest

from known_cases import KNOWN_ANSWERS, NETWORKS, network_problem, problem_of
from relucensus import Box, Budget, Layer, Network, Problem, Slice, iterate_regions
from relucensus.affine import Preactivations
from relucensus.arithmetic import RationalPoint
from relucensus.errors import UnsupportedProblem
from relucensus.feasibility import ExactBox, Inhabited, Rows, System
from relucensus.lp import LpSolver
from relucensus.polytope import HalfSpace, Point, _matrix
from relucensus.regions import RegionDescription
from relucensus.values.activation import ABS, HARD_TANH, IDENTITY, RELU, Activation, leaky_relu
from relucensus.values.domain import Domain

SMALL = [case for case in KNOWN_ANSWERS if problem_of(case).network.breakpoints <= 10]
MANY = {"space_16x2": 1052, "planar_16x3": 241, "six_10x2": 2222}


def fractions(array: Any) -> list[Fraction]:
    return [Fraction(float(value)) for value in array]


def evaluated(network: Network, x: Point) -> tuple[list[list[int]], list[Fraction]]:
    """Symbols and outputs at x, by a forward pass over fractions; the layers' floats must be their exact weights."""
    values = list(x)
    symbols = []
    for layer in network.layers:
        assert layer.floats_are_exact
        rows = zip(layer.weights, layer.bias, strict=True)
        z = [sum((w * v for w, v in zip(fractions(row), values, strict=True)), Fraction(float(b))) for row, b in rows]
        if layer is network.output:
            return symbols, z
        symbols.append([sum(t < v for t in one.breakpoints) for one, v in zip(layer.row_activations, z, strict=True)])
        values = [one(v) for one, v in zip(layer.row_activations, z, strict=True)]
    raise AssertionError


def integer_network(seed: int, sizes: list[int], activations: tuple[Activation, ...] = (RELU,)) -> Network:
    """Weights in {-1, 0, 1} and mostly no biases: flat neurons, duplicates, hyperplanes through one point."""
    rng = np.random.default_rng(seed)
    layers = []
    for columns, rows in pairwise(sizes):
        chosen = tuple(activations[int(k)] for k in rng.integers(0, len(activations), rows))
        bias = rng.integers(-1, 2, rows) * (rng.random(rows) < 0.3)
        layers.append(Layer.from_arrays(rng.integers(-1, 2, (rows, columns)), bias, activations=chosen))
    return Network(tuple(layers[:-1]), layers[-1])


def tried_patterns(problem: Problem) -> set[bytes]:
    """The patterns of all regions, every combination of symbols tried on its own."""
    preactivations = Preactivations(problem.free)
    solver = LpSolver(preactivations.box)
    found = set()
    bent = [bent for layer in problem.free.network.hidden for bent in layer.bent]
    for rows in product(*((0, 1) if one else (0,) for one in bent)):
        if isinstance(solver.decide(preactivations.system(bytes(rows))), Inhabited):
            found.add(problem.lowering.symbols(bytes(rows)))
    return found


def flat(region: RegionDescription) -> bytes:
    return bytes(symbol for layer in region.pattern for symbol in layer)


def widened(box: Box) -> ExactBox:
    return ExactBox(Box(box.lower - 1, box.upper + 1))


def meet(half_spaces: list[HalfSpace], box: ExactBox) -> bool:
    system = System((Rows.of(_matrix(half_spaces), box),), ((1,) * len(half_spaces),))
    return isinstance(LpSolver(box).decide(system), Inhabited)


def assert_right(problem: Problem, regions: list[RegionDescription]) -> None:
    """Points strictly inside, with the pattern and the map claimed; nothing shared by two regions."""
    for region in regions:
        symbols, outputs = evaluated(problem.network, region.interior_point)
        assert [list(layer) for layer in region.pattern] == symbols
        image, divisor = region.affine_map.at(RationalPoint.from_fractions(region.free_point)), Fraction(1)
        divisor *= region.affine_map.denominator * RationalPoint.from_fractions(region.free_point).denominator
        assert [value / divisor for value in image] == outputs
        assert all(one.at(region.free_point) > 0 for one in region.half_spaces)
        assert len({(one.normal, one.offset) for one in region.half_spaces}) == len(region.half_spaces)
    assert len({flat(region) for region in regions}) == len(regions)


def assert_minimal(region: RegionDescription, box: Box) -> None:
    """Without any one of the facets the region would be larger; all other half-spaces follow from them."""
    wide, facets = widened(box), list(region.facets)
    assert set(facets) <= set(region.half_spaces)
    for one in region.half_spaces:
        rest = [other for other in facets if other is not one]
        assert meet([*rest, one.negated()], wide) == (one in facets)


def measure(region: RegionDescription) -> Fraction:
    """Length, area or volume from the vertices and faces; wrong orientations give a negative share."""
    vertices, dimension = region.vertices, len(region.free_point)
    assert all(one.at(vertices[i]) == 0 for one, face in zip(region.facets, region.faces, strict=True) for i in face)
    if dimension == 1:
        return vertices[1][0] - vertices[0][0]
    if dimension == 2:
        assert {frozenset(face) for face in region.faces} == {
            frozenset(((k - 1) % len(vertices), k)) for k in range(len(vertices))
        }
        return sum((_cross(p, q) for p, q in zip(vertices, vertices[1:] + vertices[:1], strict=True)), Fraction(0)) / 2
    total = Fraction(0)
    for face in region.faces:
        first, *rest = ([a - b for a, b in zip(vertices[i], region.free_point, strict=True)] for i in face)
        for p, q in pairwise(rest):
            share = _determinant(first, p, q)
            assert share > 0
            total += share / 6
    assert sum(len(face) for face in region.faces) % 2 == 0
    assert len(vertices) - sum(len(face) for face in region.faces) // 2 + len(region.faces) == 2
    return total


def _cross(p: Point, q: Point) -> Fraction:
    return p[0] * q[1] - p[1] * q[0]


def _determinant(a: Any, b: Any, c: Any) -> Fraction:
    minors = ((1, 2), (2, 0), (0, 1))
    return sum((a[k] * (b[i] * c[j] - b[j] * c[i]) for k, (i, j) in enumerate(minors)), Fraction(0))


def box_measure(box: Box) -> Fraction:
    loose = box.lower < box.upper
    total = Fraction(1)
    for low, high in zip(fractions(box.lower[loose]), fractions(box.upper[loose]), strict=True):
        total *= high - low
    return total


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case["name"])
def test_known_networks_have_the_patterns_that_trying_all_finds(case: dict[str, Any]) -> None:
    problem = problem_of(case)
    iterator = iterate_regions(problem)
    regions = list(iterator)
    assert iterator.complete
    assert len(regions) == case["counts"]["activation_regions"]
    assert {flat(region) for region in regions} == tried_patterns(problem)
    assert len({region.digest for region in regions}) == case["counts"].get("affine_pieces", len(regions))
    assert_right(problem, regions)


DEGENERATE = [
    (1, [1, 4, 3, 1], (RELU,), Box.from_bounds(-2, 3, 1)),
    (2, [2, 4, 4, 2], (RELU,), Box.from_bounds([-1, -2], [1, 1], 2)),
    (3, [2, 5, 3, 1], (leaky_relu(0.25), ABS, IDENTITY), Box.from_bounds(-2, 2, 2)),
    (4, [2, 3, 2, 1], (HARD_TANH, RELU), Box.from_bounds(-3, 3, 2)),
    (5, [3, 4, 3, 1], (RELU, ABS), Box.from_bounds(-1, [1, 2, 1], 3)),
    (6, [3, 3, 2, 1], (HARD_TANH, leaky_relu(-0.5)), Box.from_bounds(-2, 2, 3)),
    (7, [4, 4, 3, 1], (RELU,), Box.from_bounds(-1, [1, 1, 1, 0.5], 4)),
    (8, [3, 5, 4, 1], (RELU,), Box.from_bounds([-1, 0.5, -1], [1, 0.5, 1], 3)),
    (9, [4, 4, 3, 1], (RELU,), Slice.through([[0, 0, 0, 0], [1, 0, 0, 1], [0, 1, 1, 0.5]], -1, 1)),
    (10, [3, 4, 2, 1], (RELU, HARD_TANH), Slice.from_bounds([0, 0, 0.5], [[1, 1, 0], [0, 2, 1]], [-2, 1], [2, 1])),
]


@pytest.mark.parametrize(("seed", "sizes", "activations", "domain"), DEGENERATE, ids=lambda value: str(value)[:12])
def test_degenerate_networks_are_cut_up_without_a_gap(
    seed: int, sizes: list[int], activations: tuple[Activation, ...], domain: Domain
) -> None:
    problem = Problem(integer_network(seed, sizes, activations), domain)
    regions = list(iterate_regions(problem))
    assert {flat(region) for region in regions} == tried_patterns(problem)
    assert_right(problem, regions)
    for region in regions:
        assert_minimal(region, problem.free.box)
        if isinstance(domain, Box):
            assert region.point_is_exact
    if problem.free.box.dimension <= 3:
        assert sum((measure(region) for region in regions), Fraction(0)) == box_measure(problem.box)


@pytest.mark.parametrize("name", ["planar_8x3", "moons_16x3"])
def test_the_polygons_of_a_trained_network_fill_the_box(name: str) -> None:
    problem = network_problem(next(case for case in NETWORKS if case["name"] == name))
    assert sum((measure(region) for region in iterate_regions(problem)), Fraction(0)) == box_measure(problem.box)


def test_polyhedra_of_a_network_in_general_position_fill_the_box() -> None:
    rng = np.random.default_rng(3)
    network = Network.from_arrays([(rng.normal(size=(r, c)), rng.normal(size=r)) for c, r in ((3, 5), (5, 4), (4, 1))])
    problem = Problem(network, Box.from_bounds(-1, 1, 3))
    regions = list(iterate_regions(problem))
    assert len(regions) > 20
    assert_right(problem, regions)
    assert sum((measure(region) for region in regions), Fraction(0)) == 8


@pytest.mark.parametrize("name", MANY)
def test_larger_networks_have_as_many_different_regions_as_counted(name: str) -> None:
    iterator = iterate_regions(network_problem(next(case for case in NETWORKS if case["name"] == name)))
    assert len({flat(region) for region in iterator}) == MANY[name]
    assert iterator.complete


def test_a_network_without_hidden_layers_is_one_region() -> None:
    (region,) = iterate_regions(Problem(Network.from_arrays([([[1.0, 2.0]], [0.5])]), Box.from_bounds(-1, 1, 2)))
    assert region.pattern == ()
    assert (region.weights.tolist(), region.bias.tolist()) == ([[1.0, 2.0]], [0.5])
    assert measure(region) == 4


def test_a_domain_that_is_one_point_is_one_region() -> None:
    (region,) = iterate_regions(
        Problem(Network.from_arrays([([[1.0]], [0.0]), ([[2.0]], [1.0])]), Box.from_bounds(3, 3, 1))
    )
    assert (region.pattern, region.interior_point, region.free_point) == (((1,),), (3,), ())
    assert (region.vertices, region.facets, region.bias.tolist()) == (((),), (), [7.0])


def test_a_region_between_two_floats_has_a_rational_point() -> None:
    network = Network.from_arrays([([[1.0]], [-1.0]), ([[1.0]], [-(2.0**-53)]), ([[1.0]], [0.0])])
    regions = list(iterate_regions(Problem(network, Box.from_bounds(1.0, nextafter(1.0, 2.0), 1))))
    assert len(regions) == 2
    for region in regions:
        assert 1 < region.interior_point[0] < 1 + Fraction(2) ** -52
        assert not region.point_is_exact


def test_a_half_space_names_every_neuron_on_its_boundary() -> None:
    network = Network.from_arrays([([[1.0], [-2.0], [1.0]], [0.0, 0.0, -1.0]), ([[1.0, 1.0, 1.0]], [0.0])])
    regions = {region.pattern[0]: region for region in iterate_regions(Problem(network, Box.from_bounds(-1, 1, 1)))}
    left, right = regions[0, 1, 0], regions[1, 0, 0]
    assert {(one.normal, one.offset): (one.neurons, one.of_box) for one in right.half_spaces} == {
        ((1,), 0): ((0, 1), False),
        ((-1,), 1): ((2,), True),
        ((1,), 1): ((), True),
    }
    assert [(one.normal, one.offset) for one in left.facets] == [((-1,), 0), ((1,), 1)]


def test_vertices_are_refused_in_four_dimensions_before_any_work() -> None:
    problem = Problem(integer_network(1, [4, 3, 1]), Box.from_bounds(-1, 1, 4))
    region = next(iterate_regions(problem))
    with pytest.raises(UnsupportedProblem, match="up to 3 inputs that vary; this domain has 4"):
        _ = region.vertices


def test_a_budget_stops_the_iterator_and_it_says_so() -> None:
    problem = network_problem(next(case for case in NETWORKS if case["name"] == "space_16x2"))
    for most, complete in ((10, False), (1052, True)):
        iterator = iterate_regions(problem, budget=Budget(regions=most))
        assert len(list(iterator)) == most
        assert iterator.complete is complete


def test_regions_come_before_the_search_is_over_and_in_bounded_memory() -> None:
    network = Network.from_arrays([(np.random.default_rng(5).normal(size=(40, 4)), [0.1] * 40), ([[1.0] * 40], [0.0])])
    iterator = iterate_regions(Problem(network, Box.from_bounds(-1, 1, 4)))
    next(iterator)
    tracemalloc.start()
    try:
        assert sum(1 for _ in islice(iterator, 10_000)) == 10_000
        early = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        assert sum(1 for _ in islice(iterator, 30_000)) == 30_000
        assert tracemalloc.get_traced_memory()[1] < 1.2 * early + 1e6
        assert early < 20e6
    finally:
        tracemalloc.stop()
