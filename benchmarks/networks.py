"""The networks of the benchmark: made from a seed, trained on digits, or read from the tests' collection.

A network is a list of (W, b) as float32 arrays, the last pair being the output layer. Everything here needs numpy only,
so that the same file serves our environment and the peers'.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Layers = list[tuple[NDArray[np.float32], NDArray[np.float32]]]

CASES = Path(__file__).parents[1] / "tests" / "cases"


@dataclass(frozen=True)
class Case:
    """One network on one box, and what is known about it."""

    name: str
    layers: Layers
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    known: int | None = None
    twin: str | None = None  # the generic network of the same shape, for a degenerate one
    floors: tuple[str, ...] = ()  # the floors of benchmarks/floors.py that this case is measured against

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return len(self.lower)

    @property
    def shape(self) -> str:
        """Inputs and hidden widths, as in "2: 64-64-64"."""
        return f"{self.inputs}: {'-'.join(str(len(bias)) for _, bias in self.layers[:-1])}"


def he(inputs: int, hidden: Iterable[int], seed: int, bias: float = 0.1) -> Layers:
    """He-initialised weights N(0, 2 / fan-in) and biases N(0, bias^2), in float32; `bias=0` is He's own choice."""
    generator = np.random.default_rng(seed)
    layers, fan_in = [], inputs
    for width in (*hidden, 1):
        weights = generator.standard_normal((width, fan_in)) * np.sqrt(2 / fan_in)
        biases = generator.standard_normal(width) * bias
        layers.append((weights.astype(np.float32), biases.astype(np.float32)))
        fan_in = width
    return layers


def default(inputs: int, hidden: Iterable[int], seed: int) -> Layers:
    """Weights and biases uniform on ±1/sqrt(fan-in), in float32, as PyTorch initialises a linear layer."""
    generator = np.random.default_rng(seed)
    layers, fan_in = [], inputs
    for width in (*hidden, 1):
        most = 1 / np.sqrt(fan_in)
        weights = generator.uniform(-most, most, (width, fan_in))
        biases = generator.uniform(-most, most, width)
        layers.append((weights.astype(np.float32), biases.astype(np.float32)))
        fan_in = width
    return layers


def uniform(inputs: int, hidden: Iterable[int], seed: int) -> Layers:
    """Weights and biases uniform on [-1, 1] in float64's rationals, as in Wang 2022 (kept in float32)."""
    generator = np.random.default_rng(seed)
    layers, fan_in = [], inputs
    for width in (*hidden, 1):
        weights = generator.uniform(-1, 1, (width, fan_in))
        biases = generator.uniform(-1, 1, width)
        layers.append((weights.astype(np.float32), biases.astype(np.float32)))
        fan_in = width
    return layers


def without_biases(layers: Layers) -> Layers:
    """The same weights with zero biases: every hyperplane passes through the origin."""
    return [(weights, np.zeros_like(bias)) for weights, bias in layers]


def box(case_name: str, layers: Layers, half_width: float = 1.0, **known: object) -> Case:
    """A case on the box [-half_width, half_width]^d."""
    inputs = layers[0][0].shape[1]
    return Case(case_name, layers, (-half_width,) * inputs, (half_width,) * inputs, **known)  # type: ignore[arg-type]


def save(path: Path, case: Case) -> None:
    """Write the case as an .npz file: W0, b0, W1, b1, ..., lower, upper."""
    arrays: dict[str, NDArray[np.generic]] = {"lower": np.array(case.lower), "upper": np.array(case.upper)}
    for index, (weights, bias) in enumerate(case.layers):
        arrays |= {f"W{index}": weights, f"b{index}": bias}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def load(path: Path) -> tuple[Layers, NDArray[np.float64], NDArray[np.float64]]:
    """Layers, lower and upper of a file that `save` wrote."""
    with np.load(path) as arrays:
        count = sum(name.startswith("W") for name in arrays.files)
        layers = [(arrays[f"W{index}"], arrays[f"b{index}"]) for index in range(count)]
        return layers, arrays["lower"], arrays["upper"]


def known_answers() -> list[Case]:
    """The small, mostly degenerate networks of tests/cases/known_answers.json."""
    cases = []
    for entry in json.loads((CASES / "known_answers.json").read_text()):
        layers = [
            (np.array(layer["weight"], np.float32), np.array(layer["bias"], np.float32))
            for layer in [*entry["hidden"], entry["output"]]
        ]
        lower, upper = (tuple(map(float, side)) for side in zip(*entry["box"], strict=True))
        cases.append(Case(entry["name"], layers, lower, upper, known=entry["counts"]["activation_regions"]))
    return cases
