"""Start the embedded service, upload the example network, print its counts: `make demo`."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from relucensus_client import Client, CountResult

EXAMPLE = Path(__file__).with_name("moons.onnx")
READY_SECONDS = 60


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, service: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the service says it is ready; exit with its log if it does not become so."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and service.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    sys.exit(f"the service did not become ready; its log:\n{log.read_text()}")


def show(result: CountResult, seconds: float) -> None:
    """Print the counts as a table."""
    network = result.network
    print(f"network   {network.inputs} inputs, hidden layers {network.hidden}, {network.neurons} neurons")
    for name, count in result.counts.items():
        print(f"{name:20} {count.value:>6}  {count.status}")
    print(f"regions after each layer: {result.regions_after_layer}")
    print(f"engine {result.engine}, {result.statistics.milp_solves} MILP solves, {seconds:.1f} s from upload to answer")


def main() -> None:
    """Count examples/moons.onnx on the box [-1, 1]^2 through POST /count with engine milp."""
    url = f"http://127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "service.log"
        program = Path(sys.executable).with_name("relucensus")
        command = [program, "serve", "--port", url.rpartition(":")[2], "--data", folder]
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as service:
            try:
                wait_until_ready(url, service, log)
                print(f"service   {url} is ready; POST /count with {EXAMPLE.name} on the box [-1, 1]^2")
                started = time.monotonic()
                with Client(url) as client:
                    result = client.submit(EXAMPLE, lower=-1, upper=1, engine="milp").wait(progress=False)
                show(result, time.monotonic() - started)
            finally:
                service.terminate()


if __name__ == "__main__":
    main()
