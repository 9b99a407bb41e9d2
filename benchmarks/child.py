"""Count one case with one adapter and write what happened to a file: the process that benchmarks/measure.py watches.

Arguments: the adapter ("peers.regioncam", "ours.tree", "ours.tree.2" for two workers), the case, seconds, and the
file to write.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from networks import load
from peers import Limits, Stopped, Unsupported


def outcome(adapter: str, case: Path, seconds: float) -> dict[str, Any]:
    """Count, seconds and what else the adapter tells, or why there is none."""
    layers, lower, upper = load(case)
    package, name, *rest = adapter.split(".")
    if package == "ours":
        ours = importlib.import_module("ours")
        ours.warm_up(name)
        counting = ours.counter(name, int(rest[0]) if rest else 1)
    else:
        counting = importlib.import_module(f"peers.{name}").count
    started = time.perf_counter()
    try:
        found = counting(layers, lower, upper, Limits(seconds))
    except Stopped as stopped:
        return {"found": stopped.found, "stopped": True, "seconds": time.perf_counter() - started}
    except Unsupported as error:
        return {"unsupported": str(error)}
    taken = time.perf_counter() - started
    details = ours.DETAILS if package == "ours" else {}
    return {"found": found, "seconds": taken, **details}


def main() -> None:
    """Write the outcome, also of an error."""
    adapter, case, seconds, path = sys.argv[1:]
    try:
        found = outcome(adapter, Path(case), float(seconds))
    except Exception as error:  # a peer's own error is an entry of the table
        found = {"failed": f"{type(error).__name__}: {error}"[:300]}
    Path(path).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
