"""Counts, as the experiments ask for them: a number, and an error where it would not be exact."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus import Box, Definition, Network, Problem, Slice, Status, count_regions

WHOLE: Final = 2.0**30
"""The half-width of the box that stands for the whole space."""


def regions(network: Network, domain: Box | Slice, definition: Definition = Definition.ACTIVATION_REGIONS) -> int:
    """The exact number of regions of a network on a domain.

    Raises:
        RuntimeError: the count is not exact.
    """
    result = count_regions(Problem(network, domain, (definition,)))
    if result.status is not Status.EXACT:
        raise RuntimeError(f"the count of {network.digest} is {result.status.value}; needed is an exact one")
    return result.counts[definition].value


def whole_space(inputs: int) -> Box:
    """A box so large that it stands for the whole space."""
    return Box.from_bounds(-WHOLE, WHOLE, inputs)


def line_through(first: NDArray[np.float64], second: NDArray[np.float64]) -> Slice:
    """The whole line through two points (inputs,)."""
    return Slice.through([first.tolist(), second.tolist()], -WHOLE, WHOLE)


def plane_through_origin(first: NDArray[np.float64], second: NDArray[np.float64], lower: float, upper: float) -> Slice:
    """The points ``s * first + t * second`` with s and t between `lower` and `upper`."""
    return Slice.from_bounds([0.0] * len(first), [first.tolist(), second.tolist()], lower, upper)
