"""What flows through an ONNX graph: constants, values of the network, and what some operators make of these.

Throughout: a tensor has a shape and its entries in row-major order, numbered from 0. Constants are exact: those of a
float type are rationals (`exact_numbers`), integers are int64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from flint import fmpq
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers.affine.value import AffineValue
from relucensus.readers.limits import ReaderLimits, shape_text
from relucensus.values import exact_numbers
from relucensus.values.exact_numbers import Ints, Numbers
from relucensus.values.exact_rows import ExactRows

FLOAT_KINDS: Final = frozenset({"float32", "float64", "float16", "bfloat16", "float8"})
RANGES: Final = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**63 - 1),  # beyond, it is refused: no weight or shape is so large
    "int4": (-8, 7),
    "uint4": (0, 15),
    "bool": (0, 1),
}


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """Entries that do not depend on the network's input, and the element type that ONNX gives them."""

    entries: NDArray[Any]
    kind: str

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.entries.shape

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.entries.size

    @property
    def is_float(self) -> bool:
        """Whether the element type is a float type."""
        return self.kind in FLOAT_KINDS

    @property
    def numbers(self) -> Numbers:
        """The entries as exact numbers, integers and truth values included."""
        if self.is_float:
            return self.entries
        return exact_numbers.settled(exact_numbers.rationals(self.entries))

    def with_entries(self, entries: NDArray[Any]) -> Constant:
        """Other entries of the same element type."""
        return replace(self, entries=entries.astype(np.bool_) if self.kind == "bool" else entries)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Truth values: where ``difference > 0``, or where it is below.

    On a boundary either, which matters to no continuous function; but a difference that is zero everywhere counts.
    """

    difference: AffineValue
    positive: bool = True  # False: where it is below 0
    at_zero: bool = False  # whether it holds where the difference is 0

    def opposite(self) -> Comparison:
        """Where this one does not hold."""
        return Comparison(self.difference, not self.positive, not self.at_zero)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.difference.shape


@dataclass(frozen=True, slots=True, eq=False)
class Indicator:
    """A comparison as a number: 1 where it holds, 0 elsewhere."""

    comparison: Comparison

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.comparison.shape


@dataclass(frozen=True, slots=True, eq=False)
class LeftOff:
    """The result of a last operator that is not piecewise linear, like Softmax; `value` is what it was given."""

    value: AffineValue
    operator: str
    shape: tuple[int, ...]
    apart: bool = False  # whether every entry is a function of the same entry of the value alone


Tensor = Constant | AffineValue | Comparison | Indicator | LeftOff


def values_in(tensor: Tensor | None) -> list[AffineValue]:
    """The values of the network that a tensor is made of."""
    match tensor:
        case AffineValue():
            return [tensor]
        case Comparison():
            return [tensor.difference]
        case Indicator():
            return [tensor.comparison.difference]
        case LeftOff():
            return [tensor.value]
        case _:
            return []


def numbering(shape: Sequence[int], limits: ReaderLimits) -> Ints:
    """The numbers of the entries of a tensor, in its shape."""
    limits.check_tensor("an operand", shape)
    return np.arange(math.prod(shape)).reshape(shape)


def rearranged(tensor: Tensor, positions: Ints) -> Tensor:
    """The tensor whose entries are those with these numbers; -1 gives a zero (or false)."""
    match tensor:
        case Constant():
            return tensor.with_entries(_picked(tensor.entries, positions))
        case AffineValue():
            found = tensor.fork()
            found.rearrange(positions)
            return found
        case Comparison():
            moved = rearranged(tensor.difference, positions)
            assert isinstance(moved, AffineValue)
            if (positions < 0).any():
                moved.shift(np.where(positions < 0, -1.0 if tensor.positive else 1.0, 0.0))
            return replace(tensor, difference=moved)
        case Indicator():
            compared = rearranged(tensor.comparison, positions)
            assert isinstance(compared, Comparison)
            return Indicator(compared)
        case LeftOff():
            value = tensor.value
            if tensor.apart and not np.array_equal(positions.ravel(), np.arange(value.size)):
                value = value.fork()
                value.rearrange(positions)
            return replace(tensor, value=value, shape=positions.shape)


def combined(tensor: Constant | AffineValue, outer: ExactRows, shape: Sequence[int]) -> Constant | AffineValue:
    """The tensor of this shape whose entries are these exact affine forms of the tensor's entries.

    Raises:
        UnsupportedModel: integers that would become fractions, or leave their type.
    """
    if isinstance(tensor, AffineValue):
        found = tensor.fork()
        found.combine(outer, shape)
        return found
    return constant_of(outer.at(tensor.numbers.ravel()).reshape(shape), tensor.kind)


def constant_of(numbers: Numbers, kind: str) -> Constant:
    """Exact numbers as a constant of this element type.

    Raises:
        UnsupportedModel: integers that are fractions, or beyond their type.
    """
    if kind in FLOAT_KINDS:
        return Constant(exact_numbers.settled(numbers), kind)
    entries = [exact_numbers.fraction(x) for x in exact_numbers.rationals(numbers).ravel().tolist()]
    return integers_of([int(x) if x.denominator == 1 else None for x in entries], numbers.shape, kind)


def integers_of(entries: Sequence[int | None], shape: Sequence[int], kind: str) -> Constant:
    """Whole numbers as a constant of this element type; None is a number that is not whole.

    Raises:
        UnsupportedModel: one that is not whole, or beyond the type.
    """
    low, high = RANGES[kind]
    checked = [n for n in entries if n is not None and low <= n <= high]
    if len(checked) < len(entries):
        raise UnsupportedModel(f"computes {kind} numbers that are fractions or exceed their type")
    found = np.array(checked, dtype=np.int64).reshape(shape)
    return Constant(found.astype(np.bool_) if kind == "bool" else found, kind)


def broadcast(tensor: Tensor, shape: Sequence[int], limits: ReaderLimits) -> Tensor:
    """The tensor repeated to this shape by numpy's rules.

    Raises:
        InvalidNetwork: it does not fit.
    """
    if tuple(tensor.shape) == tuple(shape):
        return tensor
    limits.check_tensor("a broadcast operand", shape)
    try:
        positions = np.broadcast_to(np.arange(math.prod(tensor.shape)).reshape(tensor.shape), tuple(shape))
    except ValueError:
        raise InvalidNetwork(
            f"a tensor of shape {shape_text(tensor.shape)} does not broadcast to {shape_text(shape)}"
        ) from None
    return rearranged(tensor, positions)


def common_shape(tensors: Sequence[Tensor]) -> tuple[int, ...]:
    """The shape that all broadcast to.

    Raises:
        InvalidNetwork: there is none.
    """
    try:
        return np.broadcast_shapes(*(tensor.shape for tensor in tensors))
    except ValueError:
        shapes = " and ".join(shape_text(tensor.shape) for tensor in tensors)
        raise InvalidNetwork(f"shapes {shapes} do not broadcast with each other") from None


def of_integers(function: Callable[..., int], kind: str, *operands: Constant) -> Constant:
    """A function of whole numbers, entry by entry, broadcast by numpy's rules."""
    shape = common_shape(operands)
    columns = [np.broadcast_to(one.entries, shape).ravel().tolist() for one in operands]
    return integers_of([function(*(int(n) for n in entry)) for entry in zip(*columns, strict=True)], shape, kind)


def _picked(entries: NDArray[Any], positions: Ints) -> NDArray[Any]:
    flat = entries.ravel()
    inside = positions >= 0
    if not flat.size:
        found = np.zeros(positions.shape, dtype=entries.dtype)
    else:
        found = np.asarray(flat[np.where(inside, positions, 0)], dtype=entries.dtype)
    if not inside.all():
        found[~inside] = fmpq(0) if entries.dtype == object else 0
    return found
