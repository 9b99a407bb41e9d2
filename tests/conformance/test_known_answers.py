"""Every known case through every engine, under every definition whose count is known."""

from typing import Any

import pytest

from known_cases import KNOWN_ANSWERS, NETWORKS, network_of, network_problem, problem_of
from relucensus import Budget, Count, Status, count_regions

ENGINES = [
    ("brute", "cubes"),
    ("tree", "cubes"),
    ("skeleton", "cubes"),
    ("auto", "cubes"),
    ("milp", "cubes"),
    ("milp", "plain"),
]
MOST_REGIONS_FOR_MILP = 5000
LONG_FOR_MILP = 2000
FOR_MILP = [
    pytest.param(case, id=case["name"], marks=[pytest.mark.long] if case["activation_regions"] > LONG_FOR_MILP else [])
    for case in NETWORKS
    if case["activation_regions"] <= MOST_REGIONS_FOR_MILP
]


@pytest.mark.parametrize(("engine", "strategy"), ENGINES)
@pytest.mark.parametrize("case", KNOWN_ANSWERS, ids=lambda case: case["name"])
def test_small_networks_have_their_known_counts(case: dict[str, Any], engine: str, strategy: str) -> None:
    result = count_regions(problem_of(case), engine=engine, strategy=strategy)
    assert {definition.value: count.value for definition, count in result.counts.items()} == case["counts"]
    assert result.status is Status.EXACT
    assert result.regions_after_layer[-1] == case["counts"]["activation_regions"]


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case["name"])
def test_onnx_and_state_dict_hold_the_same_network(case: dict[str, Any]) -> None:
    assert network_of(case["name"], "onnx").digest == network_of(case["name"], "pt").digest


@pytest.mark.parametrize("case", FOR_MILP)
def test_milp_counts_the_networks_of_the_collection(case: dict[str, Any]) -> None:
    result = count_regions(network_problem(case), engine="milp")
    counts = {definition.value: count for definition, count in result.counts.items()}
    assert counts["activation_regions"].value == case["activation_regions"]
    assert counts["activation_regions"].value >= counts["linear_regions"].value >= counts["affine_pieces"].value
    assert result.status is Status.EXACT
    assert result.regions_after_layer[-1] == case["activation_regions"]


FEW_INPUTS = [case for case in NETWORKS if not case["name"].startswith("digits")]
WHOLE_COLLECTION = [("tree", case) for case in NETWORKS] + [("skeleton", case) for case in FEW_INPUTS]


@pytest.mark.parametrize(
    ("engine", "case"), WHOLE_COLLECTION, ids=lambda value: value if isinstance(value, str) else value["name"]
)
def test_the_whole_collection_has_its_known_counts(engine: str, case: dict[str, Any]) -> None:
    result = count_regions(network_problem(case), engine=engine)
    regions, linear, pieces = (count for count in result.counts.values())
    assert regions == Count(case["activation_regions"])
    assert regions.value >= linear.value >= pieces.value
    assert result.status is Status.EXACT
    assert result.regions_after_layer[-1] == case["activation_regions"]
    assert result.statistics.handed_over == 0


@pytest.mark.parametrize("name", ["planar_16x3", "moons_16x3", "seven_3_3_2_2", "seven_5_3_2"])
def test_engines_find_the_same_linear_regions_and_affine_pieces(name: str) -> None:
    case = next(case for case in NETWORKS if case["name"] == name)
    by_tree, by_skeleton = (count_regions(network_problem(case), engine=engine) for engine in ("tree", "skeleton"))
    assert by_tree.counts == by_skeleton.counts
    assert by_tree.regions_after_layer == by_skeleton.regions_after_layer


def test_the_plain_loop_counts_thirty_regions_from_a_state_dict() -> None:
    case = next(case for case in NETWORKS if case["name"] == "seven_3_3_2_2")
    result = count_regions(network_problem(case, "pt"), engine="milp", strategy="plain")
    assert [count.value for count in result.counts.values()] == [30, 27, 27]


@pytest.mark.parametrize("name", ["planar_64x3", "space_32x2", "four_16x2"])
@pytest.mark.parametrize(("engine", "seconds"), [("milp", 2.0), ("skeleton", 0.005), ("tree", 0.01)])
def test_a_budget_gives_bounds_that_hold_the_known_count(name: str, engine: str, seconds: float) -> None:
    case = next(case for case in NETWORKS if case["name"] == name)
    result = count_regions(network_problem(case), engine=engine, budget=Budget(seconds=seconds))
    for definition, count in result.counts.items():
        assert count.status is Status.LOWER_BOUND
        assert count.upper_bound is not None
        known = case["activation_regions"]
        assert count.value <= known
        assert definition.value != "activation_regions" or count.value > 1
        assert definition.value != "activation_regions" or known <= count.upper_bound
