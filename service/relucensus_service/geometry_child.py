"""The child process that draws and measures: one question, one answer.

Standard input: a line of JSON (`task`, `size`, limits, and what the task needs), then `Network.to_bytes()`. Standard
output: a line of JSON, ``{"size": n}`` or ``{"error": {kind, detail}}``, then the n bytes of the answer. While nobody
asks it loads what the answer may need.
"""

from __future__ import annotations

import json
import os
import resource
import select
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO, Final

from relucensus.errors import CensusError, InvalidRequest, MissingPackage
from relucensus.geometry.documents import distances_of, geometry_of
from relucensus.geometry.pictures import picture_of
from relucensus.values.domain import domain_from_json
from relucensus.values.network import Network
from relucensus.values.problem import Budget, Definition, Problem
from relucensus_service.parent_watch import watch_parent

_FAILED: Final = "Failed"  # known to `relucensus_service.geometry`
_LOADED: Final = (
    "relucensus_client.drawing",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "relucensus.residues",
)


def main(stdin: BinaryIO, stdout: BinaryIO) -> int:
    """Answer, and return the exit status."""
    _load_until_asked(stdin)
    line = stdin.readline()
    if not line:
        return 0
    asked = json.loads(line)
    _limit(asked)
    network = Network.from_bytes(stdin.read(asked["size"]))
    watch_parent(lambda: os._exit(1))
    try:
        answer = _TASKS[asked["task"]](network, asked)
    except CensusError as error:
        return _refused(stdout, type(error).__name__, str(error))
    except MemoryError:
        return 1
    except Exception:
        traceback.print_exc()
        return _refused(stdout, _FAILED, "this could not be computed; the log of the service says more")
    stdout.write(json.dumps({"size": len(answer)}).encode() + b"\n" + answer)
    stdout.flush()
    return 0


def _load_until_asked(stdin: BinaryIO) -> None:
    for name in _LOADED:
        if select.select([stdin], [], [], 0)[0]:
            return
        with suppress(ImportError):
            import_module(name)


def _limit(asked: Mapping[str, Any]) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = asked["seconds"] + int(used.ru_utime + used.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (asked["memory"], asked["memory"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _problem_of(network: Network, asked: Mapping[str, Any]) -> Problem:
    return Problem(network, domain_from_json(asked["domain"], network.inputs))


def _budget(asked: Mapping[str, Any]) -> Budget:
    return Budget(regions=asked["most_regions"] + 1)


def _regions(problem: Problem, asked: Mapping[str, Any]) -> int:
    """The number of activation regions: that of the job, or if this did not count them, counted now."""
    known: int | None = asked["regions"]
    if known is not None:
        return known
    from relucensus.census import count_regions  # noqa: PLC0415 - loads the engines

    counting = Problem(problem.network, problem.domain, (Definition.ACTIVATION_REGIONS,))
    return count_regions(counting).counts[Definition.ACTIVATION_REGIONS].value


def _picture(network: Network, asked: Mapping[str, Any]) -> bytes:
    options = asked["options"]
    maps = asked["format"] == "json" or options.get("colour") == "map"
    problem = _problem_of(network, asked)
    document = picture_of(problem, regions=_regions(problem, asked), budget=_budget(asked), maps=maps)
    if asked["format"] == "json":
        return _as_json(document)
    return _drawn(document, asked["format"], options)


def _drawn(document: dict[str, Any], format_: str, options: Mapping[str, Any]) -> bytes:
    from relucensus_client import InvalidArgument, MissingPart, Picture, drawing  # noqa: PLC0415 - see `_LOADED`

    try:
        return drawing.rendered(Picture(document), format_, **options)
    except InvalidArgument as error:
        raise InvalidRequest(str(error)) from None
    except MissingPart as error:
        raise MissingPackage(str(error)) from None


def _geometry(network: Network, asked: Mapping[str, Any]) -> bytes:
    problem = _problem_of(network, asked)
    regions = _regions(problem, asked)
    found = geometry_of(problem, volumes=asked["volumes"], regions=regions, budget=_budget(asked))
    return _as_json(found)


def _distances(network: Network, asked: Mapping[str, Any]) -> bytes:
    return _as_json(distances_of(network, asked["points"], exact=asked["exact"]))


def _as_json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def _refused(stdout: BinaryIO, kind: str, detail: str) -> int:
    stdout.write(json.dumps({"error": {"kind": kind, "detail": detail}}).encode() + b"\n")
    stdout.flush()
    return 1


_TASKS: Final[Mapping[str, Callable[[Network, Mapping[str, Any]], bytes]]] = {
    "picture": _picture,
    "geometry": _geometry,
    "distances": _distances,
}


if __name__ == "__main__":
    sys.exit(main(sys.stdin.buffer, sys.stdout.buffer))
