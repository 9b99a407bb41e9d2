"""What Dask, started as the runner starts it, still holds of tasks that are done."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dask.utils import key_split
from distributed import Client, default_client
from distributed.spans import Span

from relucensus.values.problem import Budget
from relucensus_service import cluster as cluster_module
from relucensus_service.cluster import DaskCluster
from relucensus_service.jobs import root_cube
from relucensus_service.work import Assignment, Failure, Slice

TASKS = 20
PATIENCE = 30.0


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DaskCluster]:
    for name, value in cluster_module._ONE_THREAD.items():
        monkeypatch.setenv(name, value)  # so that the variables are put back afterwards
    cluster = DaskCluster.local(1, tmp_path)
    yield cluster
    cluster.close()


def test_nothing_is_kept_of_tasks_that_are_done(cluster: DaskCluster) -> None:
    for _ in range(TASKS):
        work_through(cluster)
    assert not [held for held in gc.get_objects() if type(held) is Span]
    assert soon(lambda: key_split.cache_info().currsize < TASKS)
    assert soon(lambda: keys_in_the_worker(default_client()) < TASKS)


def work_through(cluster: DaskCluster) -> None:
    """One task after the other: a burst of its own for each. The network cannot be read, so that it is short."""
    answered = threading.Event()
    ticket = cluster.submit(
        Slice(Assignment("key", b"no network", {}, ()), root_cube(1), "tree", "cubes", Budget(1.0)), answered.set
    )
    assert answered.wait(PATIENCE)
    assert ticket.done()
    assert isinstance(ticket.answer(), Failure)


def keys_in_the_worker(client: Client) -> int:
    """How many keys a worker process remembers."""
    (info,) = client.run(key_split.cache_info).values()
    return int(info.currsize)


def soon(holds: Callable[[], bool]) -> bool:
    """Whether it holds within some seconds."""
    end = time.monotonic() + PATIENCE / 3
    while not (held := holds()) and time.monotonic() < end:
        time.sleep(0.1)
    return held
