"""A process of its own, of a low priority, that has snapshots counted: started, spoken to and ended from here.

Orders and answers are lines of JSON on its standard input and output. Nothing here waits unless it is told to, and
there are no threads: what the process does costs the program that started it neither its interpreter nor its core.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

_PROGRAM: Final = "import sys; sys.path[:] = {path!r}; from relucensus_client._counting_program import main; main()"
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PIECE: Final = 1 << 16
_TO_CANCEL_JOBS: Final = 5.0  # seconds


class CountingProcess:
    """A running process that counts with these settings; `relucensus_client._counting_program` says what they are.

    `nice` is its priority, as in the command of that name: 19 is the lowest.
    """

    def __init__(self, settings: Mapping[str, Any], nice: int) -> None:
        # A group of its own, so that Ctrl-C on the terminal is not for it; but no session of its own: on Linux,
        # priorities may hold only within a session.
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
            env=os.environ | dict.fromkeys(_ONE_THREAD, "1"),
        )
        with suppress(OSError):  # it has ended already, which shows when it is asked
            os.setpriority(os.PRIO_PROCESS, self._process.pid, nice)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders = self._process.stdin
        self._answers = self._process.stdout.fileno()
        os.set_blocking(self._answers, False)
        self._unread = b""
        self.ended = False
        self.order(settings)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """As that of `subprocess.Popen`, once it has ended."""
        return self._process.poll()

    def order(self, document: Mapping[str, Any]) -> None:
        """Passes a line on; does nothing if the process has ended, which its answers show."""
        with suppress(BrokenPipeError):
            self._orders.write(json.dumps(document).encode() + b"\n")
            self._orders.flush()

    def answers(self, seconds: float = 0.0) -> list[dict[str, Any]]:
        """What the process has said since it was last asked; waits for the first line for up to so many seconds.

        At the end of all answers `ended` is true.
        """
        if seconds > 0:
            select.select([self._answers], [], [], seconds)
        *lines, self._unread = (self._unread + self._read()).split(b"\n")
        return [json.loads(line) for line in lines]

    def end(self) -> list[dict[str, Any]]:
        """Has the process cancel what it does and end, by force if it takes too long; returns its last answers."""
        with suppress(BrokenPipeError):
            self._orders.close()
        last = []
        end = time.monotonic() + _TO_CANCEL_JOBS
        try:
            while not self.ended and (left := end - time.monotonic()) > 0:
                last += self.answers(left)
        finally:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self.ended = True
        return last

    def _read(self) -> bytes:
        pieces = []
        while not self.ended:
            try:
                piece = os.read(self._answers, _PIECE)
            except BlockingIOError:
                break
            pieces.append(piece)
            self.ended = not piece
        return b"".join(pieces)
