"""How far an input is from the nearest boundary of its activation region.

Hanin & Rolnick (*Complexity of Linear Regions in Deep Networks*, ICML 2019) use that this distance is the minimum over
all neurons of ``|z(x)| / ||grad z(x)||``, gradients taken inside the region of x, and show that on average at
initialisation it is at least a constant divided by the number of neurons.

Why the minimum is right, though a neuron's hyperplane may lie outside of the region: the region is a convex polytope,
the intersection of the open half-spaces ``s z > 0`` of its neurons, and x is an inner point. Take a neuron with the
least distance, and the foot of the perpendicular from x on its hyperplane. Had another half-space no room for the
foot, the way from x to the foot would leave that half-space before its end, at a point nearer to x than the foot: that
neuron's hyperplane would be nearer, against the choice. So the foot is in the closure of the region, and on its
boundary; and no point nearer to x is on the boundary, since it is inside all half-spaces. `distance_to_boundary`
checks this in exact arithmetic.

Regions here are those among all inputs: the walls of a box are no boundaries, and the foot may lie beyond them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import mul
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relucensus.affine import Preactivations
from relucensus.arithmetic import RationalPoint
from relucensus.errors import InvalidRequest, SolverFailure
from relucensus.values.domain import Box
from relucensus.values.lowering import lowered
from relucensus.values.network import Network
from relucensus.values.problem import Problem

Point = tuple[Fraction, ...]

_AT_ONCE: Final = 2**22
_SMALLEST, _LARGEST = 2.0**-400, 2.0**400
_LARGEST_FLOAT: Final = np.finfo(np.float64).max


@dataclass(frozen=True, slots=True)
class BoundaryDistance:
    """The distance of an input to the nearest boundary, exact as a square.

    `layer` and `neuron` (numbered within its layer) are the neuron whose breakpoint is there, `foot` the nearest point.
    Without any boundary, `squared`, `layer`, `neuron` and `foot` are None.
    """

    squared: Fraction | None
    layer: int | None
    neuron: int | None
    foot: Point | None

    @property
    def value(self) -> float:
        """The distance, rounded; infinite where there is no boundary, or none within the range of float64."""
        return math.inf if self.squared is None else _root(self.squared)


@dataclass(frozen=True, slots=True)
class _HalfSpace:
    """A row's closed half-space ``normal . x + offset >= 0`` of the region, in integers."""

    row: int
    normal: tuple[int, ...]
    offset: int

    def at(self, point: RationalPoint) -> Fraction:
        total = sum(map(mul, self.normal, point.numerators), self.offset * point.denominator)
        return Fraction(total, point.denominator)


def distance_to_boundary(network: Network, point: ArrayLike) -> BoundaryDistance:
    """The exact distance of an input to the nearest boundary of its activation region; 0 on a boundary.

    The minimum over neurons, confirmed by the half-spaces of the region: the foot lies in the region's closure.

    Args:
        network: the network.
        point: float64 (inputs,), taken exactly.

    Raises:
        InvalidRequest: not as many finite numbers as the network has inputs.

    >>> network = Network.from_arrays([([[1.0, 0.0], [3.0, 4.0]], [-1.0, 0.0]), ([[1.0, 1.0]], [0.0])])
    >>> nearest = distance_to_boundary(network, [0.0, 1.0])
    >>> nearest.squared, nearest.neuron, [str(c) for c in nearest.foot]
    (Fraction(16, 25), 1, ['-12/25', '9/25'])
    """
    floats = _points(network, [point])[0]
    spread = np.minimum(np.maximum(1.0, np.abs(floats)), _LARGEST_FLOAT / 4)
    middle = np.clip(floats, -_LARGEST_FLOAT / 2, _LARGEST_FLOAT / 2)
    problem = Problem(network, Box(middle - spread, middle + spread))
    x = RationalPoint.from_floats(floats)
    half_spaces = list(_half_spaces(Preactivations(problem.free), x))
    nearest, squared = _nearest(half_spaces, x)
    if nearest is None:
        return BoundaryDistance(None, None, None, None)
    share = nearest.at(x) / sum(n * n for n in nearest.normal)
    foot = tuple(c - share * n for c, n in zip(x.to_fractions(), nearest.normal, strict=True))
    reached = RationalPoint.from_fractions(foot)
    if nearest.at(reached) != 0 or (squared and any(one.at(reached) < 0 for one in half_spaces)):
        raise SolverFailure("the nearest hyperplane does not bound the region; please report the network and the input")
    layer, neuron = _neuron(problem, nearest.row)
    return BoundaryDistance(squared, layer, neuron, foot)


