"""Fuzzes the API with schemathesis, by its own OpenAPI document: `python tests/fuzz/api.py --minutes 10`.

Schemathesis checks that every answer is one that the document describes, that what breaks the schema is refused, and
that no answer is a 500. Jobs are queued and stay so: there is no runner.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from relucensus_service.app import create_app
from relucensus_service.intake import Intake, Reading
from relucensus_service.server import configured
from relucensus_service.settings import Settings
from relucensus_service.store import Database, Store
from relucensus_service.store.schema import upgrade

_GOOD = (Path(__file__).parents[1] / "cases" / "seven_7_3.onnx").read_bytes()
# Not asked for: whether what fits the schema is accepted (a domain has to fit the network, too).
_LEFT_OUT = "positive_data_acceptance"


class _OneReading:
    """An intake that finds the same network in every file, so that the fuzzer's time goes to the API."""

    def __init__(self, intake: Intake) -> None:
        self._found = intake.read(_GOOD, choices={})
        intake.close()

    def read(self, data: bytes, **_said: object) -> Reading:
        return self._found

    def close(self) -> None:
        """Nothing waits."""


@contextmanager
def service(folder: Path, *, readers: bool) -> Iterator[str]:
    """The address of the API on a database in the folder, with the readers or without them."""
    database = Database(f"sqlite:///{folder}/fuzz.db")
    upgrade(database)
    settings = Settings(longest_wait=0.1, upload_limit=10**6, queue_limit=10**6, runner_stale_seconds=1e9)
    store = Store.on(database)
    store.leases.announce("a runner that was here", workers=1)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    app = create_app(settings, store)
    if not readers:
        app.state.intake = _OneReading(app.state.intake)
    server = uvicorn.Server(configured(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        database.close()


def fuzz(folder: Path, *, seed: int, examples: int, minutes: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run schemathesis against a service of its own; its exit status is 0 if it found nothing.

    With minutes it runs so long and the service reads the files; without, always the same examples are sent.
    """
    schemathesis = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    with service(folder, readers=minutes is not None) as address:
        options = [
            f"--seed={seed}",
            f"--max-examples={examples}",
            f"--exclude-checks={_LEFT_OUT}",
            "--exclude-path-regex=/events$",
            "--request-timeout=20",
            "--continue-on-failure",
            "--warnings=off",
            "--no-color",
            *([f"--max-time={round(60 * minutes)}"] if minutes is not None else ["--generation-deterministic"]),
        ]
        return subprocess.run(
            [*schemathesis, "run", f"{address}/openapi.json", *options],
            cwd=folder,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = fuzz(Path(folder), seed=options.seed, examples=100_000, minutes=options.minutes)
    print(run.stdout)  # noqa: T201
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
