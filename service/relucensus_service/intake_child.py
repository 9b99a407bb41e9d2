"""The child process that reads one uploaded file: limits first, then the readers.

Standard input: a line of JSON with the `choices` of a request, the length of the `model`, and names and lengths of the
`files` beside it; then the bytes of the model, and of each file. Standard output: a line of JSON, then
`Network.to_bytes()`. Arguments: bytes of address space, seconds of CPU.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any, Final

_OPEN_FILES: Final = 64
_LONGEST_DETAIL: Final = 2000  # characters; errors of other libraries quote the file
_MOST_CHOICES: Final = 100
_LONGEST_CHOICE: Final = 200  # characters


def main(arguments: list[str]) -> int:
    """Read the file, answer, and return the exit status."""
    memory, seconds = int(arguments[0]), int(arguments[1])
    _limit(memory, seconds)
    try:
        import relucensus.readers  # noqa: PLC0415, F401 - not before the limits hold; before the file is there

        line = sys.stdin.buffer.readline()
        if not line:  # the service ended
            return 0
        header, network = _read(json.loads(line))
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


def _read(given: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    from relucensus.errors import AmbiguousModel, CensusError  # noqa: PLC0415 - as in `main`
    from relucensus.readers import read_model  # noqa: PLC0415

    data = sys.stdin.buffer.read(given["model"])
    files = {name: sys.stdin.buffer.read(length) for name, length in given["files"]}
    try:
        model = read_model(data, files=files, **given["choices"])
    except AmbiguousModel as error:
        choices = [choice for choice in error.choices if len(choice) <= _LONGEST_CHOICE][:_MOST_CHOICES]
        return _error(type(error).__name__, str(error), option=error.option, choices=choices), b""
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


def _error(kind: str, detail: str, **extra: Any) -> dict[str, Any]:
    return {"error": {"kind": kind, "detail": detail[:_LONGEST_DETAIL], **extra}}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
