"""A value in the network that is being read: a tensor that depends on the input, as an exact affine map.

Throughout: a value has a shape, its entries in row-major order; its *rows* are the exact affine map that leads to it
from the activations of the last layer (or from the input). Affine operations are composed exactly; an activation
makes a layer of the trunk that all values of the network share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers.affine.trunk import Trunk
from relucensus.readers.limits import ReaderLimits, shape_text
from relucensus.values import exact_numbers
from relucensus.values.activation import IDENTITY, RELU, Activation
from relucensus.values.exact_numbers import Ints, Numbers
from relucensus.values.exact_rows import ExactRows, stacked
from relucensus.values.network import Network

_MAX_COMPOSED: Final = 100


class AffineValue:
    """A value, on which operations are applied one after the other; `fork` gives another one to go on from here.

    After an activation, only those values may be used that were activated or kept. All operations raise
    `InvalidNetwork` for shapes that do not fit and `UnsupportedModel` beyond the limits, before they allocate.
    """

    def __init__(self, shape: Sequence[int], limits: ReaderLimits) -> None:
        """Start with an input of this shape."""
        self.shape = tuple(shape)
        limits.check_axes(len(self.shape))
        if any(n < 1 for n in self.shape):
            raise InvalidNetwork(f"the input has shape {shape_text(self.shape)}; needed is at least one coordinate")
        self._trunk = Trunk(self.size, limits)
        self._composed = 0
        self._rows = ExactRows.identity(self.size)
        self._depth = 0

    def fork(self) -> AffineValue:
        """The same value, on which operations leave this one as it is."""
        return copy(self)

    def constant(self, numbers: Numbers) -> AffineValue:
        """A value of the same network that does not depend on its input."""
        found = self.fork()
        found.shape, found._composed, found._depth = numbers.shape, 0, self._trunk.depth
        found._check_size(numbers.size)
        found._rows = ExactRows.constant(self._trunk.columns, numbers.ravel())
        return found

    @property
    def limits(self) -> ReaderLimits:
        """How large a network may be."""
        return self._trunk.limits

    @property
    def rows(self) -> ExactRows:
        """The entries as exact affine forms of the activations of the last layer."""
        assert self._depth == self._trunk.depth, "a value that was not kept is used after an activation"
        return self._rows

    @property
    def weights(self) -> int:
        """How many numbers the value holds in memory."""
        return self._rows.size + self._rows.rows

    @property
    def size(self) -> int:
        """Number of entries of the value."""
        return math.prod(self.shape)

    def numbering(self) -> Ints:
        """The numbers of the entries, 0 to size - 1, in the shape of the value."""
        return np.arange(self.size).reshape(self.shape)

    def reshape(self, shape: Sequence[int]) -> None:
        """Give the same entries another shape."""
        self.limits.check_axes(len(shape))
        if math.prod(shape) != self.size or any(n < 0 for n in shape):
            raise InvalidNetwork(f"{self.size} values of shape {shape_text(self.shape)} cannot be {shape_text(shape)}")
        self.shape = tuple(shape)

    def rearrange(self, positions: Ints) -> None:
        """Become the array whose entries are those with these numbers; -1 gives a zero."""
        self._check_size(positions.size)
        self.limits.check_axes(positions.ndim)
        self._rows = self.rows.taken(positions.ravel())
        self.shape = positions.shape

    def transpose(self, axes: Sequence[int]) -> None:
        """Reorder the axes: axis i of the result is axis ``axes[i]`` of the value."""
        if sorted(axes) != list(range(len(self.shape))):
            raise InvalidNetwork(f"axes {list(axes)} do not permute a value of shape {shape_text(self.shape)}")
        self.rearrange(self.numbering().transpose(tuple(axes)))

    def expand(self, shape: Sequence[int]) -> None:
        """Repeat the value by numpy's broadcasting rules against a constant of this shape."""
        try:
            target = np.broadcast_shapes(self.shape, tuple(shape))
        except ValueError:
            raise InvalidNetwork(
                f"shape {shape_text(shape)} does not broadcast with a value of shape {shape_text(self.shape)}"
            ) from None
        if target == self.shape:
            return
        if not math.prod(target):
            raise InvalidNetwork(f"a constant of shape {shape_text(shape)} has no entries")
        self._check_size(math.prod(target))
        self.rearrange(np.broadcast_to(self.numbering(), target))

    def shift(self, offsets: Numbers) -> None:
        """Add constants, broadcast by numpy's rules."""
        self.expand(offsets.shape)
        self._count_operation()
        self._rows = self.rows.shifted(self._spread(offsets))

    def scale(self, factors: Numbers) -> None:
        """Multiply by constants, broadcast by numpy's rules."""
        self.expand(factors.shape)
        self._count_operation()
        self._rows = self.rows.scaled(self._spread(factors))

    def negate(self) -> None:
        """Multiply by -1."""
        self._rows = self.rows.scaled(np.full(self.size, -1.0))

    def multiply_right(self, matrix: Numbers) -> None:
        """Multiply by a constant (k, n) from the right: the last axis goes from k to n entries."""
        k, n = matrix.shape
        if not self.shape or self.shape[-1] != k:
            raise InvalidNetwork(f"a value of shape {shape_text(self.shape)} times a matrix {k}x{n} does not fit")
        self._multiply(matrix.T, self.numbering().reshape(-1, k), (*self.shape[:-1], n))

    def combine(self, outer: ExactRows, shape: Sequence[int]) -> None:
        """Become the value of this shape whose entries are these exact affine forms of the present ones."""
        self._check_size(math.prod(shape))
        self.limits.check_axes(len(shape))
        self._count_operation()
        found = outer.after(self.rows)
        self.limits.check_weights(found.size)
        self._rows, self.shape = found, tuple(shape)

    def add(self, other: AffineValue, sign: int = 1) -> None:
        """Add another value, or subtract it, broadcast by numpy's rules."""
        other = other.fork()
        self.expand(other.shape)
        other.expand(self.shape)
        self._composed = max(self._composed, other._composed)
        self._count_operation()
        self._rows = self.rows.plus(other.rows, sign)
        self.limits.check_weights(self._rows.size)

    def concatenate(self, parts: Sequence[AffineValue | Numbers], axis: int) -> None:
        """Become these values and constants, one after the other along an axis."""
        self._check_size(sum(part.size for part in parts))
        values = [part if isinstance(part, AffineValue) else self.constant(part) for part in parts]
        starts = np.cumsum([0, *(part.size for part in values)])
        numbered = [start + value.numbering() for start, value in zip(starts[:-1], values, strict=True)]
        try:
            positions = np.concatenate(numbered, axis=axis)
        except ValueError:
            shapes = ", ".join(shape_text(part.shape) for part in parts)
            raise InvalidNetwork(f"values of the shapes {shapes} do not fit together along axis {axis}") from None
        self.limits.check_weights(sum(value.rows.size for value in values))
        self._composed = max(value._composed for value in values)
        self._rows = stacked([value.rows for value in values])
        self.rearrange(positions)

    def activate(self, activations: Sequence[Activation], kept: Sequence[AffineValue] = ()) -> None:
        """Apply an activation to every entry, one for all or one each; `kept` are the values that are needed later.

        A ReLU of what is a ReLU already changes nothing.
        """
        if not any(one.breakpoints for one in activations):
            self._apply_linear(activations)
            return
        if set(activations) == {RELU} and self._trunk.is_rectified(self.rows):
            return
        others = [value for value in {id(value): value for value in kept}.values() if value is not self]
        self._rows, moved = self._trunk.close(self.rows, activations, [value.rows for value in others])
        self._composed, self._depth = 0, self._trunk.depth
        for value, rows in zip(others, moved, strict=True):
            if rows.is_plain:
                value._composed = 0
            value._rows, value._depth = rows, self._trunk.depth

    def network(self) -> Network:
        """The network that computes this value; an activation at the end gets the identity as its output layer."""
        return self._trunk.network(self.rows)

    def _apply_linear(self, activations: Sequence[Activation]) -> None:
        if all(one == IDENTITY for one in activations):
            return
        slopes = exact_numbers.of_fractions([one.slopes[0] for one in activations])
        values = exact_numbers.of_fractions([one.value for one in activations])
        self.scale(np.broadcast_to(slopes, (self.size,)).reshape(self.shape))
        self.shift(np.broadcast_to(values, (self.size,)).reshape(self.shape))

    def _multiply(self, matrix: Numbers, sources: NDArray[np.int64], shape: Sequence[int]) -> None:
        """Row i of the result's block b is ``sum_k matrix[i, k] * entry sources[b, k]``."""
        rows, columns = matrix.shape
        blocks = len(sources)
        if not rows or not columns:
            raise InvalidNetwork("a product with a matrix without entries has no values")
        self._check_size(rows * blocks)
        self.limits.check_weights(rows * columns * blocks)
        row, column = np.nonzero(exact_numbers.nonzero(matrix))
        into = (np.arange(blocks)[:, None] * rows + row).ravel()
        coefficients = np.tile(matrix[row, column], blocks)
        outer = ExactRows.from_entries((rows * blocks, self.size), into, sources[:, column].ravel(), coefficients)
        self.combine(outer, shape)

    def _check_size(self, size: int) -> None:
        limit = max(self.limits.inputs, self.limits.neurons)
        if size > limit:
            raise UnsupportedModel(f"a value has {size} entries; accepted are at most {limit}")

    def _count_operation(self) -> None:
        self._composed += 1
        if self._composed > _MAX_COMPOSED:
            raise UnsupportedModel(
                f"more than {_MAX_COMPOSED} affine operations follow each other without a ReLU; exact weights would "
                "need too many digits"
            )

    def _spread(self, values: Numbers) -> Numbers:
        return np.broadcast_to(values, self.shape).ravel()
