"""Bounds from the literature on the number of regions (MATH §4).

Throughout: n_1..n_L are the widths of the hidden layers, d the number of inputs, N the number of neurons. Upper
bounds hold inside any box; the lower bound of Montúfar et al. 2014 and the expectations speak about the best
weights of a ReLU network or an average over weights on the whole space, and are labelled so.

A neuron with T breakpoints has T parallel hyperplanes and T + 1 symbols; one without has no hyperplane, but still
passes on a dimension. The theorem of Serra et al. needs that neurons lose a dimension on one side: one slope zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import comb, factorial, prod
from typing import Any, Final

from flint import fmpz_mat, nmod_mat

from relucensus.values.activation import RELU
from relucensus.values.network import Network

MOST_REPORTED: Final = 10**1000
_MOST_PRODUCTS: Final = 1_000_000
_MOST_EXPECTED: Final = 64
_PRIME: Final = 2**61 - 1


def zaslavsky(hyperplanes: int, dimension: int) -> int:
    """The most regions that hyperplanes cut a space of this dimension into (Zaslavsky 1975).

    >>> zaslavsky(5, 2)
    16
    """
    return sum(comb(hyperplanes, j) for j in range(min(dimension, hyperplanes) + 1))


def parallel_families(sizes: Sequence[int], dimension: int) -> int:
    """The most regions that families of parallel hyperplanes of these sizes cut a space of this dimension into.

    Regions are at most as many as there are sets of independent hyperplanes with a common point: at most `dimension`,
    no two of a family. Families of one give Zaslavsky's bound.

    >>> parallel_families([2, 2], 2), parallel_families([1] * 5, 2)
    (9, 16)
    """
    terms = [1]
    for size, count in Counter(size for size in sizes if size).items():
        factor = [comb(count, j) * size**j for j in range(min(dimension, count) + 1)]
        top = min(dimension, len(terms) + len(factor) - 2)
        terms = [
            sum(terms[j - k] * factor[k] for k in range(max(0, j - len(terms) + 1), min(j + 1, len(factor))))
            for j in range(top + 1)
        ]
    return sum(terms)


def montufar_2017(widths: Sequence[int], inputs: int) -> int:
    """``prod_l sum_{j <= d_l} C(n_l, j)`` with ``d_l = min(d, n_1, .., n_l)`` (Montúfar 2017)."""
    dimensions = accumulate(widths, min, initial=inputs)
    next(dimensions)
    return prod(zaslavsky(width, d) for width, d in zip(widths, dimensions, strict=True))


def serra_2018(widths: Sequence[int], inputs: int, always_active: Sequence[int] | None = None) -> int:
    """Theorem 1 of Serra, Tjandraatmadja & Ramalingam (ICML 2018), by dynamic programming.

    With `always_active`, `widths` are the unstable neurons of each layer and `always_active` the neurons that are
    active on the whole domain, or linear: they keep dimensions but cut nothing (Serra & Ramalingam, AAAI 2020).

    >>> serra_2018([11, 11], 784)
    2449868
    """
    steady = always_active or [0] * len(widths)
    following = [1] * (inputs + 1)
    for layer in reversed(range(len(widths))):
        width, kept = widths[layer], steady[layer]
        binomials = [comb(width, j) for j in range(min(inputs, width) + 1)]
        reaching = min(inputs, widths[layer - 1] + steady[layer - 1]) if layer else inputs
        dimensions = range(reaching + 1) if layer else (inputs,)
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


def most_regions_after(network: Network, depth: int) -> int:
    """An upper bound on the regions of a cube of this depth: Zaslavsky, layer by layer, on the undecided hinges."""
    most, start = 1, 0
    for layer in network.hidden:
        most *= zaslavsky(sum(layer.bent[max(0, depth - start) :]), network.inputs)
        start += layer.rows
    return most


@dataclass(frozen=True, slots=True)
class Cuts:
    """What a network of hinges cuts its domain with, per hidden layer.

    `breakpoints` has an entry for each neuron of the layer before it was lowered to hinges: its number of hinges;
    `unstable` the number of those not proven stable on the domain. `steady` is the number of rows that are linear on
    the whole domain and pass something on: their slope there is not zero.
    """

    breakpoints: tuple[tuple[int, ...], ...]
    unstable: tuple[tuple[int, ...], ...]
    steady: tuple[int, ...]

    @classmethod
    def of_relu(cls, widths: Sequence[int]) -> Cuts:
        """Those of a ReLU network of which nothing is known."""
        ones = tuple((1,) * width for width in widths)
        return cls(ones, ones, (0,) * len(widths))


def bounds(network: Network, cuts: Cuts) -> dict[str, Any]:
    """The bounds to report beside a count.

    Args:
        network: the network of hinges on its full-dimensional domain (`Problem.free`).
        cuts: what is known of its neurons there.

    Returns:
        Bounds by name; None where one does not apply or has more than a thousand digits.
    """
    inputs = network.inputs
    return _reportable(
        {
            "two_to_the_neurons": _patterns(cuts.breakpoints),
            "zaslavsky": _single_layer(network, cuts),
            "montufar_2017": _layer_by_layer(cuts.breakpoints, inputs),
            "serra_2018": _serra(network, cuts.breakpoints, [layer.bent.count(False) for layer in network.hidden]),
            "on_unstable_neurons": {
                "two_to_the_neurons": _patterns(cuts.unstable),
                "montufar_2017": prod(parallel_families(sizes, inputs) for sizes in cuts.unstable),
                "serra_2018": _serra(network, cuts.unstable, cuts.steady),
            },
            "whole_space": _on_whole_space(network, cuts),
        }
    )


def _patterns(breakpoints: Sequence[Sequence[int]]) -> int:
    return prod(size + 1 for sizes in breakpoints for size in sizes)


def _single_layer(network: Network, cuts: Cuts) -> int | None:
    """Zaslavsky's bound with the rank of the only layer's hyperplanes."""
    if len(network.hidden) != 1:
        return None
    only = network.hidden[0]
    normals = only.exact.selected([row for row, bent in enumerate(only.bent) if bent]).coefficients
    return parallel_families(cuts.breakpoints[0], _rank(normals) if network.inputs else 0)


def _layer_by_layer(breakpoints: Sequence[Sequence[int]], inputs: int) -> int:
    """`montufar_2017` for any breakpoints: each layer cuts a space of at most as many dimensions as came through."""
    total, dimension = 1, inputs
    for sizes in breakpoints:
        total *= parallel_families(sizes, dimension)
        dimension = min(dimension, len(sizes))
    return total


def _serra(network: Network, breakpoints: Sequence[Sequence[int]], steady: Sequence[int]) -> int | None:
    widest = max((layer.rows for layer in network.hidden), default=0)
    if network.inputs * widest > _MOST_PRODUCTS:  # a sum of millions of products of thousands of digits
        return None
    if not all(0 in one.slopes or not one.breakpoints for layer in network.hidden for one in layer.activations):
        return None
    return serra_2018([sum(sizes) for sizes in breakpoints], network.inputs, steady)


def _on_whole_space(network: Network, cuts: Cuts) -> dict[str, Any]:
    """What is known of ReLU networks of this shape."""
    widths, inputs = network.widths, network.inputs
    only_relu = all(one == RELU for layer in network.hidden for one in layer.activations)
    applies = only_relu and all(size == 1 for sizes in cuts.breakpoints for size in sizes)
    band = wang_2022_band(widths, inputs) if applies else None
    return {
        "montufar_2014_lower_bound_on_the_maximum": montufar_2014_lower(widths, inputs) if applies else None,
        "hanin_rolnick_2019_expectation_at_initialisation": (
            sum(widths) ** inputs / factorial(inputs) if applies and inputs <= 20 else None
        ),
        "wang_2022_expectation_band": list(band) if band else None,
    }


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
