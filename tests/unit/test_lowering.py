from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from relucensus import Box, Layer, Network, Problem, Slice
from relucensus.affine import Preactivations
from relucensus.arithmetic import RationalPoint
from relucensus.values.activation import ABS, HARD_TANH, IDENTITY, LEAKY_RELU, RELU, RELU6, Activation, clip
from relucensus.values.lowering import lowered

WAVE = Activation.of([-1, 0, 2], [1, -1, 3, Fraction(1, 3)], 0.5)
EVERY = (RELU6, WAVE, RELU, IDENTITY, clip(None, 1), ABS, HARD_TANH, Activation.of([], [2], 3), clip(1, 1))


def mixed(*widths: int) -> Network:
    rng = np.random.default_rng(sum(widths))
    layers = []
    for columns, rows in pairwise(widths):
        activations = tuple(EVERY[i] for i in rng.integers(len(EVERY), size=rows))
        layers.append(
            Layer.from_arrays(rng.integers(-3, 4, (rows, columns)), rng.integers(-2, 3, rows), activations=activations)
        )
    return Network(tuple(layers[:-1]), layers[-1])


def values_at(network: Network, point: tuple[Fraction, ...]) -> tuple[list[Fraction], list[int]]:
    """Outputs and the symbol of every neuron, exact."""
    values, symbols = list(point), []
    for layer in network.layers:
        q = layer.exact.denominator
        rows = zip(layer.exact.coefficients.tolist(), layer.exact.constants.entries(), strict=True)
        sums = [
            Fraction(int(b), q) + sum(Fraction(int(w), q) * v for w, v in zip(row, values, strict=True))
            for row, b in rows
        ]
        if layer is network.output:
            return sums, symbols
        activations = layer.row_activations
        symbols += [sum(t < z for t in one.breakpoints) for one, z in zip(activations, sums, strict=True)]
        values = [one(z) for one, z in zip(activations, sums, strict=True)]
    raise AssertionError


@pytest.mark.parametrize("widths", [(2, 9, 2), (3, 5, 6, 4, 1), (1, 2, 2, 2, 2, 2)])
def test_a_lowered_network_is_the_same_function_with_the_same_symbols(widths: tuple[int, ...]) -> None:
    network = mixed(*widths)
    lowering = lowered(network)
    assert all(one.is_hinge for layer in lowering.network.hidden for one in layer.activations)
    assert lowering.network.breakpoints == network.breakpoints
    for point in np.random.default_rng(1).integers(-40, 41, (50, widths[0])):
        exact = tuple(Fraction(int(v), 8) for v in point)
        outputs, symbols = values_at(network, exact)
        same_outputs, rows = values_at(lowering.network, exact)
        assert same_outputs == outputs
        assert lowering.symbols(bytes(rows)) == bytes(symbols)


@pytest.mark.parametrize("activation", [RELU, LEAKY_RELU, ABS, IDENTITY], ids=str)
def test_a_network_of_hinges_is_lowered_to_itself(activation: Activation) -> None:
    network = Network.from_arrays([(np.eye(2), [1, 2]), (np.ones((1, 2)), [0])], activation)
    assert lowered(network).network is network


def test_patterns_give_every_linear_neuron_the_inactive_symbol() -> None:
    layer = Layer.from_arrays([[1], [1], [0]], [5, 5, 0], activations=(IDENTITY, RELU, IDENTITY))
    problem = Problem(Network((layer,), Layer.from_arrays([[1, 1, 1]], [0])), Box.from_bounds(-1, 1, 1))
    preactivations = Preactivations(problem.free)
    assert preactivations.pattern_at(RationalPoint((0,), 1)) == (bytes([0, 1, 0]), True)
    assert preactivations.forms(0, b"").constant_sign == (0, None, 0)
    assert preactivations.system(bytes([1, 1, 0])) is None


def test_affine_maps_of_regions_are_those_of_the_function() -> None:
    network = mixed(2, 4, 3, 2)
    preactivations = Preactivations(Problem(network, Box.from_bounds(-2, 2, 2)).free)
    for point in np.random.default_rng(2).integers(-63, 64, (40, 2)):
        exact = RationalPoint(tuple(point.tolist()), 32)
        pattern, _ = preactivations.pattern_at(exact)
        outputs, _ = values_at(network, exact.to_fractions())
        form = preactivations.output_map(pattern)
        assert [Fraction(v, form.denominator * 32) for v in form.at(exact)] == outputs


def test_maps_of_one_network_have_one_denominator() -> None:
    network = Network.from_arrays(
        [(np.eye(2), [0, 0]), (np.ones((2, 2)), [0, 1]), ([[1, 1]], [0])], Activation.of([0], [Fraction(1, 3), 0.75])
    )
    preactivations = Preactivations(Problem(network, Box.from_bounds(-1, 1, 2)))
    patterns = [bytes([a, b, c, d]) for a in (0, 1) for b in (0, 1) for c in (0, 1) for d in (0, 1)]
    assert {preactivations.output_map(pattern).denominator for pattern in patterns} == {144}


def test_engines_refuse_a_network_that_was_not_lowered() -> None:
    network = Network.from_arrays([([[1]], [0]), ([[1]], [0])], RELU6)
    with pytest.raises(ValueError, match="needed is a network of hinges"):
        Preactivations(Problem(network, Box.from_bounds(-1, 1, 1)))


def test_a_slice_is_composed_with_the_lowered_network() -> None:
    network = mixed(3, 4, 2)
    free = Problem(network, Slice.from_bounds([0.1, 0, 1], [[1, 2, 3], [0, 0, 1], [1, 1, 1]], -1, [1, -1, 2])).free
    assert free.box.dimension == 2
    outputs, _ = values_at(free.network, (Fraction(1, 2), Fraction(2)))
    first = Fraction(0.1) + Fraction(1, 2) + 2
    assert outputs == values_at(network, (first, Fraction(3), Fraction(1) + Fraction(3, 2) - 1 + 2))[0]
