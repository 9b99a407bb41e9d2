"""The regions along a line: exact breakpoints of the network on a segment, or on a box of one coordinate.

Hanin & Rolnick (*Complexity of Linear Regions in Deep Networks*, ICML 2019): at initialisation the expected number of
regions along a line grows in proportion to the number of neurons.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from relucensus.affine import Preactivations
from relucensus.arithmetic import AffineMap, RationalPoint
from relucensus.errors import UnsupportedProblem
from relucensus.geometry.volumes import RegionVolume, polytopes_of
from relucensus.values.problem import Budget, Problem


@dataclass(frozen=True, eq=False)
class Breakpoints:
    """The activation regions along a line, in order of the coordinate t that varies.

    `positions` are the lower end, the breakpoints between two regions, and the upper end: exact, one more than regions.
    `rows` are the rows with a breakpoint at each inner position, the first in layer order if there are several.
    `symbols` (regions, rows); `maps` (regions, outputs, 2): slope and constant, rounded; `values` (positions, outputs).
    """

    positions: tuple[Fraction, ...]
    rows: tuple[int, ...]
    symbols: NDArray[np.uint8]
    maps: NDArray[np.float64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        """The number of regions."""
        return len(self.symbols)

    @property
    def inner(self) -> tuple[Fraction, ...]:
        """The breakpoints without the ends."""
        return self.positions[1:-1]


def breakpoints_of(problem: Problem, *, budget: Budget | None = None) -> Breakpoints:
    """The breakpoints of a network along a line, exact.

    Raises:
        UnsupportedProblem: not one coordinate varies, the budget is too small for all regions, or the outputs are
            beyond the range of float64.

    >>> from relucensus import Network, Slice
    >>> network = Network.from_arrays([([[1.0, 0.0], [0.0, 3.0]], [0.0, -1.0]), ([[1.0, 1.0]], [0.0])])
    >>> found = breakpoints_of(Problem(network, Slice.through([[-1.0, 0.0], [1.0, 1.0]])))
    >>> len(found), [str(t) for t in found.positions]
    (3, ['0', '1/3', '1/2', '1'])
    """
    free = problem.free
    if free.box.dimension != 1:
        raise UnsupportedProblem(f"breakpoints are those along a line; on this domain {free.box.dimension} vary")
    preactivations = Preactivations(free)
    regions = sorted(polytopes_of(problem, budget=budget), key=lambda region: min(region.vertices))
    ends = [_ends(region) for region in regions]
    positions = [ends[0][0][0], *(upper[0] for _, upper in ends)]
    maps = [preactivations.output_map(region.symbols) for region in regions]
    exact = zip([maps[0], *maps], positions, strict=True)
    try:
        values = [_values(one, RationalPoint.from_fractions([t])) for one, t in exact]
        floats = [np.column_stack(one.to_floats()) for one in maps]
    except OverflowError:
        raise UnsupportedProblem("the outputs along the line are beyond the range of float64") from None
    return Breakpoints(
        tuple(positions),
        tuple(upper[1].bit_length() - 3 for _, upper in ends[:-1]),
        np.array([np.frombuffer(region.symbols, dtype=np.uint8) for region in regions]),
        np.stack(floats),
        np.array(values),
    )


def _ends(region: RegionVolume) -> list[tuple[Fraction, int]]:
    """The lower and the upper end of a region, each with the mask of what is there."""
    return sorted((end[0], mask) for end, mask in zip(region.vertices, region.polytope.masks, strict=True))


def _values(output: AffineMap, point: RationalPoint) -> list[float]:
    divisor = output.denominator * point.denominator
    return [value / divisor for value in output.at(point)]
