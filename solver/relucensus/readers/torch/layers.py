"""A chain becomes a network: weights as the floats they are, batch normalisations folded in exactly."""

from __future__ import annotations

import math
from typing import Final, NoReturn

import numpy as np
from flint import fmpz_mat
from numpy.typing import NDArray

from relucensus.arithmetic import AffineMap, dyadic
from relucensus.errors import InvalidNetwork
from relucensus.readers.affine.normalisation import folded_normalisation
from relucensus.readers.limits import ReaderLimits, shown
from relucensus.readers.torch.chain import Chain, Slot, check_sizes
from relucensus.readers.torch.parts import Part
from relucensus.values.activation import Activation
from relucensus.values.network import Layer, Network

EPSILON: Final = 1e-5
"""What torch adds to a variance unless told otherwise; no file of tensors holds it."""


def network_of_chain(chain: Chain, limits: ReaderLimits, activation: Activation) -> Network:
    """The network in which these layers follow each other, the activation between them.

    Raises:
        InvalidNetwork: shapes that do not chain, or an entry that is not finite.
        UnsupportedModel: tensors of another type, or a network beyond the limits.
    """
    for slot in chain.slots:
        for part in (slot.linear, *slot.before, *slot.after):
            part.check(limits)
    check_sizes(chain)
    weights = [slot.linear.weight for slot in chain.slots]
    limits.check_layers(len(weights))
    limits.check_inputs(weights[0].shape[1])
    limits.check_neurons(sum(weight.shape[0] for weight in weights[:-1]))
    limits.check_weights(sum(math.prod(weight.shape) for weight in weights))
    built = [_built(slot, activation) for slot in chain.slots]
    return Network(tuple(built[:-1]), built[-1])


def _built(slot: Slot, activation: Activation) -> Layer:
    name, activations = shown(slot.linear.path), (activation,)
    weight, bias = slot.linear.weight.finite(), slot.linear.bias
    constant = bias.finite() if bias is not None else np.zeros(len(weight))
    if not slot.before and not slot.after:
        return Layer.from_arrays(weight, constant, name=name, activations=activations)
    exact = AffineMap.from_floats(weight, constant)
    for norm in reversed(slot.before):
        exact = _behind(exact, *_folded(norm))
    for norm in slot.after:
        exact = _before(exact, *_folded(norm))
    return Layer.from_exact(exact, name=name, activations=activations)


def _folded(norm: Part) -> tuple[list[int], list[int], int]:
    """Integers f, g and q for which the normalisation is ``x -> (f x + g) / q``, rounded once to float64."""

    def fail(what: str) -> NoReturn:
        raise InvalidNetwork(f"the normalisation {shown(norm.path)} {what}")

    def entries(name: str, default: float) -> NDArray[np.float64]:
        return norm.tensors[name].finite() if name in norm.tensors else np.full(norm.size, default)

    parameters = entries("weight", 1.0), entries("bias", 0.0)
    statistics = entries("running_mean", 0.0), entries("running_var", 1.0)
    factors, offsets = folded_normalisation(parameters, statistics, EPSILON, fail)
    integers, exponent = dyadic(np.concatenate([factors, offsets]))
    return integers[: norm.size], integers[norm.size :], 1 << exponent


def _before(inner: AffineMap, f: list[int], g: list[int], q: int) -> AffineMap:
    """The normalisation of what the map gives."""
    scaled = inner.scaled(f, q)
    shift = fmpz_mat(inner.rows, 1, [n * inner.denominator for n in g])
    return AffineMap(scaled.coefficients, scaled.constants + shift, scaled.denominator).reduced()


def _behind(outer: AffineMap, f: list[int], g: list[int], q: int) -> AffineMap:
    """The map of what the normalisation gives."""
    rows = outer.coefficients.tolist()
    entries = [entry * factor for row in rows for entry, factor in zip(row, f, strict=True)]
    constants = outer.constants * q + outer.coefficients * fmpz_mat(outer.columns, 1, g)
    return AffineMap(fmpz_mat(outer.rows, outer.columns, entries), constants, outer.denominator * q).reduced()
