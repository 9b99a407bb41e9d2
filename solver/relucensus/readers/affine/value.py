"""A value in the network that is being read: a tensor that depends on the input, as an exact affine map.

Throughout: a value has a shape, its entries in row-major order; its *step* is the exact affine map that leads to it
from the activations of the last layer (or from the input). Affine operations are composed exactly; an activation
makes a layer of the trunk that all values of the network share.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers.affine import steps as affine_steps
from relucensus.readers.affine.steps import FloatArray, Selection, Step
from relucensus.readers.affine.trunk import Trunk
from relucensus.readers.limits import ReaderLimits, shape_text
from relucensus.values.activation import IDENTITY, RELU, Activation
from relucensus.values.network import Network

_MAX_COMPOSED: Final = 100


class AffineValue:
    """A value, on which operations are applied one after the other; `fork` gives another one to go on from here.

    All operations raise `InvalidNetwork` for shapes that do not fit and `UnsupportedModel` beyond the limits, before
    they allocate.
    """

    def __init__(self, shape: Sequence[int], limits: ReaderLimits) -> None:
        """Start with an input of this shape."""
        self.shape = tuple(shape)
        limits.check_axes(len(self.shape))
        if any(n < 1 for n in self.shape):
            raise InvalidNetwork(f"the input has shape {shape_text(self.shape)}; needed is at least one coordinate")
        self._trunk = Trunk(self.size, limits)
        self._composed = 0
        self._step: Step = Selection.identity(self.size)

    def fork(self) -> AffineValue:
        """The same value, on which operations leave this one as it is."""
        return copy(self)

    @property
    def limits(self) -> ReaderLimits:
        """How large a network may be."""
        return self._trunk.limits

    @property
    def weights(self) -> int:
        """How many numbers the value holds in memory."""
        dense = not isinstance(self._step, Selection)
        return self.size * (affine_steps.columns_of(self._step) if dense else 1)

    @property
    def size(self) -> int:
        """Number of entries of the value."""
        return math.prod(self.shape)

    def reshape(self, shape: Sequence[int]) -> None:
        """Give the same entries another shape."""
        self.limits.check_axes(len(shape))
        if math.prod(shape) != self.size or any(n < 0 for n in shape):
            raise InvalidNetwork(f"{self.size} values of shape {shape_text(self.shape)} cannot be {shape_text(shape)}")
        self.shape = tuple(shape)

    def transpose(self, axes: Sequence[int]) -> None:
        """Reorder the axes: axis i of the result is axis ``axes[i]`` of the value."""
        if sorted(axes) != list(range(len(self.shape))):
            raise InvalidNetwork(f"axes {list(axes)} do not permute a value of shape {shape_text(self.shape)}")
        positions = np.arange(self.size).reshape(self.shape).transpose(tuple(axes))
        self._pick(positions)

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
        self._pick(np.broadcast_to(np.arange(self.size).reshape(self.shape), target))

    def shift(self, offsets: FloatArray) -> None:
        """Add a constant, broadcast by numpy's rules."""
        self.expand(offsets.shape)
        self._count_operation()
        self._step = affine_steps.shifted(self._step, np.broadcast_to(offsets, self.shape).ravel())

    def shift_exactly(self, offsets: NDArray[np.object_]) -> None:
        """Add a constant array of fractions, broadcast by numpy's rules."""
        offsets = np.asarray(offsets, dtype=object)
        self.expand(offsets.shape)
        self._count_operation()
        self._step = affine_steps.rescaled(self._step, None, self._spread(offsets))

    def scale(self, factors: NDArray[np.object_]) -> None:
        """Multiply by a constant array of fractions, broadcast by numpy's rules."""
        factors = np.asarray(factors, dtype=object)  # numpy gives a bare fraction for an array without axes
        self.expand(factors.shape)
        self._count_operation()
        self._step = affine_steps.rescaled(self._step, self._spread(factors), None)

    def multiply_right(self, matrix: FloatArray) -> None:
        """Multiply by a constant (k, n) from the right: the last axis goes from k to n entries."""
        k, n = matrix.shape
        if not self.shape or self.shape[-1] != k:
            raise InvalidNetwork(f"a value of shape {shape_text(self.shape)} times a matrix {k}x{n} does not fit")
        copies = self.size // k
        self._multiply(matrix.T, outer=copies, inner=1)
        self.shape = (*self.shape[:-1], n)

    def multiply_left(self, matrix: FloatArray) -> None:
        """Multiply by a constant (m, k) from the left: the last axis but one goes from k to m entries."""
        m, k = matrix.shape
        if len(self.shape) < 2 or self.shape[-2] != k:
            raise InvalidNetwork(f"a matrix {m}x{k} times a value of shape {shape_text(self.shape)} does not fit")
        n = self.shape[-1]
        self._multiply(matrix, outer=math.prod(self.shape[:-2]), inner=n)
        self.shape = (*self.shape[:-2], m, n)

    def add(self, other: AffineValue, sign: int = 1) -> None:
        """Add another value, or subtract it, broadcast by numpy's rules."""
        other = other.fork()
        self.expand(other.shape)
        other.expand(self.shape)
        self._composed = max(self._composed, other._composed)
        self._count_operation()
        self.limits.check_weights(self.size * affine_steps.columns_of(self._step))
        self._step = affine_steps.summed(self._step, other._step, sign)

    def concatenate(self, parts: Sequence[AffineValue | FloatArray], axis: int) -> None:
        """Become these values and constants, one after the other along an axis."""
        columns = affine_steps.columns_of(self._step)
        self._check_size(sum(part.size for part in parts))
        steps = [p._step if isinstance(p, AffineValue) else affine_steps.constant(columns, p) for p in parts]
        starts = np.cumsum([0, *(part.size for part in parts)])
        numbered = [
            start + np.arange(part.size).reshape(part.shape) for start, part in zip(starts[:-1], parts, strict=True)
        ]
        try:
            positions = np.concatenate(numbered, axis=axis)
        except ValueError:
            shapes = ", ".join(shape_text(part.shape) for part in parts)
            raise InvalidNetwork(f"values of the shapes {shapes} do not fit together along axis {axis}") from None
        if not all(isinstance(step, Selection) for step in steps):
            self.limits.check_weights(positions.size * columns)
        self._composed = max(part._composed for part in parts if isinstance(part, AffineValue))
        self._count_operation()
        self._step = affine_steps.stacked(steps)
        self._pick(positions)

    def map_entries(self, matrix: Callable[[], FloatArray], shape: Sequence[int]) -> None:
        """Multiply all entries as one vector by a matrix, giving a value of this shape.

        The matrix is asked for only once its size is accepted.
        """
        rows = math.prod(shape)
        self._check_size(rows)
        for columns in (self.size, affine_steps.columns_of(self._step)):
            if rows * columns > self.limits.weights:
                raise UnsupportedModel(
                    f"as a matrix from {columns} to {rows} values it has {rows * columns} weights; accepted are at "
                    f"most {self.limits.weights}"
                )
        self._count_operation()
        self._step = affine_steps.multiplied(self._step, matrix())
        self.shape = tuple(shape)

    def activate(self, activations: Sequence[Activation], kept: Sequence[AffineValue] = ()) -> None:
        """Apply an activation to every entry, one for all or one each; `kept` are the values that are needed later.

        A ReLU of what is a ReLU already changes nothing.
        """
        if not any(one.breakpoints for one in activations):
            self._apply_linear(activations)
            return
        if set(activations) == {RELU} and self._trunk.is_rectified(self._step):
            return
        self._step, steps = self._trunk.close(self._step, activations, [value._step for value in kept])
        self._composed = 0
        for value, step in zip(kept, steps, strict=True):
            if isinstance(step, Selection) and step.is_plain:
                value._composed = 0
            value._step = step

    def network(self) -> Network:
        """The network that computes this value; an activation at the end gets the identity as its output layer."""
        return self._trunk.network(self._step)

    def _apply_linear(self, activations: Sequence[Activation]) -> None:
        def spread(numbers: Sequence[Fraction]) -> NDArray[np.object_]:
            found = np.empty(len(numbers), dtype=object)
            found[:] = numbers
            return np.broadcast_to(found, (self.size,)).reshape(self.shape)

        if all(one == IDENTITY for one in activations):
            return
        self.scale(spread([one.slopes[0] for one in activations]))
        self.shift_exactly(spread([one.value for one in activations]))

    def _multiply(self, matrix: FloatArray, outer: int, inner: int) -> None:
        self._count_operation()
        rows, columns = matrix.shape
        if not rows:
            raise InvalidNetwork("a product with a matrix without entries has no values")
        self._check_size(rows * outer * inner)
        self.limits.check_weights(rows * columns * (outer * inner) ** 2)
        self.limits.check_weights(rows * outer * inner * affine_steps.columns_of(self._step))
        full = matrix
        if inner > 1:
            full = np.asarray(np.kron(full, np.eye(inner)), dtype=np.float64)
        if outer > 1:
            full = np.asarray(np.kron(np.eye(outer), full), dtype=np.float64)
        self._step = affine_steps.multiplied(self._step, np.ascontiguousarray(full))

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

    def _pick(self, positions: NDArray[np.intp]) -> None:
        self.shape = positions.shape
        self._step = affine_steps.picked(self._step, positions.ravel())

    def _spread(self, values: NDArray[np.object_]) -> list[Fraction]:
        spread: list[Fraction] = np.broadcast_to(values, self.shape).ravel().tolist()
        return spread
