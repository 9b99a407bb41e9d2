"""The commands of docker-compose.yml, started by hand against a scratch PostgreSQL database."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import OperationalError

ROOT = Path(__file__).parents[2]
POSTGRES = os.environ.get("RELUCENSUS_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
SERVICES: Mapping[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
NAMES_OF_OURS = {"migrate", "api", "scheduler", "worker", "runner"}


@pytest.fixture(scope="module")
def database() -> Iterator[URL]:
    admin = create_engine(POSTGRES, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    name = f"relucensus_{uuid.uuid4().hex[:12]}"
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError as error:
        pytest.skip(f"no PostgreSQL server at {POSTGRES}: {str(error).splitlines()[0]}")
    yield admin.url.set(database=name, drivername="postgresql")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


class Compose:
    """Starts services of the file as processes: host names and ports become ones of this machine."""

    def __init__(self, folder: Path, database: URL, launch: Callable[..., Any]) -> None:
        self.folder = folder
        self.database = database.render_as_string(hide_password=False)
        self.ports = {port: str(_free_port()) for port in ("8000", "8786", "8787")}
        self.launch = launch
        self.started: dict[str, Any] = {}

    def start(self, name: str) -> Any:
        command = [self._here(part) for part in SERVICES[name]["command"]]
        program = Path(sys.executable).with_name(command[0])
        environment = {key: self._here(value) for key, value in SERVICES[name].get("environment", {}).items()}
        environment |= {"RELUCENSUS_LEASE_SECONDS": "3", "RELUCENSUS_HEARTBEAT_SECONDS": "0.5"}  # a test waits for it
        started = self.launch([str(program), *command[1:]], self.folder / f"{name}.log", environment)
        self.started[name] = started
        return started

    def healthy(self, name: str) -> bool:
        kind, line = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        program, *arguments = shlex.split(self._here(line))
        assert program == "python3"
        return subprocess.run([sys.executable, *arguments], stderr=subprocess.DEVNULL, check=False).returncode == 0

    def _here(self, value: str) -> str:
        if value.startswith("postgresql://"):
            return self.database
        value = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
        for port, free in self.ports.items():
            value = value.replace(port, free)
        return value.replace("0.0.0.0", "127.0.0.1").replace("tcp://scheduler", "tcp://127.0.0.1")

    def stop(self) -> None:
        for started in reversed(self.started.values()):
            if started.process.poll() is None:
                started.end(signal.SIGTERM)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory, database: URL, launch: Callable[..., Any]) -> Iterator[Compose]:
    compose = Compose(tmp_path_factory.mktemp("compose"), database, launch)
    yield compose
    compose.stop()


@pytest.fixture(scope="module")
def client(compose: Compose, ready: Callable[..., httpx.Client]) -> Iterator[httpx.Client]:
    for name in ("migrate", "scheduler", "worker", "runner", "api"):
        compose.start(name)
    assert compose.started["migrate"].process.wait(60) == 0
    with closing(ready(compose.started["api"], f"http://127.0.0.1:{compose.ports['8000']}")) as client:
        yield client


def test_the_commands_of_the_file_count_a_network_together(compose: Compose, client: httpx.Client) -> None:
    assert compose.healthy("api")
    assert compose.healthy("scheduler")
    response = client.post(
        "/count",
        files={"model": ("m", (ROOT / "tests/cases/seven_3_3_2_2.onnx").read_bytes())},
        data={"request": json.dumps({"domain": {"lower": -10, "upper": 10}})},
        headers={"Prefer": "wait=60"},
    )
    assert response.status_code == 200, response.text
    assert response.json()["result"]["counts"]["activation_regions"] == {"value": 30, "status": "exact"}


@pytest.mark.timeout(180)
def test_any_of_them_may_be_killed_during_a_count(
    compose: Compose, client: httpx.Client, wait_for: Callable[..., dict[str, Any]]
) -> None:
    response = client.post(
        "/count",
        files={"model": ("m", (ROOT / "tests/cases/planar_16x3.onnx").read_bytes())},
        data={"request": json.dumps({"domain": {"lower": -1, "upper": 1}})},
        headers={"Prefer": "wait=1"},
    )
    job = response.json()["id"]
    for name in ("runner", "worker"):
        compose.started[name].end(signal.SIGKILL)
        compose.start(name)
    ended = wait_for(client, job)
    assert ended["result"]["counts"]["activation_regions"] == {"value": 241, "status": "exact"}


def test_a_service_that_does_not_run_is_not_healthy(tmp_path: Path, launch: Callable[..., Any]) -> None:
    nothing = Compose(tmp_path, URL.create("postgresql"), launch)
    assert not nothing.healthy("api")
    assert not nothing.healthy("scheduler")


def test_every_service_of_ours_is_tried_here() -> None:
    assert set(SERVICES) == {*NAMES_OF_OURS, "db"}


@pytest.mark.parametrize("name", sorted(NAMES_OF_OURS))
def test_containers_of_ours_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "10001"
    assert service["mem_limit"]
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")


@pytest.mark.parametrize("name", sorted(NAMES_OF_OURS))
def test_containers_of_ours_write_in_memory_only(name: str) -> None:
    assert SERVICES[name]["tmpfs"] == ["/tmp:size=256m"]
    assert "volumes" not in SERVICES[name]
    assert not re.search("^VOLUME", (ROOT / "Dockerfile").read_text(), re.MULTILINE)  # a writable volume for each


def test_only_the_api_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["api"]
    assert SERVICES["api"]["ports"] == ["${RELUCENSUS_PUBLISH:-127.0.0.1:8000}:8000"]
    assert [name for name, service in SERVICES.items() if service["networks"] != ["inside"]] == ["api"]


@pytest.mark.parametrize("name", ["scheduler", "worker"])
def test_dask_keeps_nothing_of_tasks_that_are_done(name: str) -> None:
    assert f"--preload=relucensus_service.{name}_setup" in SERVICES[name]["command"]


def test_the_example_environment_names_what_the_file_asks_for() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    named = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert asked == named


def test_compose_accepts_the_file() -> None:
    candidates = [["docker", "compose"], ["docker-compose"]]
    for command in candidates:
        if (
            shutil.which(command[0])
            and not subprocess.run([*command, "version"], capture_output=True, check=False).returncode
        ):
            checked = subprocess.run([*command, "config", "-q"], cwd=ROOT, capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked.stderr
            return
    pytest.skip("neither `docker compose` nor `docker-compose` is installed")
