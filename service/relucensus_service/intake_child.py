"""The child process that reads one uploaded file: limits first, then the readers.

Standard input: a line with the activation of a bare state_dict, then the file. Standard output: a line of JSON, then
`Network.to_bytes()`. Arguments: bytes of address space, seconds of CPU.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any, Final

_OPEN_FILES: Final = 64
_LONGEST_DETAIL: Final = 2000  # characters; errors of other libraries quote the file


def main(arguments: list[str]) -> int:
    """Read the file, answer, and return the exit status."""
    memory, seconds = int(arguments[0]), int(arguments[1])
    _limit(memory, seconds)
    try:
        import relucensus.readers  # noqa: PLC0415, F401 - not before the limits hold; before the file is there

        activation = sys.stdin.buffer.readline().decode().strip()
        if not activation:  # the service ended
            return 0
        data = sys.stdin.buffer.read()
        header, network = _read(data, activation)
    except MemoryError:
        header, network = _error("MemoryError", f"reading the file needs more than {memory} bytes of memory"), b""
    except RecursionError:
        header, network = _error("UnreadableModel", "the file is nested too deeply to be a model"), b""
    except Exception as error:  # no reader is safe from every file; the file is what is wrong here
        header, network = _error("UnreadableModel", f"the file is damaged: {type(error).__name__}: {error}"), b""
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + network)
    sys.stdout.buffer.flush()
    return 0


def _limit(memory: int, seconds: int) -> None:
    for what, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))


def _read(data: bytes, activation: str) -> tuple[dict[str, Any], bytes]:
    from relucensus.errors import CensusError  # noqa: PLC0415 - as in `main`
    from relucensus.readers import read_model  # noqa: PLC0415

    try:
        model = read_model(data, activation=activation)
    except CensusError as error:
        return _error(type(error).__name__, str(error)), b""
    network = model.network
    summary = {
        "digest": network.digest,
        "inputs": network.inputs,
        "hidden": list(network.bent_widths),
        "outputs": network.outputs,
        "neurons": sum(network.bent_widths),
        "breakpoints": network.breakpoints,
        "activation": network.activation,
        "format": model.format,
        "input_shape": list(model.input_shape) if model.input_shape is not None else None,
        "notes": list(model.notes),
    }
    return {"digest": network.digest, "summary": summary}, network.to_bytes()


def _error(kind: str, detail: str) -> dict[str, Any]:
    return {"error": {"kind": kind, "detail": detail[:_LONGEST_DETAIL]}}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
