"""What every route needs, made once by `create_app`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from relucensus_service.settings import Settings
from relucensus_service.store import Store

_READERS_AT_ONCE = 2


@dataclass(frozen=True)
class Context:
    """The store and the settings; `stopping` is set at shutdown, so that long polls end."""

    settings: Settings
    store: Store
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    readers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_READERS_AT_ONCE))


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


InContext = Annotated[Context, Depends(_context)]
