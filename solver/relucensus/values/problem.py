"""What is asked: a network, a domain, the definitions to count; and how much may be spent on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Final

import numpy as np
from flint import fmpz_mat

from relucensus.arithmetic import AffineMap
from relucensus.errors import InvalidDomain, InvalidRequest
from relucensus.values.domain import Box
from relucensus.values.network import Layer, Network


class Definition(StrEnum):
    """The five ways to count, by the names of the API; see docs/definitions.md."""

    ACTIVATION_REGIONS = "activation_regions"
    LINEAR_REGIONS = "linear_regions"
    AFFINE_PIECES = "affine_pieces"
    ACTIVATION_PATTERNS = "activation_patterns"
    CLOSED_LINEAR_REGIONS = "closed_linear_regions"


DEFAULT_DEFINITIONS: Final = (
    Definition.ACTIVATION_REGIONS,
    Definition.LINEAR_REGIONS,
    Definition.AFFINE_PIECES,
)


@dataclass(frozen=True, eq=False)
class Problem:
    """Count these definitions of this network on this box.

    Definitions may be given by name.

    Raises:
        InvalidDomain: the box has another dimension than the network.
        InvalidRequest: no definition, one that does not exist, or one named twice.
    """

    network: Network
    box: Box
    definitions: tuple[Definition, ...] = DEFAULT_DEFINITIONS

    def __post_init__(self) -> None:
        if self.box.dimension != self.network.inputs:
            raise InvalidDomain(
                f"the box has {self.box.dimension} coordinates, the network has {self.network.inputs} inputs"
            )
        object.__setattr__(self, "definitions", _known(self.definitions))

    @cached_property
    def free(self) -> Problem:
        """The same problem on a full-dimensional box: fixed coordinates substituted out exactly."""
        loose = np.flatnonzero(self.box.lower < self.box.upper)
        if len(loose) == self.box.dimension:
            return self
        placed = _embedding(self.box, loose.tolist())
        first, *rest = self.network.layers
        layers = [Layer.from_exact(first.exact.after(placed)), *rest]
        network = Network(tuple(layers[:-1]), layers[-1], self.network.activation)
        return Problem(network, Box(self.box.lower[loose], self.box.upper[loose]), self.definitions)


def _known(definitions: Sequence[str]) -> tuple[Definition, ...]:
    names = [definition.value for definition in Definition]
    for name in definitions:
        if name not in names:
            raise InvalidRequest(f"definition {name!r} does not exist; known are {', '.join(names)}")
    if not definitions or len(set(definitions)) < len(definitions):
        given = ", ".join(definitions) or "none"
        raise InvalidRequest(f"definitions are {given}; needed is at least one, none named twice")
    return tuple(Definition(name) for name in definitions)


def _embedding(box: Box, loose: list[int]) -> AffineMap:
    q = AffineMap.diagonal([Fraction(1)] * box.dimension, [Fraction(float(v)) for v in box.lower])
    coefficients = fmpz_mat(box.dimension, len(loose))
    constants = fmpz_mat(q.constants)
    for column, i in enumerate(loose):
        coefficients[i, column] = q.denominator
        constants[i, 0] = 0
    return AffineMap(coefficients, constants, q.denominator)


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that may be spent: wall seconds, regions found. None means no limit.

    Raises:
        InvalidRequest: a limit that is not positive.
    """

    seconds: float | None = None
    regions: int | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise InvalidRequest(f"limit seconds is {self.seconds}; needed is a positive number or none")
        if self.regions is not None and self.regions < 1:
            raise InvalidRequest(f"limit regions is {self.regions}; needed is a positive whole number or none")
