"""The tables of compare.py: every run, who was wrong, and the ratios that are promised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from measure import Outcome
from networks import Case

Runs = dict[tuple[str, str], Outcome]  # by case and tool


@dataclass(frozen=True)
class Floor:
    """Our seconds must be at most the peer's, divided by `factor`."""

    peer: str
    factor: float
    inputs: tuple[int, int]
    regions: int = 0


FLOORS = (
    Floor("regioncam", 2, (2, 2), 6_000),
    Floor("regioncam", 10, (2, 2), 240_000),
    Floor("affinitree", 80, (3, 3), 9_000),
    Floor("affinitree", 50, (5, 5)),
    Floor("affinitree", 30, (8, 8)),
    Floor("gurobi_pool", 10, (2, 8), 6_000),
    Floor("cplex_populate", 10, (2, 8), 6_000),
    Floor("cplex_populate", 3, (64, 64), 1_000),
)
REGIONS_A_SECOND = 2_000  # with 784 inputs
TWIN = 10  # a degenerate network may take so many times the seconds of its generic twin


def truth(case: Case, runs: Runs, engines: list[str]) -> int | None:
    """The known count, or what all our engines that finished found; none if they disagree."""
    if case.known is not None:
        return case.known
    found = our_counts(case, runs, engines)
    return found.pop() if len(found) == 1 else None


def our_counts(case: Case, runs: Runs, engines: list[str]) -> set[int]:
    """The counts of our engines that finished: more than one is an error of ours."""
    outcomes = [runs[case.name, engine] for engine in engines if (case.name, engine) in runs]
    return {outcome.found for outcome in outcomes if outcome.finished and outcome.found is not None}


def runs_table(cases: list[Case], runs: Runs, tools: list[str], engines: list[str]) -> Iterator[str]:
    """One row a case and tool."""
    yield "| network | inputs: hidden | tool | count | seconds | regions/s | MB | exact fallbacks | |"
    yield "|---|---|---|--:|--:|--:|--:|--:|---|"
    for case in cases:
        right = truth(case, runs, engines)
        for tool in tools:
            outcome = runs.get((case.name, tool))
            if outcome is not None:
                yield _row(case, tool, outcome, right)


def _row(case: Case, tool: str, outcome: Outcome, right: int | None) -> str:
    """A row of the table of runs."""
    count = "" if outcome.found is None else f"{'≥ ' if outcome.stopped else ''}{outcome.found:,}"
    seconds = "" if outcome.seconds is None else f"{outcome.seconds:.3f}"
    rate = f"{outcome.found / outcome.seconds:,.0f}" if outcome.found and outcome.seconds else ""
    fallbacks = outcome.details.get("exact_fallbacks", "")
    remark = outcome.reason.split("\n")[0][:80].replace("|", "/")
    if outcome.stopped and not remark:
        remark = "stopped at the limit"
    if outcome.finished and right is not None and outcome.found != right:
        remark = f"**wrong**, {right:,} is right"
    memory = f"{outcome.megabytes:.0f}" if outcome.megabytes else ""
    cells = (case.name, case.shape, tool, count, seconds, rate, memory, fallbacks, remark)
    return f"| {' | '.join(map(str, cells))} |"


def wrong_table(cases: list[Case], runs: Runs, tools: list[str], engines: list[str]) -> Iterator[str]:
    """One row a tool: how often it was right, how often wrong, and where."""
    for case in cases:
        counts = our_counts(case, runs, engines)
        if len(counts) > 1:
            yield f"**Our engines disagree** on {case.name}: {', '.join(map(str, sorted(counts)))}."
            yield ""
    yield "| tool | right | wrong | counted, with nothing to judge by | failed, refused or stopped | wrong on |"
    yield "|---|--:|--:|--:|--:|---|"
    for tool in tools:
        ours = [(case, runs[case.name, tool]) for case in cases if (case.name, tool) in runs]
        finished = [(case, outcome) for case, outcome in ours if outcome.finished]
        rights = {case.name: truth(case, runs, engines) for case, _ in finished}
        wrong = [
            f"{case.name} ({outcome.found:,}, not {rights[case.name]:,})"
            for case, outcome in finished
            if rights[case.name] is not None and outcome.found != rights[case.name]
        ]
        unjudged = sum(right is None for right in rights.values())
        right = len(finished) - len(wrong) - unjudged
        cells = (tool, right, len(wrong), unjudged, len(ours) - len(finished), ", ".join(wrong))
        yield f"| {' | '.join(map(str, cells))} |"


def floors_table(cases: list[Case], runs: Runs, engines: list[str]) -> Iterator[str]:
    """One row a floor and case it speaks of."""
    yield "| floor | network | regions | ours (s) | other (s) | ratio | |"
    yield "|---|---|--:|--:|--:|--:|---|"
    for case in cases:
        outcomes = [runs.get((case.name, engine), Outcome()) for engine in engines]
        if case.inputs == 784:
            yield from _rate_row(case, outcomes)
        ours = next((outcome for outcome in outcomes if outcome.finished), None)
        if ours is None:
            continue
        yield from _peer_rows(case, runs, ours)
        twin = runs.get((case.twin or "", engines[outcomes.index(ours)]))
        if twin is not None and twin.finished and twin.seconds and ours.seconds:
            ratio = ours.seconds / twin.seconds
            met = "met" if ratio <= TWIN else "**missed**"
            row = (f"≤ {TWIN}x {case.twin}", case.name, f"{ours.found:,}", f"{ours.seconds:.3f}", f"{twin.seconds:.3f}")
            yield f"| {' | '.join(row)} | {ratio:.2f} | {met} |"


def _rate_row(case: Case, outcomes: list[Outcome]) -> Iterator[str]:
    """The floor on regions a second, which a count that was stopped shows as well."""
    ours = next((outcome for outcome in outcomes if outcome.found and outcome.seconds), None)
    if ours is None or not ours.found or not ours.seconds:
        return
    rate = ours.found / ours.seconds
    met = "met" if rate >= REGIONS_A_SECOND else "**missed**"
    count = f"{'≥ ' if ours.stopped else ''}{ours.found:,}"
    cells = (f"≥ {REGIONS_A_SECOND:,} regions/s", case.name, count, f"{ours.seconds:.3f}")
    yield f"| {' | '.join(cells)} | | {rate:,.0f}/s | {met} |"


def _peer_rows(case: Case, runs: Runs, ours: Outcome) -> Iterator[str]:
    """The floors against peers that speak of this case."""
    for floor in FLOORS:
        peer = runs.get((case.name, floor.peer))
        assert ours.found is not None
        assert ours.seconds is not None
        applies = floor.inputs[0] <= case.inputs <= floor.inputs[1] and ours.found >= floor.regions
        if not applies or case.twin or peer is None or not peer.seconds:
            continue
        ratio = peer.seconds / ours.seconds
        met = "met" if ratio >= floor.factor else ("**missed**" if not peer.stopped else "open: the peer was stopped")
        more = "≥ " if peer.stopped else ""
        cells = (f"{floor.factor:g}x {floor.peer}", case.name, f"{ours.found:,}", f"{ours.seconds:.3f}")
        yield f"| {' | '.join(cells)} | {more}{peer.seconds:.3f} | {more}{ratio:,.1f} | {met} |"
