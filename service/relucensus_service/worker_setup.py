"""What Dask runs in each worker when it starts: `dask worker --preload relucensus_service.worker_setup`."""

from __future__ import annotations

import logging
from typing import Any

import relucensus_service.worker  # noqa: F401 - loaded before the worker says that it is there


def dask_setup(worker: Any) -> None:
    """Keep the worker quiet about slices that end unheard; the runner logs what went wrong with a cube."""
    for name in ("distributed.worker", "distributed.worker.state_machine", "distributed.core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
