"""What Dask runs in each worker when it starts: `dask worker --preload relucensus_service.worker_setup`."""

from __future__ import annotations

import logging
import threading
from typing import Any

from relucensus_service.scheduler_setup import forget_keys
from relucensus_service.worker import warm  # loads the engines before the worker says that it is there


def dask_setup(worker: Any) -> None:
    """Load compiled code, keep nothing of slices that are done, and keep quiet about those that end unheard.

    The runner logs what went wrong with a cube.
    """
    for name in ("distributed.worker", "distributed.worker.state_machine", "distributed.core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    forget_keys(worker)
    threading.Thread(target=warm, name="warm", daemon=True).start()
