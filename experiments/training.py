"""Plain training of a classifier, with a look at the network after some epochs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from experiments.data import Data
from relucensus import Network
from relucensus.readers import network_from_module


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train: Adam with cross-entropy, a look after each of `epochs`, which ascend and may be fractions."""

    epochs: tuple[float, ...]
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The network after so many epochs, and the share of points that it classifies right."""

    epoch: float
    network: Network
    accuracy: float
    tested: float | None


def snapshots(
    module: torch.nn.Sequential, data: Data, plan: Plan, seed: int, test: Data | None = None
) -> Iterator[Snapshot]:
    """Train the module on the data, and yield what it is after each epoch of the plan.

    The order of the points comes from the seed. Torch uses one thread, so that a run can be repeated.
    """
    torch.set_num_threads(1)
    order = torch.Generator().manual_seed(seed)
    points, classes = _tensors(data)
    decay = plan.weight_decay
    optimiser = torch.optim.Adam(module.parameters(), lr=plan.learning_rate, weight_decay=decay, fused=True)
    loss_of = torch.nn.CrossEntropyLoss()
    per_epoch = -(-len(data) // plan.batch)
    looks = {int(epoch * per_epoch): epoch for epoch in plan.epochs}
    step, last = 0, max(looks)
    while True:
        for chosen in torch.randperm(len(data), generator=order).split(plan.batch):
            if step in looks:
                tested = None if test is None else _accuracy(module, test)
                yield Snapshot(looks[step], network_from_module(module), _accuracy(module, data), tested)
            if step == last:
                return
            optimiser.zero_grad()
            loss_of(module(points[chosen]), classes[chosen]).backward()
            optimiser.step()
            step += 1


def _accuracy(module: torch.nn.Sequential, data: Data) -> float:
    points, classes = _tensors(data)
    with torch.no_grad():
        return float((module(points).argmax(dim=1) == classes).double().mean())


def _tensors(data: Data) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(data.points).float(), torch.from_numpy(data.classes)
