"""How much coordinates may vary, so that what is drawn and measured of them in float64 stays within its range."""

from __future__ import annotations

from typing import Final

import numpy as np

from relucensus.errors import UnsupportedProblem
from relucensus.values.problem import Problem

_EXPONENT: Final = 300


def check_extent(problem: Problem) -> None:
    """Nothing, where every coordinate that varies does so by 2^-300 to 2^300: volumes of three are then finite.

    Raises:
        UnsupportedProblem: otherwise; regions are counted on such domains too.
    """
    box = problem.free.box
    with np.errstate(over="ignore"):
        widths = box.upper - box.lower
    bad = widths[(widths < 2.0**-_EXPONENT) | (widths > 2.0**_EXPONENT)]
    if len(bad):
        raise UnsupportedProblem(
            f"a coordinate varies by {bad[0]:.3g}; pictures and measures need from {2.0**-_EXPONENT:.3g} to "
            f"{2.0**_EXPONENT:.3g}, so that float64 has the areas"
        )
