"""The merges section proves the number of linear regions: every record of it, and that no pair was forgotten."""

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from known_cases import KNOWN_ANSWERS, NETWORKS, network_problem, problem_of
from merges_checker import Census, linear_regions
from relucensus import Box, Definition, Layer, Network, Problem, Slice, count_regions
from relucensus.affine import Preactivations
from relucensus.engines.protocol import Mergeable
from relucensus.engines.registry import engine_named
from relucensus.errors import SolverFailure
from relucensus.proof.merging import merges
from relucensus.values.activation import ABS, HARD_TANH, IDENTITY, RELU, RELU6, Activation, leaky_relu
from relucensus.values.domain import Domain
from relucensus.values.frame import Frame
from relucensus.values.pattern import Cube
from relucensus.values.problem import Budget

MIXED = [RELU, IDENTITY, ABS, HARD_TANH, RELU6, leaky_relu(0.25), leaky_relu(-0.5)]
PLAINLY_CHECKED = 200


def frame_for(problem: Problem) -> Frame:
    """Numbers without a meaning: any are sound."""
    rng = np.random.default_rng(7)
    inputs, rows = problem.network.inputs, sum(problem.network.widths)
    return Frame(
        tuple(rng.normal(size=inputs).tolist()),
        tuple(rng.integers(-9, 9, inputs).tolist()),
        tuple(rng.integers(-60, 60, rows).tolist()),
    )


def every_region(problem: Problem) -> tuple[Mergeable, ...]:
    asked = Problem(problem.network, problem.box, (Definition.CLOSED_LINEAR_REGIONS,))
    engine = engine_named("tree", "cubes")
    if not engine.supports(problem).supported:
        engine = engine_named("brute", "cubes")
    return engine.settle(asked, Cube(), Budget()).mergeable


def proven(problem: Problem) -> tuple[int, Counter[str]]:
    """The number of linear regions that the section proves, the library's own, and the numbers of its records."""
    free = problem.free
    regions, frame = every_region(free), frame_for(free)
    count, section = merges(Preactivations(free), regions, frame)
    box = (free.box.lower.tolist(), free.box.upper.tolist())
    census = Census(
        free.network, box, (frame.reference, frame.widths, frame.exponents), (one.pattern for one in regions)
    )
    shown, records = linear_regions(census, section)
    assert shown == count
    return count, records


def counted(problem: Problem) -> int:
    asked = Problem(problem.network, problem.domain, (Definition.LINEAR_REGIONS,))
    return count_regions(asked, engine="tree").counts[Definition.LINEAR_REGIONS].value


def of_arrays(layers: list[Any], activation: Activation = RELU, domain: Domain | None = None) -> Problem:
    network = Network.from_arrays(layers, activation)
    return Problem(network, domain or Box.from_bounds(-1, 1, network.inputs))


@pytest.mark.parametrize("case", KNOWN_ANSWERS, ids=lambda case: case["name"])
def test_known_answers_are_proven(case: dict[str, Any]) -> None:
    problem = problem_of(case)
    count, _ = proven(problem)
    assert count == case["counts"].get("linear_regions", counted(problem))


@pytest.mark.parametrize(
    "case",
    [case for case in NETWORKS if case["activation_regions"] <= PLAINLY_CHECKED and case["inputs"] < 10],
    ids=lambda case: case["name"],
)
def test_the_linear_regions_of_known_networks_are_proven(case: dict[str, Any]) -> None:
    problem = network_problem(case)
    assert proven(problem)[0] == counted(problem)


def test_many_regions_with_different_maps_have_an_empty_section() -> None:
    case = next(case for case in NETWORKS if case["name"] == "four_16x2")
    problem = network_problem(case)
    regions = every_region(problem.free)
    count, section = merges(Preactivations(problem.free), regions, frame_for(problem.free))
    assert count == counted(problem)
    assert section.startswith(b'{"joins":%d,"apart":' % (len(regions) - count))


