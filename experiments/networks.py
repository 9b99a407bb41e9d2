"""Networks at random: as numpy arrays for those that are only counted, as torch modules for those that learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from relucensus import Network
from relucensus.readers import network_from_module

Draw = Callable[[np.random.Generator, int, int], tuple[NDArray[np.float64], NDArray[np.float64]]]


def drawn(inputs: int, widths: Sequence[int], seed: Sequence[int], draw: Draw) -> Network:
    """A network with one output whose layers `draw` makes: (generator, width, fan-in) -> weights and bias."""
    generator = np.random.default_rng(list(seed))
    layers, fan_in = [], inputs
    for width in (*widths, 1):
        layers.append(draw(generator, width, fan_in))
        fan_in = width
    return Network.from_arrays(layers)


def uniform(generator: np.random.Generator, width: int, fan_in: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and biases uniform on [-1, 1], as in Wang 2022."""
    return generator.uniform(-1, 1, (width, fan_in)), generator.uniform(-1, 1, width)


def perceptron(inputs: int, widths: Sequence[int], outputs: int, seed: int) -> torch.nn.Sequential:
    """A module with ReLU after each hidden layer, in torch's default initialisation."""
    torch.manual_seed(seed)
    parts: list[torch.nn.Module] = []
    fan_in = inputs
    for width in widths:
        parts += [torch.nn.Linear(fan_in, width), torch.nn.ReLU()]
        fan_in = width
    return torch.nn.Sequential(*parts, torch.nn.Linear(fan_in, outputs))


def he_initialised(
    module: torch.nn.Sequential, seed: int, *, gain: float = 1.0, bias_deviation: float = 1e-3
) -> torch.nn.Sequential:
    """The module with weights N(0, gain^2 * 2 / fan-in) and biases N(0, bias_deviation^2), as in Hanin & Rolnick."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in module:
            if isinstance(part, torch.nn.Linear):
                part.weight.normal_(0, gain * (2 / part.in_features) ** 0.5, generator=generator)
                part.bias.normal_(0, bias_deviation, generator=generator)
    return module


def he_network(inputs: int, widths: Sequence[int], seed: int) -> Network:
    """A He-initialised network with one output and biases N(0, 1e-6)."""
    return network_from_module(he_initialised(perceptron(inputs, widths, 1, seed), seed))


def shape(widths: Sequence[int]) -> str:
    """The hidden widths as text, as in ``16-16-16``."""
    return "-".join(map(str, widths))
