"""Regions against seconds, from 10^2 to beyond 10^6, with one worker and with two.

    python benchmarks/scaling.py --engines skeleton,tree --workers 1,2 --output benchmarks/results/scaling.md

One family with two inputs (three layers, He-initialised, ever wider) and one with five (two layers, PyTorch's default).
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import Outcome, run
from networks import Case, box, default, he, save

NEEDED = 1.7  # two workers against one, on jobs over LONG seconds
LONG = 5.0
Results = list[tuple[Case, str, list[Outcome]]]


def families() -> list[Case]:
    """Small to large, in each family."""
    planar = [box(f"planar_{n}x3", he(2, [n] * 3, seed=0)) for n in (6, 12, 24, 48, 96, 192, 384, 576)]
    five = [box(f"five_{n}x2", default(5, [n] * 2, seed=1)) for n in (5, 8, 12, 16, 20, 26, 34, 40)]
    return planar + five


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="auto", help="separated by commas")
    parser.add_argument("--workers", default="1,2", help="separated by commas")
    parser.add_argument("--limit-seconds", type=float, default=600)
    parser.add_argument("--repeat", type=int, default=1, help="the fastest counts")
    parser.add_argument("--only", default="", help="names begin so, as in planar")
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def measured(chosen: argparse.Namespace) -> Results:
    """Every case with every engine and number of workers, until one takes too long in its family."""
    results: Results = []
    stopped: set[tuple[str, str]] = set()
    workers = [int(number) for number in chosen.workers.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        for case in families():
            family = case.name.split("_")[0]
            path = Path(folder) / f"{case.name}.npz"
            save(path, case)
            for engine in chosen.engines.split(","):
                if not case.name.startswith(chosen.only) or (family, engine) in stopped:
                    continue
                outcomes = [fastest(engine, number, path, chosen) for number in workers]
                if not outcomes[0].finished:
                    stopped.add((family, engine))
                results.append((case, engine, outcomes))
                print(row(case, engine, outcomes), flush=True)
    return results


def fastest(engine: str, workers: int, path: Path, chosen: argparse.Namespace) -> Outcome:
    """The fastest of so many runs; the first that did not finish ends it."""
    runs = []
    for _ in range(chosen.repeat):
        runs.append(run(f"ours.{engine}.{workers}", path, seconds=chosen.limit_seconds))
        if not runs[-1].finished:
            return runs[-1]
    return min(runs, key=lambda outcome: outcome.seconds or 0.0)


def row(case: Case, engine: str, outcomes: list[Outcome]) -> str:
    """One row: regions and the seconds, rate and memory with each number of workers."""
    first = outcomes[0]
    count = "" if first.found is None else f"{'≥ ' if first.stopped else ''}{first.found:,}"
    cells = [case.name, engine, count]
    for outcome in outcomes:
        if outcome.found is None or outcome.seconds is None:
            cells += [outcome.reason[:60].split("\n")[0], ""]
        else:
            rate = f"{outcome.found / outcome.seconds:,.0f}/s, {outcome.megabytes:.0f} MB"
            cells += [f"{outcome.seconds:.3f}", rate]
    if len({outcome.found for outcome in outcomes if outcome.finished}) > 1:
        cells.append("**counts differ**")
    elif len(outcomes) > 1 and all(outcome.finished for outcome in outcomes):
        cells.append(speedup(outcomes[0], outcomes[-1]))
    else:
        cells.append("")
    return f"| {' | '.join(cells)} |"


def speedup(one: Outcome, many: Outcome) -> str:
    """How much faster the last number of workers is than the first, and whether that is enough."""
    assert one.seconds
    assert many.seconds
    ratio = one.seconds / many.seconds
    if one.seconds <= LONG:
        return f"{ratio:.2f}"
    return f"{ratio:.2f} {'met' if ratio >= NEEDED else '**missed**'}"


def table(results: Results, workers: str) -> Iterator[str]:
    """The Markdown table."""
    heads = [f"seconds, {number} | rate, {number}" for number in workers.split(",")]
    yield f"| network | engine | regions | {' | '.join(heads)} | speed-up |"
    yield "|---|---|--:|" + "--:|" * (2 * len(heads) + 1)
    for case, engine, outcomes in results:
        yield row(case, engine, outcomes)


def main() -> None:
    """Measure and write."""
    chosen = options()
    results = measured(chosen)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = ["# Scaling", "", f"Measured on {machine}. Needed on jobs over {LONG:g} s: {NEEDED} with two workers.", ""]
    text = "\n".join([*lines, *table(results, chosen.workers), ""])
    print(text)
    if chosen.output:
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_text(text)


if __name__ == "__main__":
    main()
