from fractions import Fraction

import numpy as np
import pytest

from relucensus.errors import InvalidNetwork
from relucensus.values.activation import (
    ABS,
    ACTIVATIONS,
    HARD_TANH,
    IDENTITY,
    LEAKY_RELU,
    RELU,
    RELU6,
    Activation,
    clip,
    leaky_relu,
    name_of,
)
from relucensus.values.network import Layer, Network

WAVE = Activation.of([-1, 0, 2], [1, -1, 3, Fraction(1, 3)], 0.5)
POINTS = [Fraction(n, 4) for n in range(-32, 33)]


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        (RELU, lambda z: max(z, 0)),
        (LEAKY_RELU, lambda z: z if z > 0 else Fraction(0.01) * z),
        (leaky_relu(-0.5), lambda z: z if z > 0 else -z / 2),
        (leaky_relu(1), lambda z: z),
        (RELU6, lambda z: min(max(z, 0), 6)),
        (HARD_TANH, lambda z: min(max(z, -1), 1)),
        (clip(None, 1), lambda z: min(z, 1)),
        (clip(-2, None), lambda z: max(z, -2)),
        (clip(3, 3), lambda _: 3),
        (clip(None, None), lambda z: z),
        (ABS, abs),
        (WAVE, lambda z: 0.5 + (z + 1 if z <= -1 else -(z + 1) if z <= 0 else 3 * z - 1 if z <= 2 else z / 3 + 13 / 3)),
    ],
    ids=lambda one: one.to_text() if isinstance(one, Activation) else "",
)
def test_an_activation_has_its_values(activation: Activation, function: object) -> None:
    for z in POINTS:
        assert float(activation(z)) == pytest.approx(float(function(z)), abs=1e-12)  # type: ignore[operator]


def test_a_breakpoint_without_a_change_of_slope_is_none() -> None:
    assert leaky_relu(1) == IDENTITY
    assert Activation.of([-1, 0, 1], [0, 0, 1, 1], 0) == RELU
    assert Activation.of([-1], [2, 2], 5) == Activation.of([], [2], 7)


@pytest.mark.parametrize(("breakpoints", "slopes"), [([0], [1]), ([1, 0], [0, 1, 2]), ([0, 0], [0, 1, 2])])
def test_what_is_no_piecewise_linear_function_is_refused(breakpoints: list, slopes: list) -> None:
    with pytest.raises(InvalidNetwork):
        Activation.of(breakpoints, slopes)
    with pytest.raises(InvalidNetwork, match="lower end 2 above its upper end 1"):
        clip(2, 1)


def test_hinges_are_the_functions_with_one_breakpoint_at_zero() -> None:
    assert all(one.is_hinge for one in (RELU, LEAKY_RELU, ABS, IDENTITY, leaky_relu(-3)))
    assert not any(one.is_hinge for one in (RELU6, HARD_TANH, clip(1, None), Activation.of([0], [0, 1], 1), WAVE))


@pytest.mark.parametrize("activation", [*ACTIVATIONS.values(), IDENTITY, WAVE, clip(0.1, None)], ids=str)
def test_an_activation_survives_its_text(activation: Activation) -> None:
    assert Activation.from_text(activation.to_text()) == activation


def test_activations_are_known_by_name() -> None:
    assert all(name_of([one, IDENTITY]) == name for name, one in ACTIVATIONS.items())
    assert [name_of(ones) for ones in ([], [IDENTITY], [WAVE], [RELU, ABS])] == [
        "relu",
        "identity",
        "piecewise_linear",
        "mixed",
    ]


def test_a_layer_has_one_activation_or_one_a_row() -> None:
    layer = Layer.from_arrays(np.eye(3), np.zeros(3), activations=(RELU, IDENTITY, RELU6))
    assert layer.bent == (True, False, True)
    assert Layer.from_arrays(np.eye(2), np.zeros(2), activations=(ABS,)).row_activations == (ABS, ABS)
    with pytest.raises(InvalidNetwork, match="3 rows has 2 activations"):
        Layer.from_arrays(np.eye(3), np.zeros(3), activations=(RELU, ABS))


def test_the_digest_of_a_relu_network_is_what_it_always_was() -> None:
    layers = [([[1.0, -0.5], [0.1, 2.0]], [0.25, 0.0]), ([[1.0, 3.0]], [-1.0])]
    known = "sha256:5590f63eb6133d68ea0abc8a5e3b5346ac84e04fc38a40a41268ad2c530cb98c"
    assert Network.from_arrays(layers).digest == known
    assert Network.from_arrays(layers, clip(0, None)).digest == known
    affine = Network.from_arrays([([[1.0, 2.0]], [3.0])])
    assert affine.digest == "sha256:19d1c6a84665f0cf4a7b3ac06fca46f0813adff4859a1a09b06500d94fd553e9"


def test_different_activations_give_different_digests_and_survive_the_encoding() -> None:
    layers = [([[1.0, -0.5], [0.1, 2.0]], [0.25, 0.0]), ([[1.0, 3.0]], [-1.0])]
    networks = [Network.from_arrays(layers, one) for one in (*ACTIVATIONS.values(), IDENTITY, WAVE)]
    assert len({network.digest for network in networks}) == len(networks)
    for network in networks:
        again = Network.from_bytes(network.to_bytes())
        assert again.digest == network.digest
        assert again.activation == network.activation
