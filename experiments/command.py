"""The command line that all experiments have."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from experiments.report import Report

Sizes = TypeVar("Sizes")
RESULTS: Final = Path(__file__).parent / "results"


def main(
    name: str, run: Callable[[Sizes], Report], sizes: tuple[Sizes, Sizes], arguments: Sequence[str] | None = None
) -> Path:
    """Run an experiment in its small or its full size, write its page, and return where that is."""
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{name}", description=run.__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="a small form, in less than a minute; the default")
    size.add_argument("--full", action="store_true", help="the form of docs/experiments.md, in some minutes")
    parser.add_argument("--output", type=Path, help="the folder to write to [experiments/results/…, small in …/small]")
    chosen = parser.parse_args(arguments)
    started, used = time.monotonic(), time.process_time()
    report = run(sizes[1 if chosen.full else 0])
    took = f"{time.monotonic() - started:.0f} seconds, {time.process_time() - used:.0f} of them of the processor"
    form = "full" if chosen.full else "small"
    machine = f"{platform.machine()}, {os.cpu_count()} shared cores, Python {platform.python_version()}"
    report.say(f"The {form} form, one process on {machine}: {took}.")
    page = report.write(chosen.output or (RESULTS / name if chosen.full else RESULTS / "small" / name))
    print(f"{page}: {took}")
    return page
