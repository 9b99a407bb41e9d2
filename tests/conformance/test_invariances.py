"""Properties of counts that hold for every network (MATH §3), on random small networks, degenerate ones included."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relucensus import Box, Definition, Network, Problem, count_regions
from relucensus.affine import Preactivations
from relucensus.census import Tally, settle
from relucensus.conclusion import conclude
from relucensus.engines.protocol import OpenCube
from relucensus.engines.skeleton.subdivision import Subdivision
from relucensus.values.pattern import Cube

DEFINITIONS = tuple(Definition)
ENGINES = ["milp", "tree", "skeleton"]
Arrays = list[tuple[NDArray[np.float64], NDArray[np.float64]]]

small = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
smaller = settings(small, max_examples=15)
each_engine = pytest.mark.parametrize("engine", ENGINES)


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


def all_counts(
    arrays: Arrays,
    engine: str = "milp",
    definitions: tuple[Definition, ...] = DEFINITIONS,
    lower: Sequence[float] | float = -1,
    upper: Sequence[float] | float = 1,
) -> list[int]:
    network = Network.from_arrays(arrays)
    box = Box.from_bounds(lower, upper, network.inputs)
    result = count_regions(Problem(network, box, definitions), engine=engine)
    return [result.counts[definition].value for definition in definitions]


@small
@given(layers())
def test_engines_agree_and_definitions_are_ordered(arrays: Arrays) -> None:
    by_brute = all_counts(arrays, "brute")
    assert all_counts(arrays, "tree") == all_counts(arrays, "skeleton") == all_counts(arrays, "milp") == by_brute
    assert all_counts(arrays, "tree", DEFINITIONS[:3]) == all_counts(arrays, "auto", DEFINITIONS[:3]) == by_brute[:3]
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


@each_engine
@smaller
@given(arrays=layers(), random=st.randoms(use_true_random=False))
def test_permuting_neurons_keeps_every_count(arrays: Arrays, random: st.DataObject, engine: str) -> None:
    order = list(range(len(arrays[0][1])))
    random.shuffle(order)  # type: ignore[attr-defined]
    (weights, bias), (following, shift), *rest = arrays
    permuted = [(weights[order], bias[order]), (following[:, order], shift), *rest]
    assert all_counts(permuted, engine) == all_counts(arrays, engine)


@each_engine
@smaller
@given(arrays=layers(), exponent=st.integers(-20, 20))
def test_scaling_a_neuron_by_a_power_of_two_keeps_every_count(arrays: Arrays, exponent: int, engine: str) -> None:
    (weights, bias), (following, shift), *rest = ([a.copy() for a in pair] for pair in arrays)
    weights[0] *= 2.0**exponent
    bias[0] *= 2.0**exponent
    following[:, 0] *= 2.0**-exponent
    assert all_counts([(weights, bias), (following, shift), *rest], engine) == all_counts(arrays, engine)


@each_engine
@smaller
@given(arrays=layers(most_neurons=5))
def test_splitting_a_neuron_into_halves_keeps_every_count(arrays: Arrays, engine: str) -> None:
    (weights, bias), (following, shift), *rest = arrays
    halves = np.vstack([weights, weights[:1]]), np.append(bias, bias[:1])
    shared = np.hstack([following, following[:, :1] / 2])
    shared[:, 0] /= 2
    assert all_counts([halves, (shared, shift), *rest], engine) == all_counts(arrays, engine)


@each_engine
@smaller
@given(arrays=layers(most_neurons=5))
def test_a_dead_neuron_changes_nothing(arrays: Arrays, engine: str) -> None:
    (weights, bias), (following, shift), *rest = arrays
    dead = np.vstack([weights, np.ones((1, weights.shape[1]))]), np.append(bias, -100.0)
    read = np.hstack([following, np.full((following.shape[0], 1), 3.0)])
    assert all_counts([dead, (read, shift), *rest], engine) == all_counts(arrays, engine)


@each_engine
@smaller
@given(arrays=layers(), exponents=st.lists(st.integers(-30, 30), min_size=3, max_size=3), shift=st.integers(-4, 4))
def test_other_coordinates_on_the_box_keep_every_count(
    arrays: Arrays, exponents: list[int], shift: int, engine: str
) -> None:
    (weights, bias), *rest = arrays
    scales = 2.0 ** np.array(exponents[: weights.shape[1]])
    moved = [(weights / scales, bias - weights @ np.full(len(scales), float(shift))), *rest]
    lower, upper = (shift - 1) * scales, (shift + 1) * scales
    if (4 * weights == (4 * weights).round()).all() and (4 * bias == (4 * bias).round()).all():
        assert all_counts(moved, engine, DEFINITIONS, lower, upper) == all_counts(arrays, engine)


@pytest.mark.parametrize("engine", ["tree", "skeleton"])
@settings(small, max_examples=40)
@given(
    normals=st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=1, max_size=6),
    offsets=st.lists(st.integers(-3, 3), min_size=6, max_size=6),
    cut=st.sampled_from([-0.5, 0.0, 0.25]),
)
def test_a_hyperplane_adds_the_regions_of_the_arrangement_restricted_to_it(
    normals: list[tuple[int, int, int]], offsets: list[int], cut: float, engine: str
) -> None:
    weights, bias = np.array(normals, dtype=float), np.array(offsets[: len(normals)], dtype=float) / 2
    output = (np.ones((1, len(bias))), np.zeros(1))
    regions = (Definition.ACTIVATION_REGIONS,)
    without = all_counts([(weights, bias), output], engine, regions)[0]
    more = (np.vstack([weights, [1.0, 0.0, 0.0]]), np.append(bias, -cut))
    together = all_counts([more, (np.ones((1, len(bias) + 1)), np.zeros(1))], engine, regions)[0]
    restricted = all_counts([(weights, bias), output], engine, regions, [cut, -1, -1], [cut, 1, 1])[0]
    on_it = any(row[0] and not any(row[1:]) and b == -cut * row[0] for row, b in zip(weights, bias, strict=True))
    assert together == without + (0 if on_it else restricted)


@pytest.mark.parametrize("sizes", [[2, 8, 8, 1], [2, 6, 6, 6, 1], [2, 20, 1], [2, 3, 12, 4, 1]])
def test_vertices_edges_and_regions_in_the_plane_satisfy_eulers_relation(sizes: list[int]) -> None:
    rng = np.random.default_rng(len(sizes))
    arrays = [
        (rng.normal(size=(rows, columns)), rng.normal(size=rows) / 2) for columns, rows in itertools.pairwise(sizes)
    ]
    network = Network.from_arrays(arrays)
    problem = Problem(network, Box.from_bounds(-1, 1, 2), (Definition.ACTIVATION_REGIONS,))
    subdivision = Subdivision(Preactivations(problem), b"", 2**30)
    subdivision.run(lambda: False)
    assert subdivision._vertices - subdivision._edges + all_counts(arrays, "tree")[0] == 1


@pytest.mark.parametrize("engine", ["brute", *ENGINES])
@smaller
@given(arrays=layers(), depth=st.integers(1, 3))
def test_regions_of_different_cubes_merge_as_those_of_one(arrays: Arrays, depth: int, engine: str) -> None:
    network = Network.from_arrays(arrays)
    problem = Problem(network, Box.from_bounds(-1, 1, network.inputs), DEFINITIONS[:3])
    tally = Tally(prefixes=(0,) * len(network.hidden))
    for prefix in itertools.product((0, 1), repeat=min(depth, network.neurons)):
        cube = OpenCube(Cube(bytes(prefix)), 1, 1)
        if settle(problem, cube, engine="brute").regions:
            tally = tally.plus(settle(problem, cube, engine=engine))
    result = conclude(problem, tally, (), engine=engine)
    assert [count.value for count in result.counts.values()] == all_counts(arrays, "brute", DEFINITIONS[:3])
