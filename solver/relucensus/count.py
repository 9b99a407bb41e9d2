"""The census: choose an engine, settle cubes until done or out of budget, merge, report.

`count_regions` does it in one process. A service does the same in pieces: `check`, `settle` for each open cube, a
`Tally` that adds the settlements up, `conclude` at the end.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from relucensus.affine import Preactivations
from relucensus.engines.protocol import ACTIVE_SEEN, INACTIVE_SEEN, OpenCube, Settlement
from relucensus.engines.registry import chosen, engine_named
from relucensus.errors import Disagreement, InvalidRequest, UnsupportedProblem
from relucensus.frontier import Frontier, Progress, Tally, left_of
from relucensus.lp import LpCounter, LpSolver
from relucensus.merge import count_closed_linear_regions, count_linear_regions
from relucensus.patterns import MOST_BREAKPOINTS, count_activation_patterns
from relucensus.stability import envelope
from relucensus.theory import MOST_REPORTED, Cuts, bounds
from relucensus.values.problem import Budget, Definition, Problem
from relucensus.values.result import Count, CountResult, Statistics, Status
from relucensus.warm import prepare

_SUMMARY_SHARE: Final = 0.05
_LEAST_SUMMARY_SECONDS: Final = 0.02
_MOST_SUMMARY_SECONDS: Final = 5.0
_SPENT: Final = Budget(seconds=1e-3)


def check(problem: Problem, *, engine: str = "auto", strategy: str = "cubes") -> str:
    """The name of the engine that will count the problem, if it can be counted as asked.

    Raises:
        InvalidRequest: unknown engine or strategy.
        UnsupportedProblem: the engine or a definition cannot serve this network.
    """
    breakpoints = problem.network.breakpoints
    if Definition.ACTIVATION_PATTERNS in problem.definitions and breakpoints > MOST_BREAKPOINTS:
        what = "neurons" if breakpoints == problem.network.neurons else "breakpoints"
        raise UnsupportedProblem(
            f"activation_patterns is counted for up to {MOST_BREAKPOINTS} {what}; this network has {breakpoints}"
        )
    return chosen(problem, engine, strategy)


def settle(
    problem: Problem, still_open: OpenCube, *, engine: str, strategy: str = "cubes", budget: Budget | None = None
) -> Settlement:
    """One slice of work on one open cube of the problem."""
    prepare(engine)
    return engine_named(engine, strategy).settle(problem.free, still_open.cube, budget or Budget())


def count_regions(  # noqa: PLR0913  (the public entry: each is an option of a request)
    problem: Problem,
    *,
    engine: str = "auto",
    strategy: str = "cubes",
    budget: Budget | None = None,
    cross_check: str | None = None,
    workers: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
) -> CountResult:
    """Count the regions of a network on a box, exactly unless the budget ends first.

    Args:
        problem: network, box and definitions.
        engine: a name of `relucensus.values.names.ENGINES`.
        strategy: for engine milp, "cubes" or "plain" (one no-good cut and one solve a region).
        budget: wall seconds and regions after which to stop with a lower bound.
        cross_check: a second engine that has to find the same count.
        workers: threads that share the work, for engines tree and skeleton.
        on_progress: called about once a second.

    Raises:
        InvalidRequest: unknown engine or strategy, or several workers for an engine that works in one thread.
        UnsupportedProblem: the engine or a definition cannot serve this network.
        Disagreement: the second engine found another count.
    """
    budget = budget or Budget()
    name = check(problem, engine=engine, strategy=strategy)
    _check_workers(workers, (name, strategy))
    other = None if cross_check is None else second_engine(problem, name, cross_check)
    for needed in (name, other):
        prepare(needed or name)
    started = time.monotonic()
    tally, open_cubes = _settled(problem, (name, strategy), budget, workers, on_progress)
    rest = _rest(budget, started)
    result = conclude(problem, tally, open_cubes, engine=name, budget=rest)
    if other is not None and not open_cubes:
        left = left_of(budget, time.monotonic() - started)
        second, unfinished = _settled(problem, (other, "cubes"), left, 1, on_progress)
        if not unfinished:
            rest = _rest(budget, started)
            result = confirmed(problem, result, conclude(problem, second, (), engine=other, budget=rest))
    return replace(result, statistics=replace(result.statistics, wall_seconds=time.monotonic() - started))


def _check_workers(workers: int, engine: tuple[str, str]) -> None:
    if workers < 1:
        raise InvalidRequest(f"workers is {workers}; needed is 1 or more")
    if workers > 1 and not engine_named(*engine).parallel:
        raise InvalidRequest(
            f"engine {engine[0]} works in one thread, got workers={workers}; use engine tree or skeleton, or a service"
        )


def _rest(budget: Budget, started: float) -> Budget:
    """The seconds left of the budget, a moment at least."""
    return left_of(Budget(budget.seconds), time.monotonic() - started) or _SPENT


def second_engine(problem: Problem, first: str, cross_check: str) -> str:
    """The name of the engine that is to confirm the first one's count.

    Raises:
        InvalidRequest: it is the same engine, or `auto`, which names none.
        UnsupportedProblem: it cannot serve this network.
    """
    if cross_check in ("auto", first):
        raise InvalidRequest(f"cross_check is {cross_check!r}; needed is an engine other than {first!r}, by name")
    return check(problem, engine=cross_check)


def confirmed(problem: Problem, result: CountResult, other: CountResult) -> CountResult:
    """The result, marked as cross-checked by the other engine's result of the same problem.

    Raises:
        Disagreement: a definition has two different exact counts.
    """
    for definition in problem.definitions:
        mine, theirs = result.counts[definition], other.counts[definition]
        if Status.EXACT is mine.status is theirs.status and mine.value != theirs.value:
            raise Disagreement(
                f"engine {result.engine} counts {mine.value} {definition.value}, engine {other.engine} counts "
                f"{theirs.value}; one of them is wrong, please report the network and the box"
            )
    return replace(result, cross_checked_by=other.engine)


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
    started, cpu = time.monotonic(), time.process_time()
    preactivations = Preactivations(problem.free)
    counter = LpCounter()
    stable = None if open_cubes else _stable(tally.seen, preactivations.neurons)
    if stable is None:
        stable = _shown_stable(preactivations, counter, _summary_seconds(tally.statistics))
    summary = _network_summary(problem, preactivations, stable)
    reported = bounds(preactivations.network, summary.cuts)
    counts = _Counts(preactivations, tally, tuple(open_cubes), counter, budget or Budget(), _least_bound(reported))
    statistics = tally.statistics + Statistics(
        wall_seconds=time.monotonic() - started, cpu_seconds=time.process_time() - cpu
    )
    return CountResult(
        counts={definition: counts.of(definition) for definition in problem.definitions},
        regions_after_layer=_after_bent_layers(problem, tally.prefixes),
        engine=engine,
        network=summary.document,
        domain=problem.domain.to_json(),
        bounds=reported,
        statistics=replace(
            statistics,
            lps=statistics.lps + counter.lps,
            exact_fallbacks=statistics.exact_fallbacks + counter.exact_fallbacks,
        ),
        versions=dict(_versions()),
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
                return Count(count_linear_regions(self.preactivations, tally.regions, tally.mergeable, self.counter))
            case Definition.AFFINE_PIECES:
                return Count(len(tally.affine_maps))
            case Definition.CLOSED_LINEAR_REGIONS:
                return Count(
                    count_closed_linear_regions(self.preactivations, tally.regions, tally.mergeable, self.counter)
                )

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


def _settled(
    problem: Problem,
    engine: tuple[str, str],
    budget: Budget | None,
    workers: int,
    on_progress: Callable[[Progress], None] | None,
) -> tuple[Tally, list[OpenCube]]:
    """Settle the whole problem."""
    chosen_one = engine_named(*engine)
    sliced = not chosen_one.parallel and engine[1] != "plain"
    return Frontier(problem, chosen_one, budget, sliced, on_progress).settled(workers)


@cache
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in ("relucensus", "highspy", "pyomo", "python-flint", "numpy", "numba"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    return versions
