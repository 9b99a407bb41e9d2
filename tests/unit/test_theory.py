import numpy as np
import pytest

from known_cases import KNOWN_ANSWERS, problem_of
from relucensus import Definition, Network, count_regions, theory


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
    assert found <= theory.most_regions_in_cube(problem.network, 0)
