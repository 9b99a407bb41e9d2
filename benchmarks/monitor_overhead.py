"""How much a `RegionMonitor` slows a training loop down, while the counting is done on the same machine.

Trains the same network on two moons with and without a monitor, in turn, and compares the loop's wall seconds and the
processor seconds of its process; what the calls of the monitor took of those is measured by itself. A service is
started for the monitor.

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


def trained(epochs: int, monitor: RegionMonitor | None) -> tuple[float, float, float]:
    """Wall and processor seconds of the loop, and the latter of the monitor's calls alone.

    Minibatches of Adam, and the accuracy at the end of every epoch.
    """
    torch.manual_seed(0)
    coordinates, labels = two_moons(np.random.default_rng(0))
    points, moons = torch.from_numpy(coordinates), torch.from_numpy(labels)
    sizes = (2, *WIDTHS)
    layers = [part for a, b in zip(sizes, WIDTHS, strict=False) for part in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(WIDTHS[-1], 2))
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


def measured(arm: str, url: str, options: argparse.Namespace) -> Run:
    """One run of an arm: `without`, `service` or `process`."""
    if arm == "without":
        return Run(arm, *trained(options.epochs, None), 0, None)
    service = url if arm == "service" else None
    chosen = {"every": options.every, "service": service, "nice": options.nice}
    with RegionMonitor(lower=-1, upper=1, patience=PATIENCE, **chosen) as monitor:
        # Everything has started before the loop begins, as it soon has in a longer training.
        monitor.snapshot(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)), -1)
        while monitor.history().rows[0]["status"] == "open":
            time.sleep(0.1)
        seconds = trained(options.epochs, monitor)
        counted = sum(row["count"] is not None for row in monitor.history().of("activation_regions")) - 1
    history = History(row for row in monitor.history() if row["step"] >= 0)
    lost = [row for row in history if row["status"] != "exact"]
    if lost:
        raise SystemExit(f"{len(lost)} of {len(history)} rows have no exact count, the first: {lost[0]}")
    return Run(arm, *seconds, counted, history)


@contextmanager
def own_service(nice: int) -> Iterator[str]:
    """The address of a service of this priority, ready to count."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        program = str(Path(sys.executable).with_name("relucensus"))
        command = [
            "nice",
            "-n",
            str(nice),
            program,
            "serve",
            "--data",
            f"{folder}/data",
            "--port",
            "0",
        ]
        with log.open("wb") as file:
            process = subprocess.Popen([*command, "--data", f"{folder}/data", "--port", "0"], stdout=file, stderr=file)
        try:
            while "listening on " not in log.read_text():
                if process.poll() is not None:
                    raise SystemExit(f"the service has ended:\n{log.read_text()}")
                time.sleep(0.1)
            url = log.read_text().split("listening on ")[1].split()[0]
            with RegionMonitor(lower=-1, upper=1, service=url) as monitor:  # after that, kernels are loaded
                trained(3, monitor)
            yield url
        finally:
            process.terminate()
            process.wait(60)


def table(runs: list[Run], epochs: int) -> str:
    """Medians over the rounds, and the median of the ratios to the run without a monitor of the same round."""
    base = [run for run in runs if run.arm == "without"]
    lines = [
        f"{epochs} epochs, batches of {BATCH}, {'-'.join(map(str, WIDTHS))} neurons, one thread; {len(base)} rounds;",
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end.",
        "",
        "| monitor | wall, median | processor, median | wall, ratio | processor, ratio | calls of the monitor "
        "| counted during the loop |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for arm in dict.fromkeys(run.arm for run in runs):
        mine = [run for run in runs if run.arm == arm]
        walls = statistics.median(a.wall / b.wall for a, b in zip(mine, base, strict=True))
        processors = statistics.median(a.processor / b.processor for a, b in zip(mine, base, strict=True))
        calls = statistics.median(run.calls / run.processor for run in mine)
        lines.append(
            f"| {arm} | {statistics.median(run.wall for run in mine):.3f} s "
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
    parser.add_argument("--arms", default="without,service,process")
    parser.add_argument("--nice", type=int, default=19, help="priority of everything but the loop, whose own is 0")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--plot", type=Path, help="where to write the history of the last run with a service")
    options = parser.parse_args()
    torch.set_num_threads(1)
    arms = options.arms.split(",")
    runs: list[Run] = []
    with own_service(options.nice) as url:
        trained(3, None)
        for number in range(options.repeat):
            for arm in arms[number % len(arms) :] + arms[: number % len(arms)]:
                runs.append(measured(arm, url, options))
                print(f"{arm:8} {runs[-1].wall:.3f} s wall, {runs[-1].processor:.3f} s processor", file=sys.stderr)
    text = table(runs, options.epochs)
    print(text)
    if options.output:
        options.output.write_text(text)
    if options.plot:
        history = next(run.history for run in reversed(runs) if run.arm == "service")
        history.plot().figure.savefig(options.plot)


if __name__ == "__main__":
    main()
