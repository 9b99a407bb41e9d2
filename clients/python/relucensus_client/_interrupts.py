"""What is said when a wait is interrupted: by Ctrl-C, or because a task of asyncio is cancelled."""

from __future__ import annotations

import asyncio
import sys
from typing import Literal, get_args

from relucensus_client._errors import InvalidArgument

OnInterrupt = Literal["detach", "cancel"]

INTERRUPTS = (KeyboardInterrupt, asyncio.CancelledError)


def check_choice(on_interrupt: str) -> None:
    """Check what an interrupt shall do.

    Raises:
        InvalidArgument: it is none of `OnInterrupt`.
    """
    if on_interrupt not in get_args(OnInterrupt):
        raise InvalidArgument(f"on_interrupt is {on_interrupt!r}; needed is 'detach' or 'cancel'")


def explain(interrupt: BaseException, said: str) -> None:
    """Says on stderr what Ctrl-C has done; a cancelled task has no terminal, so there it is a note on the error."""
    if isinstance(interrupt, KeyboardInterrupt):
        sys.stderr.write(f"\n{said}\n")
    else:
        interrupt.add_note(said)
