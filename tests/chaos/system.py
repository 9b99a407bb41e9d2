"""The service as separate processes that are started again whenever they end, as a container engine does."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from relucensus_service.store import Database

BIN = Path(sys.executable).parent
ENVIRONMENT = {
    "RELUCENSUS_LEASE_SECONDS": "2",
    "RELUCENSUS_HEARTBEAT_SECONDS": "0.3",
    "RELUCENSUS_RUNNER_STALE_SECONDS": "3",
    "RELUCENSUS_FIRST_SLICE_SECONDS": "0.05",
    "RELUCENSUS_SLICE_SECONDS": "0.2",
    "RELUCENSUS_ATTEMPTS": "50",  # a cube that is unlucky in its workers is not to blame here
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
}
PAUSE = 0.1


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
    return port


class Kept:
    """A process that is started again when it ends, until told to stop."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = command
        self._log = log
        self._environment = {**os.environ, **environment}
        self._stop = threading.Event()
        self._process = self._started()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as file:
            return subprocess.Popen(self._command, stdout=file, stderr=file, env=self._environment)

    def _keep(self) -> None:
        while not self._stop.is_set():
            self._process.wait()
            if not self._stop.wait(PAUSE):
                self._process = self._started()

    def kill(self) -> None:
        """kill -9, of the process and all it has started."""
        try:
            process = psutil.Process(self._process.pid)
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for member in family:
            try:
                member.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue

    def end(self) -> None:
        self._stop.set()
        self.kill()
        self._thread.join(5)


@dataclass
class System:
    """API, two runners, scheduler and workers on one database."""

    database_url: str
    folder: Path
    workers: int = 2
    seed: int = 0
    kept: dict[str, Kept] = field(default_factory=dict)
    kills: list[str] = field(default_factory=list)

    def __enter__(self) -> System:
        self._random = random.Random(self.seed)
        self._database = Database(self.database_url)
        api, scheduler = free_port(), free_port()
        self.url = f"http://127.0.0.1:{api}"
        address = f"tcp://127.0.0.1:{scheduler}"
        relucensus = [str(BIN / "relucensus")]
        commands = {
            "scheduler": [str(BIN / "dask"), "scheduler", "--host", "127.0.0.1", "--port", str(scheduler)],
            "api": [*relucensus, "api", "--port", str(api)],
            "runner-0": [*relucensus, "runner", "--scheduler", address, "--name", "runner-0"],
            "runner-1": [*relucensus, "runner", "--scheduler", address, "--name", "runner-1"],
        }
        commands["scheduler"] += ["--no-dashboard", "--preload=relucensus_service.scheduler_setup"]
        worker = [str(BIN / "dask"), "worker", address, "--nthreads=1", "--no-dashboard", "--no-nanny"]
        worker += ["--preload=relucensus_service.worker_setup"]
        commands |= {f"worker-{number}": worker for number in range(self.workers)}
        environment = ENVIRONMENT | {"RELUCENSUS_DATABASE_URL": self.database_url}
        for name, command in commands.items():
            self.kept[name] = Kept(name, command, self.folder / f"{name}.log", environment)
        return self

    def __exit__(self, *_: Any) -> None:
        for kept in self.kept.values():
            kept.end()
        self._database.close()

    def strike(self) -> None:
        """Kill one of the processes, or the connections to the database, by chance."""
        name = self._random.choice([*self.kept, "database"])
        self.kills.append(name)
        if name == "database":
            self._disturb_database()
        else:
            self.kept[name].kill()

    def _disturb_database(self) -> None:
        """PostgreSQL: end all connections. SQLite: hold the lock, so that everybody has to wait."""
        with self._database.write() as connection:
            if self._database.is_sqlite:
                time.sleep(1.0)
            else:
                others = "datname = current_database() AND pid <> pg_backend_pid()"
                connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