def distances_to_boundary(network: Network, points: ArrayLike) -> NDArray[np.float64]:
    """The distances (n,) of inputs (n, inputs) to the nearest boundaries, in float64, all rounding errors included.

    The same minimum as `distance_to_boundary`, which is exact, for many inputs at once; infinite without boundaries.
    Inputs for which float64 could overflow or underflow are given to `distance_to_boundary`.

    Raises:
        InvalidRequest: not as many finite numbers as the network has inputs.
    """
    x = _points(network, points)
    hinges = lowered(network).network
    width = max((layer.rows for layer in hinges.layers), default=1) * network.inputs
    block = max(1, _AT_ONCE // width)
    parts = [_distances(hinges, x[first : first + block]) for first in range(0, len(x), block)]
    found = np.concatenate(parts) if parts else np.zeros(0)
    for i in np.flatnonzero(np.isnan(found)).tolist():
        found[i] = distance_to_boundary(network, x[i]).value
    return found


def _distances(network: Network, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distances (n,), NaN where a number on the way is too large or too small for float64."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore"):
        return _least(network, x)


def _least(network: Network, x: NDArray[np.float64]) -> NDArray[np.float64]:
    least = np.full(len(x), np.inf)
    values = x
    jacobian = np.broadcast_to(np.eye(network.inputs), (len(x), network.inputs, network.inputs))
    for number, layer in enumerate(network.hidden):
        z = values @ layer.weights.T + layer.bias
        gradients = (
            layer.weights @ jacobian if number else np.broadcast_to(layer.weights, (len(x), *layer.weights.shape))
        )
        lengths = np.linalg.norm(gradients, axis=2)
        counts = np.array(layer.bent) & (lengths > 0)
        distances = np.where(counts, np.abs(z) / lengths, np.inf)
        least = np.minimum(least, distances.min(axis=1))
        least[~(_in_range(layer.weights[None]) & _in_range(gradients) & (np.abs(z).max(axis=1) < _LARGEST))] = np.nan
        slopes = np.array([[float(one.slopes[0]), float(one.slopes[-1])] for one in layer.row_activations])
        chosen = np.where(z > 0, slopes[:, 1], slopes[:, 0])
        values, jacobian = z * chosen, gradients * chosen[:, :, None]
    return least


def _in_range(stacked: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the entries of each matrix, zeros apart, are so that their squares and products stay within float64."""
    sizes = np.abs(stacked)
    return np.asarray(((sizes == 0) | ((sizes > _SMALLEST) & (sizes < _LARGEST))).all(axis=(1, 2)))


def _half_spaces(preactivations: Preactivations, x: RationalPoint) -> Iterator[_HalfSpace]:
    """Those of the rows that vary, in the region of x."""
    pattern, _ = preactivations.pattern_at(x)
    for layer, start in enumerate(preactivations.starts[:-1]):
        forms = preactivations.forms(layer, pattern)
        table, constants = forms.exact.coefficients.tolist(), forms.exact.constants.entries()
        for i, (row, constant, sign) in enumerate(zip(table, constants, forms.constant_sign, strict=True)):
            if sign is None:
                side = 1 if pattern[start + i] else -1
                yield _HalfSpace(start + i, tuple(side * int(c) for c in row), side * int(constant))


def _nearest(half_spaces: list[_HalfSpace], x: RationalPoint) -> tuple[_HalfSpace | None, Fraction | None]:
    nearest, least = None, None
    for one in half_spaces:
        squared = one.at(x) ** 2 / sum(n * n for n in one.normal)
        if least is None or squared < least:
            nearest, least = one, squared
        if not least:  # on a boundary: forms of later layers depend on which side is looked at
            break
    return nearest, least


def _neuron(problem: Problem, row: int) -> tuple[int, int]:
    """The layer and the neuron in it that a row belongs to."""
    for layer, neurons in enumerate(problem.lowering.neurons):
        if row < len(neurons):
            return layer, neurons[row]
        row -= len(neurons)
    raise AssertionError("a row beyond the last layer")


def _points(network: Network, points: ArrayLike | Sequence[ArrayLike]) -> NDArray[np.float64]:
    try:
        x = np.array(points, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRequest(f"points must be lists of {network.inputs} numbers ({error})") from None
    if x.ndim != 2 or x.shape[1] != network.inputs:
        raise InvalidRequest(f"points have shape {list(x.shape)}; needed are lists of {network.inputs} numbers")
    if not np.isfinite(x).all():
        raise InvalidRequest("points must be finite numbers")
    return x


def _root(squared: Fraction) -> float:
    """The square root, to within two units in the last place; also where the square is beyond float64."""
    if squared > Fraction(_LARGEST_FLOAT) ** 2:
        return math.inf
    shift = (squared.numerator.bit_length() - squared.denominator.bit_length()) // 2
    return math.ldexp(math.sqrt(squared / Fraction(4) ** shift), shift)
