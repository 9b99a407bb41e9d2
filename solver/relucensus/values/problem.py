"""What is asked: a network, a domain, the definitions to count; and how much may be spent on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Final

import numpy as np
from flint import fmpz_mat

from relucensus.arithmetic import AffineMap
from relucensus.errors import InvalidDomain, InvalidRequest
from relucensus.values.domain import Box, Domain, Slice
from relucensus.values.lowering import Lowering, lowered
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

CERTIFIED: Final = DEFAULT_DEFINITIONS  # what a certificate can prove


@dataclass(frozen=True, eq=False)
class Problem:
    """Count these definitions of this network on this domain, a box or a slice.

    Definitions may be given by name. `certificate`: whether the counts are to come with a proof that others can check.

    Raises:
        InvalidDomain: the domain has another dimension than the network.
        InvalidRequest: no definition, one that does not exist, one named twice, or one that is never certified.
    """

    network: Network
    domain: Domain
    definitions: tuple[Definition, ...] = DEFAULT_DEFINITIONS
    certificate: bool = False

    def __post_init__(self) -> None:
        if self.domain.dimension != self.network.inputs:
            kind = "box" if isinstance(self.domain, Box) else "slice"
            raise InvalidDomain(
                f"the {kind} has {self.domain.dimension} coordinates, the network has {self.network.inputs} inputs"
            )
        object.__setattr__(self, "definitions", _known(self.definitions))
        if self.certificate:
            check_certifiable(self.definitions)

    @property
    def box(self) -> Box:
        """The box of the coordinates that vary: the domain, or the parameters of the slice."""
        return self.domain.parameters if isinstance(self.domain, Slice) else self.domain

    @cached_property
    def lowering(self) -> Lowering:
        """The network with hinges only, and which neuron each of its rows belongs to."""
        return lowered(self.network)

    @cached_property
    def free(self) -> Problem:
        """The same problem for engines: a network of hinges on a full-dimensional box.

        A slice is composed with the first layer and fixed coordinates are substituted out, exactly.
        """
        network, box = self.lowering.network, self.box
        if isinstance(self.domain, Slice):
            network = _composed(network, AffineMap.from_floats(self.domain.directions.T, self.domain.origin))
        loose = np.flatnonzero(box.lower < box.upper)
        if len(loose) < box.dimension:
            network = _composed(network, _embedding(box, loose.tolist()))
            box = Box(box.lower[loose], box.upper[loose])
        if network is self.network and box is self.domain:
            return self
        return Problem(network, box, self.definitions, self.certificate)

    @cached_property
    def uncertified(self) -> Problem:
        """The same problem without a certificate: what a second engine is asked."""
        return replace(self, certificate=False) if self.certificate else self


def check_certifiable(definitions: Sequence[Definition]) -> None:
    """Check that certificates cover these definitions.

    Raises:
        InvalidRequest: one of them is never certified.
    """
    for definition in definitions:
        if definition not in CERTIFIED:
            covered = ", ".join(known.value for known in CERTIFIED)
            raise InvalidRequest(f"a certificate does not cover {definition.value}; it covers {covered}")


def _composed(network: Network, inner: AffineMap) -> Network:
    """The network after an affine map of its inputs."""
    first, *rest = network.layers
    layers = [Layer.from_exact(first.exact.after(inner), activations=first.activations), *rest]
    return Network(tuple(layers[:-1]), layers[-1])


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

    `pulse` is called now and then with the number of regions found so far; when it answers True, the work stops.

    Raises:
        InvalidRequest: a limit that is not positive.
    """

    seconds: float | None = None
    regions: int | None = None
    pulse: Callable[[int], bool] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise InvalidRequest(f"limit seconds is {self.seconds}; needed is a positive number or none")
        if self.regions is not None and self.regions < 1:
            raise InvalidRequest(f"limit regions is {self.regions}; needed is a positive whole number or none")

    def spent(self, seconds: float, regions: int) -> bool:
        """Whether these wall seconds or these regions use the budget up, or the pulse says stop."""
        if self.seconds is not None and seconds >= self.seconds:
            return True
        if self.regions is not None and regions >= self.regions:
            return True
        return self.pulse is not None and self.pulse(regions)
