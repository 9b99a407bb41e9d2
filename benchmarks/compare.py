"""Count the same networks with our engines and with the peers, in turn, and write who took what and who was wrong.

    python benchmarks/compare.py --suite planar --engines auto,tree --peers regioncam --limit-seconds 300

Our engines run in this Python, the peers in the one of `--peers-python`; see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

from measure import HERE, Outcome, run
from networks import Case, save
from report import Runs, floors_table, runs_table, wrong_table
from suites import SUITES

PEERS = ("regioncam", "affinitree", "gurobi_pool", "cplex_populate", "scip_count", "relucent", "parx")
PEERS_PYTHON = os.environ.get("PEERS_PYTHON", str(HERE / ".peers" / "bin" / "python"))


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=(*SUITES, "all"), default="volume")
    parser.add_argument("--engines", default="auto", help='of ours, separated by commas; "tree:2" is two workers')
    parser.add_argument("--peers", default=",".join(PEERS), help='separated by commas, or "none"')
    parser.add_argument("--only", default="", help="the networks to take, separated by commas")
    parser.add_argument("--repeat", type=int, default=1, help="rounds; the fastest of each counts")
    parser.add_argument("--limit-seconds", type=float, default=300)
    parser.add_argument("--keep-trying", action="store_true", help="also after a tool was stopped on a smaller network")
    parser.add_argument("--peers-python", default=PEERS_PYTHON)
    parser.add_argument("--output", type=Path, help="a folder, or a Markdown file if there is one suite")
    return parser.parse_args()


def measured(cases: list[Case], tools: list[str], chosen: argparse.Namespace) -> Runs:
    """The best run of each tool on each case, the tools taking turns."""
    runs: Runs = {}
    hopeless: dict[tuple[str, int], str] = {}  # by tool and number of inputs
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(chosen.repeat):
            for case in cases:
                path = Path(folder) / f"{case.name}.npz"
                save(path, case)
                shift = turn % len(tools)
                for tool in tools[shift:] + tools[:shift]:
                    outcome = one(tool, path, chosen, hopeless.get((tool, case.inputs), ""))
                    if outcome.stopped and not chosen.keep_trying:
                        hopeless.setdefault((tool, case.inputs), case.name)
                    runs[case.name, tool] = best(runs.get((case.name, tool)), outcome)
                    show(case, tool, outcome)
    return runs


def one(tool: str, path: Path, chosen: argparse.Namespace, stopped_on: str) -> Outcome:
    """One run of one tool, unless it is known to be in vain."""
    if stopped_on:
        return Outcome(reason=f"not run: stopped on {stopped_on}")
    if tool in PEERS:
        return run(f"peers.{tool}", path, seconds=chosen.limit_seconds, python=chosen.peers_python)
    return run(f"ours.{tool.replace(':', '.')}", path, seconds=chosen.limit_seconds)


def best(before: Outcome | None, now: Outcome) -> Outcome:
    """The faster of two runs; counts that differ between runs are kept apart by their reason."""
    if before is None or not before.finished:
        return now if before is None or now.finished else before
    if not now.finished or now.seconds is None or before.seconds is None:
        return before
    if now.found != before.found:
        return Outcome(reason=f"found {before.found} and {now.found} in two runs")
    return min(before, now, key=lambda outcome: outcome.seconds or 0.0)


def show(case: Case, tool: str, outcome: Outcome) -> None:
    """One line on the terminal."""
    count = outcome.found if outcome.found is not None else outcome.reason.split("\n")[0]
    seconds = f"{outcome.seconds:.3f} s" if outcome.seconds is not None else ""
    stopped = " (stopped)" if outcome.stopped else ""
    print(f"{case.name:<24} {tool:<16} {count}{stopped}  {seconds}  {outcome.megabytes:.0f} MB", flush=True)


def document(suite: str, cases: list[Case], runs: Runs, tools: list[str], engines: list[str]) -> str:
    """The Markdown of one suite."""
    about = (SUITES[suite].__doc__ or "").splitlines()[0]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    sections = {
        "Runs": runs_table(cases, runs, tools, engines),
        "Who was wrong": wrong_table(cases, runs, tools, engines),
        "Floors": floors_table(cases, runs, engines),
    }
    lines = [f"# Suite {suite}", "", about, "", f"Measured on {machine}."]
    for title, table in sections.items():
        lines += ["", f"## {title}", "", *table]
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure and write."""
    chosen = options()
    engines = [name for name in chosen.engines.split(",") if name]
    peers = [] if chosen.peers == "none" else chosen.peers.split(",")
    unknown = set(peers) - set(PEERS)
    if unknown:
        sys.exit(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    if peers and not Path(chosen.peers_python).exists():
        sys.exit(f"no Python at {chosen.peers_python}: benchmarks/README.md says how to install the peers")
    for suite in SUITES if chosen.suite == "all" else (chosen.suite,):
        only = set(filter(None, chosen.only.split(",")))
        cases = [case for case in SUITES[suite](chosen.peers_python) if not only or case.name in only]
        if not cases:
            continue
        tools = engines + peers
        text = document(suite, cases, measured(cases, tools, chosen), tools, engines)
        print(text)
        if chosen.output:
            path = chosen.output if chosen.output.suffix == ".md" else chosen.output / f"{suite}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


if __name__ == "__main__":
    main()
