import itertools
import json
import pickle

import numpy as np
import pytest

from relucensus import Box, Budget, CensusError, Definition, Layer, Network, Problem
from relucensus.errors import InvalidDomain, InvalidNetwork, InvalidRequest
from relucensus.values.pattern import Cube, packed, unpacked


def network(*widths: int) -> Network:
    rng = np.random.default_rng(0)
    pairs = itertools.pairwise(widths)
    return Network.from_arrays([(rng.standard_normal((n, m)), rng.standard_normal(n)) for m, n in pairs])


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([([[1.0, 2.0]], [0, 0])], "bias has 2 entries, weights have 1 rows"),
        ([([[1.0]], [0]), ([[1.0, 1.0]], [0])], "layer 2: weights have 2 columns, but the layer before gives 1"),
        ([([[float("nan")]], [0])], r"layer 1: weights\[0, 0\] is nan"),
        ([([[1.0]], [float("inf")])], r"layer 1: bias\[0\] is inf"),
        ([], "at least one layer"),
    ],
)
def test_weights_that_make_no_network_are_refused(layers: list, words: str) -> None:
    with pytest.raises(InvalidNetwork, match=words):
        Network.from_arrays(layers)


@pytest.mark.parametrize(
    ("lower", "upper", "words"),
    [
        ([-1, -1, -1], 1, "lower has shape .3., the network has 2 inputs"),
        (1, [0, 2], r"lower.0. = 1.0 is above upper.0. = 0.0"),
        (float("nan"), 1, r"lower.0. is nan"),
        (-1, [1, float("inf")], r"upper.1. is inf"),
        ("a", 1, "lower must be a number"),
    ],
)
def test_domains_that_are_no_box_are_refused(lower: object, upper: object, words: str) -> None:
    with pytest.raises(InvalidDomain, match=words):
        Box.from_bounds(lower, upper, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("limits", [{"seconds": 0}, {"seconds": float("nan")}, {"regions": 0}])
def test_a_budget_of_nothing_is_refused(limits: dict) -> None:
    with pytest.raises(InvalidRequest):
        Budget(**limits)


def test_weights_are_copied_and_read_only() -> None:
    weights = np.ones((1, 1))
    layer = Layer.from_arrays(weights, [0])
    weights[0, 0] = 5
    assert layer.weights[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        layer.weights[0, 0] = 2


def test_a_network_survives_its_encoding_exactly() -> None:
    first = network(3, 4, 2)
    fixed = Problem(first, Box.from_bounds([0, 0.1, 0], [1, 0.1, 1], 3)).free.network
    assert not fixed.hidden[0].floats_are_exact
    for one in (first, fixed):
        assert Network.from_bytes(one.to_bytes()).digest == one.digest
        assert pickle.loads(pickle.dumps(one)).digest == one.digest
    assert first.digest != fixed.digest


def test_a_domain_of_the_wrong_dimension_is_refused() -> None:
    with pytest.raises(CensusError, match="the box has 2 coordinates, the network has 3 inputs"):
        Problem(network(3, 2), Box.from_bounds(-1, 1, 2))


@pytest.mark.parametrize("names", [(), ("regions",), ("linear_regions", "linear_regions")])
def test_definitions_that_name_nothing_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest):
        Problem(network(3, 2), Box.from_bounds(-1, 1, 3), names)  # type: ignore[arg-type]


def test_definitions_may_be_given_by_name() -> None:
    problem = Problem(network(3, 2), Box.from_bounds(-1, 1, 3), ("linear_regions",))  # type: ignore[arg-type]
    assert problem.definitions == (Definition.LINEAR_REGIONS,)


def test_cubes_and_patterns_survive_their_texts() -> None:
    cube = Cube(bytes([0, 1, 1, 0, 1, 0, 0, 0, 1]))
    assert Cube.from_text(cube.to_text()) == cube
    assert json.dumps(cube.to_text()) == '"011010001"'
    assert unpacked(packed(cube.symbols), 9) == cube.symbols
    with pytest.raises(ValueError, match="digits 0 and 1"):
        Cube.from_text("012")
