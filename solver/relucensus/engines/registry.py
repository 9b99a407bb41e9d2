"""Engines by name, each module loaded on first use; `auto` picks one."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from relucensus.engines.protocol import Engine
from relucensus.errors import InvalidRequest, UnsupportedProblem
from relucensus.values.names import ENGINES, STRATEGIES
from relucensus.values.problem import Definition, Problem

_FOR_SKELETON: Final = (1, 3)
_PLACES: Final = {
    ("tree", "cubes"): ("relucensus.engines.tree.engine", "TreeEngine"),
    ("skeleton", "cubes"): ("relucensus.engines.skeleton.engine", "SkeletonEngine"),
    ("milp", "cubes"): ("relucensus.engines.milp.engine", "CubesEngine"),
    ("milp", "plain"): ("relucensus.engines.milp.plain", "PlainEngine"),
    ("brute", "cubes"): ("relucensus.engines.brute", "BruteEngine"),
}


def engine_named(name: str, strategy: str = "cubes") -> Engine:
    """The engine of this name.

    Raises:
        InvalidRequest: no such engine, no such strategy, or a strategy that only another engine has.
    """
    if strategy not in STRATEGIES:
        raise InvalidRequest(f"unknown strategy {strategy!r}; known are {', '.join(STRATEGIES)}")
    if strategy != "cubes" and name != "milp":
        raise InvalidRequest(f"strategy {strategy!r} belongs to engine 'milp', got engine {name!r}")
    place = _PLACES.get((name, strategy))
    if place is None:
        raise InvalidRequest(f"unknown engine {name!r}; known are {', '.join(ENGINES)}")
    module, kind = place
    engine: Engine = getattr(import_module(module), kind)()
    return engine


def _fitting(problem: Problem) -> str:
    """What `auto` stands for: skeleton for one or three inputs, where the regions need not be listed; else tree.

    For two inputs, where tree's cells are polygons, tree is faster; for four and more, it takes far less memory and
    shares work better. Without biases, a network's hyperplanes meet in one point, which skeleton would hand over.
    Only tree writes certificates.
    """
    if problem.certificate:
        return "tree"
    network = problem.free.network
    listed = set(problem.definitions) - {Definition.ACTIVATION_REGIONS, Definition.ACTIVATION_PATTERNS}
    simple = any(layer.bias.any() for layer in network.hidden)
    if not listed and simple and network.inputs in _FOR_SKELETON:
        return "skeleton"
    return "tree" if engine_named("tree").supports(problem).supported else "milp"


def chosen(problem: Problem, name: str = "auto", strategy: str = "cubes") -> str:
    """The name of the engine that will count the problem.

    Raises:
        InvalidRequest: see `engine_named`.
        UnsupportedProblem: the engine cannot serve the problem; the reason in words.
    """
    name = _fitting(problem) if name == "auto" else name
    support = engine_named(name, strategy).supports(problem)
    if not support.supported:
        raise UnsupportedProblem(support.reason)
    return name
