"""Uploaded files are hostile: they are read in a child process with limits and without an environment."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from relucensus_service.problems import Refusal, problem, problem_of_class_name
from relucensus_service.settings import Settings

NO_FILES: Final[Mapping[str, bytes]] = MappingProxyType({})

# Threads of a numerical library need address space that the limit would count.
_ENVIRONMENT: Final = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
_LARGEST_ANSWER: Final = 2**28  # ten million weights in twenty digits each
_SECONDS_TO_END: Final = 5.0
_STARTING_SECONDS: Final = 30.0  # wall seconds on top of the CPU limit: the machine may be busy


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from a file. `network` is `Network.to_bytes()`, `summary` what to tell about it."""

    digest: str
    summary: Mapping[str, Any]
    network: bytes


class Intake:
    """Reads files, each in a child process of its own; the next child starts, and loads, while nobody waits for it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._spare: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def read(self, data: bytes, *, files: Mapping[str, bytes] = NO_FILES, choices: Mapping[str, Any]) -> Reading:
        """The network in the file, with those beside it and what was said of it (`relucensus.readers.Choices`).

        Raises:
            Refusal: the file is not a model, or holds something unsupported, or reading it took too much.
        """
        seconds = self._settings.parse_seconds + _STARTING_SECONDS
        beside = [[name, len(content)] for name, content in files.items()]
        header = json.dumps({"choices": dict(choices), "model": len(data), "files": beside}).encode() + b"\n"
        answer = _exchange(self._child(), (header, data, *files.values()), seconds)
        if answer is None:
            detail = "reading the file was stopped: it needed more than the allowed time or memory, or broke the reader"
            raise Refusal(problem("model-too-costly", detail))
        return _reading(answer)

    def close(self) -> None:
        """End the child that waits."""
        with self._lock:
            child, self._spare = self._spare, None
        if child is not None:
            _exchange(child, (), _SECONDS_TO_END)

    def _child(self) -> subprocess.Popen[bytes]:
        with self._lock:
            waiting, self._spare = self._spare, self._started()
        return waiting if waiting is not None and waiting.poll() is None else self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-B", "-m", "relucensus_service.intake_child"]
        limits = [str(self._settings.parse_memory), str(round(self._settings.parse_seconds))]
        return subprocess.Popen(
            [*command, *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            process_group=0,  # not a session of its own, in which the priority of the service might not hold
        )


def _exchange(child: subprocess.Popen[bytes], pieces: Iterable[bytes], seconds: float) -> bytes | None:
    """The child's answer to what it is given, or None if it gave none."""
    assert child.stdin is not None
    assert child.stdout is not None
    timer = threading.Timer(seconds, child.kill)
    timer.start()
    feeder = threading.Thread(target=_feed, args=(child.stdin, pieces), daemon=True)
    feeder.start()
    try:
        answer = child.stdout.read(_LARGEST_ANSWER + 1)
        if len(answer) > _LARGEST_ANSWER:
            child.kill()
        exit_status = child.wait()
    finally:
        timer.cancel()
        feeder.join()
        child.stdout.close()
    return answer if exit_status == 0 and answer else None


def _feed(stream: Any, pieces: Iterable[bytes]) -> None:
    with suppress(BrokenPipeError), stream:  # the child may end before it has read everything
        for piece in pieces:
            stream.write(piece)


def _reading(answer: bytes) -> Reading:
    line, _, network = answer.partition(b"\n")
    header = json.loads(line)
    if "error" in header:
        kind, detail = header["error"].pop("kind"), header["error"].pop("detail")
        known = problem_of_class_name(kind, detail, **header["error"])
        raise Refusal(known or problem("model-too-costly", detail))
    return Reading(header["digest"], header["summary"], network)
