"""Compares what is read from ONNX files with what runtimes compute, and prints how much was read, refused and wrong.

From the root of the repository: ``PYTHONPATH=tests python -m differential.report --graphs 1000``. The list of node
tests with what became of each is `node_tests.txt`, which `--update` writes anew; the tables are Markdown.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import onnx
import onnxruntime

from differential.case import Case
from differential.families import FAMILIES
from differential.judge import BAD, Outcome, Verdict, judge
from differential.node_tests import constant_cases, node_cases
from differential.random_graphs import random_cases
from differential.shrinking import as_text, shrunk

EXPECTED: Final = Path(__file__).with_name("node_tests.txt")
_LONGEST_REASON: Final = 90


def expected() -> dict[str, str]:
    """What became of every node test when `node_tests.txt` was written: read or refused."""
    lines = (line.split(" ", 1) for line in EXPECTED.read_text().splitlines() if not line.startswith("#"))
    return {name: outcome for outcome, name in lines}


def write_expected(verdicts: Sequence[Verdict]) -> None:
    """Write that file for these verdicts."""
    head = f"# {len(verdicts)} cases of onnx {onnx.__version__}; written by differential.report --update\n"
    read = {verdict.name: verdict.outcome is Outcome.READ for verdict in verdicts}
    lines = sorted(f"{'read' if right else 'refused'} {name}" for name, right in read.items())
    EXPECTED.write_text(head + "\n".join(lines) + "\n")


def share_read(verdicts: Sequence[Verdict]) -> float:
    """The part of the cases that was read, of those that a runtime evaluates."""
    run = [verdict for verdict in verdicts if verdict.outcome is not Outcome.NOT_RUN]
    return sum(verdict.outcome is Outcome.READ for verdict in run) / max(1, len(run))


def summary(title: str, verdicts: Sequence[Verdict]) -> str:
    """One line with all numbers."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    bad = sum(counts[outcome] for outcome in BAD)
    parts = [f"{counts[Outcome.READ]} read", f"{counts[Outcome.REFUSED]} refused", f"{bad} wrong"]
    if counts[Outcome.NOT_RUN]:
        parts.append(f"{counts[Outcome.NOT_RUN]} that no runtime evaluates")
    return f"{title}: {len(verdicts)}, of which {', '.join(parts)}: {100 * share_read(verdicts):.1f} % read"


def by_operator(verdicts: Iterable[Verdict], *, reasons: bool = True) -> str:
    """A Markdown table: a line an operator, with the most frequent reasons of its refusals if wanted."""
    groups: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        for operator in verdict.operator.split():
            groups[operator].append(verdict)
    lines = ["| Operator | Cases | Read | Refused | Wrong |", "|---|---|---|---|---|"]
    if reasons:
        lines = [lines[0] + " Refused because |", lines[1] + "---|"]
    for operator, group in sorted(groups.items()):
        counts = Counter(verdict.outcome for verdict in group)
        bad = sum(counts[outcome] for outcome in BAD)
        why = Counter(reason_of(verdict) for verdict in group if verdict.outcome is Outcome.REFUSED)
        said = "; ".join(f"{reason} ({count})" for reason, count in why.most_common(2))
        numbers = f"{len(group)} | {counts[Outcome.READ]} | {counts[Outcome.REFUSED]} | {bad}"
        lines.append(f"| {operator} | {numbers} |" + (f" {said} |" if reasons else ""))
    return "\n".join(lines)


def by_reason(verdicts: Iterable[Verdict], most: int = 25) -> str:
    """A Markdown table of why cases were refused, the most frequent reasons first."""
    why = Counter(reason_of(verdict) for verdict in verdicts if verdict.outcome is Outcome.REFUSED)
    return "\n".join(
        ["| Refused because | Cases |", "|---|---|", *(f"| {r} | {n} |" for r, n in why.most_common(most))]
    )


def reason_of(verdict: Verdict) -> str:
    """A refusal without what is particular to its file."""
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "…", verdict.reason.splitlines()[0])
    text = re.sub(r"^(the node that computes|node) … \((\w+)\):? ", r"\2: ", text)
    text = text.partition("; supported are")[0]
    text = re.sub(r"\b\d[\d.]*\b", "n", text).replace("|", "/")
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "…"


def exporter_verdicts(names: Sequence[str] | None = None) -> list[Verdict]:
    """The verdicts on the modules through every exporter that is installed."""
    from differential.exporters import EXPORTERS, MODULES, exported  # noqa: PLC0415 - torch takes seconds

    found = []
    for exporter in EXPORTERS if importlib.util.find_spec("onnxscript") else EXPORTERS[:1]:
        for name in names or MODULES:
            for dynamic in (True, False):
                with tempfile.TemporaryDirectory() as folder:
                    found.append(judge(exported(name, exporter, Path(folder), dynamic=dynamic)))
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=int, default=1000, help="how many random graphs")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first")
    parser.add_argument("--exporters", action="store_true", help="torch modules, too: a minute or two")
    parser.add_argument("--update", action="store_true", help="write node_tests.txt")
    parser.add_argument("--markdown", type=Path, help="write the tables into this file, not to the terminal")
    return parser.parse_args()


def _shown(cases: Sequence[Case], verdicts: Sequence[Verdict], most: int = 20) -> Iterable[str]:
    bad = [(case, verdict) for case, verdict in zip(cases, verdicts, strict=True) if verdict.outcome in BAD]
    for case, verdict in bad[:most]:
        yield f"{verdict}\n{as_text(shrunk(case))}"


def main() -> int:
    """Run as a command; the status is 1 if anything was read wrong."""
    options = _arguments()
    cases, left_out = node_cases()
    constants = constant_cases()
    graphs, dropped = random_cases(options.graphs, options.seed)
    nodes = [judge(case) for case in cases]
    sections = [
        f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}, {len(FAMILIES)} operators in the families",
        summary("Node tests", nodes),
        "Node tests left out: " + ", ".join(f"{count} {reason}" for reason, count in left_out.most_common()),
        by_operator(nodes),
    ]
    others = [judge(case) for case in constants]
    stacked = [judge(case) for case in graphs]
    sections += [
        summary("Constant subgraphs, every operator", others),
        summary(f"Random graphs, seeds from {options.seed}", stacked),
        "Given up: " + (", ".join(f"{count} {reason}" for reason, count in dropped.most_common()) or "none"),
        by_operator(stacked, reasons=False),
        by_reason(stacked),
    ]
    modules = exporter_verdicts() if options.exporters else []
    if modules:
        sections += [summary("Modules through PyTorch's exporters", modules), by_operator(modules), by_reason(modules)]
    if options.update:
        write_expected(nodes)
    text = "\n\n".join(sections) + "\n"
    if options.markdown:
        options.markdown.write_text(text)
    failures = [
        *(str(verdict) for verdict in [*nodes, *others, *modules] if verdict.outcome in BAD),
        *_shown(graphs, stacked),
    ]
    short = "\n".join(part for part in sections if not part.startswith("|"))
    sys.stdout.write((short + "\n" if options.markdown else text) + "\n".join(failures) + ("\n" if failures else ""))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
