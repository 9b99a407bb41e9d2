"""Properties of counts that hold for every network (MATH §3), on random small networks, degenerate ones included."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relucensus import Box, Definition, Network, Problem, count_regions

DEFINITIONS = tuple(Definition)
Arrays = list[tuple[NDArray[np.float64], NDArray[np.float64]]]

small = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def layers(draw: st.DrawFn, most_neurons: int = 6) -> Arrays:
    """Layers of a small network with few different weights, so that ties, duplicates and flat neurons are common."""
    inputs = draw(st.integers(1, 3))
    widths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3).filter(lambda w: sum(w) <= most_neurons))
    entries = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.0, 0.3])
    sizes = [inputs, *widths, draw(st.integers(1, 2))]
    return [
        (
            np.array(draw(st.lists(entries, min_size=rows * columns, max_size=rows * columns))).reshape(rows, columns),
            np.array(draw(st.lists(entries, min_size=rows, max_size=rows))),
        )
        for columns, rows in itertools.pairwise(sizes)
    ]


def all_counts(arrays: Arrays, engine: str = "milp", definitions: tuple[Definition, ...] = DEFINITIONS) -> list[int]:
    network = Network.from_arrays(arrays)
    box = Box.from_bounds(-1, 1, network.inputs)
    result = count_regions(Problem(network, box, definitions), engine=engine)
    return [result.counts[definition].value for definition in definitions]


@small
@given(layers())
def test_engines_agree_and_definitions_are_ordered(arrays: Arrays) -> None:
    by_brute = all_counts(arrays, "brute")
    assert all_counts(arrays, "skeleton") == all_counts(arrays, "milp") == by_brute
    regions, linear, pieces, patterns, closed = by_brute
    assert pieces <= closed <= linear <= regions <= patterns


@pytest.mark.parametrize("definition", [Definition.ACTIVATION_REGIONS, Definition.ACTIVATION_PATTERNS])
@settings(max_examples=15, deadline=None)
@given(arrays=layers(most_neurons=4))
def test_the_plain_loop_agrees(arrays: Arrays, definition: Definition) -> None:
    network = Network.from_arrays(arrays)
    problem = Problem(network, Box.from_bounds(-1, 1, network.inputs), (definition,))
    plain = count_regions(problem, engine="milp", strategy="plain")
    assert [plain.counts[definition].value] == all_counts(arrays, "brute", (definition,))


@small
@given(layers(), st.randoms(use_true_random=False))
def test_permuting_neurons_keeps_every_count(arrays: Arrays, random: st.DataObject) -> None:
    order = list(range(len(arrays[0][1])))
    random.shuffle(order)  # type: ignore[attr-defined]
    (weights, bias), (following, shift), *rest = arrays
    permuted = [(weights[order], bias[order]), (following[:, order], shift), *rest]
    assert all_counts(permuted) == all_counts(arrays)


@small
@given(layers(), st.integers(-20, 20))
def test_scaling_a_neuron_by_a_power_of_two_keeps_every_count(arrays: Arrays, exponent: int) -> None:
    (weights, bias), (following, shift), *rest = ([a.copy() for a in pair] for pair in arrays)
    weights[0] *= 2.0**exponent
    bias[0] *= 2.0**exponent
    following[:, 0] *= 2.0**-exponent
    assert all_counts([(weights, bias), (following, shift), *rest]) == all_counts(arrays)


@small
@given(layers(most_neurons=5))
def test_splitting_a_neuron_into_halves_keeps_every_count(arrays: Arrays) -> None:
    (weights, bias), (following, shift), *rest = arrays
    halves = np.vstack([weights, weights[:1]]), np.append(bias, bias[:1])
    shared = np.hstack([following, following[:, :1] / 2])
    shared[:, 0] /= 2
    assert all_counts([halves, (shared, shift), *rest]) == all_counts(arrays)


@small
@given(layers(most_neurons=5))
def test_a_dead_neuron_changes_nothing(arrays: Arrays) -> None:
    (weights, bias), (following, shift), *rest = arrays
    dead = np.vstack([weights, np.ones((1, weights.shape[1]))]), np.append(bias, -100.0)
    read = np.hstack([following, np.full((following.shape[0], 1), 3.0)])
    assert all_counts([dead, (read, shift), *rest]) == all_counts(arrays)
