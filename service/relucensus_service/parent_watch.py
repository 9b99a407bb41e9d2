"""End this process when its parent is gone, however the parent ended."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Final

_SECONDS_TO_STOP: Final = 15.0


def watch_parent(stop: Callable[[], None]) -> None:
    """Call `stop` at the end of standard input, a pipe whose other end only the parent holds; then insist."""
    threading.Thread(target=_watch, args=(stop,), daemon=True, name="parent-watch").start()


def _watch(stop: Callable[[], None]) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop()
    threading.Timer(_SECONDS_TO_STOP, lambda: os._exit(1)).start()
