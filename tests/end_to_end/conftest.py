"""Real services: processes started as a user would start them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

CASES = Path(__file__).parents[1] / "cases"
RELUCENSUS = Path(sys.executable).with_name("relucensus")
PATIENCE = 90.0
SHORT_LEASES = {"RELUCENSUS_LEASE_SECONDS": "4", "RELUCENSUS_HEARTBEAT_SECONDS": "0.5"}


@dataclass
class Started:
    """A process of ours, and where its log goes."""

    process: subprocess.Popen[bytes]
    log: Path

    def family(self) -> list[psutil.Process]:
        """The process and everything it has started."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def end(self, how: signal.Signals = signal.SIGTERM, seconds: float = 30.0) -> int:
        self.process.send_signal(how)
        return self.process.wait(seconds)


def start(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Started:
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, **(environment or {})})
    return Started(process, log)


@dataclass
class Service:
    """A running `relucensus serve` and a client of it."""

    started: Started
    client: httpx.Client

    def post(self, model: str, file: bytes | None = None, *, wait: int = 60, **request: Any) -> httpx.Response:
        files = {"model": (model, file or (CASES / model).read_bytes())}
        return self.client.post(
            "/count", files=files, data={"request": json.dumps(request)}, headers={"Prefer": f"wait={wait}"}
        )

    def finished(self, job_id: str) -> dict[str, Any]:
        return finished(self.client, job_id)


def finished(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """The job, once it is done."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        job: dict[str, Any] = client.get(f"/count/{job_id}", params={"wait": 10}).json()
        if job["done"]:
            return job
    raise AssertionError(f"not done: {job}")


def until_ready(started: Started, url: str) -> httpx.Client:
    client = httpx.Client(base_url=url, timeout=90)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if started.process.poll() is not None:
            break
        try:
            if client.get("/readyz").status_code == 200:
                return client
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    client.close()
    raise AssertionError(f"not ready; the log says:\n{started.log.read_text()}")


def serve(data: Path, log: Path, environment: Mapping[str, str] | None = None) -> Service:
    before = log.stat().st_size if log.exists() else 0
    started = start([str(RELUCENSUS), "serve", "--data", str(data), "--port", "0"], log, environment)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and started.process.poll() is None:
        text = log.read_text()[before:]
        if "listening on " in text:
            url = text.split("listening on ")[1].split()[0]
            return Service(started, until_ready(started, url))
        time.sleep(0.05)
    raise AssertionError(f"no service; the log says:\n{log.read_text()}")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("serve")
    service = serve(folder / "data", folder / "log", {"RELUCENSUS_UPLOAD_LIMIT": "200000"})
    yield service
    service.client.close()
    service.started.end()


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Start a service on this test's own data directory, with short leases; again after it was killed.

    More variables of its environment are given by name.
    """
    services: list[Service] = []

    def started(**environment: str) -> Service:
        services.append(serve(tmp_path / "data", tmp_path / "log", SHORT_LEASES | environment))
        return services[-1]

    yield started
    for service in services:
        service.client.close()
        if service.started.process.poll() is None:
            service.started.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def launch() -> Callable[..., Started]:
    return start


@pytest.fixture(scope="session")
def ready() -> Callable[..., httpx.Client]:
    return until_ready


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., dict[str, Any]]:
    return finished
