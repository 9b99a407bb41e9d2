"""Networks with activations other than ReLU: engines agree with each other and with exact reasoning."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from line_oracle import counts_on_a_segment
from relucensus import Box, Budget, Definition, Layer, Network, Problem, Status, count_regions
from relucensus.arithmetic import AffineMap
from relucensus.census import Tally, settle
from relucensus.conclusion import conclude
from relucensus.engines.protocol import OpenCube
from relucensus.values.activation import ABS, HARD_TANH, IDENTITY, RELU, RELU6, Activation, clip, leaky_relu
from relucensus.values.pattern import Cube

ENGINES = [("brute", "cubes"), ("tree", "cubes"), ("skeleton", "cubes"), ("milp", "cubes"), ("milp", "plain")]
WAVE = Activation.of([-1, 0, 2], [1, -1, Fraction(1, 3), 2], 0.5)
KINDS = {
    "leaky 0.01": [leaky_relu(0.01)],
    "leaky 0.5": [leaky_relu(0.5)],
    "leaky -0.5": [leaky_relu(-0.5)],
    "leaky 1": [leaky_relu(1)],
    "prelu": [leaky_relu(slope) for slope in (0, 0.25, -3, 1, 1.5)],
    "relu6": [RELU6, clip(0, 2)],
    "hard tanh": [HARD_TANH],
    "clip from above": [clip(None, 1)],
    "clip from below": [clip(-1, None)],
    "clip to one value": [clip(1, 1), RELU],
    "abs": [ABS],
    "three breakpoints": [WAVE],
    "mixed": [RELU, IDENTITY, ABS, HARD_TANH, WAVE, Activation.of([], [Fraction(1, 3)], 2)],
}
FUNCTION = (Definition.ACTIVATION_REGIONS, Definition.LINEAR_REGIONS, Definition.AFFINE_PIECES)

small = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def random_network(kind: str, sizes: list[int], seed: int) -> Network:
    """Few different weights, so that ties, duplicates and flat neurons are common."""
    rng = np.random.default_rng(seed)
    choices = KINDS[kind]
    layers = []
    for columns, rows in pairwise(sizes):
        activations = tuple(choices[i] for i in rng.integers(len(choices), size=rows))
        layers.append(
            Layer.from_arrays(rng.integers(-2, 3, (rows, columns)), rng.integers(-1, 2, rows), activations=activations)
        )
    return Network(tuple(layers[:-1]), layers[-1])


@st.composite
def networks(draw: st.DrawFn, inputs: int, most_breakpoints: int) -> Network:
    widths = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    entries = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.0, 3.0])
    one = st.sampled_from([one for kind in KINDS.values() for one in kind])
    layers = []
    for columns, rows in pairwise([inputs, *widths, draw(st.integers(1, 2))]):
        weights = np.array(draw(st.lists(entries, min_size=rows * columns, max_size=rows * columns)))
        bias = draw(st.lists(entries, min_size=rows, max_size=rows))
        activations = tuple(draw(st.lists(one, min_size=rows, max_size=rows)))
        layers.append(Layer.from_arrays(weights.reshape(rows, columns), bias, activations=activations))
    network = Network(tuple(layers[:-1]), layers[-1])
    return network if network.breakpoints <= most_breakpoints else draw(st.nothing())


def all_counts(
    network: Network,
    engine: str = "milp",
    strategy: str = "cubes",
    definitions: tuple[Definition, ...] = tuple(Definition),
) -> dict[str, int]:
    problem = Problem(network, Box.from_bounds(-2, 2, network.inputs), definitions)
    result = count_regions(problem, engine=engine, strategy=strategy)
    assert result.status is Status.EXACT
    return {definition.value: count.value for definition, count in result.counts.items()}


@pytest.mark.parametrize(("engine", "strategy"), ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_counts_on_an_interval_are_those_of_its_breakpoints(engine: str, strategy: str, kind: str) -> None:
    for seed, sizes in enumerate(([1, 3, 1], [1, 2, 2, 1], [1, 1, 2, 2, 2], [1, 2, 2, 1])):
        network = random_network(kind, sizes, seed)
        assert all_counts(network, engine, strategy) == counts_on_a_segment(network, [0], [1], -2, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_engines_agree_in_the_plane_and_in_space(kind: str) -> None:
    for seed, sizes in enumerate(([2, 3, 2], [2, 2, 2, 1], [3, 2, 1, 1])):
        network = random_network(kind, sizes, seed)
        by_brute = all_counts(network, "brute")
        assert all_counts(network, "milp") == by_brute
        assert all_counts(network, "milp", "plain") == by_brute
        assert all_counts(network, "tree") == all_counts(network, "skeleton") == by_brute
        for definition in FUNCTION:
            by_tree = all_counts(network, "tree", definitions=(definition,))
            assert by_tree[definition.value] == by_brute[definition.value]
        regions, linear, pieces, patterns, closed = by_brute.values()
        assert pieces <= closed <= linear <= regions <= patterns


@small
@given(networks(inputs=1, most_breakpoints=14))
def test_any_network_on_an_interval_has_the_counts_of_its_breakpoints(network: Network) -> None:
    assert all_counts(network, "milp") == counts_on_a_segment(network, [0], [1], -2, 2)


@small
@given(networks(inputs=2, most_breakpoints=7))
def test_engines_agree_on_any_network(network: Network) -> None:
    by_brute = all_counts(network, "brute")
    assert all_counts(network, "milp") == all_counts(network, "tree") == all_counts(network, "skeleton") == by_brute
    by_brute = {definition.value: by_brute[definition.value] for definition in FUNCTION}
    assert all_counts(network, "tree", definitions=FUNCTION) == by_brute
    assert all_counts(network, "skeleton", definitions=FUNCTION) == by_brute


def as_relu_network(network: Network) -> Network:
    """The same function with ReLU alone: a neuron for each side of the first breakpoint, one for each further one.

    A neuron without a breakpoint becomes one that is always active, with its preactivation raised by 2**40.
    """
    layers: list[Layer] = []
    before: AffineMap | None = None
    for layer in network.hidden:
        exact = layer.exact if before is None else layer.exact.after(before)
        picked, signs, shifts = [], [], []
        columns: list[list[tuple[int, Fraction]]] = []
        constants = []
        for neuron, one in enumerate(layer.row_activations):
            points = one.breakpoints or (Fraction(-(2**40)),)
            sides = [(1, points[0], one.slopes[min(1, len(one.breakpoints))])]
            sides += [(-1, points[0], -one.slopes[0])] if one.breakpoints else []
            sides += [(1, t, b - a) for t, a, b in zip(points[1:], one.slopes[1:], one.slopes[2:], strict=False)]
            columns.append([(len(picked) + k, slope) for k, (_, _, slope) in enumerate(sides)])
            constants.append(one.value + (0 if one.breakpoints else one.slopes[0] * points[0]))
            picked += [neuron] * len(sides)
            signs += [Fraction(sign) for sign, _, _ in sides]
            shifts += [-sign * t for sign, t, _ in sides]
        layers.append(Layer.from_exact(AffineMap.diagonal(signs, shifts).after(exact.selected(picked))))
        weights = [[dict(entries).get(column, Fraction(0)) for column in range(len(picked))] for entries in columns]
        before = AffineMap.from_fractions(weights, constants)
    assert before is not None
    return Network(tuple(layers), Layer.from_exact(network.output.exact.after(before)))


@small
@given(networks(inputs=2, most_breakpoints=8))
def test_a_network_has_the_regions_of_the_relu_network_of_the_same_function(network: Network) -> None:
    relu = as_relu_network(network)
    assert relu.activation == "relu"
    definitions = (*FUNCTION, Definition.CLOSED_LINEAR_REGIONS)
    assert all_counts(network, definitions=definitions) == all_counts(relu, definitions=definitions)


@small
@given(networks(inputs=2, most_breakpoints=8), st.integers(0, 2))
def test_a_layer_of_linear_neurons_changes_no_count(network: Network, position: int) -> None:
    layers = list(network.layers)
    at = min(position, len(layers) - 1)
    width = layers[at].columns
    scales = [2.0 ** (1 - k) for k in range(width)]
    between = Layer.from_arrays(np.diag(scales), np.ones(width), activations=(IDENTITY,))
    undone = AffineMap.diagonal([1 / Fraction(s) for s in scales], [-1 / Fraction(s) for s in scales])
    after = Layer.from_exact(layers[at].exact.after(undone), activations=layers[at].activations)
    longer = [*layers[:at], between, after, *layers[at + 1 :]]
    assert all_counts(Network(tuple(longer[:-1]), longer[-1])) == all_counts(network)


@small
@given(networks(inputs=2, most_breakpoints=8), st.randoms(use_true_random=False))
def test_permuting_neurons_keeps_every_count(network: Network, random: Any) -> None:
    first, following, *rest = network.layers
    order = list(range(first.rows))
    random.shuffle(order)
    moved = Layer.from_exact(first.exact.selected(order), activations=tuple(first.row_activations[i] for i in order))
    read = Layer.from_arrays(following.weights[:, order], following.bias, activations=following.activations)
    layers = [moved, read, *rest]
    assert all_counts(Network(tuple(layers[:-1]), layers[-1])) == all_counts(network)


@pytest.mark.parametrize(("engine", "strategy"), ENGINES)
def test_the_tent_map_of_absolute_values_doubles_its_regions_with_each_layer(engine: str, strategy: str) -> None:
    fold = Layer.from_arrays([[2.0]], [-1.0], activations=(ABS,))
    layers = (Layer.from_arrays([[1.0]], [0.0], activations=(ABS,)), fold, fold, fold)
    network = Network(layers, Layer.from_arrays([[1.0]], [0.0]))
    problem = Problem(network, Box.from_bounds(-1, 1, 1))
    result = count_regions(problem, engine=engine, strategy=strategy)
    assert [count.value for count in result.counts.values()] == [16, 16, 16]
    assert result.regions_after_layer == (2, 4, 8, 16)


@pytest.mark.parametrize("size", [2.0**-300, 1e-3, 1e3, 2.0**300])
@pytest.mark.parametrize(("engine", "strategy"), ENGINES)
def test_slopes_of_any_size_leave_the_count_alone(engine: str, strategy: str, size: float) -> None:
    layers = [([[1, 0], [1, 1], [0, 1]], [0, -1, 0]), ([[1, -1, 2], [2, 1, -1]], [1, 0]), ([[1, 3]], [0])]
    small, large = ([(w, np.array(b) * f) for (w, b), f in zip(layers, (1, s, 1), strict=True)] for s in (1, size))
    steep = Activation.of([0], [-size / 4, size])
    expected = all_counts(Network.from_arrays(small, Activation.of([0], [-0.25, 1])), "brute", definitions=FUNCTION)
    assert all_counts(Network.from_arrays(large, steep), engine, strategy, FUNCTION) == expected


@pytest.mark.parametrize(("engine", "strategy"), ENGINES)
def test_an_inactive_leaky_neuron_passes_changes_on(engine: str, strategy: str) -> None:
    layers = [([[1, 0], [0, 1]], [0, 0]), ([[1, 1]], [-100]), ([[1]], [0])]
    dead, leaky = (Network.from_arrays(layers, one) for one in (RELU, leaky_relu(2.0**-60)))
    assert list(all_counts(dead, engine, strategy, FUNCTION).values()) == [4, 1, 1]
    assert list(all_counts(leaky, engine, strategy, FUNCTION).values()) == [4, 4, 4]


@pytest.mark.parametrize(("engine", "strategy"), ENGINES)
def test_derivatives_that_cancel_through_slopes_merge_regions(engine: str, strategy: str) -> None:
    hinge = Layer.from_arrays([[1, 0], [0, 1]], [0, 0])
    cancel = Layer.from_arrays([[3, 1], [3, 0]], [100, -100], activations=(leaky_relu(0.5),))
    network = Network((hinge, cancel), Layer.from_arrays([[1, -2]], [0]))
    assert list(all_counts(network, engine, strategy, FUNCTION).values()) == [4, 2, 2]


@pytest.mark.parametrize("kind", ["leaky -0.5", "relu6", "hard tanh", "mixed", "three breakpoints"])
def test_a_result_counts_neurons_with_a_breakpoint_and_bounds_hold(kind: str) -> None:
    for seed in range(3):
        network = random_network(kind, [2, 3, 2, 1], seed)
        result = count_regions(Problem(network, Box.from_bounds(-2, 2, 2)), engine="milp")
        widths = [sum(bool(one.breakpoints) for one in layer.row_activations) for layer in network.hidden]
        assert result.network["hidden"] == [width for width in widths if width]
        assert result.network["neurons"] == sum(widths) >= result.network["stable_neurons"]
        assert result.network["activation"] == network.activation
        assert len(result.regions_after_layer) == len(result.network["hidden"])
        found = result.counts[Definition.ACTIVATION_REGIONS].value
        for reported in (result.bounds, result.bounds["on_unstable_neurons"]):
            known = [reported[name] for name in ("two_to_the_neurons", "montufar_2017", "serra_2018")]
            assert all(bound is None or bound >= found for bound in known)


@pytest.mark.parametrize("engine", ["brute", "tree", "skeleton", "milp"])
def test_a_count_in_pieces_is_the_count_where_some_neurons_are_linear(engine: str) -> None:
    network = random_network("mixed", [2, 3, 3, 1], 17)
    assert 0 in [len(one.breakpoints) for layer in network.hidden for one in layer.row_activations]
    problem = Problem(network, Box.from_bounds(-2, 2, 2))
    tally, frontier, found = Tally(prefixes=(0, 0)), [OpenCube(Cube(), 1, 2**network.breakpoints)], 0
    expected = count_regions(problem, engine="milp")
    while frontier:
        settlement = settle(problem, frontier.pop(), engine=engine, budget=Budget(regions=1))
        tally, found = tally.plus(settlement), found + 1
        frontier += settlement.open
        stopped = conclude(problem, tally, frontier, engine=engine).counts[Definition.ACTIVATION_REGIONS]
        assert stopped.value <= expected.counts[Definition.ACTIVATION_REGIONS].value
        assert (
            stopped.upper_bound is None or stopped.upper_bound >= expected.counts[Definition.ACTIVATION_REGIONS].value
        )
    assert found > 3
    assert conclude(problem, tally, (), engine=engine).counts == expected.counts
