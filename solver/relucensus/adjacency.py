"""Which region lies across a hyperplane, and whether two regions share a facet: decided exactly.

Across a facet of a region, the neurons whose preactivation vanishes on the facet's hyperplane may change their
symbol and no others do. In generic position that is one neuron. Duplicates, opposites, hyperplanes of two layers
that coincide and flat neurons (identically zero on one side) make it several at once (MATH §2). Neurons without a
breakpoint have no hyperplane, and one symbol on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from flint import fmpz_mat
from numpy.typing import NDArray

from relucensus.affine import Forms, Preactivations, nearly_proportional, proportional, restricted_to_hyperplane
from relucensus.arithmetic import AffineMap
from relucensus.feasibility import ExactBox, Inhabited, Rows, System
from relucensus.lp import LpCounter, LpSolver
from relucensus.values.domain import Box
from relucensus.values.pattern import ACTIVE, INACTIVE, flipped


@dataclass(frozen=True, eq=False)
class Region:
    """A pattern with the forms of every layer on its region."""

    preactivations: Preactivations
    pattern: bytes

    @property
    def forms(self) -> list[Forms]:
        """The forms of each hidden layer on the region."""
        return [self.preactivations.forms(layer, self.pattern) for layer in range(len(self.preactivations.starts) - 1)]

    def suspects(self) -> NDArray[np.bool_] | None:
        """(neurons, neurons): pairs that may have proportional preactivations; None if there is no such pair."""
        forms = self.forms
        lifted = np.concatenate([np.concatenate([f.rows.unit, f.rows.offsets[:, None]], axis=1) for f in forms], axis=0)
        bent = np.concatenate([f.bent for f in forms])
        return nearly_proportional(lifted * bent[:, None])

    def any_flat(self) -> bool:
        """Whether some neuron is identically zero on the region."""
        return any(any(f.flat) for f in self.forms)

    def across(self, neuron: int) -> bytes:
        """The pattern on the other side of this neuron's hyperplane, wherever that hyperplane bounds the region.

        Meaningful only where the neuron is not constant on the region. Cost: exact comparisons of forms.
        """
        forms = self.forms
        starts = self.preactivations.starts
        home = self.preactivations.layer_of(neuron)
        row = neuron - starts[home]
        wall = forms[home].exact
        side = 1 if self.pattern[neuron] == ACTIVE else -1
        symbols = b""
        for layer, mine in enumerate(forms):
            theirs = self.preactivations.forms(layer, symbols).exact
            decided = bytearray(self.pattern[starts[layer] : starts[layer + 1]])
            for j, flat in enumerate(mine.flat):
                if mine.bent[j] and (flat or proportional(wall, row, mine.exact, j)):
                    sign = proportional(wall, row, theirs, j)
                    decided[j] = ACTIVE if sign * side < 0 else INACTIVE
            symbols += bytes(decided)
        return symbols

    def crossings(self, neurons: list[int]) -> Iterator[tuple[int, bytes]]:
        """(neuron, pattern across its hyperplane) for those of the neurons that are not constant on the region.

        Every neighbour across a facet on one of these neurons' hyperplanes is among the patterns; a pattern whose
        hyperplane is no facet may be anything.
        """
        forms = self.forms
        constant = [sign is not None for f in forms for sign in f.constant_sign]
        suspects = self.suspects()
        plain = not self.any_flat()
        for neuron in neurons:
            if constant[neuron]:
                continue
            if plain and (suspects is None or not suspects[neuron].any()):
                yield neuron, flipped(self.pattern, neuron)
            else:
                yield neuron, self.across(neuron)

    def has_facet(self, neuron: int, counter: LpCounter) -> bool:
        """Whether this neuron's hyperplane bounds the region in a facet inside the open box; exact."""
        wall = self.wall(neuron)
        return wall is not None and isinstance(LpSolver(wall.face, counter).decide(wall.system), Inhabited)

    def wall(self, neuron: int) -> Wall | None:
        """The region's half-spaces on the hyperplane of a neuron that is not constant on the region.

        None if the hyperplane is a side of the box, or the pattern contradicts itself.
        """
        pre = self.preactivations
        home = pre.layer_of(neuron)
        forms, row = pre.forms(home, self.pattern).exact, neuron - pre.starts[home]
        system = pre.system(self.pattern)
        if system is None:
            return None
        rows, pivot = restricted_to_hyperplane(forms, row, system.exact_rows())
        left = [i for i in range(rows.rows) if not _is_zero(rows, i)]
        bounds, _ = restricted_to_hyperplane(forms, row, _inside(pre.box, pivot))
        if _is_zero(bounds, 0) or _is_zero(bounds, 1):
            return None
        kept = np.delete(np.arange(pre.box.dimension), pivot)
        face = ExactBox(Box(pre.box.box.lower[kept], pre.box.box.upper[kept]))
        neurons = tuple(pre.starts[layer] + i for layer, i in (system.kept[k] for k in left))
        return Wall(neuron, pivot, neurons, rows.selected(left).stacked(bounds), face)


@dataclass(frozen=True, slots=True, eq=False)
class Wall:
    """The half-spaces of a region on the hyperplane of one neuron, with the coordinate `pivot` eliminated.

    `rows` are integer forms, positive at the points of the hyperplane that are strictly inside: one for each of
    `neurons`, those whose own hyperplanes are others, then two for the lower and the upper bound of the pivot. A
    neuron's row is its oriented preactivation times the denominator of its layer's forms, a bound's row the distance
    from it times the denominator of the box, all of them times the absolute pivot coefficient of the hyperplane.
    `face` is the box of the other coordinates.
    """

    neuron: int
    pivot: int
    neurons: tuple[int, ...]
    rows: AffineMap
    face: ExactBox

    @property
    def system(self) -> System:
        """The rows, all strict."""
        return System((Rows.of(self.rows, self.face),), ((1,) * self.rows.rows,))


def _inside(box: ExactBox, coordinate: int) -> AffineMap:
    """Two forms, positive strictly between the bounds of one coordinate."""
    coefficients = fmpz_mat(2, box.dimension)
    coefficients[0, coordinate] = box.denominator
    coefficients[1, coordinate] = -box.denominator
    return AffineMap(coefficients, fmpz_mat(2, 1, [-box.lower[coordinate], box.upper[coordinate]]), 1)


def _is_zero(rows: AffineMap, i: int) -> bool:
    return rows.constants[i, 0] == 0 and all(rows.coefficients[i, c] == 0 for c in range(rows.columns))
