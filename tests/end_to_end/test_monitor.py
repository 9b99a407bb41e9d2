"""A real training loop, followed with real counts: by a served service, by one that is restarted, and without one."""

from __future__ import annotations

import copy
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from relucensus import Box, Problem, count_regions
from relucensus.readers import network_from_module
from relucensus_client import Client, RegionMonitor

torch = pytest.importorskip("torch")
DEFINITIONS = ["activation_regions", "linear_regions"]


class Service(Protocol):
    """What the fixture gives; see conftest.py."""

    client: httpx.Client


def trained(monitor: RegionMonitor, epochs: int) -> list[Any]:
    """Trains on two classes, a step of the monitor an epoch; returns a copy of the network at each."""
    torch.manual_seed(0)
    points = torch.rand(200, 2) * 2 - 1
    labels = ((points**2).sum(dim=1) > 0.6).long()
    model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8), torch.nn.ReLU())
    model.append(torch.nn.Linear(8, 2))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    copies = []
    for epoch in range(epochs):
        for batch in torch.randperm(len(points)).split(50):
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(points[batch]), labels[batch])
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            accuracy = (model(points).argmax(dim=1) == labels).float().mean()
        monitor.step(model, epoch=epoch, accuracy=accuracy, loss=loss)
        copies.append(copy.deepcopy(model))
    return copies


def counted(model: Any) -> dict[str, int]:
    result = count_regions(Problem(network_from_module(model), Box.from_bounds(-1, 1, 2)))
    return {definition: result.counts[definition].value for definition in DEFINITIONS}


def check(monitor: RegionMonitor, copies: list[Any]) -> None:
    history = monitor.history()
    assert {row["status"] for row in history} == {"exact"}
    found: dict[int, dict[str, int]] = {}
    for row in history:
        found.setdefault(row["step"], {})[row["definition"]] = row["count"]
        assert row["seconds"] > 0
        assert 0 <= row["accuracy"] <= 1 < 1 + row["loss"]
    assert found == {step: counted(model) for step, model in enumerate(copies)}


@pytest.mark.parametrize("served", [True, False], ids=["service", "in-process"])
def test_a_training_is_followed_exactly(service: Service, served: bool) -> None:
    url = str(service.client.base_url) if served else None
    with RegionMonitor(lower=-1, upper=1, definitions=DEFINITIONS, service=url, nice=0) as monitor:
        copies = trained(monitor, 12)
    check(monitor, copies)


def test_counts_that_the_service_refuses_are_rows(service: Service) -> None:
    url = str(service.client.base_url)
    with RegionMonitor(lower=-1, upper=1, definitions=DEFINITIONS, service=url, engine="nonsense", nice=0) as monitor:
        trained(monitor, 1)
    assert [row["status"] for row in monitor.history()] == ["failed", "failed"]
    assert "nonsense" in monitor.history().rows[0]["reason"]


def test_closing_early_cancels_what_the_service_still_counts(service: Service) -> None:
    url = str(service.client.base_url)
    model = (Path(__file__).parents[1] / "cases" / "planar_64x3.onnx").read_bytes()
    monitor = RegionMonitor(lower=-900, upper=900, engine="milp", service=url, nice=0, fresh=True)
    with Client(url) as client:
        monitor.step(model)
        while not (jobs := list(client.jobs(state=["queued", "running"]))):
            monitor.history()
            time.sleep(0.01)
        monitor.close(0)
        assert [row["status"] for row in monitor.history()] == ["missing"] * 3
        for job in jobs:
            assert not job.wait(60).exact
            assert job.latest.state == "cancelled"


@pytest.fixture
def restart(
    launch: Callable[..., Any], ready: Callable[..., httpx.Client], tmp_path: Path, service: Any
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The address of a service that is not there yet, and what starts it, on the same data each time."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = service.started.process.args[0]
    started: list[Any] = []

    def start() -> Any:
        command = [program, "serve", "--data", str(tmp_path / "data"), "--port", str(port)]
        started.append(launch(command, tmp_path / "log", {"RELUCENSUS_LEASE_SECONDS": "4"}))
        ready(started[-1], f"http://127.0.0.1:{port}").close()
        return started[-1]

    yield f"http://127.0.0.1:{port}", start
    for one in started:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)


@pytest.mark.timeout(240)
def test_a_service_that_comes_late_and_is_killed_in_the_middle_counts_everything(
    restart: tuple[str, Callable[[], Any]], caplog: pytest.LogCaptureFixture
) -> None:
    url, start = restart
    with RegionMonitor(lower=-1, upper=1, definitions=DEFINITIONS, service=url, nice=0) as monitor:
        copies = trained(monitor, 25)
        assert monitor.open == 25
        while "counts are waiting, and will go on when that is over" not in caplog.text:
            monitor.history()
            time.sleep(0.05)
        first = start()
        while monitor.open > 22:
            monitor.history()
            time.sleep(0.01)
        first.end(signal.SIGKILL)
        start()
    check(monitor, copies)
