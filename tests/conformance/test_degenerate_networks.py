"""Degenerate and nearly degenerate networks whose counts follow from exact reasoning."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import comb, nextafter

import numpy as np
import pytest

from relucensus import Box, Definition, Network, Problem, Status, count_regions
from relucensus.errors import UnsupportedProblem

ENGINES = [
    ("brute", "cubes"),
    ("tree", "cubes"),
    ("skeleton", "cubes"),
    ("auto", "cubes"),
    ("milp", "cubes"),
    ("milp", "plain"),
]
Rows = Sequence[Sequence[float]]

pytestmark = pytest.mark.parametrize(("engine", "strategy"), ENGINES)


def counts(network: Network, engine: tuple[str, str], lower: float = -1, upper: float = 1) -> tuple[int, int, int]:
    """(activation regions, linear regions, affine pieces), all exact."""
    result = count_regions(
        Problem(network, Box.from_bounds(lower, upper, network.inputs)), engine=engine[0], strategy=engine[1]
    )
    assert result.status is Status.EXACT
    regions, linear, pieces = (count.value for count in result.counts.values())
    return regions, linear, pieces


def arrangement(normals: Rows, offsets: Sequence[float], scale: float = 1.0) -> Network:
    """One hidden layer with these hyperplanes; output weights 1, 2, 4, .. so that no two maps are equal by chance."""
    weights = np.array(normals, dtype=np.float64) * scale
    bias = np.array(offsets, dtype=np.float64) * scale
    output = [[2.0**i / scale for i in range(len(offsets))]]
    return Network.from_arrays([(weights, bias), (output, [0.0])])


@pytest.mark.parametrize("distance", [1e-6, 1e-9, 1e-12, 1e-15, 1e-100, 0.0])
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e-4])
def test_three_lines_almost_through_a_point(engine: str, strategy: str, distance: float, scale: float) -> None:
    network = arrangement([[1, 0], [0, 1], [1, 1]], [0, 0, -distance], scale)
    assert counts(network, (engine, strategy))[0] == (7 if distance else 6)


@pytest.mark.parametrize("width", [1e-6, 1e-9, 1e-12, 1e-15])
@pytest.mark.parametrize("scale", [1.0, 1e4, 1e-4])
def test_a_strip_between_parallel_lines(engine: str, strategy: str, width: float, scale: float) -> None:
    lower, upper = 0.25, 0.25 + width
    assert upper > lower
    network = arrangement([[1, 0], [1, 0], [0, 1]], [-lower, -upper, 0], scale)
    assert counts(network, (engine, strategy)) == (6, 6, 6)


def random_layers(sizes: Sequence[int], scale: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Layers whose weights are all multiplied by `scale`, and biases so that the pattern set stays that of scale 1."""
    rng = np.random.default_rng(11)
    layers = []
    for level, (columns, rows) in enumerate(pairwise(sizes)):
        weights, bias = rng.integers(-3, 4, (rows, columns)), rng.integers(-1, 2, rows)
        layers.append((weights * scale, bias * scale ** (level + 1) if level == 0 else bias * 0.0))
    return layers


@pytest.mark.parametrize("exponent", [-500, -60, 60, 300])
def test_weights_of_any_size_leave_the_count_alone(engine: str, strategy: str, exponent: int) -> None:
    reference = counts(Network.from_arrays(random_layers([2, 4, 3, 1], 1.0)), (engine, strategy))
    scaled = Network.from_arrays(random_layers([2, 4, 3, 1], 2.0**exponent))
    assert counts(scaled, (engine, strategy)) == reference


@pytest.mark.parametrize("reach", [1e300, 1.7e308, 1e-300, 5e-324])
def test_boxes_of_any_size(engine: str, strategy: str, reach: float) -> None:
    network = arrangement([[1, 0], [0, 1], [1, 1], [1, -1]], [0] * 4)
    if engine == "tree" and reach > 1e308:
        with pytest.raises(UnsupportedProblem, match="boxes up to"):
            counts(network, (engine, strategy), -reach, reach)
    else:
        assert counts(network, (engine, strategy), -reach, reach)[0] == 8


def test_a_box_of_one_step_between_floats(engine: str, strategy: str) -> None:
    network = Network.from_arrays([([[1.0]], [-1.0]), ([[1.0]], [-(2.0**-53)]), ([[1.0]], [0.0])])
    assert counts(network, (engine, strategy), 1.0, nextafter(1.0, 2.0)) == (2, 2, 2)
    assert counts(arrangement([[1.0]], [-1.0]), (engine, strategy), 1.0, nextafter(1.0, 2.0))[0] == 1


def test_a_sliver_that_holds_no_float(engine: str, strategy: str) -> None:
    third = 1 / 3
    assert Fraction(third) < Fraction(1, 3) < Fraction(nextafter(third, 1))
    network = arrangement([[3.0], [1.0]], [-1.0, -third])
    assert counts(network, (engine, strategy)) == (3, 3, 3)


