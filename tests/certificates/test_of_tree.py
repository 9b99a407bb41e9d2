"""Certificates that engine tree writes: every known case, random networks that floating point gets wrong, pieces."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from known_cases import ACAS_XU, KNOWN_ANSWERS, NETWORKS, NO_ACAS_XU, network_problem, problem_of
from random_networks import KINDS, Arrays, drawn
from relucensus import Box, Budget, Definition, Network, Problem, count_regions, read_model, verify
from relucensus.certify import save
from relucensus.conclusion import conclude_certified
from relucensus.engines.tree import state
from relucensus.engines.tree.engine import TreeEngine
from relucensus.frontier import Tally
from relucensus.proof.certificate import CLAIMED
from relucensus.values.domain import Slice
from relucensus.values.pattern import Cube

MOST_REGIONS = 600
NETWORKS_A_KIND = 12
CERTIFIED = tuple(Definition(name) for name in CLAIMED)


def certified(problem: Problem, budget: Budget, path: Path) -> dict[str, int]:
    """Count in settlements of this budget each, and the counts of the certificate that comes of it, verified."""
    problem = replace(problem, definitions=CERTIFIED, certificate=True)
    tally, to_settle = Tally(), [Cube()]
    while to_settle:
        settlement = TreeEngine().settle(problem.free, to_settle.pop(), budget)
        tally = tally.plus(settlement)
        to_settle += [still_open.cube for still_open in settlement.open]
    _, binding = conclude_certified(problem, tally, engine="tree")
    save(path, binding.round(tally.parts))
    return verify(problem.network, path, domain=problem.domain).counts


def counted(problem: Problem) -> dict[str, int]:
    """The counts that a certificate can have, without one."""
    result = count_regions(replace(problem, definitions=CERTIFIED), engine="tree")
    return {definition.value: count.value for definition, count in result.counts.items()}


@pytest.mark.parametrize("budget", [Budget(), Budget(regions=3)], ids=["whole", "in pieces"])
@pytest.mark.parametrize("case", KNOWN_ANSWERS, ids=lambda case: case["name"])
def test_known_answers_are_proven(case: dict[str, Any], budget: Budget, tmp_path: Path) -> None:
    found = certified(problem_of(case), budget, tmp_path / "certificate")
    known = {name: count for name, count in case["counts"].items() if name in CLAIMED}
    assert {name: found[name] for name in known} == known


@pytest.mark.parametrize(
    "case", [case for case in NETWORKS if case["activation_regions"] <= MOST_REGIONS], ids=lambda case: case["name"]
)
def test_networks_of_the_collection_are_proven(case: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "certificate"
    problem = network_problem(case)
    result = count_regions(problem, certificate=path, workers=2)
    proven = verify(problem.network, path)
    assert proven.counts["activation_regions"] == case["activation_regions"]
    assert proven.counts == {definition.value: count.value for definition, count in result.counts.items()}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_random_networks_are_proven(kind: Callable[..., Arrays], tmp_path: Path) -> None:
    for seed in range(1000, 1000 + NETWORKS_A_KIND):
        problem = drawn(kind, seed)
        budget = Budget(regions=4) if seed % 2 else Budget()
        assert certified(problem, budget, tmp_path / "certificate") == counted(problem), f"seed {seed}"


def test_slices_and_fixed_inputs_are_proven(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    network = Network.from_arrays([(rng.normal(size=(n, m)), rng.normal(size=n)) for m, n in ((4, 9), (9, 6), (6, 2))])
    plane = Slice(np.zeros(4), rng.normal(size=(2, 4)), Box.from_bounds(-1, 1, 2))
    fixed = Box(np.array([-1.0, 0.5, -1.0, 0.25]), np.array([1.0, 0.5, 1.0, 0.25]))
    point = Box(np.full(4, 0.5), np.full(4, 0.5))
    for domain in (plane, fixed, point):
        problem = Problem(network, domain)
        assert certified(problem, Budget(), tmp_path / "certificate") == counted(problem)


def test_a_log_that_is_often_full_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in NETWORKS if case["name"] == "planar_16x3")
    problem = replace(network_problem(case), certificate=True)
    roomy = TreeEngine().settle(problem.free, Cube(), Budget()).part
    monkeypatch.setattr(state, "_LOG_BYTES", 0)
    monkeypatch.setattr(state, "_LOG_PIECES", 30)
    assert TreeEngine().settle(problem.free, Cube(), Budget()).part == roomy


@pytest.mark.acasxu
@pytest.mark.skipif(ACAS_XU is None, reason=NO_ACAS_XU)
def test_a_quarter_of_an_acas_xu_box_is_proven(tmp_path: Path) -> None:
    assert ACAS_XU is not None
    network = read_model((ACAS_XU / "ACASXU_run2a_3_3_batch_2000.onnx").read_bytes()).network
    lower = np.array([-0.303531156, -0.009549297, 0.493380324, 0.3, 0.3])
    upper = np.array([-0.298552812, 0.009549297, 0.5, 0.5, 0.5])
    centre, reach = (lower + upper) / 2, (upper - lower) / 8
    found = certified(Problem(network, Box(centre - reach, centre + reach)), Budget(), tmp_path / "certificate")
    assert found["activation_regions"] == 110
