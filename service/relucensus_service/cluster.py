"""Dask: the workers that settle cubes, on this machine or behind a scheduler's address.

The only module that names dask, beside what its scheduler runs when it starts. Work is pickled and done by
`worker.perform` in a worker process.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import dask.config
from distributed import Client, Future, LocalCluster, get_worker
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker
from distributed.utils import get_mp_context

from relucensus_service.work import Answer, Conclusion, Failure, Lost, Slice, Wanted, without_network

_ONE_THREAD: Final = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
_CONFIG: Final = {
    "distributed.worker.multiprocessing-method": "forkserver",
    "distributed.scheduler.allowed-failures": 0,  # the runner counts failures, per cube and across restarts
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500 ms",  # what Dask measures of itself costs a tenth of a core otherwise
    "distributed.admin.tick.limit": "60 s",
    "distributed.admin.system-monitor.interval": "5 s",
    "distributed.admin.low-level-log-length": 50,  # of messages, each with its work, and of events: memory otherwise
    "distributed.worker.memory.monitor-interval": "500 ms",
    "distributed.admin.large-graph-warning-threshold": "1TiB",  # a large network travels with each of its slices
}
_SMALL: Final = 32 * 1024  # bytes of a network that travels with each slice: asking for it would cost more
_REMEMBERED: Final = 10_000
_SECONDS_TO_CONNECT: Final = 10.0
_WORKERS_KNOWN_FOR: Final = 1.0  # seconds after which the number of workers is asked for again


class ClusterLost(RuntimeError):
    """The scheduler cannot be reached any more; a new runner has to be started."""


class Ticket(Protocol):
    """Work handed to a cluster."""

    def done(self) -> bool:
        """Whether there is an answer."""

    def answer(self) -> Answer:
        """The answer, once done."""

    def abandon(self) -> None:
        """Nobody wants the answer any more."""


class Cluster(Protocol):
    """Something that works: Dask, or a fake in a test."""

    def workers(self) -> int:
        """How many pieces of work can run at once now."""

    def ready(self) -> bool:
        """Whether work can begin at once: the engines are compiled."""

    def submit(self, work: Slice | Conclusion, on_done: Callable[[], None]) -> Ticket:
        """Hand over work; `on_done` is called, in some thread, once there is an answer."""

    def close(self) -> None:
        """Stop."""


def perform(work: Slice | Conclusion) -> Answer | Wanted:
    """Do the work, in a worker: nobody else loads the engines."""
    from relucensus_service import worker  # noqa: PLC0415 - see above

    return worker.perform(work) if worker.knows(work) else Wanted(get_worker().address)


def warm() -> None:
    """Have the engines compiled, in a worker."""
    from relucensus_service import worker  # noqa: PLC0415 - see above

    worker.warm()


class DaskCluster:
    """Dask workers. Each works on one thing at a time, so that a worker's death has one possible cause."""

    def __init__(self, client: Client, local: LocalCluster | None = None) -> None:
        self._client = client
        self._local = local
        self._workers = 0
        self._asked_at = -_WORKERS_KNOWN_FOR
        self._warming: Future | None = client.submit(warm, pure=False)
        self._sent: set[str] = set()  # keys of large problems that some worker has got

    @classmethod
    def local(cls, workers: int, scratch: Path) -> DaskCluster:
        """Worker processes on this machine; they end with this process."""
        dask.config.set({**_CONFIG, "temporary-directory": str(scratch)})
        # Workers are forked from a process that has loaded everything already, so that a new one is there at once.
        os.environ.update(_ONE_THREAD)
        get_mp_context().set_forkserver_preload(["distributed", "relucensus_service.worker"])
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0", "preload": ["relucensus_service.scheduler_setup"]},
            preload=["relucensus_service.worker_setup"],
        )
        client = Client(cluster)
        return cls(client, cluster)

    @classmethod
    def remote(cls, address: str) -> DaskCluster:
        """The workers of the scheduler at this address, which must be able to import this package."""
        dask.config.set(_CONFIG)
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # the runner says that it lost the scheduler
        return cls(Client(address, timeout=_SECONDS_TO_CONNECT))

    def workers(self) -> int:
        """Threads of all workers, as of a second ago."""
        if self._client.status != "running":
            raise ClusterLost(f"the connection to the Dask scheduler is {self._client.status}")
        now = time.monotonic()
        if now - self._asked_at >= _WORKERS_KNOWN_FOR:
            try:
                self._workers = sum(self._client.nthreads().values())
            except (OSError, TimeoutError) as error:
                raise ClusterLost(f"the Dask scheduler does not answer: {error}") from None
            self._asked_at = now
        return self._workers

    def ready(self) -> bool:
        """Whether one worker has compiled the engines; the others on its machine load what that one wrote."""
        if self._warming is not None and self._warming.done():
            self._warming = None
        return self._warming is None

    def submit(self, work: Slice | Conclusion, on_done: Callable[[], None]) -> DaskTicket:
        """Hand work to the least busy worker. A large network travels only to workers that do not have it."""
        network, key = work.assignment.network, work.assignment.key
        large = network is not None and len(network) > _SMALL
        known = large and key in self._sent
        if large and not known:
            if len(self._sent) >= _REMEMBERED:
                self._sent.clear()
            self._sent.add(key)
        return DaskTicket(self._client, work, on_done, whole=not known)

    def close(self) -> None:
        """Stop the workers, or leave the remote ones alone."""
        self._client.close()
        if self._local is not None:
            self._local.close()


class DaskTicket:
    """Work that a Dask worker has."""

    def __init__(
        self, client: Client, work: Slice | Conclusion, on_done: Callable[[], None], *, whole: bool = True
    ) -> None:
        self._client = client
        self._work = work
        self._on_done = on_done
        self._answer: Answer | None = None
        self._future = self._sent(work if whole else without_network(work))

    def _sent(self, work: Slice | Conclusion, **where: Any) -> Future:
        future = self._client.submit(perform, work, pure=False, **where)
        future.add_done_callback(lambda _: self._on_done())
        return future

    def done(self) -> bool:
        """Whether there is an answer. A worker that asks for the network gets it."""
        if self._answer is None and self._future.done():
            answer = self._fetched()
            if isinstance(answer, Wanted):
                self._future = self._sent(self._work, workers=[answer.worker], allow_other_workers=True)
            else:
                self._answer = answer
        return self._answer is not None

    def answer(self) -> Answer:
        """The answer, once done."""
        assert self._answer is not None
        return self._answer

    def _fetched(self) -> Answer | Wanted:
        """What the worker said; it is fetched only once and then forgotten by the cluster."""
        try:
            answer: Answer | Wanted = self._future.result(timeout=30)
        except KilledWorker as death:
            return Lost(f"worker {death.last_worker.address} died", guilty=True)
        except (FutureCancelledError, OSError, TimeoutError) as error:
            return Lost(f"{type(error).__name__}: {error}", guilty=False)
        except Exception as error:
            return Failure(type(error).__name__, str(error))
        finally:
            self._future.release()
        return answer

    def abandon(self) -> None:
        """Drop the work; a worker that has begun it ends its slice unheard."""
        if self._client.status == "running":
            self._future.cancel()
