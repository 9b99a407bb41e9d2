"""The result of a count from what was settled: merges regions, sums up the network, adds the bounds."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, NamedTuple

from relucensus.affine import Preactivations
from relucensus.certify import Binding, frame_of
from relucensus.engines.protocol import ACTIVE_SEEN, INACTIVE_SEEN, OpenCube
from relucensus.frontier import Tally
from relucensus.lp import LpCounter, LpSolver
from relucensus.merge import count_closed_linear_regions, count_linear_regions
from relucensus.patterns import count_activation_patterns
from relucensus.proof.merging import merges
from relucensus.stability import envelope
from relucensus.theory import MOST_REPORTED, Cuts, bounds
from relucensus.values.problem import Budget, Definition, Problem
from relucensus.values.result import Count, CountResult, Statistics, Status

_SUMMARY_SHARE: Final = 0.05
_LEAST_SUMMARY_SECONDS: Final = 0.02
_MOST_SUMMARY_SECONDS: Final = 5.0
_MOST_SHOWN: Final = 2_000_000  # entries of weight matrices


def conclude(
    problem: Problem, tally: Tally, open_cubes: Sequence[OpenCube], *, engine: str, budget: Budget | None = None
) -> CountResult:
    """The result of all settlements: merges regions, adds the bounds; exact where no cube is open.

    Args:
        problem: the problem that was settled.
        tally: the sum of the settlements.
        open_cubes: what was left open; a non-empty list makes every count a lower bound.
        engine: the name of the engine that settled the cubes.
        budget: limits the count of activation patterns, where that is still to be done.
    """
    return _concluded(problem, tally, tuple(open_cubes), (engine, budget or Budget()), _Work())


class Certified(NamedTuple):
    """An exact result, and what goes round the parts of its certificate."""

    result: CountResult
    binding: Binding


def conclude_certified(problem: Problem, tally: Tally, *, engine: str) -> Certified:
    """The exact result of all settlements of a problem that asks for a certificate; no cube may be open.

    The cost is that of `conclude`, and of proving the merges where linear regions are counted.

    Raises:
        SolverFailure: a merge does not check.
    """
    work, frame = _Work(), frame_of(problem)
    linear, section = None, b""
    if Definition.LINEAR_REGIONS in problem.definitions:
        linear, section = merges(Preactivations(problem.free), tally.mergeable, frame, work.counter)
    result = _concluded(problem, tally, (), (engine, Budget()), work, linear)
    counts = {Definition.ACTIVATION_REGIONS: tally.regions}
    counts |= {definition: count.value for definition, count in result.counts.items()}
    return Certified(result, Binding.of(problem, frame, counts, section))


class _Work:
    """What a conclusion has cost since this was made."""

    def __init__(self) -> None:
        self.counter = LpCounter()
        self._started, self._cpu = time.monotonic(), time.process_time()

    @property
    def statistics(self) -> Statistics:
        """The cost so far."""
        return Statistics(
            wall_seconds=time.monotonic() - self._started,
            cpu_seconds=time.process_time() - self._cpu,
            lps=self.counter.lps,
            exact_fallbacks=self.counter.exact_fallbacks,
        )


def _concluded(
    problem: Problem,
    tally: Tally,
    open_cubes: tuple[OpenCube, ...],
    settled: tuple[str, Budget],
    work: _Work,
    linear_regions: int | None = None,
) -> CountResult:
    """The result; `settled` names the engine, and limits what is still to be counted."""
    engine, budget = settled
    preactivations = Preactivations(problem.free)
    stable = None if open_cubes else _stable(tally.seen, preactivations.neurons)
    if stable is None and _matrix_entries(problem) > _MOST_SHOWN:
        stable = {}  # none is shown to be stable: that would take longer than the count was given
    if stable is None:
        stable = _shown_stable(preactivations, work.counter, _summary_seconds(tally.statistics))
    summary = _network_summary(problem, preactivations, stable)
    reported = bounds(preactivations.network, summary.cuts)
    least = _least_bound(reported)
    counts = _Counts(preactivations, tally, open_cubes, work.counter, budget, least, linear_regions)
    return CountResult(
        counts={definition: counts.of(definition) for definition in problem.definitions},
        regions_after_layer=_after_bent_layers(problem, tally.prefixes),
        engine=engine,
        network=summary.document,
        domain=problem.domain.to_json(),
        bounds=reported,
        statistics=tally.statistics + work.statistics,
        versions=dict(_versions()),
        notes=problem.network.notes,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """Each definition's count from what was settled."""

    preactivations: Preactivations
    tally: Tally
    open_cubes: tuple[OpenCube, ...]
    counter: LpCounter
    budget: Budget
    least_bound: int | None
    linear_regions: int | None  # where they are known already

    def of(self, definition: Definition) -> Count:
        """The count of one definition."""
        tally = self.tally
        if definition is Definition.ACTIVATION_PATTERNS:
            return self._patterns()
        if self.open_cubes:
            return self._stopped(definition)
        match definition:
            case Definition.ACTIVATION_REGIONS:
                return Count(tally.regions)
            case Definition.LINEAR_REGIONS:
                return self._linear_regions()
            case Definition.AFFINE_PIECES:
                return Count(len(tally.affine_maps))
            case Definition.CLOSED_LINEAR_REGIONS:
                return Count(
                    count_closed_linear_regions(self.preactivations, tally.regions, tally.mergeable, self.counter)
                )

    def _linear_regions(self) -> Count:
        if self.linear_regions is not None:
            return Count(self.linear_regions)
        tally = self.tally
        return Count(count_linear_regions(self.preactivations, tally.regions, tally.mergeable, self.counter))

    def _stopped(self, definition: Definition) -> Count:
        """A lower bound: regions proven to exist; for merged definitions, the different affine maps seen."""
        upper = self.tally.regions + sum(still_open.at_most for still_open in self.open_cubes)
        found = self.tally.regions + sum(still_open.found for still_open in self.open_cubes)
        if definition is not Definition.ACTIVATION_REGIONS:
            found = len(self.tally.affine_maps)
        return self._between(found, upper if self.least_bound is None else min(upper, self.least_bound))

    def _between(self, found: int, upper: int) -> Count:
        """A lower bound; there is always one region, and an upper bound of too many digits says nothing."""
        value = max(1, found)
        return Count(value, Status.LOWER_BOUND, None if upper >= MOST_REPORTED else max(value, upper))

    def _patterns(self) -> Count:
        most = 2**self.preactivations.network.breakpoints
        if self.tally.patterns is not None:
            if not self.open_cubes:
                return Count(self.tally.patterns)
            return self._between(self.tally.patterns, most)
        attained = count_activation_patterns(self.preactivations, self.counter, self.budget)
        if attained.complete:
            return Count(attained.found)
        return self._between(attained.found, most)


