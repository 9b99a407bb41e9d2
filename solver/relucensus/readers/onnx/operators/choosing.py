"""Choosing between two values by a condition: of constants entry by entry, of a comparison where that is continuous.

Throughout: where z > 0 stands a, elsewhere b. The function is continuous exactly if a - b = k z with a constant k
(where z depends on the input); then it is ``b + k max(z, 0)``, and z is the preactivation of a neuron.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.onnx.call import Call, as_values
from relucensus.readers.onnx.forms import Operator, operator
from relucensus.readers.onnx.operators.layout import concatenation
from relucensus.readers.onnx.tensors import Comparison, Constant, Tensor, broadcast, common_shape, rearranged
from relucensus.values import exact_numbers
from relucensus.values.activation import RELU, Activation
from relucensus.values.exact_numbers import Numbers
from relucensus.values.exact_rows import ratios

Plain = Constant | AffineValue


def chosen(call: Call, condition: Comparison, first: Plain, second: Plain) -> Tensor:
    """The first where the condition holds, else the second; all of the same shape.

    Raises:
        UnsupportedModel: that is not continuous.
    """
    if not condition.positive:
        condition, first, second = condition.opposite(), second, first
    a, b = as_values(call, [first, second, condition.difference])[:2]
    z = condition.difference
    settled = _settled(z)
    difference = a.fork()
    difference.add(b, -1)
    factors = ratios(difference.rows, z.rows)
    if any(k is None and not fixed for k, fixed in zip(factors, settled.tolist(), strict=True)):
        call.refuse(
            "chooses by a comparison between two values that differ where it changes: the network is not continuous, "
            "so it is not one whose linear regions are counted"
        )
    bending = [k is not None and bool(k != 0) and not fixed for k, fixed in zip(factors, settled.tolist(), strict=True)]
    holds = [bool(c > 0 or (c == 0 and condition.at_zero)) for c in z.rows.constants.tolist()]
    always = np.array(holds, dtype=np.bool_) & settled
    base = _either(call, b, a, always)
    if not any(bending):
        return base
    numbers = np.array(
        [k if bent else exact_numbers.rationals(np.zeros(1))[0] for k, bent in zip(factors, bending, strict=True)]
    )
    return _bent(call, base, z, exact_numbers.settled(numbers))


def _settled(z: AffineValue) -> np.ndarray:
    """Which entries do not depend on the input."""
    return np.asarray(z.rows.lengths == 0)


def _either(call: Call, first: AffineValue, second: AffineValue, where: np.ndarray) -> AffineValue:
    """The first, and the second in these places."""
    if not where.any():
        return first.fork()
    flat = [call.plain(rearranged(one, np.arange(one.size))) for one in (first, second)]
    positions = np.arange(first.size) + np.where(where, first.size, 0)
    found = rearranged(concatenation(call, flat, 0), positions.reshape(first.shape))
    assert isinstance(found, AffineValue)
    return found


def _bent(call: Call, base: AffineValue, z: AffineValue, factors: Numbers) -> AffineValue:
    """``base + factors * max(z, 0)``; where base is a multiple of z, one activation with two slopes."""
    places = np.flatnonzero(exact_numbers.nonzero(factors))
    part = rearranged(z, places)
    assert isinstance(part, AffineValue)
    own = rearranged(base, places)
    assert isinstance(own, AffineValue)
    slopes = ratios(own.rows, part.rows)
    chosen_factors = exact_numbers.rationals(factors)[places].tolist()
    if len(places) == base.size and all(slope is not None for slope in slopes):
        pairs = [
            (exact_numbers.fraction(s), exact_numbers.fraction(s + k))
            for s, k in zip(slopes, chosen_factors, strict=True)
        ]
        part.activate(tuple(Activation.of([0], pair) for pair in pairs), call.kept)
        part.reshape(base.shape)
        return part
    part.activate((RELU,), [*call.kept, base])
    part.scale(exact_numbers.settled(np.array(chosen_factors, dtype=object)))
    into = np.full(base.size, -1)
    into[places] = np.arange(len(places))
    part.rearrange(into.reshape(base.shape))
    base.add(part)
    return base


def _where(call: Call) -> Tensor:
    condition, first, second = (call.given(name) for name in ("condition", "X", "Y"))
    if condition is None or first is None or second is None:
        call.fail("has not three inputs")
    shape = common_shape([condition, first, second])
    condition = broadcast(condition, shape, call.limits)
    a, b = (call.plain(broadcast(one, shape, call.limits)) for one in (first, second))
    if isinstance(condition, Comparison):
        return chosen(call, condition, a, b)
    if not isinstance(condition, Constant):
        call.refuse("chooses by a condition that is neither a constant nor a comparison")
    flat = [call.plain(rearranged(one, np.arange(one.size))) for one in (a, b)]
    positions = np.arange(a.size).reshape(shape) + np.where(condition.entries, 0, a.size)
    return rearranged(concatenation(call, flat, 0), positions)


def _not(call: Call) -> Tensor:
    found = call.given("X")
    if isinstance(found, Comparison):
        return found.opposite()
    constant = call.constant("X")
    return constant.with_entries(~constant.entries)


OPERATORS: Final[dict[str, Operator]] = {
    "Not": operator(_not, {(1,): "X ;"}),
    "Where": operator(_where, {(9, 16): "condition X Y ;"}),
}
