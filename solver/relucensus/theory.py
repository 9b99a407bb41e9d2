"""Bounds from the literature on the number of regions (MATH §4).

Throughout: n_1..n_L are the widths of the hidden layers, d the number of inputs, N the number of neurons. Upper
bounds hold inside any box; the lower bound of Montúfar et al. 2014 and the expectations speak about the best
weights or an average over weights on the whole space, and are labelled so.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from math import comb, factorial, prod
from typing import Any, Final

from flint import fmpz_mat, nmod_mat

from relucensus.values.network import Network

MOST_REPORTED: Final = 10**1000
_MOST_EXPECTED: Final = 64
_PRIME: Final = 2**61 - 1


def zaslavsky(hyperplanes: int, dimension: int) -> int:
    """The most regions that hyperplanes cut a space of this dimension into (Zaslavsky 1975).

    >>> zaslavsky(5, 2)
    16
    """
    return sum(comb(hyperplanes, j) for j in range(min(dimension, hyperplanes) + 1))


def montufar_2017(widths: Sequence[int], inputs: int) -> int:
    """``prod_l sum_{j <= d_l} C(n_l, j)`` with ``d_l = min(d, n_1, .., n_l)`` (Montúfar 2017)."""
    dimensions = accumulate(widths, min, initial=inputs)
    next(dimensions)
    return prod(zaslavsky(width, d) for width, d in zip(widths, dimensions, strict=True))


def serra_2018(widths: Sequence[int], inputs: int, always_active: Sequence[int] | None = None) -> int:
    """Theorem 1 of Serra, Tjandraatmadja & Ramalingam (ICML 2018), by dynamic programming.

    With `always_active`, `widths` are the unstable neurons of each layer and `always_active` the neurons that are
    active on the whole domain, which keep dimensions but cut nothing (Serra & Ramalingam, AAAI 2020).

    >>> serra_2018([11, 11], 784)
    2449868
    """
    steady = always_active or [0] * len(widths)
    following = [1] * (inputs + 1)
    for layer in reversed(range(len(widths))):
        width, kept = widths[layer], steady[layer]
        binomials = [comb(width, j) for j in range(min(inputs, width) + 1)]
        dimensions = range(inputs + 1) if layer else (inputs,)
        following = [
            sum(binomials[j] * following[min(d, width - j + kept)] for j in range(min(d, width) + 1))
            for d in dimensions
        ]
    return following[-1]


def montufar_2014_lower(widths: Sequence[int], inputs: int) -> int | None:
    """A number of regions that some weights of this shape reach on the whole space (Montúfar et al. 2014).

    None where a layer is narrower than the input, which the theorem excludes.
    """
    if not widths or inputs < 1 or any(width < inputs for width in widths):
        return None
    folds: int = prod((width // inputs) ** inputs for width in widths[:-1])
    return folds * zaslavsky(widths[-1], inputs)


def wang_2022_band(widths: Sequence[int], inputs: int) -> tuple[float, float] | None:
    """Theorem 2.1 of Wang (IJCAI 2022): a band for the expected number, two hidden layers, even weight densities.

    On the whole space, for inputs >= both widths; None elsewhere, and for layers of more than 64 neurons.
    """
    if len(widths) != 2 or inputs < max(widths) or max(widths) > _MOST_EXPECTED:
        return None
    first, second = widths
    total = sum(
        comb(first, active) * (Fraction(zaslavsky(second + active, active), 2**active) - 1)
        for active in range(first + 1)
    )
    return float(total + 1), float(total + 2**first)


def most_regions_in_cube(widths: Sequence[int], inputs: int, depth: int) -> int:
    """An upper bound on the regions of a cube of this depth: Zaslavsky, layer by layer, on the undecided neurons."""
    ends = accumulate(widths)
    undecided = [min(width, max(0, end - depth)) for width, end in zip(widths, ends, strict=True)]
    return prod(zaslavsky(count, inputs) for count in undecided)


def bounds(network: Network, unstable: Sequence[int], always_active: Sequence[int]) -> dict[str, Any]:
    """The bounds to report beside a count.

    Args:
        network: the network on its full-dimensional domain (`Problem.free`).
        unstable: per hidden layer, the number of neurons not proven stable on the domain.
        always_active: per hidden layer, the number of neurons proven active on the whole domain.

    Returns:
        Bounds by name; None where one does not apply or has more than a thousand digits.
    """
    widths, inputs = network.widths, network.inputs
    single = len(widths) == 1
    rank = _rank(network.hidden[0].exact.coefficients) if single and inputs else 0
    lower = montufar_2014_lower(widths, inputs)
    band = wang_2022_band(widths, inputs)
    return _reportable(
        {
            "two_to_the_neurons": 2 ** sum(widths),
            "zaslavsky": zaslavsky(widths[0], rank) if single else None,
            "montufar_2017": montufar_2017(widths, inputs),
            "serra_2018": serra_2018(widths, inputs),
            "on_unstable_neurons": {
                "two_to_the_neurons": 2 ** sum(unstable),
                "montufar_2017": prod(zaslavsky(count, inputs) for count in unstable),
                "serra_2018": serra_2018(tuple(unstable), inputs, tuple(always_active)),
            },
            "whole_space": {
                "montufar_2014_lower_bound_on_the_maximum": lower,
                "hanin_rolnick_2019_expectation_at_initialisation": (
                    sum(widths) ** inputs / factorial(inputs) if inputs <= 20 else None
                ),
                "wang_2022_expectation_band": list(band) if band else None,
            },
        }
    )


def _rank(matrix: fmpz_mat) -> int:
    """The exact rank; full rank modulo a prime is full rank, and quicker to find."""
    full = min(int(matrix.nrows()), int(matrix.ncols()))
    if int(nmod_mat(matrix, _PRIME).rank()) == full:
        return full
    return int(matrix.rank())


def _reportable(document: dict[str, Any]) -> dict[str, Any]:
    """The document without the integers that have too many digits to be of use, or to be read back as JSON."""
    short: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            short[name] = _reportable(value)
        else:
            short[name] = None if isinstance(value, int) and value >= MOST_REPORTED else value
    return short
