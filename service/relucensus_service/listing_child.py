"""The child process that lists the regions of a job: it finds them again, and writes them while it does.

Standard input: a line of JSON, then `Network.to_bytes()`; it stays open as long as somebody listens. Standard output: a
line of JSON, `{}` or `{"error": {kind, detail}}`, then the rows. The exit status is 0 only if these are all regions.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any, BinaryIO

from relucensus.errors import CensusError
from relucensus.regions import iterate_regions
from relucensus.values.domain import domain_from_json
from relucensus.values.network import Network
from relucensus.values.problem import Problem
from relucensus.writers import check_output, send_regions
from relucensus_service.parent_watch import watch_parent


def main(stdin: BinaryIO, stdout: BinaryIO) -> int:
    """List the regions, and return the exit status."""
    asked = json.loads(stdin.readline())
    resource.setrlimit(resource.RLIMIT_CPU, (asked["seconds"], asked["seconds"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    network = Network.from_bytes(stdin.read(asked["size"]))
    watch_parent(lambda: os._exit(1))
    try:
        check_output(asked["format"], asked["columns"])
    except CensusError as error:
        _say(stdout, {"error": {"kind": type(error).__name__, "detail": str(error)}})
        return 1
    _say(stdout, {})
    problem = Problem(network, domain_from_json(asked["domain"], network.inputs))
    written = send_regions(iterate_regions(problem), stdout, format=asked["format"], columns=asked["columns"])
    stdout.flush()
    return 0 if written.complete and asked["regions"] in (None, written.regions) else 1


def _say(stdout: BinaryIO, header: dict[str, Any]) -> None:
    stdout.write(json.dumps(header).encode() + b"\n")
    stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.stdin.buffer, sys.stdout.buffer))
