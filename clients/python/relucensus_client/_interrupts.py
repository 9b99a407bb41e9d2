"""What is said when a wait is interrupted: by Ctrl-C, or because a task of asyncio is cancelled."""

from __future__ import annotations

import asyncio
import sys
from typing import Literal

OnInterrupt = Literal["detach", "cancel"]

INTERRUPTS = (KeyboardInterrupt, asyncio.CancelledError)


def explain(interrupt: BaseException, said: str) -> None:
    """Says on stderr what Ctrl-C has done; a cancelled task has no terminal, so there it is a note on the error."""
    if isinstance(interrupt, KeyboardInterrupt):
        sys.stderr.write(f"\n{said}\n")
    else:
        interrupt.add_note(said)