def test_a_line_at_the_last_bit_of_the_bound(engine: str, strategy: str) -> None:
    edge = nextafter(1.0, 0.0)
    assert counts(arrangement([[1.0]], [-edge]), (engine, strategy))[0] == 2
    assert counts(arrangement([[1.0]], [-1.0]), (engine, strategy))[0] == 1


@pytest.mark.parametrize(("hyperplanes", "inputs"), [(4, 2), (5, 3), (6, 4)])
def test_zero_biases_make_a_central_arrangement(engine: str, strategy: str, hyperplanes: int, inputs: int) -> None:
    normals = [[float((i + 1) ** power) for power in range(inputs)] for i in range(hyperplanes)]
    expected = 2 * sum(comb(hyperplanes - 1, j) for j in range(inputs))
    assert counts(arrangement(normals, [0.0] * hyperplanes), (engine, strategy))[0] == expected


def test_zero_biases_in_two_layers_split_cones_only(engine: str, strategy: str) -> None:
    first = [[1, 0], [0, 1], [-1, -1]]
    second = [[1, -1, 0], [0, 1, -1]]
    network = Network.from_arrays([(first, [0, 0, 0]), (second, [0, 0]), ([[1, 3]], [0])])
    by_angle = counts_on_a_circle(network)
    assert counts(network, (engine, strategy))[0] == by_angle


def counts_on_a_circle(network: Network) -> int:
    """Regions of a network without biases in the plane: its pattern along a polygon around the origin, exactly."""
    corners = [Fraction(2 * i - 64, 64) for i in range(64)]
    edges = [(c + Fraction(1, 1009), side) for side in (Fraction(1), Fraction(-1)) for c in corners]
    points = [(c, side) for c, side in edges] + [(side, c) for c, side in edges]
    return len({pattern_at(network, point) for point in points})


def pattern_at(network: Network, point: Sequence[Fraction]) -> tuple[bool, ...]:
    values, symbols = list(point), []
    for layer in network.hidden:
        rows = zip(layer.weights.tolist(), layer.bias.tolist(), strict=True)
        sums = [sum((Fraction(w) * v for w, v in zip(row, values, strict=True)), Fraction(b)) for row, b in rows]
        symbols += [s > 0 for s in sums]
        values = [max(s, Fraction(0)) for s in sums]
    return tuple(symbols)


@pytest.mark.parametrize("copies", [2, 4])
def test_duplicate_neurons_cut_once(engine: str, strategy: str, copies: int) -> None:
    network = arrangement([[1, 1]] * copies + [[1, -1]], [0.0] * copies + [0.25])
    assert counts(network, (engine, strategy)) == (4, 4, 4)


def test_opposite_neurons_cut_once(engine: str, strategy: str) -> None:
    assert counts(arrangement([[1, 0], [-1, 0], [0, 2], [0, -3]], [0] * 4), (engine, strategy)) == (4, 4, 4)


def test_neurons_that_cancel_in_the_output_merge_regions(engine: str, strategy: str) -> None:
    network = Network.from_arrays([([[1, 0], [-1, 0], [0, 1]], [0, 0, 0]), ([[1, -1, 1]], [0])])
    assert counts(network, (engine, strategy)) == (4, 2, 2)


def test_a_neuron_that_follows_another_one_layer_up_merges_regions(engine: str, strategy: str) -> None:
    network = Network.from_arrays([([[1, 0]], [0]), ([[1], [1]], [0, 1]), ([[1, -1]], [0])])
    assert counts(network, (engine, strategy)) == (2, 1, 1)


def test_equal_maps_that_do_not_touch_stay_two_linear_regions(engine: str, strategy: str) -> None:
    hat = Network.from_arrays([([[1], [1], [1]], [0.5, 0, -0.5]), ([[1, -2, 1]], [0])])
    assert counts(hat, (engine, strategy)) == (4, 4, 3)


def test_a_neuron_of_the_second_layer_on_the_hyperplane_of_the_first(engine: str, strategy: str) -> None:
    network = Network.from_arrays(
        [([[1, 0], [0, 1]], [0, 0]), ([[1, 0], [-1, 0], [1, 1]], [0, 0.0, 0]), ([[1, 1, 1]], [0])]
    )
    assert counts(network, (engine, strategy))[0] == 4


def test_fixed_coordinates_are_substituted_out_exactly(engine: str, strategy: str) -> None:
    network = arrangement([[3, 1], [1, 0]], [-1, 0])
    box = Box.from_bounds([-1, 0.1], [1, 0.1], 2)
    result = count_regions(Problem(network, box), engine=engine, strategy=strategy)
    assert result.counts[Definition.ACTIVATION_REGIONS].value == 3
    point = count_regions(Problem(network, Box.from_bounds(0.5, 0.5, 2)), engine=engine, strategy=strategy)
    assert point.counts[Definition.ACTIVATION_REGIONS].value == 1


def test_an_affine_network_is_one_region(engine: str, strategy: str) -> None:
    assert counts(Network.from_arrays([([[1, 2]], [3])]), (engine, strategy)) == (1, 1, 1)


