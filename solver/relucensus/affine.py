"""Preactivations as exact affine functions of the input, on the polytope that a prefix of symbols describes.

On a region, every preactivation is affine; the preactivations of layer l depend on the symbols of the layers below
it only. Throughout: the network is one of hinges, at most one breakpoint a neuron and that at zero (`lowering`);
layers and neurons are numbered from 0 in layer order. A neuron without a breakpoint is *linear*: it has the inactive
symbol everywhere and bounds nothing, while its activation is its slope times its preactivation.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
from flint import fmpz_mat
from numpy.typing import NDArray

from relucensus.arithmetic import AffineMap, RationalPoint
from relucensus.feasibility import ExactBox, Rows, System
from relucensus.scaling import BalancedLayer, balanced
from relucensus.values.network import Layer
from relucensus.values.pattern import ACTIVE, INACTIVE
from relucensus.values.problem import Problem

if TYPE_CHECKING:
    from relucensus.residues import Residues

_CACHED_FORMS: Final = 4096
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Forms:
    """The preactivations of one layer under fixed symbols of the layers below: exact, and rounded over the box.

    `bent` says which neurons have a breakpoint; the others are linear.
    """

    rows: Rows
    bent: tuple[bool, ...]

    @property
    def exact(self) -> AffineMap:
        """The preactivations as exact functions of the input."""
        return self.rows.exact

    @cached_property
    def constant_sign(self) -> tuple[int | None, ...]:
        """Per neuron: the sign (-1, 0, 1) of a preactivation that does not depend on the input, else None.

        A linear neuron has 0, as if its preactivation were zero everywhere: only its inactive symbol is possible.
        """
        signs: list[int | None] = []
        for i, row in enumerate(self.exact.coefficients.tolist()):
            if not self.bent[i]:
                signs.append(0)
            elif any(c != 0 for c in row):
                signs.append(None)
            else:
                constant = self.exact.constants[i, 0]
                signs.append(int(constant > 0) - int(constant < 0))
        return tuple(signs)

    @cached_property
    def flat(self) -> tuple[bool, ...]:
        """Per neuron: whether it has a breakpoint and its preactivation is identically zero."""
        return tuple(bent and sign == 0 for bent, sign in zip(self.bent, self.constant_sign, strict=True))


@dataclass(frozen=True, slots=True)
class _Slopes:
    """The slopes of a layer's hinges as integers over one denominator: a pair a neuron, one for each symbol."""

    pairs: tuple[tuple[int, int], ...]
    denominator: int

    @classmethod
    def of(cls, layer: Layer) -> _Slopes:
        if not all(activation.is_hinge for activation in layer.activations):
            raise ValueError("a neuron bends elsewhere than at zero; needed is a network of hinges (`Problem.free`)")
        pairs = [(activation.slopes[0], activation.slopes[-1]) for activation in layer.row_activations]
        q = math.lcm(*(slope.denominator for pair in pairs for slope in pair))
        return cls(tuple((int(before * q), int(after * q)) for before, after in pairs), q)

    def applied(self, forms: AffineMap, symbols: bytes) -> AffineMap:
        """The activations of a layer with these preactivations and symbols; the denominator is the same for all."""
        factors = [pair[symbol] for pair, symbol in zip(self.pairs, symbols, strict=True)]
        return forms.scaled(factors, self.denominator)


