"""The figures that the papers print, as far as they are known here, each with its source.

What a paper shows only as a curve has no number here. The epoch-by-epoch entries of Qi & Wei's tables, the entries of
Wang's table for the two spirals and the counts behind Serra et al.'s plots were not available to the authors of this
file, and are missing on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

QI_WEI: Final = "Qi & Wei 2023, arXiv:2310.18725, Tables 1-3"
HANIN_COMPLEXITY: Final = "Hanin & Rolnick, ICML 2019, arXiv:1901.09021"
HANIN_PATTERNS: Final = "Hanin & Rolnick, NeurIPS 2019, arXiv:1906.00904"
WANG_TABLE: Final = "Wang, IJCAI 2022, Table 1"
WANG_THEOREM: Final = "Wang, IJCAI 2022, Theorem 2.1"
SERRA: Final = "Serra, Tjandraatmadja & Ramalingam, ICML 2018, Theorem 1"

UNTRAINED: Final[dict[tuple[int, ...], int]] = {(16, 16, 16): 206, (32, 32, 32): 1151, (64, 64, 64): 4112}
"""Qi & Wei: regions of the untrained networks on [-1, 1]^2, one network each."""


@dataclass(frozen=True, slots=True)
class Average:
    """A mean over networks and the standard deviation of one of them."""

    mean: float
    deviation: float
    networks: int


RANDOM_ARCHITECTURES: Final[dict[tuple[int, ...], Average]] = {
    (8, 2): Average(647.69, 72.24, 5000),
    (7, 3): Average(616.80, 94.02, 5000),
    (5, 5): Average(297.32, 66.52, 5000),
    (5, 3, 2): Average(181.69, 68.06, 5000),
    (4, 3, 3): Average(108.60, 39.90, 5000),
    (3, 3, 2, 2): Average(31.35, 18.60, 5000),
    (2, 2, 2, 2, 2): Average(8.0, 6.07, 5000),
}
"""Wang, Table 1: linear regions of the whole space, seven inputs, weights and biases uniform on [-1, 1]."""

TWO_LAYER_BOUNDS: Final = {(4, 18): 9_109, (11, 11): 2_449_868, (18, 4): 4_192_510}
"""Serra et al.: the upper bound of Theorem 1 for 22 neurons and 784 inputs."""
