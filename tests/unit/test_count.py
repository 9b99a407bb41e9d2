import itertools
import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from known_cases import NETWORKS, network_problem
from relucensus import Box, Budget, Count, Definition, Network, Problem, Status, count_regions
from relucensus.census import Progress, Tally, confirmed, settle
from relucensus.conclusion import conclude
from relucensus.engines.protocol import OpenCube
from relucensus.errors import Disagreement, InvalidRequest, UnsupportedProblem
from relucensus.values.pattern import Cube


def case(name: str) -> dict[str, Any]:
    return next(one for one in NETWORKS if one["name"] == name)


def small() -> Problem:
    rng = np.random.default_rng(3)
    sizes = [2, 5, 4, 1]
    layers = [(rng.integers(-2, 3, (n, m)), rng.integers(-1, 2, n)) for m, n in itertools.pairwise(sizes)]
    return Problem(Network.from_arrays(layers), Box.from_bounds(-1, 1, 2), tuple(Definition))


def counted_in_slices(problem: Problem, engine: str, strategy: str, seconds: float) -> tuple[Any, int]:
    order = random.Random(4)
    tally, frontier, slices = Tally(prefixes=(0,) * len(problem.network.hidden)), [OpenCube(Cube(), 1, 2**9)], 0
    while frontier:
        order.shuffle(frontier)
        settlement = settle(problem, frontier.pop(), engine=engine, strategy=strategy, budget=Budget(seconds=seconds))
        tally, slices = tally.plus(settlement), slices + 1
        frontier += settlement.open
    return conclude(problem, tally, (), engine=engine), slices


@pytest.mark.parametrize(("engine", "strategy"), [("brute", "cubes"), ("milp", "cubes"), ("milp", "plain")])
def test_time_slices_in_any_order_give_the_same_answer(engine: str, strategy: str) -> None:
    problem = small()
    whole = count_regions(problem, engine="brute")
    sliced, slices = counted_in_slices(problem, engine, strategy, 0.01)
    assert slices > 1
    assert sliced.counts == whole.counts
    assert sliced.regions_after_layer == whole.regions_after_layer


def test_a_limit_on_regions_is_a_result_with_bounds() -> None:
    result = count_regions(network_problem(case("planar_16x3")), engine="milp", budget=Budget(regions=20))
    regions = result.counts[Definition.ACTIVATION_REGIONS]
    assert regions.status is Status.LOWER_BOUND
    assert regions.upper_bound is not None
    assert 20 <= regions.value <= 241 <= regions.upper_bound
    assert result.status is Status.LOWER_BOUND


def test_a_limit_that_is_not_reached_changes_nothing() -> None:
    problem = network_problem(case("planar_8x3"))
    limited = count_regions(problem, budget=Budget(seconds=300, regions=1000))
    assert limited.counts == count_regions(problem).counts
    assert limited.status is Status.EXACT


def test_a_limit_on_seconds_holds_for_the_count_of_patterns_too() -> None:
    rng = np.random.default_rng(8)
    layers = [(rng.standard_normal((n, m)), rng.standard_normal(n)) for m, n in pairwise([4, 14, 14, 1])]
    definitions = (Definition.ACTIVATION_REGIONS, Definition.ACTIVATION_PATTERNS)
    problem = Problem(Network.from_arrays(layers), Box.from_bounds(-1, 1, 4), definitions)
    result = count_regions(problem, engine="milp", budget=Budget(seconds=1))
    assert {count.status for count in result.counts.values()} == {Status.LOWER_BOUND}
    assert result.statistics.wall_seconds < 60


def test_a_second_engine_confirms_the_count() -> None:
    assert count_regions(small(), engine="milp", cross_check="brute").cross_checked_by == "brute"


def test_a_disagreement_names_both_counts() -> None:
    result = count_regions(small(), engine="brute")
    value = result.counts[Definition.ACTIVATION_REGIONS].value
    wrong = replace(result, engine="milp", counts=result.counts | {Definition.ACTIVATION_REGIONS: Count(value + 1)})
    with pytest.raises(Disagreement, match=f"brute counts {value} .* milp counts {value + 1}"):
        confirmed(small(), result, wrong)


@pytest.mark.parametrize(
    "options", [{"engine": "gurobi"}, {"strategy": "fast"}, {"engine": "brute", "strategy": "plain"}]
)
def test_unknown_engines_and_strategies_are_refused_by_name(options: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match=options.get("strategy", options.get("engine", ""))):
        count_regions(small(), **options)


@pytest.mark.parametrize("other", ["auto", "milp"])
def test_an_engine_cannot_confirm_itself(other: str) -> None:
    with pytest.raises(InvalidRequest, match="other than 'milp'"):
        count_regions(small(), engine="milp", cross_check=other)


def test_what_an_engine_cannot_serve_is_said_before_work_begins() -> None:
    with pytest.raises(UnsupportedProblem, match="up to 16 neurons; this has 96"):
        count_regions(network_problem(case("planar_32x3")), engine="brute")
    wide = replace(network_problem(case("planar_32x3")), definitions=(Definition.ACTIVATION_PATTERNS,))
    with pytest.raises(UnsupportedProblem, match="activation_patterns"):
        count_regions(wide)


def test_progress_is_reported_and_grows() -> None:
    seen: list[Progress] = []
    count_regions(network_problem(case("planar_16x3")), on_progress=seen.append)
    assert [p.regions for p in seen] == sorted(p.regions for p in seen)
    assert seen[-1].open_cubes == 0
    assert seen[-1].regions == 241


def test_the_result_is_json_with_the_fields_of_the_contract() -> None:
    document = count_regions(small()).to_json()
    assert list(document) == [
        "counts",
        "regions_after_layer",
        "engine",
        "cross_checked_by",
        "notes",
        "network",
        "domain",
        "bounds",
        "statistics",
        "certificate",
        "versions",
    ]
    assert document["network"]["neurons"] == 9
    assert document["domain"] == {"kind": "box", "lower": [-1.0, -1.0], "upper": [1.0, 1.0]}
    assert document["statistics"]["lps"] > 0
    assert document["versions"]["highspy"] != "unknown"
