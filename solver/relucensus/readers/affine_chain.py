"""A builder of networks: affine operations are composed exactly, and each ReLU closes a layer.

Throughout: the *value* is what the operations so far computed, a tensor of known shape in row-major order; the *step*
is the exact affine map that leads to it from the activations of the last layer (or from the input).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers import affine_steps
from relucensus.readers.affine_steps import FloatArray, Selection, Step
from relucensus.readers.limits import ReaderLimits, shape_text
from relucensus.values.network import Layer, Network

_MAX_COMPOSED: Final = 100


class AffineChain:
    """The network so far, seen as a chain of operations on one tensor.

    Every method but `network` applies one operation. All of them raise `InvalidNetwork` for shapes that do not fit and
    `UnsupportedModel` beyond the limits, before they allocate.
    """

    def __init__(self, shape: Sequence[int], limits: ReaderLimits) -> None:
        """Start with an input of this shape."""
        self.shape = tuple(shape)
        self._limits = limits
        self._layers: list[Layer] = []
        self._weights = 0
        self._neurons = 0
        self._composed = 0
        if any(n < 1 for n in self.shape):
            raise InvalidNetwork(f"the input has shape {shape_text(self.shape)}; needed is at least one coordinate")
        limits.check_inputs(self.size)
        self._step: Step = Selection.identity(self.size)

    @property
    def size(self) -> int:
        """Number of entries of the value."""
        return math.prod(self.shape)

    def reshape(self, shape: Sequence[int]) -> None:
        """Give the same entries another shape."""
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
                f"a constant of shape {shape_text(shape)} does not broadcast with a value of shape "
                f"{shape_text(self.shape)}"
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
        self.expand(offsets.shape)
        self._count_operation()
        self._step = affine_steps.rescaled(self._step, None, self._spread(offsets))

    def scale(self, factors: NDArray[np.object_]) -> None:
        """Multiply by a constant array of fractions, broadcast by numpy's rules."""
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

    def relu(self) -> None:
        """Close a layer; a second ReLU directly after the first changes nothing."""
        if self._layers and isinstance(self._step, Selection) and self._step.is_identity:
            return
        self._neurons += self.size
        self._limits.check_neurons(self._neurons)
        self._layers.append(self._closed_layer())
        self._step = Selection.identity(self.size)
        self._composed = 0

    def network(self) -> Network:
        """The network; a chain that ends with a ReLU gets the identity as its output layer."""
        output = self._closed_layer()
        return Network(tuple(self._layers), output)

    def _closed_layer(self) -> Layer:
        number = len(self._layers) + 1
        self._limits.check_layers(number)
        if self.size < 1:
            raise InvalidNetwork(f"layer {number}: has no neurons")
        self._weights += self.size * affine_steps.columns_of(self._step)
        self._limits.check_weights(self._weights)
        return affine_steps.layer_of(self._step, f"layer {number}")

    def _multiply(self, matrix: FloatArray, outer: int, inner: int) -> None:
        self._count_operation()
        rows, columns = matrix.shape
        if not rows:
            raise InvalidNetwork("a product with a matrix without entries has no values")
        self._check_size(rows * outer * inner)
        self._limits.check_weights(rows * columns * (outer * inner) ** 2)
        self._limits.check_weights(rows * outer * inner * affine_steps.columns_of(self._step))
        full = matrix
        if inner > 1:
            full = np.asarray(np.kron(full, np.eye(inner)), dtype=np.float64)
        if outer > 1:
            full = np.asarray(np.kron(np.eye(outer), full), dtype=np.float64)
        self._step = affine_steps.multiplied(self._step, np.ascontiguousarray(full))

    def _check_size(self, size: int) -> None:
        limit = max(self._limits.inputs, self._limits.neurons)
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
