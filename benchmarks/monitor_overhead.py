"""How much a `RegionMonitor` slows a training loop down, while the counting is done on the same machine.

Trains the same network on two moons with a monitor and without one, in turn, and compares the loop's wall seconds and
the processor seconds of its process; what the calls of the monitor took of those is measured by itself. A service is
started for the monitor. Arms: `service` has a monitor on it, `others` has none while the service counts as much for
somebody else, `without` has neither, `process` has a monitor that counts by itself.

    python benchmarks/monitor_overhead.py --repeat 9 --output benchmarks/results/monitor.md --plot docs/monitor.png
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import torch
from torch import nn

from relucensus_client import History, RegionMonitor

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from train_moons import two_moons

EPOCHS = 100
BATCH = 32
WIDTHS = (32, 32, 32)
PATIENCE = 300.0


@dataclass(frozen=True)
class Run:
    """Seconds of one training loop, and how many of its snapshots were counted when it ended."""

    arm: str
    wall: float
    processor: float
    calls: float
    counted: int
    history: History | None


def network() -> nn.Sequential:
    """An untrained network of two inputs and outputs."""
    sizes = (2, *WIDTHS)
    layers = [part for a, b in zip(sizes, WIDTHS, strict=False) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(WIDTHS[-1], 2))


def trained(epochs: int, monitor: RegionMonitor | None, seed: int) -> tuple[float, float, float]:
    """Wall and processor seconds of the loop, and the latter of the monitor's calls alone.

    Minibatches of Adam, and the accuracy at the end of every epoch.
    """
    torch.manual_seed(seed)
    coordinates, labels = two_moons(np.random.default_rng(0))
    points, moons = torch.from_numpy(coordinates), torch.from_numpy(labels)
    model = network()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.003)
    loss_of = nn.CrossEntropyLoss()
    calls = 0.0
    wall, processor = time.perf_counter(), time.process_time()
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(points)).split(BATCH):
            optimiser.zero_grad()
            loss = loss_of(model(points[batch]), moons[batch])
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
        with torch.no_grad():
            accuracy = (model(points).argmax(dim=1) == moons).float().mean().item()
        if monitor is not None:
            before = time.process_time()
            monitor.step(model, epoch=epoch, accuracy=accuracy, loss=total / len(points))
            calls += time.process_time() - before
    return time.perf_counter() - wall, time.process_time() - processor, calls


def measured(arm: str, url: str, seed: int, options: argparse.Namespace) -> Run:
    """One run of an arm: `without`, `others`, `service` or `process`. A service never saw a network of another seed."""
    if arm == "without":
        return Run(arm, *trained(options.epochs, None, seed), 0, None)
    if arm == "others":
        with busy(url, options.nice):
            return Run(arm, *trained(options.epochs, None, seed), 0, None)
    service = url if arm == "service" else None
    chosen = {"every": options.every, "service": service, "nice": options.nice}
    with RegionMonitor(lower=-1, upper=1, patience=PATIENCE, **chosen) as monitor:
        # Everything has started before the loop begins, as it soon has in a longer training.
        monitor.snapshot(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)), -1)
        while monitor.history().rows[0]["status"] == "open":
            time.sleep(0.1)
        seconds = trained(options.epochs, monitor, seed)
        counted = sum(row["count"] is not None for row in monitor.history().of("activation_regions")) - 1
    history = History(row for row in monitor.history() if row["step"] >= 0)
    lost = [row for row in history if row["status"] != "exact"]
    if lost:
        raise SystemExit(f"{len(lost)} of {len(history)} rows have no exact count, the first: {lost[0]}")
    return Run(arm, *seconds, counted, history)


@contextmanager
def own_service(nice: int, workers: int) -> Iterator[str]:
    """The address of a service of this priority with so many workers, ready to count."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        program = str(Path(sys.executable).with_name("relucensus"))
        command = ["nice", "-n", str(nice), program, "serve", "--workers", str(workers)]
        with log.open("wb") as file:
            process = subprocess.Popen([*command, "--data", f"{folder}/data", "--port", "0"], stdout=file, stderr=file)
        try:
            while "listening on " not in log.read_text():
                if process.poll() is not None:
                    raise SystemExit(f"the service has ended:\n{log.read_text()}")
                time.sleep(0.1)
            url = log.read_text().split("listening on ")[1].split()[0]
            with RegionMonitor(lower=-1, upper=1, service=url) as monitor:  # after that, kernels are loaded
                trained(3, monitor, -1)
            yield url
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def busy(url: str, nice: int) -> Iterator[None]:
    """The service counts networks of somebody else, always a few at once."""
    process = subprocess.Popen(["nice", "-n", str(nice), sys.executable, __file__, "--feed", url])
    try:
        while httpx.get(f"{url}/count", params={"state": "running"}).json()["jobs"] == []:
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(60)
        while httpx.get(f"{url}/count", params={"state": ["running", "queued"]}).json()["jobs"]:
            time.sleep(0.1)


def feed(url: str) -> None:
    """Have random networks counted until this process is ended."""
    torch.manual_seed(time.time_ns())
    with RegionMonitor(lower=-1, upper=1, service=url, backlog=8, when_full="wait", nice=0) as monitor:
        while True:
            monitor.snapshot(network())


def table(runs: list[Run], first: str, epochs: int) -> str:
    """Least and median of the rounds, and the median of the ratios to the run of the first arm in the same round."""
    base = [run for run in runs if run.arm == first]
    lines = [
        f"{epochs} epochs, batches of {BATCH}, {'-'.join(map(str, WIDTHS))} neurons, one thread; {len(base)} rounds;",
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end.",
        "",
        "| monitor | wall, least | wall, median | processor, median | wall, ratio | processor, ratio "
        "| calls of the monitor | counted during the loop |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for arm in dict.fromkeys(run.arm for run in runs):
        mine = [run for run in runs if run.arm == arm]
        walls = statistics.median(a.wall / b.wall for a, b in zip(mine, base, strict=True))
        processors = statistics.median(a.processor / b.processor for a, b in zip(mine, base, strict=True))
        calls = statistics.median(run.calls / run.processor for run in mine)
        lines.append(
            f"| {arm} | {min(run.wall for run in mine):.3f} s | {statistics.median(run.wall for run in mine):.3f} s "
            f"| {statistics.median(run.processor for run in mine):.3f} s | {walls:.3f} | {processors:.3f} "
            f"| {100 * calls:.2f} % | {statistics.median(run.counted for run in mine):.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--every", type=int, default=1, help="epochs between two snapshots")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--arms", default="others,service,without,process", help="ratios are to the first")
    parser.add_argument("--feed", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--nice", type=int, default=19, help="priority of everything but the loop, whose own is 0")
    parser.add_argument("--workers", type=int, default=1, help="of the service; the loop has a core of its own")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--plot", type=Path, help="where to write the history of the last run with a service")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.feed:
        feed(options.feed)
    arms = options.arms.split(",")
    runs: list[Run] = []
    with own_service(options.nice, options.workers) as url:
        trained(3, None, -1)
        for number in range(options.repeat):
            for arm in arms[number % len(arms) :] + arms[: number % len(arms)]:
                runs.append(measured(arm, url, number, options))
                print(f"{arm:8} {runs[-1].wall:.3f} s wall, {runs[-1].processor:.3f} s processor", file=sys.stderr)
    text = table(runs, arms[0], options.epochs)
    print(text)
    if options.output:
        options.output.write_text(text)
    if options.plot:
        history = next(run.history for run in reversed(runs) if run.arm == "service")
        history.plot().figure.savefig(options.plot)


if __name__ == "__main__":
    main()
