"""Run one count in a process of its own, watched from outside: seconds, peak memory, and the end it came to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
GRACE_SECONDS = 30.0  # for imports, and for a peer to stop at its limit by itself
ONE_THREAD = {
    name: "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS")
}


@dataclass(frozen=True)
class Outcome:
    """What one run came to. `found` is a lower bound if `stopped`; `reason` says why there is no count."""

    found: int | None = None
    seconds: float | None = None
    megabytes: float = 0.0
    stopped: bool = False
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether it counted to the end."""
        return self.found is not None and not self.stopped


def run(adapter: str, case: Path, *, seconds: float, python: str = sys.executable) -> Outcome:
    """Count `case` with `adapter`, for at most `seconds` of counting; killed some time after that."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "outcome.json"
        command = [python, "child.py", adapter, str(case), str(seconds), str(answer)]
        threads = {} if adapter.startswith("ours.") else ONE_THREAD
        with open(Path(folder) / "errors", "w+b") as errors:
            process = subprocess.Popen(
                command,
                cwd=HERE,
                env={**os.environ, **threads},
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
            killed, usage = _wait(process, seconds + GRACE_SECONDS)
            errors.seek(0)
            last_lines = errors.read().decode(errors="replace").strip().splitlines()[-1:]
        memory = usage.ru_maxrss / 1024
        if killed:
            return Outcome(stopped=True, seconds=seconds, megabytes=memory, reason=f"killed after {seconds:g} s")
        if not answer.exists():
            last = " ".join(last_lines) or "no message"
            return Outcome(megabytes=memory, reason=f"died with status {process.returncode}: {last}"[:300])
        return _outcome(json.loads(answer.read_text()), memory)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> tuple[bool, Any]:
    """Whether the process had to be killed, and what it used."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return False, usage
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return True, usage


def _outcome(answer: dict[str, Any], memory: float) -> Outcome:
    """The child's answer as an outcome."""
    if "found" not in answer:
        return Outcome(megabytes=memory, reason=answer.get("unsupported") or answer["failed"])
    known = {name: answer.pop(name) for name in ("found", "seconds", "stopped") if name in answer}
    return Outcome(**known, megabytes=memory, details=answer)
