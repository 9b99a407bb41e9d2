"""Keeps the runner of `relucensus serve` alive, and the data directory to one `serve` at a time."""

from __future__ import annotations

import fcntl
import logging
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from relucensus_service.settings import InvalidSetting

log: Final = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_HEALTHY_SECONDS: Final = 60.0  # a runner that lived so long is started again without a pause
_SECONDS_TO_STOP: Final = 10.0


class DataDirectoryInUse(InvalidSetting):
    """Another `serve` has this data directory."""


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Hold the data directory; the lock ends with the process, however it ends."""
    with (data / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirectoryInUse(f"{data} is in use by another `relucensus serve`") from None
        yield


class Supervisor:
    """Runs a command, and again with growing pauses when it ends, until told to stop."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="supervisor")

    def __enter__(self) -> Supervisor:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()

    def _supervise(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            started = time.monotonic()
            status = self._run()
            if self._stop.is_set():
                return
            pause = _FIRST_PAUSE if time.monotonic() - started > _HEALTHY_SECONDS else min(_LONGEST_PAUSE, pause * 2)
            log.error("the runner ended with status %d; starting it again in %.1f s", status, pause)
            self._stop.wait(pause)

    def _run(self) -> int:
        # Its own process group: Ctrl-C reaches only this process, which then stops the runner in good order. But no
        # session of its own, since on Linux priorities may hold only within a session. The runner watches its standard
        # input, which ends with this process even if that is killed.
        child = subprocess.Popen(self._command, stdin=subprocess.PIPE, env=self._environment, process_group=0)
        while child.poll() is None:
            if self._stop.wait(0.1):
                self._end(child)
        assert child.stdin is not None
        child.stdin.close()
        return child.returncode

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        child.terminate()
        try:
            child.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            log.warning("the runner did not stop within %.0f s and is killed", _SECONDS_TO_STOP)
            child.kill()
            child.wait()
