"""The client with a real service: what it was written for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Protocol

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from relucensus_client import AsyncClient, AsyncJob, Client, Conflict, JobStatus
from relucensus_client.cli import app

CASES = Path(__file__).parents[1] / "cases"
MOONS = CASES / "moons_16x3.onnx"  # 174 regions on [-1, 1]^2
LARGE = CASES / "planar_64x3.onnx"


class Service(Protocol):
    """What the fixture gives; see conftest.py."""

    client: httpx.Client


@pytest.fixture
def url(service: Service) -> str:
    return str(service.client.base_url)


@pytest.fixture
def client(url: str) -> Any:
    with Client(url) as client:
        yield client


def command(url: str, *arguments: str) -> Result:
    return CliRunner(env={"RELUCENSUS_URL": url, "COLUMNS": "200"}).invoke(app, list(arguments))


def test_the_regions_of_a_counted_job_are_the_networks(client: Client, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    job = client.submit(MOONS, lower=-1, upper=1)
    assert job.wait().counts["activation_regions"].value == 174
    regions = job.regions(["pattern", "interior_point", "weights", "bias"])
    assert regions["pattern"].shape == (174, 48)
    assert len(np.unique(regions["pattern"], axis=0)) == 174
    assert (np.abs(regions["interior_point"]) < 1).all()
    assert regions["weights"].shape == (174, *regions["bias"].shape[1:], 2)
    path = tmp_path / "regions.parquet"
    assert command(client.url, "regions", "--job", job.id, "--output", str(path), "--columns", "pattern").exit_code == 0
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(path).to_pylist()
    assert {tuple(row["pattern"]) for row in rows} == {tuple(pattern) for pattern in regions["pattern"].tolist()}


def test_a_job_that_reached_a_limit_is_followed_retried_and_exact_at_last(client: Client) -> None:
    job = client.submit(MOONS, lower=-2, upper=2, engine="tree", regions=100, fresh=True)
    followed: list[JobStatus] = list(job.events())
    assert [status.done for status in followed].index(True) == len(followed) - 1
    result = job.wait()
    assert not result.exact
    with pytest.raises(Conflict, match="no exact count"):
        job.regions()
    for _ in range(20):
        assert not job.retry().done
        if job.wait().exact:
            break
    exact = client.count(MOONS, lower=-2, upper=2, fresh=True)
    assert job.wait().counts["activation_regions"].value == exact.counts["activation_regions"].value
    with pytest.raises(Conflict):
        job.retry()
    job.delete()


def test_asyncio_counts_side_by_side_and_follows_by_events(url: str) -> None:
    async def work() -> None:
        async with AsyncClient(url) as client:
            model = await client.upload(MOONS)
            jobs = [await client.submit(model, lower=-1, upper=upper, fresh=True) for upper in (0, 1)]
            ends = [[status async for status in job.events()][-1] for job in jobs]
            assert [end.done for end in ends] == [True, True]
            whole = await jobs[1].wait()
            assert whole.counts["activation_regions"].value == 174
            batches = [batch async for batch in jobs[1].region_batches(["digest"], size=100)]
            assert [len(batch) for batch in batches] == [100, 74]
            known = await client.submit(model, lower=-1, upper=1)
            assert known.done
            assert known.latest.answered_from is not None
            for job in jobs:
                await job.delete()

    asyncio.run(work())


def test_one_client_follows_more_than_a_hundred_jobs_at_once(url: str) -> None:
    async def work() -> None:
        together = asyncio.Barrier(120)

        async def follow(job: AsyncJob) -> None:
            async for _ in job.events():
                await together.wait()  # which takes all connections at once

        async with AsyncClient(url) as client:
            first = await client.submit(MOONS, lower=-1, upper=1)
            await first.wait()
            jobs = await asyncio.gather(*(client.job(first.id) for _ in range(120)))
            await asyncio.wait_for(asyncio.gather(*(follow(job) for job in jobs)), 60)

    asyncio.run(work())


def test_a_running_job_is_cancelled_and_its_events_end(client: Client) -> None:
    job = client.submit(LARGE, lower=-1000, upper=1000, engine="milp", fresh=True)
    seen = []
    for status in job.events():
        seen.append(status.state)
        if status.state == "running":
            job.cancel()
    assert seen[-1] == "cancelled"
    assert not job.wait().exact


def test_the_command_line_does_the_same(url: str, tmp_path: Path) -> None:
    digest = command(url, "upload", str(MOONS)).stdout.strip()
    assert digest.startswith("sha256:")
    job = command(url, "submit", digest, "--lower", "-1", "--upper", "1", "--fresh", "--engine", "tree").stdout.strip()
    followed = command(url, "events", job)
    assert followed.exit_code == 0
    assert followed.stdout.splitlines()[-1]
    assert "activation regions  174  exact" in followed.stdout
    last = command(url, "events", job, "--json").stdout.splitlines()[-1]
    assert json.loads(last)["result"]["counts"]["activation_regions"]["value"] == 174
    assert job in command(url, "list", "--state", "succeeded,failed").stdout
    assert command(url, "retry", job).exit_code == 2
    assert command(url, "delete", job).exit_code == 0
    assert command(url, "status", job).exit_code == 2
    late = ["submit", digest, "--lower", "-1", "--upper", "1", "--fresh", "--deadline", "2020-01-01T00:00Z"]
    passed = command(url, *late).stdout.strip()
    assert command(url, "wait", passed).exit_code == 3
    assert command(url, "retry", passed).exit_code == 2


def test_a_count_on_a_service_is_verified_here(client: Client, tmp_path: Path) -> None:
    result = client.count(MOONS, lower=-1, upper=1, certificate=True, fresh=True)
    assert result.verify(MOONS).counts == {name: count.value for name, count in result.counts.items()}
    job = client.submit(MOONS, lower=-1, upper=1, certificate=True)
    path = tmp_path / "certificate.gz"
    assert command(client.url, "certificate", job.id, str(path)).exit_code == 0
    assert path.read_bytes() == job.certificate()
    assert command(client.url, "verify", str(MOONS), str(path)).exit_code == 0


def test_a_certified_job_that_reached_a_limit_goes_on_and_is_verified(client: Client) -> None:
    job = client.submit(CASES / "five_12x2.onnx", lower=-1, upper=1, certificate=True, regions=300)
    assert job.wait().certificate is None
    with pytest.raises(Conflict):
        job.certificate()
    while not job.wait().exact:
        job.retry()
    assert job.wait().verify(CASES / "five_12x2.onnx").counts["activation_regions"] == 4029