@dataclass(frozen=True, slots=True)
class _Summary:
    document: dict[str, Any]
    cuts: Cuts


def _matrix_entries(problem: Problem) -> int:
    """How many entries the weight matrices have, zeros included."""
    return sum(layer.rows * layer.columns for layer in problem.network.layers)


def _summary_seconds(spent: Statistics) -> float:
    """How long linear programs may look for stable neurons: a small part of what the count took."""
    return min(max(_SUMMARY_SHARE * spent.wall_seconds, _LEAST_SUMMARY_SECONDS), _MOST_SUMMARY_SECONDS)


def _stable(seen: bytes, rows: int) -> dict[int, int] | None:
    """The symbols of the rows that have one in all regions; None if a row was seen in none."""
    if len(seen) != rows or not all(seen):
        return None
    return {row: symbols - INACTIVE_SEEN for row, symbols in enumerate(seen) if symbols in (INACTIVE_SEEN, ACTIVE_SEEN)}


def _shown_stable(preactivations: Preactivations, counter: LpCounter, seconds: float) -> dict[int, int]:
    """The symbols of rows that bounds prove to be stable on the whole box, in so many seconds."""
    return envelope(preactivations, b"", LpSolver(preactivations.box, counter), seconds=seconds).stable


def _network_summary(problem: Problem, preactivations: Preactivations, stable: dict[int, int]) -> _Summary:
    network = problem.network
    cuts = _cuts(problem, preactivations, stable)
    document = {
        "digest": network.digest,
        "inputs": network.inputs,
        "hidden": list(network.bent_widths),
        "outputs": network.outputs,
        "neurons": sum(network.bent_widths),
        "stable_neurons": sum(network.bent_widths) - sum(size > 0 for sizes in cuts.unstable for size in sizes),
        "activation": network.activation,
    }
    return _Summary(document, cuts)


def _cuts(problem: Problem, preactivations: Preactivations, stable: dict[int, int]) -> Cuts:
    """The hinges of every neuron, and what those do that keep one symbol on the whole domain."""
    breakpoints, unstable, steady = [], [], []
    hidden = zip(preactivations.network.hidden, problem.lowering.neurons, preactivations.starts, strict=False)
    for layer, neurons, start in hidden:
        hinges, free, passing = [0] * (1 + max(neurons)), [0] * (1 + max(neurons)), 0
        for row, (neuron, activation) in enumerate(zip(neurons, layer.row_activations, strict=True)):
            hinges[neuron] += layer.bent[row]
            symbol = stable.get(start + row)
            free[neuron] += symbol is None
            passing += symbol is not None and activation.slopes[symbol] != 0
        breakpoints.append(tuple(hinges))
        unstable.append(tuple(free))
        steady.append(passing)
    return Cuts(tuple(breakpoints), tuple(unstable), tuple(steady))


def _after_bent_layers(problem: Problem, prefixes: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers of regions after the layers that have a neuron with a breakpoint; others divide nothing."""
    layers = problem.network.hidden
    return tuple(count for count, layer in zip(prefixes, layers, strict=False) if any(layer.bent))


def _least_bound(reported: dict[str, Any]) -> int | None:
    unstable = reported["on_unstable_neurons"]
    names = ("two_to_the_neurons", "montufar_2017", "serra_2018")
    known = [bounded[name] for bounded in (reported, unstable) for name in names]
    return min((bound for bound in known if bound is not None), default=None)


@cache
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in ("relucensus", "highspy", "pyomo", "python-flint", "numpy", "numba"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    return versions
