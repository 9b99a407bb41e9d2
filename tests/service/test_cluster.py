"""How work travels to Dask workers, with workers that are only pretended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from relucensus.values.problem import Budget
from relucensus_service import cluster as cluster_module
from relucensus_service.cluster import ClusterLost, DaskCluster
from relucensus_service.jobs import root_cube
from relucensus_service.work import Answer, Assignment, Concluded, Slice, Wanted

LARGE = bytes(100_000)


@dataclass
class Worker:
    """Knows the networks it was sent."""

    address: str
    networks: set[str] = field(default_factory=set)
    received: list[int] = field(default_factory=list)

    def perform(self, work: Slice) -> Answer | Wanted:
        network, key = work.assignment.network, work.assignment.key
        self.received.append(len(network or b""))
        if network is None and key not in self.networks:
            return Wanted(self.address)
        self.networks.add(key)
        return Concluded({"by": self.address})


class Future:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def done(self) -> bool:
        return True

    def result(self, timeout: float) -> Any:
        return self.answer

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        callback(self)

    def release(self) -> None: ...

    def cancel(self) -> None: ...


class Client:
    """Gives work to its workers in turn, or to the one that is asked for."""

    status = "running"

    def __init__(self, *workers: Worker) -> None:
        self.workers = {worker.address: worker for worker in workers}
        self.turn = 0

    def submit(self, function: Any, *work: Slice, pure: bool, workers: Any = (), **_: Any) -> Future:
        if not work:
            return Future(None)
        self.turn += 1
        address = next(iter(workers), list(self.workers)[self.turn % len(self.workers)])
        return Future(self.workers[address].perform(work[0]))

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.workers, 1)


def slice_of(key: str, network: bytes = LARGE) -> Slice:
    return Slice(Assignment(key, network, {}, ()), root_cube(3), "tree", "cubes", Budget(1.0))


def answered(cluster: DaskCluster, work: Slice) -> Answer:
    called: list[bool] = []
    ticket = cluster.submit(work, lambda: called.append(True))
    while not ticket.done():
        pass
    assert called
    return ticket.answer()


def test_a_large_network_reaches_each_worker_once() -> None:
    workers = [Worker("a"), Worker("b")]
    cluster = DaskCluster(Client(*workers))
    answers = [answered(cluster, slice_of("job")) for _ in range(20)]
    assert all(isinstance(answer, Concluded) for answer in answers)
    assert [worker.received.count(len(LARGE)) for worker in workers] == [1, 1]


def test_a_worker_that_took_the_place_of_another_is_sent_it_again() -> None:
    client = Client(Worker("a"))
    cluster = DaskCluster(client)
    answered(cluster, slice_of("job"))
    client.workers = {"new": Worker("new")}
    assert answered(cluster, slice_of("job")) == Concluded({"by": "new"})
    assert client.workers["new"].received == [0, len(LARGE)]


def test_a_small_network_travels_with_its_slices() -> None:
    worker = Worker("a")
    cluster = DaskCluster(Client(worker))
    for _ in range(3):
        answered(cluster, slice_of("job", bytes(10)))
    assert worker.received == [10, 10, 10]


def test_a_scheduler_that_is_gone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "_WORKERS_KNOWN_FOR", 0.0)
    client = Client(Worker("a"))
    cluster = DaskCluster(client)
    assert cluster.workers() == 1

    def unreachable() -> dict[str, int]:
        raise OSError("timed out")

    monkeypatch.setattr(client, "nthreads", unreachable)
    with pytest.raises(ClusterLost, match="timed out"):
        cluster.workers()
    client.status = "connecting"
    with pytest.raises(ClusterLost, match="connecting"):
        cluster.workers()
