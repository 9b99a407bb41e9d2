"""The layers of a network that is being read, and how values pass the next activation.

Throughout: the *basis* is what the last layer gives (the input, before the first layer); every value is an exact
affine map of it, an `ExactRows`. An activation makes the next layer, whose rows are the activation's preactivations
and, with linear activations, what is needed to express the values that are still *kept* for later: either their own
components or the coordinates of the basis that they are made of, whichever are fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers.limits import ReaderLimits
from relucensus.values.activation import IDENTITY, RELU, Activation
from relucensus.values.exact_rows import ExactRows, stacked
from relucensus.values.network import Layer, Network

_MAX_BITS: Final = 2**31  # of all weights of a layer, as integers over one denominator


class Trunk:
    """The hidden layers so far. All methods raise `UnsupportedModel` beyond the limits, before they allocate."""

    def __init__(self, inputs: int, limits: ReaderLimits) -> None:
        """Start with an input of this many coordinates."""
        limits.check_inputs(inputs)
        self.limits = limits
        self._columns = inputs
        self._layers: list[Layer] = []
        self._weights = 0
        self._neurons = 0

    @property
    def depth(self) -> int:
        """Number of layers so far."""
        return len(self._layers)

    @property
    def columns(self) -> int:
        """Number of coordinates of the basis."""
        return self._columns

    def close(
        self, rows: ExactRows, activations: Sequence[Activation], kept: Sequence[ExactRows]
    ) -> tuple[ExactRows, list[ExactRows]]:
        """Make a layer of the activations of `rows`; returns the activated value and the kept ones on the new basis.

        `activations` are one for all components, or one a component.
        """
        count = rows.rows
        coordinates, owners = _carried(kept)
        owned = [kept[i] for i in owners]
        carried = len(coordinates) + sum(one.rows for one in owned)
        self._neurons += count + carried
        self.limits.check_neurons(self._neurons)
        selected = ExactRows.selection(self._columns, np.array(coordinates, dtype=np.int64))
        parts = [rows, *([selected] if coordinates else []), *owned]
        bends = tuple(activations)
        if carried:
            bends = (*(bends * count if len(bends) == 1 else bends), *(IDENTITY,) * carried)
        self._layers.append(self._layer(parts, bends))
        self._columns = count + carried
        activated = ExactRows.selection(self._columns, np.arange(count))
        return activated, self._moved(kept, coordinates, owners, count)

    def is_rectified(self, rows: ExactRows) -> bool:
        """Whether every component is, unchanged, what a ReLU of the last layer gives."""
        if not self._layers or not rows.is_plain:
            return False
        activations = self._layers[-1].row_activations
        return all(activations[i] == RELU for i in rows.used.tolist())

    def network(self, output: ExactRows) -> Network:
        """The network with this output."""
        return Network(tuple(self._layers), self._layer([output], (RELU,)))

    def _layer(self, parts: Sequence[ExactRows], activations: tuple[Activation, ...]) -> Layer:
        number = len(self._layers) + 1
        self.limits.check_layers(number)
        count, entries = sum(one.rows for one in parts), sum(one.size for one in parts)
        if count < 1:
            raise InvalidNetwork(f"layer {number}: has no neurons")
        self._weights += entries
        self.limits.check_weights(self._weights)
        rows = stacked(parts)
        bits = rows.digits()
        if bits * (entries + count) > _MAX_BITS:
            raise UnsupportedModel(
                f"the constants have a common denominator of {bits} bits, too many for {entries} exact weights; "
                "multiply by the reciprocals as floats instead of dividing, or put the scaling into the first weights"
            )
        return Layer.from_exact(rows, name=f"layer {number}", activations=activations)

    def _moved(
        self, kept: Sequence[ExactRows], coordinates: Sequence[int], owners: Sequence[int], count: int
    ) -> list[ExactRows]:
        """The kept values on the new basis, in which the carried rows follow the activated ones."""
        positions = {coordinate: count + i for i, coordinate in enumerate(coordinates)}
        start = count + len(coordinates)
        found: dict[int, ExactRows] = {}
        for i in owners:
            size = kept[i].rows
            found[id(kept[i])] = ExactRows.selection(self._columns, np.arange(start, start + size))
            start += size
        for one in kept:
            if id(one) not in found:
                found[id(one)] = one.moved(positions, self._columns)
        return [found[id(one)] for one in kept]


def _carried(kept: Sequence[ExactRows]) -> tuple[list[int], list[int]]:
    """Which coordinates of the basis to carry, and which of the kept values by their own components."""
    different = {id(rows): i for i, rows in enumerate(kept)}
    needed: set[int] = set()
    dense = []
    for i in different.values():
        if kept[i].is_selection:
            needed |= set(kept[i].used.tolist())
        else:
            dense.append(i)
    owners = []
    for i in sorted(dense, key=lambda i: kept[i].rows):
        missing = set(kept[i].used.tolist()) - needed
        if len(missing) < kept[i].rows:
            needed |= missing
        else:
            owners.append(i)
    return sorted(needed), owners
