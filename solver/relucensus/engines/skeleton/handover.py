"""Where a cube goes that the skeleton cannot settle: the one place that names another engine."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from relucensus.engines.protocol import Engine, Settlement
from relucensus.engines.tree.engine import TreeEngine
from relucensus.values.pattern import Cube
from relucensus.values.problem import Budget, Problem
from relucensus.values.result import Statistics


def handed_over(problem: Problem, cube: Cube, budget: Budget, spent: Statistics) -> Settlement:
    """The cube settled by engine tree, or milp where that does not serve; `spent` is what was spent on it before."""
    tree = TreeEngine()
    engine = tree if tree.supports(problem).supported else _milp()
    settlement = engine.settle(problem, cube, budget)
    return replace(settlement, statistics=settlement.statistics + spent + Statistics(handed_over=1))


def _milp() -> Engine:
    engine: Engine = import_module("relucensus.engines.milp.engine").CubesEngine()
    return engine
