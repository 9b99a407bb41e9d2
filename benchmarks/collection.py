"""Count the networks of tests/cases with one engine and print seconds and milliseconds a region for each."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from relucensus import Box, Definition, Problem, count_regions, read_model

CASES = Path(__file__).parents[1] / "tests" / "cases"


def measured(case: dict[str, Any], ending: str, engine: str) -> tuple[int, float, float]:
    """Activation regions, wall seconds and CPU seconds of one count, reading the file included."""
    started, cpu = time.perf_counter(), time.process_time()
    network = read_model((CASES / f"{case['name']}.{ending}").read_bytes()).network
    problem = Problem(network, Box.from_bounds(case["lower"], case["upper"], network.inputs))
    result = count_regions(problem, engine=engine)
    found = result.counts[Definition.ACTIVATION_REGIONS].value
    return found, time.perf_counter() - started, time.process_time() - cpu


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=5000, help="leave out networks with more regions")
    parser.add_argument("--engine", default="milp")
    parser.add_argument("--format", choices=("onnx", "pt"), default="onnx", help="which of the two files to read")
    options = parser.parse_args()
    print(f"engine {options.engine}, {options.format}, {platform.machine()}, {os.cpu_count()} cores")
    print(f"{'network':<16} {'known':>7} {'counted':>8} {'wall s':>8} {'CPU s':>8} {'ms/region':>10}")
    for case in json.loads((CASES / "cases.json").read_text()):
        known = case["activation_regions"]
        if known > options.most:
            continue
        found, wall, cpu = measured(case, options.format, options.engine)
        wrong = "" if found == known else "  WRONG"
        print(
            f"{case['name']:<16} {known:>7} {found:>8} {wall:>8.2f} {cpu:>8.2f} {1000 * wall / known:>10.2f}{wrong}",
            flush=True,
        )


if __name__ == "__main__":
    main()
