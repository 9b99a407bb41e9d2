"""The network in float64 with what is needed to bound every rounding error: what the compiled engines compute with.

Throughout: u are box coordinates with ``x = reference + widths * u``, widths powers of two; the reference of a
coordinate is 0 where the box contains 0, else its middle, so that a network without biases has exactly no constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import frexp

import numpy as np
from numpy.typing import NDArray

from relucensus.scaling import BalancedLayer, balanced
from relucensus.values.domain import Box
from relucensus.values.problem import Problem


@dataclass(frozen=True, eq=False)
class RoundedNetwork:
    """A problem's network, rescaled by powers of two and rounded (`scaling`), over its box in coordinates u.

    `lower`, `upper` (d,) are the box rounded outward, `inner_lower`, `inner_upper` the same rounded inward; all
    between -1 and 1 (rounded outward: 1 + 2**-52). `bent` has, per layer, 1 for the rows that have a breakpoint.
    Every ``|z|`` is at most 1 on the box, and so is the sum of the absolute values of a row's coefficients and bias.
    """

    reference: NDArray[np.float64]
    widths: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    inner_lower: NDArray[np.float64]
    inner_upper: NDArray[np.float64]
    hidden: tuple[BalancedLayer, ...]
    output: BalancedLayer
    bent: tuple[NDArray[np.uint8], ...]

    @classmethod
    def of(cls, problem: Problem) -> RoundedNetwork:
        """The rounded network of a full-dimensional problem (`Problem.free`)."""
        box, network = problem.box, problem.network
        reference, widths = _frame(box)
        lower, upper = (box.lower - reference) / widths, (box.upper - reference) / widths
        layers = balanced(network, reference, widths)
        return cls(
            reference,
            widths,
            _moved(lower, -np.inf, box.lower == reference),
            _moved(upper, np.inf, box.upper == reference),
            _moved(lower, np.inf, box.lower == reference),
            _moved(upper, -np.inf, box.upper == reference),
            layers[:-1],
            layers[-1],
            tuple(np.array(layer.bent, dtype=np.uint8) for layer in network.hidden),
        )

    def to_box(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """The point x (d,) of coordinates u, rounded."""
        return self.reference + self.widths * u


@lru_cache(maxsize=4)
def rounded_network(problem: Problem) -> RoundedNetwork:
    """The rounded network of a problem, remembered for the last few problems."""
    return RoundedNetwork.of(problem)


def _frame(box: Box) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The reference and the widths."""
    middle = np.clip(box.lower / 2 + box.upper / 2, box.lower, box.upper)
    reference = np.where((box.lower <= 0) & (box.upper >= 0), 0.0, middle)
    reach = np.maximum(box.upper - reference, reference - box.lower)
    exponents = [frexp(r)[1] - (frexp(r)[0] == 0.5) for r in np.nextafter(reach, np.inf).tolist()]
    return reference, np.ldexp(1.0, np.array(exponents, dtype=np.int64))


def _moved(bounds: NDArray[np.float64], towards: float, exact: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The bounds moved by one unit in the last place, except for those that are exactly 0."""
    return np.where(exact, 0.0, np.nextafter(bounds, towards))