SINGLE = ([[1.0]], [0.0])
HARD: dict[str, tuple[list[tuple[Rows, Sequence[float]]], Sequence[float], Sequence[float], tuple[int, int, int]]] = {
    "a box of three steps between floats": (
        [([[3.0]], [-(3 + 2 * 2.0**-52)]), SINGLE],
        [1.0],
        [1 + 3 * 2.0**-52],
        (2, 2, 2),
    ),
    "a narrow box far from the origin": (
        [([[1.0]], [-1e15]), ([[2.0], [-1.0]], [-0.125, 0.25]), ([[1.0, 1.0]], [0.0])],
        [1e15],
        [1e15 + 0.375],
        (3, 3, 3),
    ),
    "products that underflow": (
        [
            ([[1e-200], [-1e-200]], [0.0, 0.5e-200]),
            ([[1e-200, -1e-200]], [0.0]),
            SINGLE,
        ],
        [-1.0],
        [1.0],
        (4, 3, 3),
    ),
    "a small box under small weights": ([([[1e-300]], [0.0]), SINGLE], [-1e-300], [1e-300], (2, 2, 2)),
    "coefficients of very different size": (
        [([[2.0**340, 3 * 2.0**-340]], [2.0]), SINGLE],
        [-(2.0**-340), -(2.0**340)],
        [2.0**-340, 2.0**340],
        (2, 2, 2),
    ),
    "cancellation of large activations": (
        [
            ([[1.0], [0.0], [0.0], [0.0]], [0.0, 1.0, 1e17, 1e17]),
            ([[0.0, 1.0, 1.0, -1.0]], [-0.5]),
            SINGLE,
        ],
        [-1.0],
        [1.0],
        (2, 1, 1),
    ),
    "values that overflow": (
        [
            SINGLE,
            ([[1e200], [-1e200]], [1e200, 3e200]),
            ([[1e200, 1e200]], [0.0]),
        ],
        [-1.0],
        [1.0],
        (2, 1, 1),
    ),
    "a wide box": ([([[1.0], [-1.0], [1.0]], [0.0] * 3), ([[1.0, 1.0, 1.0]], [0.0])], [-9e3], [9e3], (2, 2, 2)),
    "a chain of neurons on a subnormal box": ([SINGLE, SINGLE, SINGLE], [-1e-320], [1e-320], (2, 2, 2)),
    "weights that underflow behind an inactive neuron": (
        [
            ([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], [0.0, 0.0, 0.5]),
            ([[1e300, 1e-300, -1e-300]], [0.0]),
            SINGLE,
        ],
        [-1.0, -1.0],
        [1.0, 1.0],
        (9, 6, 6),
    ),
    "a bias that underflows": (
        [([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1e300, -1e-300]], [1e-300]), SINGLE],
        [-1.0, 0.5],
        [1.0, 1.5],
        (4, 3, 3),
    ),
    "a box that reaches across zero by the least float": (
        [([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0])],
        [-5e-324, -1.0],
        [1e300, 1.0],
        (4, 4, 4),
    ),
    "coefficients below the solver's zero": (
        [([[1.0] + [9e-10] * 7], [1 + 5e-9]), SINGLE],
        [-1.0] * 8,
        [1.0] * 8,
        (2, 2, 2),
    ),
}


@pytest.mark.parametrize("name", HARD)
def test_numbers_that_floating_point_gets_wrong(engine: str, strategy: str, name: str) -> None:
    layers, lower, upper, expected = HARD[name]
    network = Network.from_arrays(layers)
    problem = Problem(network, Box.from_bounds(lower, upper, network.inputs), tuple(Definition))
    result = count_regions(problem, engine=engine, strategy=strategy)
    assert result.status is Status.EXACT
    regions, linear, pieces, patterns, closed = (count.value for count in result.counts.values())
    assert (regions, linear, pieces) == expected
    assert pieces <= closed <= linear <= regions <= patterns
    assert all(bound is None or bound >= regions for bound in result.bounds["on_unstable_neurons"].values())


@pytest.mark.parametrize("seed", [12, 20])
def test_random_networks_on_which_highs_has_missed_patterns(engine: str, strategy: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = int(rng.integers(2, 5))
    widths = [4, 3, 1] if rng.random() < 0.5 else [3, 3, 2]
    layers, columns = [], inputs
    for rows in widths:
        weights = rng.normal(size=(rows, columns)).astype(np.float32)
        layers.append((weights, (rng.normal(size=rows) * 0.3).astype(np.float32)))
        columns = rows
    network = Network.from_arrays([*layers, (np.ones((1, columns)), [0.0])])
    definitions = (Definition.ACTIVATION_REGIONS, Definition.ACTIVATION_PATTERNS)
    problem = Problem(network, Box.from_bounds(-1, 1, inputs), definitions)
    result = count_regions(problem, engine=engine, strategy=strategy)
    assert [count.value for count in result.counts.values()] == {12: [28, 28], 20: [126, 126]}[seed]