def random_layers(sizes: tuple[int, ...], seed: int, most: int = 1, bias: int = 1) -> list[Any]:
    """Weights among few integers, so that ties, duplicates, flat neurons and equal maps are common."""
    rng = np.random.default_rng(seed)
    return [
        (rng.integers(-most, most + 1, (rows, columns)), rng.integers(-bias, bias + 1, rows))
        for columns, rows in pairwise(sizes)
    ]


SIZES = [(1, 4, 3, 1), (2, 4, 3, 1), (2, 3, 2, 2, 1), (3, 4, 2, 1), (4, 4, 2, 1), (5, 4, 1)]


@pytest.mark.parametrize("activation", [RELU, ABS], ids=["relu", "abs"])
@pytest.mark.parametrize("bias", [0, 1], ids=["zero bias", "small bias"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_networks_of_few_weights_are_proven(sizes: tuple[int, ...], bias: int, activation: Activation) -> None:
    for seed in range(4, 10):
        problem = of_arrays(random_layers(sizes, seed, bias=bias), activation)
        assert proven(problem)[0] == counted(problem), f"seed {seed}"


@pytest.mark.parametrize("activation", MIXED, ids=lambda activation: str(activation.slopes))
def test_other_activations_are_proven(activation: Activation) -> None:
    for seed in range(4):
        problem = of_arrays(random_layers((2, 3, 2, 1), seed), activation, Box.from_bounds(-2, 3, 2))
        assert proven(problem)[0] == counted(problem), f"seed {seed}"


def test_neurons_with_different_activations_are_proven() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        layers = []
        for weights, bias in random_layers((2, 3, 2, 1), seed):
            activations = tuple(MIXED[k] for k in rng.integers(len(MIXED), size=len(bias)))
            layers.append(Layer.from_arrays(weights, bias, activations=activations))
        problem = Problem(Network(tuple(layers[:-1]), layers[-1]), Box.from_bounds(-2, 2, 2))
        assert proven(problem)[0] == counted(problem), f"seed {seed}"


@pytest.mark.parametrize(
    "domain",
    [
        Slice.from_bounds([0.5, 0, 1], [[1, 0, 2], [0, -1, 1]], -1, [1, 2]),
        Slice.from_bounds([0, 0, 0], [[1, -1, 2]], -1, 1),
        Slice.from_bounds([1, 2, 3], [[1, 0, 0]], 0.5, 0.5),
        Box.from_bounds([-1, 0.25, -2], [1, 0.25, 2], 3),
    ],
    ids=["plane", "line", "point", "box with a fixed coordinate"],
)
def test_slices_and_fixed_coordinates_are_proven(domain: Domain) -> None:
    for seed in range(4):
        problem = of_arrays(random_layers((3, 4, 2, 1), seed), leaky_relu(0.5) if seed % 2 else RELU, domain)
        assert proven(problem)[0] == counted(problem), f"seed {seed}"


def test_an_affine_network_is_one_linear_region() -> None:
    problem = of_arrays([([[1, 2]], [3])])
    assert proven(problem) == (1, Counter({"joins": 0, "apart": 0}))


def test_a_dead_output_joins_every_region() -> None:
    (first, bias), (_, _) = random_layers((3, 6, 1), 3, most=3, bias=2)
    problem = of_arrays([(first, bias), ([[0] * 6], [1])])
    regions = len(every_region(problem.free))
    assert regions > 20
    assert proven(problem) == (1, Counter({"joins": regions - 1, "apart": 0}))


def with_a_valley(inputs: int) -> Problem:
    """The output is min(|x|, 1/2) in the first coordinate: equal maps on both sides, and not in between.

    The regions with |x| > 1/2 differ in the symbols of x and -x alone, and share no facet.
    """
    fill = [0] * (inputs - 1)
    layers = [([[1, *fill], [-1, *fill]], [0, 0]), ([[1, 1], [1, 1]], [-0.5, 0]), ([[-1, 1]], [0])]
    return of_arrays(layers)


@pytest.mark.parametrize("inputs", [1, 2, 3])
def test_regions_of_equal_maps_on_both_sides_of_a_valley_are_shown_apart(inputs: int) -> None:
    assert proven(with_a_valley(inputs)) == (4, Counter({"joins": 0, "apart": 1}))


def test_regions_that_differ_in_one_symbol_and_share_no_facet_are_shown_apart() -> None:
    """The same with a slope in the first layer that makes -x needless, and a second neuron across."""
    layers = [([[1, 0], [0, 1]], [0, 0]), ([[2, 0], [2, 0]], [-0.5, 0]), ([[-1, 1]], [0])]
    problem = of_arrays(layers, Activation.of([0], [-1, 1]), Box.from_bounds(-1, [2, 1], 2))
    count, records = proven(problem)
    assert count == counted(problem)
    assert records["apart"] > 0


@pytest.mark.parametrize("size", [2.0**-300, 2.0**300])
def test_weights_and_boxes_of_any_size_are_proven(size: float) -> None:
    first, *rest = random_layers((3, 4, 2, 1), 11)
    scaled = [(first[0], first[1] * size), *((weights, bias * size) for weights, bias in rest)]
    boxed = of_arrays(scaled, ABS, Box.from_bounds(-size, size, 3))
    assert proven(boxed) == (8, Counter({"joins": 3, "apart": 4}))
    narrow = of_arrays([(first[0] * size, first[1]), *rest], ABS, Box.from_bounds(-1 / size, 1 / size, 3))
    assert proven(narrow) == proven(boxed)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    inputs = draw(st.integers(1, 3))
    widths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    entries = st.sampled_from([-2, -1, -1, 0, 0, 0, 1, 1, 2])
    layers = []
    for columns, rows in pairwise([inputs, *widths, 1]):
        weights = draw(st.lists(entries, min_size=rows * columns, max_size=rows * columns))
        bias = draw(st.lists(entries, min_size=rows, max_size=rows))
        activations = tuple(draw(st.lists(st.sampled_from([RELU, RELU, RELU, *MIXED]), min_size=rows, max_size=rows)))
        layers.append(Layer.from_arrays(np.reshape(weights, (rows, columns)), bias, activations=activations))
    upper = draw(st.sampled_from([1, 2, 3]))
    return Problem(
        Network(tuple(layers[:-1]), layers[-1]), Box.from_bounds(draw(st.sampled_from([-2, -1, 0])), upper, inputs)
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(problems())
def test_any_small_network_is_proven(problem: Problem) -> None:
    assert proven(problem)[0] == counted(problem)


def test_the_section_does_not_depend_on_the_order_of_the_regions() -> None:
    problem = of_arrays(random_layers((2, 5, 3, 1), 5)).free
    regions = list(every_region(problem))
    one = merges(Preactivations(problem), regions, frame_for(problem))
    assert one == merges(Preactivations(problem), regions[::-1], frame_for(problem))


def test_a_digest_that_two_maps_share_joins_nothing() -> None:
    problem = of_arrays([([[1], [1]], [0, -0.5]), ([[1, 3]], [0])]).free
    colliding = [Mergeable(one.pattern, b"same") for one in every_region(problem)]
    assert merges(Preactivations(problem), colliding, frame_for(problem)) == (3, b'{"joins":0,"apart":0}\n')


def test_a_pattern_without_a_region_is_refused() -> None:
    problem = of_arrays([([[1, 0], [0, 1]], [0, 3]), ([[0, 0]], [0])]).free
    made_up = [*every_region(problem), Mergeable(bytes([0, 0]), every_region(problem)[0].affine_map)]
    with pytest.raises(SolverFailure):
        merges(Preactivations(problem), made_up, frame_for(problem))
