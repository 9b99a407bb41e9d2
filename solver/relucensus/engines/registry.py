"""Engines by name, each module loaded on first use; `auto` picks one."""

from __future__ import annotations

from relucensus.engines.protocol import Engine
from relucensus.errors import InvalidRequest, UnsupportedProblem
from relucensus.values.names import ENGINES, STRATEGIES
from relucensus.values.problem import Problem


def engine_named(name: str, strategy: str = "cubes") -> Engine:
    """The engine of this name.

    Raises:
        InvalidRequest: no such engine, no such strategy, or a strategy that only another engine has.
    """
    if strategy not in STRATEGIES:
        raise InvalidRequest(f"unknown strategy {strategy!r}; known are {', '.join(STRATEGIES)}")
    if strategy != "cubes" and name != "milp":
        raise InvalidRequest(f"strategy {strategy!r} belongs to engine 'milp', got engine {name!r}")
    match name:
        case "milp":
            from relucensus.engines.milp.engine import CubesEngine
            from relucensus.engines.milp.plain import PlainEngine

            return PlainEngine() if strategy == "plain" else CubesEngine()
        case "brute":
            from relucensus.engines.brute import BruteEngine

            return BruteEngine()
    raise InvalidRequest(f"unknown engine {name!r}; known are {', '.join(ENGINES)}")


def chosen(problem: Problem, name: str = "auto", strategy: str = "cubes") -> str:
    """The name of the engine that will count the problem.

    Raises:
        InvalidRequest: see `engine_named`.
        UnsupportedProblem: the engine cannot serve the problem; the reason in words.
    """
    name = "milp" if name == "auto" else name
    support = engine_named(name, strategy).supports(problem)
    if not support.supported:
        raise UnsupportedProblem(support.reason)
    return name
