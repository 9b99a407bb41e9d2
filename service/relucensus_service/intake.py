"""Uploaded files are hostile: they are read in a child process with limits and without an environment."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from relucensus_service.problems import Refusal, problem, problem_of_class_name
from relucensus_service.settings import Settings

# Threads of a numerical library need address space that the limit would count.
_ENVIRONMENT: Final = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
_LARGEST_ANSWER: Final = 2**30
_STARTING_SECONDS: Final = 30.0  # wall seconds on top of the CPU limit: the machine may be busy


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from a file. `network` is `Network.to_bytes()`, `summary` what to tell about it."""

    digest: str
    summary: Mapping[str, Any]
    network: bytes


def read_in_child(data: bytes, *, activation: str, settings: Settings) -> Reading:
    """The network in the file.

    Raises:
        Refusal: the file is not a model, or holds something unsupported, or reading it took too much.
    """
    command = [sys.executable, "-I", "-B", "-m", "relucensus_service.intake_child"]
    limits = [str(settings.parse_memory), str(round(settings.parse_seconds)), activation]
    child = subprocess.Popen(
        [*command, *limits],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )
    answer = _exchange(child, data, settings.parse_seconds + _STARTING_SECONDS)
    if answer is None:
        detail = "reading the file was stopped: it needed more than the allowed time or memory, or crashed the reader"
        raise Refusal(problem("model-too-costly", detail))
    return _reading(answer)


def _exchange(child: subprocess.Popen[bytes], data: bytes, seconds: float) -> bytes | None:
    """The child's answer to the data, or None if it gave none."""
    assert child.stdin is not None
    assert child.stdout is not None
    timer = threading.Timer(seconds, child.kill)
    timer.start()
    feeder = threading.Thread(target=_feed, args=(child.stdin, data), daemon=True)
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


def _feed(stream: Any, data: bytes) -> None:
    try:
        stream.write(data)
        stream.close()
    except BrokenPipeError:  # the child ended before it had read everything
        pass


def _reading(answer: bytes) -> Reading:
    line, _, network = answer.partition(b"\n")
    header = json.loads(line)
    if "error" in header:
        kind, detail = header["error"]["kind"], header["error"]["detail"]
        known = problem_of_class_name(kind, detail)
        raise Refusal(known or problem("model-too-costly", detail))
    return Reading(header["digest"], header["summary"], network)