class Preactivations:
    """The preactivation forms of a problem, remembered for the prefixes asked for last.

    Args:
        problem: a full-dimensional problem (`Problem.free`).
        remembered: for how many prefixes.
    """

    def __init__(self, problem: Problem, remembered: int = _CACHED_FORMS) -> None:
        self.problem = problem
        self.network = problem.network
        self.box = ExactBox(problem.box)
        self.starts = (0, *accumulate(self.network.widths))
        self._slopes = tuple(_Slopes.of(layer) for layer in self.network.hidden)
        self._remembered = remembered
        self._forms: OrderedDict[bytes, Forms] = OrderedDict()
        self._activations: OrderedDict[bytes, AffineMap] = OrderedDict()

    @cached_property
    def balanced(self) -> tuple[BalancedLayer, ...]:
        """The layers, the output too, rescaled so that every value is between -1 and 1 on the box."""
        return balanced(self.network, self.box.middle, self.box.half_widths)

    @property
    def neurons(self) -> int:
        """Number of hidden neurons."""
        return self.starts[-1]

    def layer_of(self, neuron: int) -> int:
        """The layer of a neuron."""
        return next(layer for layer, end in enumerate(self.starts[1:]) if neuron < end)

    def forms(self, layer: int, symbols: bytes) -> Forms:
        """The forms of a layer where the layers below have these symbols (a longer prefix is cut)."""
        below = symbols[: self.starts[layer]]
        known = self._forms.get(below)
        if known is None:
            exact = _after(self.network.layers[layer], self._activation(layer, below))
            known = Forms(Rows.of(exact, self.box), self.network.layers[layer].bent)
            self._remember(self._forms, below, known)
        else:
            self._forms.move_to_end(below)
        return known

    def _activation(self, layer: int, below: bytes) -> AffineMap | None:
        """The activations that layer reads, as functions of the input; None for the input itself."""
        if layer == 0:
            return None
        known = self._activations.get(below)
        if known is None:
            previous = self.forms(layer - 1, below).exact
            known = self._slopes[layer - 1].applied(previous, below[self.starts[layer - 1] :])
            self._remember(self._activations, below, known)
        return known

    def _remember(self, cache: OrderedDict[bytes, _T], key: bytes, value: _T) -> None:
        cache[key] = value
        if len(cache) > self._remembered:
            cache.popitem(last=False)

    def output_map(self, pattern: bytes) -> AffineMap:
        """The exact affine map of the whole network on the region of this pattern."""
        return _after(self.network.output, self._activation(len(self.network.hidden), pattern))

    def output_digest(self, pattern: bytes) -> bytes:
        """16 bytes that are equal exactly when the affine maps are (up to a collision, see `residues`)."""
        return self._residues.digest(pattern)

    def output_digests(self, patterns: NDArray[np.uint8]) -> list[bytes]:
        """The digests of patterns (n, N); quickest where they are sorted."""
        return self._residues.digests(patterns)

    @cached_property
    def _residues(self) -> Residues:
        from relucensus.residues import residues_of  # noqa: PLC0415 - loads the compiler, which not all who ask here need

        return residues_of(self.network)

    def system(self, symbols: bytes, implied: Container[int] = ()) -> System | None:
        """The open half-spaces of a cube; None if a symbol contradicts a preactivation that is constant.

        A neuron that is flat (identically zero) or linear, with the inactive symbol, bounds nothing (MATH §2). The
        rows of neurons that are `implied` by the others are left out.
        """
        parts, signs = [], []
        for layer, start in enumerate(self.starts[:-1]):
            if start >= len(symbols):
                break
            forms = self.forms(layer, symbols)
            oriented = _oriented(symbols[start : self.starts[layer + 1]], forms)
            if oriented is None:
                return None
            parts.append(forms.rows)
            signs.append(tuple(0 if start + i in implied else sign for i, sign in enumerate(oriented)))
        return System(tuple(parts), tuple(signs))

    def pattern_at(self, point: RationalPoint) -> tuple[bytes, bool]:
        """The pattern at a point (zero counts as inactive), and whether no preactivation is zero there.

        Flat and linear neurons are not looked at for the second.
        """
        symbols = b""
        generic = True
        for layer in range(len(self.network.hidden)):
            forms = self.forms(layer, symbols)
            values = forms.exact.at(point)
            generic = generic and all(v != 0 or sign == 0 for v, sign in zip(values, forms.constant_sign, strict=True))
            symbols += bytes(ACTIVE if bent and v > 0 else INACTIVE for v, bent in zip(values, forms.bent, strict=True))
        return symbols, generic

    def is_inner(self, pattern: bytes, point: RationalPoint) -> bool:
        """Whether the point is in the open region of this pattern; exact.

        The network is evaluated at the point. Where a preactivation is zero there, its form has to be looked at.
        """
        if not self.box.contains_strictly(point):
            return False
        here = fmpz_mat(len(point.numerators), 1, list(point.numerators))
        values = AffineMap(fmpz_mat(len(point.numerators), 0), here, point.denominator)
        for layer, slopes, start in zip(self.network.hidden, self._slopes, self.starts, strict=False):
            symbols = pattern[start : start + layer.rows]
            values = layer.exact.after(values)
            for bent, value, symbol in zip(layer.bent, values.constants.entries(), symbols, strict=True):
                if bent and value == 0:
                    system = self.system(pattern)
                    return system is not None and system.holds_at(point)
                if bent and (value > 0) != (symbol == ACTIVE):
                    return False
            values = slopes.applied(values, symbols)
        return True


