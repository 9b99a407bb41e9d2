import numpy as np
import pytest

from known_cases import KNOWN_ANSWERS, problem_of
from relucensus import Box, Definition, Layer, Network, Problem, count_regions, theory
from relucensus.values.activation import ABS, HARD_TANH, IDENTITY, RELU, Activation, leaky_relu


@pytest.mark.parametrize(
    ("widths", "expected"),
    [((11, 11), 2_449_868), ((4, 18), 9_109), ((18, 4), 4_192_510), ((10, 10, 10, 10), 216_643_797_580)],
)
def test_serra_2018_gives_the_published_bounds(widths: tuple[int, ...], expected: int) -> None:
    assert theory.serra_2018(widths, 784) == expected


def test_bounds_agree_on_one_layer() -> None:
    assert theory.zaslavsky(7, 3) == theory.serra_2018([7], 3) == theory.montufar_2017([7], 3)


def test_wang_2022_band_of_five_and_five_neurons() -> None:
    band = theory.wang_2022_band([5, 5], 7)
    assert band is not None
    assert np.allclose(band, (276.2, 307.2), atol=0.05)
    assert theory.wang_2022_band([5, 5], 3) is None


def test_bounds_of_very_wide_networks_stay_finite_or_are_left_out() -> None:
    assert theory.wang_2022_band([64, 64], 784) is not None
    assert theory.wang_2022_band([600, 600], 784) is None
    layers = [(np.ones((4000, 1)), np.zeros(4000)), (np.ones((1, 4000)), [0.0])]
    wide = theory.bounds(Network.from_arrays(layers), theory.Cuts.of_relu([4000]))
    assert wide["two_to_the_neurons"] is None
    assert wide["zaslavsky"] == 4001


def test_montufar_2014_needs_layers_at_least_as_wide_as_the_input() -> None:
    assert theory.montufar_2014_lower([4, 4], 2) == 2**2 * 11
    assert theory.montufar_2014_lower([1, 4], 2) is None


@pytest.mark.parametrize("case", KNOWN_ANSWERS, ids=lambda case: case["name"])
def test_no_upper_bound_is_below_the_count(case: dict) -> None:
    problem = problem_of(case)
    result = count_regions(problem, engine="brute")
    found = result.counts[Definition.ACTIVATION_REGIONS].value
    unstable = result.bounds["on_unstable_neurons"]
    upper = [result.bounds[name] for name in ("two_to_the_neurons", "zaslavsky", "montufar_2017", "serra_2018")]
    assert all(found <= bound for bound in [*upper, *unstable.values()] if bound is not None)
    assert found <= theory.most_regions_after(problem.network, 0)


def bounds_of(activations: list[tuple[Activation, ...]], inputs: int = 2) -> dict:
    """The bounds of a network whose layers have these activations, none of its neurons stable."""
    layers, columns = [], inputs
    for level, ones in enumerate(activations):
        weights = [[float((row + 1) ** column) - level for column in range(columns)] for row in range(len(ones))]
        layers.append(Layer.from_arrays(weights, [0.25 * row - 0.5 for row in range(len(ones))], activations=ones))
        columns = len(ones)
    network = Network(tuple(layers), Layer.from_arrays(np.ones((1, columns)), [0.0]))
    return dict(count_regions(Problem(network, Box.from_bounds(-9, 9, inputs))).bounds)


def test_parallel_hyperplanes_meet_nowhere() -> None:
    assert theory.parallel_families([1] * 7, 3) == theory.zaslavsky(7, 3)
    assert theory.parallel_families([3, 0], 5) == 4
    assert theory.parallel_families([2, 1, 3], 9) == 3 * 2 * 4
    assert theory.parallel_families([2, 1, 3], 2) == 1 + 6 + (2 + 6 + 3)
    assert theory.parallel_families([5, 5], 0) == theory.parallel_families([], 3) == 1


def test_bounds_that_need_a_lost_dimension_are_left_out_where_slopes_are_not_zero() -> None:
    for activation in (leaky_relu(0.01), ABS):
        bounds = bounds_of([(activation,) * 3, (activation,) * 3])
        assert bounds["serra_2018"] is bounds["on_unstable_neurons"]["serra_2018"] is None
        assert set(bounds["whole_space"].values()) == {None}
        assert bounds["two_to_the_neurons"] == 2**6
        assert bounds["montufar_2017"] == 7 * 7
    assert bounds_of([(RELU,) * 3, (RELU,) * 3])["serra_2018"] == theory.serra_2018([3, 3], 2)


def test_a_neuron_with_two_breakpoints_has_three_symbols_and_two_parallel_lines() -> None:
    bounds = bounds_of([(HARD_TANH,) * 3])
    assert bounds["two_to_the_neurons"] == 3**3
    assert bounds["zaslavsky"] == bounds["montufar_2017"] == 1 + 6 + 3 * 4
    assert bounds["serra_2018"] == theory.serra_2018([6], 2)


def test_linear_neurons_pass_dimensions_on_and_cut_nothing() -> None:
    bounds = bounds_of([(IDENTITY, IDENTITY, RELU), (RELU,) * 3], inputs=3)
    assert bounds["two_to_the_neurons"] == 2**4
    assert bounds["serra_2018"] == theory.serra_2018([1, 3], 3, [2, 0]) == 8 + 7
    assert bounds["montufar_2017"] == 2 * 8
    assert bounds_of([(IDENTITY,), (RELU,) * 5])["montufar_2017"] == 6


def test_the_bound_on_a_cube_counts_undecided_neurons_with_a_breakpoint() -> None:
    layer = Layer.from_arrays(np.ones((4, 2)), np.zeros(4), activations=(RELU, IDENTITY, RELU, RELU))
    network = Network((layer,), Layer.from_arrays(np.ones((1, 4)), [0.0]))
    assert [theory.most_regions_after(network, depth) for depth in range(5)] == [7, 4, 4, 2, 1]
