"""Train the example network: two inputs, two hidden layers of eight ReLUs, two outputs, on the two-moons data.

Writes `moons.onnx` and `moons.pt` beside itself. The seed is fixed, so a run on the same version of torch gives the
same network. Needs torch and onnx: ``pip install "relucensus[torch]"``.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

SEED = 0
POINTS_PER_MOON = 500
NOISE = 0.1
STEPS = 3000


def two_moons(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points of two interleaving half circles, scaled to [-1, 1] in both coordinates, and which moon each is of."""
    angles = rng.uniform(0, np.pi, (2, POINTS_PER_MOON))
    upper = np.stack([np.cos(angles[0]), np.sin(angles[0])], axis=1)
    lower = np.stack([1 - np.cos(angles[1]), 0.5 - np.sin(angles[1])], axis=1)
    points = np.concatenate([upper, lower]) + rng.normal(scale=NOISE, size=(2 * POINTS_PER_MOON, 2))
    low, high = points.min(axis=0), points.max(axis=0)
    return (2 * (points - low) / (high - low) - 1).astype(np.float32), np.repeat([0, 1], POINTS_PER_MOON)


def trained(points: torch.Tensor, moons: torch.Tensor) -> nn.Sequential:
    """The classifier after full-batch training."""
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.003)
    loss = nn.CrossEntropyLoss()
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss(model(points), moons).backward()
        optimiser.step()
    return model.eval()


def main() -> None:
    """Train, report the accuracy, write both files."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    coordinates, labels = two_moons(np.random.default_rng(SEED))
    points, moons = torch.from_numpy(coordinates), torch.from_numpy(labels)
    model = trained(points, moons)
    accuracy = (model(points).argmax(dim=1) == moons).float().mean().item()
    print(f"accuracy on the training points: {accuracy:.3f}")
    folder = Path(__file__).parent
    torch.save(model.state_dict(), folder / "moons.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            model,
            (torch.zeros(1, 2),),
            str(folder / "moons.onnx"),
            dynamo=False,
            input_names=["point"],
            output_names=["logits"],
            dynamic_axes={"point": {0: "batch"}, "logits": {0: "batch"}},
        )


if __name__ == "__main__":
    main()
