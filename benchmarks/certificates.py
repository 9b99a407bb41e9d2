"""What a certificate costs: the certified count against tree's own, bytes a region, and verification against HiGHS.

Every network of tests/cases up to `--most` regions, and the ACAS Xu network of property 3 where `--acasxu` names its
folder. Seconds are the least CPU seconds of `--repeat` whole counts in one process and one thread, the two kinds
taking turns. HiGHS is engine milp, on the whole box; for ACAS Xu, on a quarter of the box.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from relucensus import Box, Definition, Network, Problem, count_regions, read_model, verify

CASES = Path(__file__).parents[1] / "tests" / "cases"
REGIONS = (Definition.ACTIVATION_REGIONS,)
ACAS_XU_LOWER = np.array([-0.303531156, -0.009549297, 0.493380324, 0.3, 0.3])
ACAS_XU_UPPER = np.array([-0.298552812, 0.009549297, 0.5, 0.5, 0.5])


@dataclass(frozen=True)
class Case:
    """A network, its box, and the box on which HiGHS is timed: the same, or a part of it."""

    name: str
    network: Network
    box: Box
    for_highs: Box

    def problem(self) -> Problem:
        """The problem, made afresh, so that nothing is remembered of it."""
        return Problem(self.network, self.box, REGIONS)


def cases(most: int, acasxu: Path | None) -> Iterator[Case]:
    """The networks to measure."""
    for case in json.loads((CASES / "cases.json").read_text()):
        if case["activation_regions"] <= most:
            network = read_model((CASES / f"{case['name']}.onnx").read_bytes()).network
            box = Box.from_bounds(case["lower"], case["upper"], network.inputs)
            yield Case(case["name"], network, box, box)
    if acasxu is not None:
        network = read_model((acasxu / "ACASXU_run2a_3_3_batch_2000.onnx").read_bytes()).network
        centre, reach = (ACAS_XU_LOWER + ACAS_XU_UPPER) / 2, (ACAS_XU_UPPER - ACAS_XU_LOWER) / 8
        whole, quarter = Box(ACAS_XU_LOWER, ACAS_XU_UPPER), Box(centre - reach, centre + reach)
        yield Case("ACAS Xu 3_3", network, whole, quarter)


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def row(case: Case, path: Path, repeat: int, *, highs: bool) -> str:
    """Measure one network."""
    plain, certified = float("inf"), float("inf")
    for _ in range(repeat):
        plain = min(plain, seconds(lambda: count_regions(case.problem(), engine="tree")))
        certified = min(certified, seconds(lambda: count_regions(case.problem(), certificate=path)))
    started = time.process_time()
    regions = verify(case.network, path).counts["activation_regions"]
    verified = time.process_time() - started
    cells = [case.name, f"{regions:,}", f"{1e3 * plain:.1f}", f"{1e3 * certified:.1f}", f"{plain / certified:.2f}"]
    cells += [f"{path.stat().st_size / regions:.0f}", f"{1e6 * verified / regions:.0f}"]
    if highs:
        started = time.process_time()
        problem = Problem(case.network, case.for_highs, REGIONS)
        known = count_regions(problem, engine="milp").counts[Definition.ACTIVATION_REGIONS].value
        cells.append(f"{1e6 * (time.process_time() - started) / known:.0f}")
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=10_000, help="leave out networks with more regions")
    parser.add_argument("--only", default="", help="names of networks, with commas between")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--acasxu", type=Path, help="the folder of the ACAS Xu networks")
    parser.add_argument("--no-highs", action="store_true", help="do not count with HiGHS, which takes minutes")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, one thread\n")
    columns = ["network", "regions", "tree, ms", "certified, ms", "speed", "bytes/region", "verify, µs/region"]
    columns += [] if options.no_highs else ["HiGHS, µs/region"]
    print("| " + " | ".join(columns) + " |")
    print("|---" + "|--:" * (len(columns) - 1) + "|")
    only = set(filter(None, options.only.split(",")))
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(options.most, options.acasxu):
            if not only or case.name in only:
                path = Path(folder) / "certificate.relucert"
                print(row(case, path, options.repeat, highs=not options.no_highs), flush=True)


if __name__ == "__main__":
    main()
