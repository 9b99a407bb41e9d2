"""Fuzzes the readers: `python tests/fuzz/readers.py --minutes 10`.

Each file has to give a network, or one of the library's own errors, within seconds and within the memory that the
service allows. The files are made in a process of its own, so that one that ends the process is found too; what fails
is kept in the folder that is named at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz import mutations
from relucensus.errors import CensusError
from relucensus.readers import read_model
from relucensus.readers.vnnlib import read_property
from relucensus.values.network import Network

FORMATS = {
    "onnx": (mutations.onnx_seeds, mutations.mutated_onnx),
    "pt": (mutations.state_dict_seeds, mutations.mutated_state_dict),
    "legacy": (mutations.legacy_seeds, mutations.mutated_bytes),
    "safetensors": (mutations.safetensors_seeds, mutations.mutated_safetensors),
    "nnet": (mutations.nnet_seeds, mutations.mutated_nnet),
    "vnnlib": (mutations.vnnlib_seeds, mutations.mutated_vnnlib),
}
MEMORY = 2 * 2**30
SECONDS = 30  # of CPU, for one file; most take a millisecond
LARGE = 100_000  # weights beyond which a network is not stored as well
_CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Campaign:
    """How a run ended: files read, networks among them, and what failed, with the file that made it fail."""

    files: int
    networks: int
    failures: tuple[str, ...]


def campaign(folder: Path, *, seed: int, files: int | None = None, minutes: float | None = None) -> Campaign:
    """Read so many files, or for so long, going on with another seed where a file has ended the process."""
    end = None if minutes is None else time.monotonic() + 60 * minutes
    total = networks = 0
    failures: list[str] = []
    while (files is None or total < files) and (end is None or time.monotonic() < end):
        command = [sys.executable, __file__, "--child", str(folder), "--seed", str(seed)]
        command += ["--files", str(files - total)] if files is not None else []
        command += ["--minutes", str((end - time.monotonic()) / 60)] if end is not None else []
        child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        lines = child.stdout.splitlines()
        failures += [line for line in lines if not line.startswith("read ")]
        counts = [line.split() for line in lines if line.startswith("read ")]
        total += int(counts[-1][1]) if counts else 1
        networks += int(counts[-1][2]) if counts else 0
        if child.returncode:
            kept = _kept(folder, (folder / _CURRENT).read_bytes(), f"seed{seed}")
            failures.append(f"the process ended with {child.returncode} on {kept}")
        seed += 1
    return Campaign(total, networks, tuple(failures))


def read_many(folder: Path, seed: int, files: int | None, minutes: float | None) -> None:
    """In the child: mutate and read, and tell what fails."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    rng = random.Random(seed)
    end = time.monotonic() + 60 * (minutes or 1e6)
    seeds = {name: make() for name, (make, _) in FORMATS.items()}
    done = networks = 0
    while (files is None or done < files) and time.monotonic() < end:
        name = rng.choice(["onnx", "onnx", "pt", "pt", "legacy", "safetensors", "nnet", "vnnlib"])
        change = FORMATS[name][1] if rng.random() < 0.7 else mutations.mutated_bytes
        data = change(rng.choice(seeds[name]), seeds[name], rng)
        (folder / _CURRENT).write_bytes(data)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            networks += _read(name, data)
        except Exception as error:
            kept = _kept(folder, data, name)
            print(f"{type(error).__name__}: {str(error)[:200]!r} for {kept}", flush=True)  # noqa: T201 - the answer
        signal.setitimer(signal.ITIMER_PROF, 0)
        done += 1
        if done % 100 == 0:
            print(f"read {done} {networks}", flush=True)  # noqa: T201 - the answer
    print(f"read {done} {networks}", flush=True)  # noqa: T201 - the answer


def _read(name: str, data: bytes) -> int:
    """Read it; whether it was a network. An error of the library is an answer, everything else is not."""
    with contextlib.suppress(CensusError):
        if name == "vnnlib":
            read_property(data).box(0)
            read_property(data.decode(errors="replace")).box()
            return 0
        network = read_model(data, nnet_normalisation="apply").network
        small = sum(layer.rows * layer.columns for layer in network.layers) <= LARGE
        if small and Network.from_bytes(network.to_bytes()).digest != network.digest:
            raise AssertionError("the network is another one after it was stored")
        return 1
    return 0


def _kept(folder: Path, data: bytes, name: str) -> Path:
    path = folder / f"failure-{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


def main() -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--files", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        read_many(options.child, options.seed, options.files, options.minutes)
        return 0
    if options.files is None and options.minutes is None:
        options.minutes = 10.0
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    found = campaign(folder, seed=options.seed, files=options.files, minutes=options.minutes)
    print(f"{found.files} files, {found.networks} networks, {len(found.failures)} failures, kept in {folder}")  # noqa: T201
    for failure in found.failures:
        print(failure)  # noqa: T201
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
