"""The adapter of relucensus itself, for benchmarks/child.py."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from peers import Layers, Limits, Stopped, Unsupported, Vector
from relucensus import Box, Budget, Definition, Network, Problem, Status, count_regions
from relucensus.errors import UnsupportedProblem

REGIONS = Definition.ACTIVATION_REGIONS
DETAILS: dict[str, Any] = {}  # what the last count told besides the number


def warm_up(engine: str) -> None:
    """Two tiny counts, so that loading compiled code is left out of the measurement, as the import of a peer is."""
    generator = np.random.default_rng(0)
    for inputs in (2, 3):
        layers = [(generator.normal(size=(n, m)), generator.normal(size=n)) for m, n in ((inputs, 5), (5, 4), (4, 1))]
        network = Network.from_arrays(layers)
        try:
            count_regions(Problem(network, Box.from_bounds(-1, 1, inputs), (REGIONS,)), engine=engine)
        except UnsupportedProblem:
            continue


def counter(engine: str, workers: int) -> Callable[[Layers, Vector, Vector, Limits], int]:
    """An adapter that counts with this engine on that many cores."""
    options: dict[str, Any] = {"engine": engine}
    if "workers" in inspect.signature(count_regions).parameters:
        options["workers"] = workers
    elif workers > 1:
        raise Unsupported("this version counts in one process")

    def count(layers: Layers, lower: Vector, upper: Vector, limits: Limits) -> int:
        network = Network.from_arrays([(weights.astype(float), bias.astype(float)) for weights, bias in layers])
        problem = Problem(network, Box.from_bounds(lower, upper, len(lower)), (REGIONS,))
        try:
            result = count_regions(problem, budget=Budget(seconds=limits.seconds), **options)
        except UnsupportedProblem as error:
            raise Unsupported(str(error)) from error
        found = result.counts[REGIONS]
        if found.status is not Status.EXACT:
            raise Stopped(found.value)
        DETAILS.update(engine=result.engine, exact_fallbacks=result.statistics.exact_fallbacks)
        DETAILS.update(lps=result.statistics.lps, cpu_seconds=result.statistics.cpu_seconds)
        return found.value

    return count
