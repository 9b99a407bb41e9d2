"""Whatever is killed, the count that comes out is the count, and no process is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from safetensors.numpy import save

from relucensus import read_model, verify

BOX = {"lower": -1, "upper": 1}
MODEL, REGIONS = "planar_16x3.onnx", 241
SHORT_SLICES = {"RELUCENSUS_FIRST_SLICE_SECONDS": "0.005", "RELUCENSUS_SLICE_SECONDS": "0.005"}


def many_regions() -> bytes:
    """A file of a network 5-16-16-1 with 15,406 activation regions, which takes many short slices."""
    random = np.random.default_rng(0)
    arrays = {}
    for layer, (inputs, outputs) in enumerate(pairwise((5, 16, 16, 1))):
        arrays[f"{2 * layer}.weight"] = random.uniform(-1, 1, (outputs, inputs)) / np.sqrt(inputs)
        arrays[f"{2 * layer}.bias"] = random.uniform(-1, 1, outputs) / np.sqrt(inputs)
    return save(arrays)


def gone(processes: list[psutil.Process], seconds: float) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def until_under_way(service: Any, job: str) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        progress = service.client.get(f"/count/{job}").json()["progress"]
        if progress["activation_regions"] > 5 and progress["open_cubes"]:
            return
        time.sleep(0.01)
    raise AssertionError("the job does not get under way")


def regions(job: dict[str, Any]) -> tuple[int, str]:
    count = job["result"]["counts"]["activation_regions"]
    return count["value"], count["status"]


@pytest.mark.timeout(180)
def test_a_service_asked_to_stop_during_a_count_still_gives_the_exact_count(own_service: Callable[[], Any]) -> None:
    service = own_service()
    job = service.post(MODEL, wait=0, domain=BOX, engine="milp").json()["id"]
    until_under_way(service, job)
    family = service.started.family()
    started = time.monotonic()
    assert service.started.end(signal.SIGTERM) == 0
    assert time.monotonic() - started < 20
    assert gone(family, 2), "something outlived the service that was asked to stop"
    assert "Traceback" not in service.started.log.read_text()

    service = own_service()
    found = service.finished(job)
    assert found["state"] == "succeeded"
    assert regions(found) == (REGIONS, "exact")
    assert found["result"]["regions_after_layer"][-1] == REGIONS


@pytest.mark.timeout(180)
def test_killing_the_runner_and_a_worker_changes_nothing_but_the_time(own_service: Callable[[], Any]) -> None:
    service = own_service()
    job = service.post(MODEL, wait=0, domain=BOX, engine="milp").json()["id"]
    until_under_way(service, job)
    (runner,) = [p for p in service.started.family() if "runner" in p.cmdline()]
    workers = [p for p in runner.children(recursive=True) if not p.children() and "forkserver" in " ".join(p.cmdline())]
    os.kill(workers[0].pid, signal.SIGKILL)
    time.sleep(1.0)
    family = [runner, *runner.children(recursive=True)]
    runner.kill()
    assert gone(family, 15), "a worker outlived its runner"
    assert service.client.get("/healthz").status_code == 200
    assert regions(service.finished(job)) == (REGIONS, "exact")


def test_two_services_do_not_share_a_data_directory(service: Any, launch: Callable[..., Any]) -> None:
    log = service.started.log.with_name("second log")
    second = launch([*service.started.process.args[:-1], "0"], log)
    assert second.process.wait(30) == 2
    assert "in use by another" in log.read_text()


def test_a_service_does_not_open_itself_to_the_network_by_mistake(
    service: Any, launch: Callable[..., Any], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    program = service.started.process.args[0]
    command = [program, "serve", "--data", str(tmp_path / "data"), "--host", "0.0.0.0", "--port", "0"]
    assert launch(command, log).process.wait(60) == 2
    assert "relucensus keys create NAME" in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.timeout(240)
def test_the_certificate_of_a_count_during_which_everything_was_killed_verifies(
    own_service: Callable[..., Any],
) -> None:
    service = own_service(**SHORT_SLICES)
    file = many_regions()
    job = service.post("many.safetensors", file, wait=0, domain=BOX, certificate=True).json()["id"]
    until_under_way(service, job)
    (runner,) = [p for p in service.started.family() if "runner" in p.cmdline()]
    workers = [p for p in runner.children(recursive=True) if not p.children() and "forkserver" in " ".join(p.cmdline())]
    family = service.started.family()
    os.kill(workers[0].pid, signal.SIGKILL)
    time.sleep(0.1)
    service.started.end(signal.SIGKILL)
    assert gone(family, 15), "the runner or a worker outlived the service"

    service = own_service()
    found = service.finished(job)
    assert regions(found) == (15406, "exact")
    certificate = service.client.get(found["result"]["certificate"])
    proven = verify(read_model(file).network, BytesIO(certificate.content))
    assert proven.parts > 1
    assert proven.counts == {name: count["value"] for name, count in found["result"]["counts"].items()}
