"""Engine skeleton: counts against the oracle, proven errors against exact values, hand-over, budgets, memory."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from known_cases import NETWORKS, network_problem
from relucensus import Box, Budget, Definition, Network, Problem, Status, count_regions
from relucensus.affine import Preactivations
from relucensus.engines.milp.engine import CubesEngine
from relucensus.engines.skeleton import handover
from relucensus.engines.skeleton.engine import SkeletonEngine
from relucensus.engines.skeleton.subdivision import Subdivision
from relucensus.values.activation import ABS, HARD_TANH, LEAKY_RELU, RELU, Activation
from relucensus.values.pattern import Cube

ONLY_REGIONS = (Definition.ACTIVATION_REGIONS,)
Draw = Callable[[np.random.Generator, int, int], np.ndarray]


@pytest.fixture(autouse=True)
def _reference_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cubes handed over go to the reference engine, so that these tests speak about one engine more only."""
    monkeypatch.setattr(handover, "TreeEngine", CubesEngine)


def generic(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return rng.normal(size=(rows, columns))


def whole_numbers(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return rng.integers(-2, 3, (rows, columns)).astype(np.float64)


def nearly_whole(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return rng.integers(-2, 3, (rows, columns)) + rng.choice([0.0, 1e-15, 1e-9], (rows, columns))


def random_problem(
    seed: int,
    sizes: Sequence[int],
    draw: Draw = generic,
    activation: Activation = RELU,
    lower: float = -1.0,
    definitions: tuple[Definition, ...] = ONLY_REGIONS,
) -> Problem:
    rng = np.random.default_rng(seed)
    layers = [(draw(rng, rows, columns), draw(rng, rows, 1)[:, 0] / 2) for columns, rows in pairwise(sizes)]
    return Problem(Network.from_arrays(layers, activation), Box.from_bounds(lower, 1.0, sizes[0]), definitions)


def subdivided(problem: Problem, prefix: bytes = b"") -> Subdivision:
    subdivision = Subdivision(Preactivations(problem.free), prefix, 2**30)
    subdivision.run(lambda: False)
    return subdivision


@pytest.mark.parametrize("activation", [RELU, LEAKY_RELU, ABS, HARD_TANH], ids=["relu", "leaky", "abs", "hard_tanh"])
@pytest.mark.parametrize("draw", [generic, whole_numbers, nearly_whole])
@pytest.mark.parametrize("lower", [-1.0, 0.0])
def test_it_counts_what_the_oracle_counts(draw: Draw, activation: Activation, lower: float) -> None:
    for seed in range(4):
        sizes = [1 + seed % 3, 3, 2, 1] if activation is HARD_TANH else [1 + seed % 3, 4, 3, 2, 1]
        problem = random_problem(seed, sizes, draw, activation, lower, tuple(Definition)[:3])
        mine, oracle = (count_regions(problem, engine=engine) for engine in ("skeleton", "brute"))
        assert mine.counts == oracle.counts
        assert mine.regions_after_layer == oracle.regions_after_layer


@pytest.mark.parametrize("name", ["planar_64x3", "space_32x2", "four_16x2", "six_10x2", "seven_5_3_2", "moons_16x3"])
def test_it_counts_the_networks_of_the_collection_without_help(name: str) -> None:
    case = next(case for case in NETWORKS if case["name"] == name)
    problem = network_problem(case)
    settled = SkeletonEngine().settle(Problem(problem.free.network, problem.free.box, ONLY_REGIONS), Cube(), Budget())
    assert settled.regions == case["activation_regions"]
    assert settled.statistics.handed_over == settled.statistics.exact_fallbacks == 0


@pytest.mark.parametrize(("sizes", "seed"), [([2, 12, 12, 12, 1], 0), ([4, 8, 8, 1], 1), ([3, 6, 6, 6, 6, 6, 1], 2)])
def test_every_error_is_within_its_bound(sizes: list[int], seed: int) -> None:
    problem = random_problem(seed, sizes)
    subdivision = subdivided(problem)
    for refined in (False, True):
        if refined:
            chosen = np.arange(subdivision._vertices, dtype=np.int32)
            subdivision._mesh.eps[:] = subdivision._mesh.rho[:] = 1.0
            subdivision._refining.refine(subdivision._mesh, subdivision._layer, chosen)
            assert (subdivision._mesh.eps[: subdivision._vertices] < 1e-9).all()
        assert_errors_hold(subdivision, problem)


def assert_errors_hold(subdivision: Subdivision, problem: Problem) -> None:
    mesh, layer = subdivision._mesh, subdivision._layer
    preactivations, rounded = Preactivations(problem.free), subdivision._rounded
    scales = [
        Fraction(2) ** e * Fraction(float(subdivision._net.scales[layer])) for e in rounded.hidden[layer].exponents
    ]
    for v in range(0, subdivision._vertices, 1 + subdivision._vertices // 60):
        symbols = subdivision._symbols(v)
        point = subdivision.exact._point(subdivision._planes(v), symbols)
        forms = preactivations.forms(layer, symbols).exact
        denominator = forms.denominator * point.denominator
        for i, value in enumerate(forms.at(point)):
            off = abs(Fraction(value, denominator) * scales[i] - Fraction(float(mesh.z[v, i])))
            assert off <= Fraction(float(mesh.err[v, i])) <= Fraction(float(mesh.eps[v]))
        for j, x in enumerate(point.to_fractions()):
            u = (x - Fraction(float(rounded.reference[j]))) / Fraction(float(rounded.widths[j]))
            assert abs(u - Fraction(float(mesh.x[v, j]))) <= Fraction(float(mesh.rho[v]))


@pytest.mark.parametrize(("sizes", "seed"), [([2, 8, 8, 8, 1], 3), ([4, 6, 5, 1], 4)])
def test_slopes_and_exact_heights_give_edges_the_directions_they_have(sizes: list[int], seed: int) -> None:
    subdivision = subdivided(random_problem(seed, sizes))
    mesh, slope = subdivision._mesh, subdivision._signs.slope.tolist()
    for e in range(0, subdivision._edges, 7):
        assert subdivision._refining.rises(mesh, subdivision._layer, e) is True
        low, high = (
            subdivision.exact.height(subdivision._planes(v), subdivision._symbols(v), slope)
            for v in mesh.ends[e].tolist()
        )
        assert low < high


def test_listed_cells_are_the_patterns_of_the_regions() -> None:
    problem = random_problem(5, [2, 5, 4, 3, 1])
    preactivations = Preactivations(problem.free)
    cells = subdivided(problem).cells()
    symbols = np.unpackbits(cells.astype(">u8").view(np.uint8), axis=1)[:, : preactivations.neurons]
    patterns = [row.tobytes() for row in symbols]
    assert patterns == sorted(set(patterns))
    oracle = count_regions(problem, engine="brute").counts[Definition.ACTIVATION_REGIONS].value
    assert len(patterns) == oracle


@pytest.mark.parametrize("depth", [1, 4, 5, 8, 11])
def test_the_cubes_of_a_depth_add_up(depth: int) -> None:
    problem = random_problem(6, [3, 4, 4, 3, 1]).free
    every = subdivided(problem)
    symbols = np.unpackbits(every.cells().astype(">u8").view(np.uint8), axis=1)[:, :depth]
    prefixes = {row.tobytes() for row in symbols}
    settled = [SkeletonEngine().settle(problem, Cube(prefix), Budget()) for prefix in prefixes]
    assert sum(one.regions for one in settled) == every.count()


def sliced(engine: SkeletonEngine, problem: Problem, budget: Budget) -> tuple[int, tuple[int, ...], int]:
    """Regions, regions after each layer, and how many settlements that took."""
    stack, regions, prefixes, settlements = [Cube()], 0, np.zeros(len(problem.network.hidden), dtype=int), 0
    while stack:
        cube = stack.pop()
        settled = engine.settle(problem, cube, budget)
        assert all(one.cube.depth > cube.depth for one in settled.open)
        assert all(1 <= one.found <= one.at_most for one in settled.open)
        regions, settlements = regions + settled.regions, settlements + 1
        prefixes += settled.prefixes
        stack += [one.cube for one in settled.open]
    return regions, tuple(prefixes.tolist()), settlements


@pytest.mark.parametrize("definitions", [ONLY_REGIONS, tuple(Definition)[:3]])
def test_slices_too_short_for_anything_end_with_the_same_count(definitions: tuple[Definition, ...]) -> None:
    problem = random_problem(7, [2, 6, 6, 4, 1], definitions=definitions).free
    whole = count_regions(problem, engine="skeleton")
    regions, prefixes, settlements = sliced(SkeletonEngine(), problem, Budget(seconds=1e-9))
    assert regions == whole.counts[Definition.ACTIVATION_REGIONS].value
    assert prefixes == whole.regions_after_layer
    assert settlements > 10


def test_little_memory_makes_cubes_of_the_rest() -> None:
    problem = random_problem(8, [2, 16, 16, 1]).free
    engine = SkeletonEngine(most_bytes=60_000)
    regions, prefixes, settlements = sliced(engine, problem, Budget())
    assert (regions, prefixes) == (subdivided(problem).count(), tuple(subdivided(problem).after_layer))
    assert settlements > 1


def test_a_limit_on_regions_stops_early_with_that_many_proven() -> None:
    problem = network_problem(next(case for case in NETWORKS if case["name"] == "planar_32x3"))
    result = count_regions(
        Problem(problem.network, problem.domain, ONLY_REGIONS), engine="skeleton", budget=Budget(regions=200)
    )
    count = result.counts[Definition.ACTIVATION_REGIONS]
    assert count.status is Status.LOWER_BOUND
    assert 200 <= count.value <= 1275
    assert count.upper_bound is not None
    assert count.upper_bound >= 1275


def test_a_hyperplane_through_a_crossing_is_handed_over_and_counted() -> None:
    lines = Network.from_arrays([([[1, 0], [0, 1], [1, 1]], [0, 0, 0]), ([[1, 2, 4]], [0])])
    result = count_regions(Problem(lines, Box.from_bounds(-1, 1, 2), ONLY_REGIONS), engine="skeleton")
    assert result.counts[Definition.ACTIVATION_REGIONS].value == 6
    assert result.statistics.handed_over == 1


def test_a_hyperplane_that_only_touches_the_box_needs_no_help() -> None:
    touching = Network.from_arrays([([[1, 0], [1, 1], [0, -1], [2, 1]], [0, 0, 0, -1.5]), ([[1, 1, 1, 1]], [0])])
    result = count_regions(Problem(touching, Box.from_bounds(0, 1, 2), ONLY_REGIONS), engine="skeleton")
    assert result.counts[Definition.ACTIVATION_REGIONS].value == 2
    assert result.statistics.handed_over == 0
    assert result.statistics.exact_fallbacks > 0


def test_many_inputs_are_refused_in_words() -> None:
    support = SkeletonEngine().supports(random_problem(9, [11, 2, 1]))
    assert not support.supported
    assert "11" in support.reason