def _oriented(symbols: bytes, forms: Forms) -> tuple[int, ...] | None:
    """A sign a row of the layer: 0 where the symbol bounds nothing; None where it contradicts a constant."""
    signs = []
    for i, constant in enumerate(forms.constant_sign):
        if i >= len(symbols):
            signs.append(0)
            continue
        sign = 1 if symbols[i] == ACTIVE else -1
        if constant is None:
            signs.append(sign)
        elif sign == constant or (constant == 0 and sign < 0):
            signs.append(0)
        else:
            return None
    return tuple(signs)


def _after(layer: Layer, activation: AffineMap | None) -> AffineMap:
    return layer.exact if activation is None else layer.exact.after(activation)


def proportional(forms: AffineMap, i: int, other: AffineMap, j: int) -> int:
    """The sign s with ``other_j = (positive) * s * forms_i`` if the two are proportional, else 0; exact.

    A form that is identically zero is proportional to nothing.
    """
    first = [*(forms.coefficients[i, c] for c in range(forms.columns)), forms.constants[i, 0]]
    second = [*(other.coefficients[j, c] for c in range(other.columns)), other.constants[j, 0]]
    pivot = next((k for k, value in enumerate(first) if value != 0), None)
    if pivot is None or second[pivot] == 0:
        return 0
    if any(a * second[pivot] != b * first[pivot] for a, b in zip(first, second, strict=True)):
        return 0
    return 1 if (first[pivot] > 0) == (second[pivot] > 0) else -1


def nearly_proportional(lifted: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """(rows, rows): pairs of different rows that may be proportional; None if there are none.

    `lifted` (rows, d + 1) are float rows of coefficients and constant. A filter that errs on the side of yes: rows
    that are proportional as rationals differ by rounding errors only, far below the margin; `proportional` decides.
    A row with a constant cut off at 1e150 is zero nowhere near the box.
    """
    lifted = np.clip(lifted, -1e150, 1e150)
    lengths = np.linalg.norm(lifted, axis=1)
    directions = lifted / np.where(lengths > 0, lengths, 1.0)[:, None]
    close = np.abs(directions @ directions.T) > 1 - 1e-9
    np.fill_diagonal(close, val=False)
    return close if close.any() else None


def restricted_to_hyperplane(exact: AffineMap, row: int, others: AffineMap) -> tuple[AffineMap, int]:
    """The forms `others` on the hyperplane where row `row` of `exact` is zero, and the coordinate eliminated.

    The coordinate with the largest coefficient is solved for. Values are kept up to a positive common factor.
    """
    normal = [int(exact.coefficients[row, c]) for c in range(exact.columns)]
    offset = int(exact.constants[row, 0])
    pivot = max(range(len(normal)), key=lambda c: abs(normal[c]))
    lead = normal[pivot]
    sign = 1 if lead > 0 else -1
    kept = [c for c in range(len(normal)) if c != pivot]
    coefficients, constants = [], []
    for i in range(others.rows):
        factor = int(others.coefficients[i, pivot])
        coefficients += [(int(others.coefficients[i, c]) * lead - factor * normal[c]) * sign for c in kept]
        constants.append((int(others.constants[i, 0]) * lead - factor * offset) * sign)
    return (
        AffineMap(fmpz_mat(others.rows, len(kept), coefficients), fmpz_mat(others.rows, 1, constants), 1),
        pivot,
    )
