from itertools import pairwise

import numpy as np
import pytest

from known_cases import NETWORKS, network_problem
from relucensus import Box, Layer, Network, Problem
from relucensus.affine import Preactivations
from relucensus.arithmetic import RationalPoint
from relucensus.lp import LpSolver
from relucensus.stability import envelope
from relucensus.values.activation import ABS, IDENTITY, RELU, leaky_relu
from relucensus.values.pattern import ACTIVE


def preactivations_at(network: Network, points: np.ndarray) -> np.ndarray:
    values, every = points, []
    for layer in network.hidden:
        sums = values @ layer.weights.T + layer.bias
        every.append(sums)
        values = np.maximum(sums, 0)
    return np.hstack(every)


@pytest.mark.parametrize("name", ["planar_16x3", "seven_5_3_2", "line_32x3", "digits_6_6"])
def test_stable_neurons_keep_their_symbol_at_every_sample(name: str) -> None:
    problem = network_problem(next(case for case in NETWORKS if case["name"] == name))
    preactivations = Preactivations(problem)
    rng = np.random.default_rng(5)
    points = rng.uniform(problem.box.lower, problem.box.upper, (20_000, problem.network.inputs))
    active = preactivations_at(problem.network, points) > 0
    known = envelope(preactivations, b"", LpSolver(preactivations.box))
    assert sorted([*known.stable, *known.free]) == list(range(problem.network.neurons))
    for neuron, symbol in known.stable.items():
        assert (active[:, neuron] == (symbol == ACTIVE)).all()


def test_bounds_of_unstable_neurons_hold_inside_a_cube() -> None:
    problem = network_problem(next(case for case in NETWORKS if case["name"] == "planar_16x3"))
    preactivations = Preactivations(problem)
    rng = np.random.default_rng(6)
    points = rng.uniform(-1, 1, (50_000, 2))
    values = preactivations_at(problem.network, points)
    cell = preactivations.pattern_at(RationalPoint.from_floats(points[0]))[0][:16]
    inside = values[((values[:, :16] > 0) == np.frombuffer(cell, dtype=np.uint8)).all(axis=1)]
    known = envelope(preactivations, cell, LpSolver(preactivations.box))
    assert len(inside) > 100
    for neuron in known.unstable:
        layer = preactivations.layer_of(neuron.neuron)
        exponent = preactivations.balanced[layer].exponents[neuron.neuron - preactivations.starts[layer]]
        span = inside[:, neuron.neuron] * 2.0**exponent / neuron.scale
        assert neuron.lower <= span.min()
        assert span.max() <= neuron.upper
    for neuron, symbol in known.stable.items():
        assert ((inside[:, neuron] > 0) == (symbol == ACTIVE)).all()


def test_a_tie_at_the_corner_is_decided_exactly() -> None:
    network = Network.from_arrays([([[1, 1], [-1, -1]], [0, 0]), ([[1, 1]], [0])])
    preactivations = Preactivations(Problem(network, Box.from_bounds(0, 1, 2)))
    solver = LpSolver(preactivations.box)
    assert envelope(preactivations, b"", solver).stable == {0: 1, 1: 0}
    assert envelope(preactivations, b"", solver, closed=True).stable.get(0) is None


HINGES = {
    "leaky": (leaky_relu(0.01),),
    "steep": (leaky_relu(-300),),
    "abs": (ABS,),
    "mixed": (RELU, IDENTITY, ABS, leaky_relu(0.3), leaky_relu(-2), RELU, leaky_relu(1e-300), ABS),
}


@pytest.mark.parametrize("name", HINGES)
def test_bounds_hold_at_every_sample_whatever_the_slopes(name: str) -> None:
    rng = np.random.default_rng(8)
    sizes = [3, 8, 8, 8, 1]
    layers = [
        Layer.from_arrays(
            rng.normal(size=(n, m)), rng.normal(size=n) + 1, activations=HINGES[name] if n == 8 else (RELU,)
        )
        for m, n in pairwise(sizes)
    ]
    network = Network(tuple(layers[:-1]), layers[-1])
    problem = Problem(network, Box.from_bounds(-0.4, 0.4, 3))
    preactivations = Preactivations(problem)
    points = rng.uniform(-0.4, 0.4, (300, 3))
    middle = preactivations.pattern_at(RationalPoint.from_floats(np.zeros(3)))[0]
    for prefix in (b"", middle[:5], middle[:8], middle[:11]):
        known = envelope(preactivations, prefix, LpSolver(preactivations.box))
        assert sorted([*known.stable, *known.free]) == list(range(len(prefix), 24))
        for point in points:
            exact = RationalPoint.from_floats(point)
            pattern, _ = preactivations.pattern_at(exact)
            if not pattern.startswith(prefix):
                continue
            assert all(pattern[neuron] == symbol for neuron, symbol in known.stable.items())
            for neuron in known.unstable:
                layer = preactivations.layer_of(neuron.neuron)
                row = neuron.neuron - preactivations.starts[layer]
                form = preactivations.forms(layer, pattern).exact
                value = form.at(exact)[row] / (form.denominator * exact.denominator)
                scaled = value * 2.0 ** preactivations.balanced[layer].exponents[row] / neuron.scale
                assert neuron.lower - 1e-12 <= scaled <= neuron.upper + 1e-12
