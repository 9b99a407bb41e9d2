"""`relucensus serve` as a user meets it."""

from __future__ import annotations

import io
import json
import os
import time
from typing import Any, Protocol

import httpx
import numpy as np
import pytest
from safetensors.numpy import save

from relucensus_service.schemas import JobPage, JobView, ModelView


class Service(Protocol):
    """What the fixture gives; see conftest.py."""

    client: httpx.Client
    started: Any

    def post(self, model: str, *, wait: int = 60, **request: Any) -> httpx.Response: ...

    def finished(self, job_id: str) -> dict[str, Any]: ...


BOX = {"lower": -1, "upper": 1}


def values(job: dict[str, Any]) -> dict[str, int]:
    assert job["result"] is not None, job
    assert {count["status"] for count in job["result"]["counts"].values()} == {"exact"}
    return {name: count["value"] for name, count in job["result"]["counts"].items()}


@pytest.mark.parametrize("engine", ["milp", "brute"])
@pytest.mark.parametrize("ending", ["onnx", "pt"])
def test_a_known_count_comes_back(service: Service, engine: str, ending: str) -> None:
    box = {"lower": -10, "upper": 10}
    response = service.post(f"seven_3_3_2_2.{ending}", domain=box, engine=engine)
    assert response.status_code == 200
    job = response.json()
    assert job["state"] == "succeeded"
    assert values(job)["activation_regions"] == 30
    assert job["result"]["engine"] == engine
    assert job["result"]["regions_after_layer"][-1] == 30
    assert job["result"]["statistics"]["wall_seconds"] > 0
    JobView.model_validate(job)


def test_all_five_definitions_are_counted(service: Service) -> None:
    asked = [
        "activation_regions",
        "linear_regions",
        "affine_pieces",
        "activation_patterns",
        "closed_linear_regions",
    ]
    job = service.post("seven_3_3_2_2.onnx", domain={"lower": -10, "upper": 10}, definitions=asked).json()
    counted = values(job)
    assert set(counted) == set(asked)
    assert counted["activation_patterns"] >= counted["activation_regions"] == 30
    assert counted["activation_regions"] >= counted["closed_linear_regions"] >= counted["affine_pieces"]


def test_the_default_engine_counts_a_trained_network(service: Service) -> None:
    response = service.post("moons_16x3.onnx", domain=BOX)
    assert values(response.json())["activation_regions"] == 174


def test_what_the_service_says_fits_its_documentation(service: Service) -> None:
    service.post("line_32x3.onnx", domain=BOX)
    JobPage.model_validate(service.client.get("/count").json())
    weights = {"0.weight": np.ones((3, 2)), "0.bias": np.zeros(3), "2.weight": np.ones((1, 3)), "2.bias": np.zeros(1)}
    model = service.client.post("/models", files={"model": ("m", save(weights))})
    assert ModelView.model_validate(model.json()).format == "safetensors"


def test_a_second_engine_confirms(service: Service) -> None:
    job = service.post("seven_3_3_2_2.onnx", domain=BOX, engine="milp", cross_check="brute").json()
    assert (job["result"]["engine"], job["result"]["cross_checked_by"]) == ("milp", "brute")


def test_a_limit_on_regions_gives_lower_bounds(service: Service) -> None:
    job = service.post("planar_16x3.onnx", domain=BOX, engine="milp", limits={"regions": 20}).json()
    count = job["result"]["counts"]["activation_regions"]
    assert job["state"] == "succeeded"
    assert count["status"] == "lower_bound"
    assert 20 <= count["value"] <= 241 <= count["upper_bound"]


def test_a_limit_on_seconds_gives_lower_bounds(service: Service) -> None:
    started = time.monotonic()
    job = service.post("space_32x2.onnx", domain=BOX, engine="milp", limits={"seconds": 1.5}).json()
    assert time.monotonic() - started < 15
    count = job["result"]["counts"]["activation_regions"]
    assert (job["state"], count["status"]) == ("succeeded", "lower_bound")
    assert 1 <= count["value"] <= 9712 <= count["upper_bound"]


def test_a_running_job_can_be_cancelled_and_keeps_what_it_found(service: Service) -> None:
    response = service.post("space_32x2.onnx", wait=1, domain=BOX, engine="milp")
    assert response.status_code == 202
    job = response.json()["id"]
    assert service.client.post(f"/count/{job}/cancel").status_code == 202
    started = time.monotonic()
    ended = service.finished(job)
    assert time.monotonic() - started < 10
    assert ended["state"] == "cancelled"
    count = ended["result"]["counts"]["activation_regions"]
    assert count["status"] == "lower_bound"
    assert 1 <= count["value"] <= 9712 <= count["upper_bound"]
    assert service.client.post(f"/count/{job}/cancel").status_code == 200
    assert service.client.delete(f"/count/{job}").status_code == 204
    assert service.client.get(f"/count/{job}").status_code == 404


def test_small_jobs_do_not_wait_for_a_large_one(service: Service) -> None:
    large = service.post("space_32x2.onnx", wait=1, domain=BOX, engine="milp").json()["id"]
    small = service.post("seven_3_3_2_2.onnx", wait=30, domain={"lower": -10, "upper": 10}, engine="milp")
    assert small.status_code == 200
    assert values(small.json())["activation_regions"] == 30
    assert not service.client.get(f"/count/{large}").json()["done"]
    assert service.client.delete(f"/count/{large}").status_code == 204


def test_what_an_engine_cannot_serve_comes_back_as_the_problem_of_the_job(service: Service) -> None:
    job = service.post("planar_32x3.onnx", domain=BOX, engine="brute").json()
    assert (job["state"], job["result"]) == ("failed", None)
    assert job["error"]["type"] == "urn:relucensus:problem:unsupported-problem"
    assert "16 neurons" in job["error"]["detail"]


def test_bad_input_leaves_the_service_healthy(service: Service) -> None:
    request = {"request": json.dumps({"domain": BOX})}
    for file, status in ((b"junk", 415), (bytes(300_000), 413)):
        response = service.client.post("/count", files={"model": ("m", io.BytesIO(file))}, data=request)
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
    assert service.client.get("/readyz").status_code == 200


def test_all_of_the_service_has_the_priority_that_it_was_started_with(service: Service) -> None:
    """Linux may compare priorities only within a session; signals of the terminal go to a process group."""
    assert service.post("moons_16x3.onnx", domain=BOX).status_code == 200  # from now on a child waits for the next file
    family = service.started.family()
    assert any("intake_child" in " ".join(process.cmdline()) for process in family)
    assert {os.getsid(process.pid) for process in family} == {os.getsid(0)}
    runner = next(process for process in family if "runner" in process.cmdline())
    assert os.getpgid(runner.pid) == runner.pid
