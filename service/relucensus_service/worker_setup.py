"""What Dask runs in each worker when it starts: `dask worker --preload relucensus_service.worker_setup`."""

from __future__ import annotations

import logging
import threading
from typing import Any

from relucensus_service.worker import warm  # loads the engines before the worker says that it is there


def dask_setup(worker: Any) -> None:
    """Load compiled code, and keep quiet about slices that end unheard; the runner logs what went wrong with a cube."""
    for name in ("distributed.worker", "distributed.worker.state_machine", "distributed.core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    threading.Thread(target=warm, name="warm", daemon=True).start()
