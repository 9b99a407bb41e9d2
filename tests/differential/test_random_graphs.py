"""Random graphs of many operators are read right or refused."""

from __future__ import annotations

from collections import Counter

import pytest

from differential.case import Case
from differential.judge import BAD, Outcome, Verdict, judge
from differential.random_graphs import NEWEST_OPSET, random_cases
from differential.report import share_read
from differential.shrinking import as_text, shrunk

GRAPHS = 400
MANY_GRAPHS = 5000
LEAST_READ = 0.90


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return random_cases(GRAPHS, seed=0)[0]


@pytest.fixture(scope="module")
def verdicts(cases: list[Case]) -> list[Verdict]:
    return [judge(case) for case in cases]


def _told(cases: list[Case], verdicts: list[Verdict]) -> list[str]:
    bad = [(case, verdict) for case, verdict in zip(cases, verdicts, strict=True) if verdict.outcome in BAD]
    return [f"{verdict}\n{as_text(shrunk(case))}" for case, verdict in bad[:5]]


def test_no_random_graph_is_read_wrong(cases: list[Case], verdicts: list[Verdict]) -> None:
    assert _told(cases, verdicts) == []


def test_most_random_graphs_are_read(verdicts: list[Verdict]) -> None:
    assert share_read(verdicts) >= LEAST_READ, [str(v) for v in verdicts if v.outcome is not Outcome.READ][:20]


@pytest.mark.long
def test_none_of_many_random_graphs_is_read_wrong() -> None:
    cases, _ = random_cases(MANY_GRAPHS, seed=10**6)
    assert _told(cases, [judge(case) for case in cases]) == []


def test_a_seed_gives_the_same_graph_again(cases: list[Case]) -> None:
    again = random_cases(20, seed=0)[0]
    assert [case.model.SerializeToString() for case in again] == [c.model.SerializeToString() for c in cases[:20]]


def test_the_graphs_have_many_operators_and_every_opset(cases: list[Case]) -> None:
    operators = Counter(node.op_type for case in cases for node in case.model.graph.node)
    opsets = {case.model.opset_import[0].version for case in cases}
    assert len(operators) > 60
    assert opsets == set(range(7, NEWEST_OPSET + 1))
