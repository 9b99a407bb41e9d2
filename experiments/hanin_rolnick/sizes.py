"""How much to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Widths = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Shapes, epochs and numbers of networks; `looks` is the number of lines, and of planes, a snapshot is counted on.

    `steps` of batches are trained on random points; `gains` and `biases` are pairs of factors of the initialisation.
    """

    initial_shapes: tuple[Widths, ...]
    initial_networks: int
    trained_shapes: tuple[Widths, ...]
    epochs: tuple[float, ...]
    seeds: tuple[int, ...]
    looks: int
    shares: tuple[float, ...]
    corrupted_epochs: tuple[float, ...]
    point_numbers: tuple[int, ...]
    steps: int
    scales: tuple[tuple[float, float], ...]
    scale_epochs: tuple[float, ...]
    distance_widths: tuple[int, ...]
    distance_networks: int


SMALL: Final = Sizes(
    initial_shapes=((32,), (16, 16), (32, 32)),
    initial_networks=5,
    trained_shapes=((16, 16), (32, 32)),
    epochs=(0, 1, 5, 10),
    seeds=(0,),
    looks=2,
    shares=(0, 1),
    corrupted_epochs=(0, 5, 15),
    point_numbers=(30, 100),
    steps=400,
    scales=((1, 1e-3), (1, 1), (2, 1e-3)),
    scale_epochs=(0, 2, 5),
    distance_widths=(8, 16, 32, 64),
    distance_networks=2,
)
FULL: Final = Sizes(
    initial_shapes=((32,), (64,), (16, 16), (32, 32), (64, 64), (16, 16, 16), (32, 32, 32), (64, 64, 64)),
    initial_networks=15,
    trained_shapes=((32, 32), (32, 32, 32), (64, 64, 64)),
    epochs=(0, 0.5, 1, 2, 5, 10, 20, 50, 100),
    seeds=(0, 1),
    looks=4,
    shares=(0, 0.5, 1),
    corrupted_epochs=(0, 1, 5, 10, 20, 50, 100, 200),
    point_numbers=(30, 100, 300, 1000),
    steps=6000,
    scales=((0.5, 1e-3), (1, 1e-3), (2, 1e-3), (1, 0.1), (1, 1)),
    scale_epochs=(0, 1, 2, 5, 10, 20, 50),
    distance_widths=(8, 16, 32, 64, 128),
    distance_networks=10,
)
