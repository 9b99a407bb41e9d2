"""The census: choose an engine, settle cubes until done or out of budget, merge, report.

`count_regions` does it in one process. A service does the same in pieces: `check`, `settle` for each open cube, a
`Tally` that adds the settlements up, `conclude` at the end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from relucensus import certify
from relucensus.conclusion import conclude, conclude_certified
from relucensus.engines.protocol import OpenCube, Settlement
from relucensus.engines.registry import chosen, engine_named
from relucensus.errors import Disagreement, InvalidRequest, UnsupportedProblem
from relucensus.frontier import Frontier, Progress, Tally, left_of
from relucensus.patterns import MOST_BREAKPOINTS
from relucensus.values.problem import Budget, Definition, Problem
from relucensus.values.result import CountResult, Status
from relucensus.warm import prepare

_MOST_ENTRIES: Final = 50_000_000  # engines hold the matrices of all layers, zeros included
_SPENT: Final = Budget(seconds=1e-3)


def check(problem: Problem, *, engine: str = "auto", strategy: str = "cubes") -> str:
    """The name of the engine that will count the problem, if it can be counted as asked.

    Raises:
        InvalidRequest: unknown engine or strategy.
        UnsupportedProblem: the engine or a definition cannot serve this network.
    """
    entries = sum(layer.rows * layer.columns for layer in problem.network.layers)
    if entries > _MOST_ENTRIES:
        raise UnsupportedProblem(
            f"the network was read, but as whole matrices its layers have {entries} weights, zeros included; counted "
            f"are networks of at most {_MOST_ENTRIES}"
        )
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
    certificate: str | os.PathLike[str] | None = None,
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
        certificate: a file for the proof of the counts, which appears if these are exact; `relucensus.proof.checker`
            and ``relucensus verify`` check it. `CountResult.certificate` is its path, or None.
        on_progress: called about once a second.

    Raises:
        InvalidRequest: unknown engine or strategy, several workers for an engine that works in one thread, or a
            certificate of what is never certified, or nowhere to write it.
        UnsupportedProblem: the engine or a definition cannot serve this network.
        Disagreement: the second engine found another count.
    """
    budget = budget or Budget()
    started = time.monotonic()
    problem = _certified(problem, certificate)
    name = check(problem, engine=engine, strategy=strategy)
    _check_workers(workers, (name, strategy))
    other = None if cross_check is None else second_engine(problem, name, cross_check)
    for needed in (name, other):
        prepare(needed or name)
    begun = time.monotonic()
    tally, open_cubes = _settled(problem, (name, strategy), left_of(budget, begun - started), workers, on_progress)
    rest = _rest(budget, started)
    if problem.certificate and not open_cubes:
        result, binding = conclude_certified(problem, tally, engine=name)
    else:
        result, binding = conclude(problem, tally, open_cubes, engine=name, budget=rest), None
    if other is not None and not open_cubes:
        left = left_of(budget, time.monotonic() - started)
        again = problem.uncertified
        second, unfinished = _settled(again, (other, "cubes"), left, 1, on_progress)
        if not unfinished:
            rest = _rest(budget, started)
            result = confirmed(problem, result, conclude(again, second, (), engine=other, budget=rest))
    if certificate is not None and binding is not None:
        certify.save(certificate, binding.round(tally.parts))
        result = replace(result, certificate=os.fspath(certificate))
    return replace(result, statistics=replace(result.statistics, wall_seconds=time.monotonic() - started))


def _certified(problem: Problem, certificate: str | os.PathLike[str] | None) -> Problem:
    """The problem that asks for a certificate exactly if there is a file for it."""
    if certificate is None:
        return problem.uncertified
    certify.check_writable(certificate)
    return problem if problem.certificate else replace(problem, certificate=True)


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
    return check(problem.uncertified, engine=cross_check)


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
