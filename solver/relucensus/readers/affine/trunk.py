"""The layers of a network that is being read, and how values pass the next activation.

Throughout: the *basis* is what the last layer gives (the input, before the first layer); every value is an exact
affine map of it, a `Step`. An activation makes the next layer, whose rows are the activation's preactivations and,
with linear activations, what is needed to express the values that are still *kept* for later: either their own
components or the coordinates of the basis that they are made of, whichever are fewer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relucensus.errors import InvalidNetwork
from relucensus.readers.affine import steps as affine_steps
from relucensus.readers.affine.steps import Selection, Step
from relucensus.readers.limits import ReaderLimits
from relucensus.values.activation import IDENTITY, RELU, Activation
from relucensus.values.network import Layer, Network


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

    def close(self, step: Step, activations: Sequence[Activation], kept: Sequence[Step]) -> tuple[Step, list[Step]]:
        """Make a layer of the activations of `step`; returns the activated value and the kept ones on the new basis.

        `activations` are one for all components, or one a component.
        """
        rows = affine_steps.rows_of(step)
        coordinates, owners = _carried(kept)
        owned = [kept[i] for i in owners]
        carried = len(coordinates) + sum(affine_steps.rows_of(one) for one in owned)
        self._neurons += rows + carried
        self.limits.check_neurons(self._neurons)
        selected = Selection(self._columns, np.array(coordinates, dtype=np.intp))
        parts = [step, *([selected] if coordinates else []), *owned]
        bends = tuple(activations)
        if carried:
            bends = (*(bends * rows if len(bends) == 1 else bends), *(IDENTITY,) * carried)
        self._layers.append(self._layer(parts, rows + carried, bends))
        self._columns = rows + carried
        activated = Selection(self._columns, np.arange(rows))
        return activated, self._moved(kept, coordinates, owners, rows)

    def is_rectified(self, step: Step) -> bool:
        """Whether every component is, unchanged, what a ReLU of the last layer gives."""
        if not self._layers or not isinstance(step, Selection) or not step.is_plain:
            return False
        activations = self._layers[-1].row_activations
        return all(activations[i] == RELU for i in set(step.indices.tolist()))

    def network(self, output: Step) -> Network:
        """The network with this output."""
        return Network(tuple(self._layers), self._layer([output], affine_steps.rows_of(output), (RELU,)))

    def _layer(self, parts: Sequence[Step], rows: int, activations: tuple[Activation, ...]) -> Layer:
        number = len(self._layers) + 1
        self.limits.check_layers(number)
        if rows < 1:
            raise InvalidNetwork(f"layer {number}: has no neurons")
        self._weights += rows * self._columns
        self.limits.check_weights(self._weights)
        return affine_steps.layer_of(affine_steps.stacked(parts), f"layer {number}", activations)

    def _moved(self, kept: Sequence[Step], coordinates: Sequence[int], owners: Sequence[int], rows: int) -> list[Step]:
        """The kept values on the new basis, in which the carried rows follow the activated ones."""
        positions = {coordinate: rows + i for i, coordinate in enumerate(coordinates)}
        start = rows + len(coordinates)
        found: dict[int, Step] = {}
        for i in owners:
            size = affine_steps.rows_of(kept[i])
            found[id(kept[i])] = Selection(self._columns, np.arange(start, start + size))
            start += size
        return [found.get(id(one)) or affine_steps.sent(one, positions, self._columns) for one in kept]


def _carried(kept: Sequence[Step]) -> tuple[list[int], list[int]]:
    """Which coordinates of the basis to carry, and which of the kept values by their own components."""
    different = {id(step): i for i, step in enumerate(kept)}
    needed: set[int] = set()
    dense = []
    for i in different.values():
        if isinstance(kept[i], Selection):
            needed |= affine_steps.used_columns(kept[i])
        else:
            dense.append(i)
    owners = []
    for i in sorted(dense, key=lambda i: affine_steps.rows_of(kept[i])):
        rows = affine_steps.rows_of(kept[i])
        missing = affine_steps.used_columns(kept[i]) - needed
        if len(missing) < rows:
            needed |= missing
        else:
            owners.append(i)
    return sorted(needed), owners
