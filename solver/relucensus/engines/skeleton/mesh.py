"""The skeleton of the subdivided box as arrays, and the network as the compiled kernels read it.

Throughout: d coordinates u (`rounded`), rows of the network numbered in layer order, V vertices, E edges. A
hyperplane's number is ``2 j`` (lower) or ``2 j + 1`` (upper) for the box facets of coordinate j, and ``2 d + row`` for
the bent hyperplane of a row. Only simple skeletons are kept: d hyperplanes through a vertex, d - 1 through an edge.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from relucensus.rounded import RoundedNetwork

BOTH: Final = 3
POSITIVE: Final = 2
NEGATIVE: Final = 1
_WORD: Final = 64
_OF_VERTICES: Final = 8
_LARGE: Final = 2**26
UP: Final = 1 + 2.0**-22
FLOOR: Final = 2.0**-120

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]
Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]


class GivesUp(Exception):
    """The skeleton is not simple, or contradicts itself: another engine has to settle the cube."""


class OutOfRoom(Exception):
    """The arrays would grow past the memory they may take."""


class Mesh(NamedTuple):
    """Vertices (rows of the first eight arrays) and edges; the arrays may be longer than what is in use.

    `x` (V, d) is a vertex, off by `rho` at most in every coordinate; `z` (V, n) are the preactivations of the current
    layer times its scale, each off by `err` at most; `eps` is the largest `err`, rounded up. `on` (V, d) ascending: the
    hyperplanes through it. `bits`: bit 1 for the rows positive there, 0 for those through it. `side`: the sign of the
    row being cut. An edge goes up from `ends[:, 0]` to `ends[:, 1]`; `through` (E, d - 1) ascending: the hyperplanes
    it lies in; `code`: a hash of its sign vector.
    """

    x: Floats
    rho: Floats
    z: Floats
    err: NDArray[np.float32]
    eps: Floats
    on: Integers
    bits: Words
    side: NDArray[np.int8]
    ends: Integers
    through: Integers
    code: Words


class Net(NamedTuple):
    """The rounded network in flat arrays, with what bounds the rounding errors.

    `turned` are the weights, column by column; `offsets` (layers,) is where a layer's begin, `starts` (layers + 1,)
    where its rows do. `walls` (2 d,) are the box bounds in u. `scales` (layers,) are the powers of two by which
    a mesh has the preactivations multiplied.
    """

    turned: Floats
    offsets: NDArray[np.int64]
    bias: Floats
    slopes: Floats
    starts: NDArray[np.int64]
    walls: Floats
    scales: Floats


class Signs(NamedTuple):
    """What is known of the signs of hyperplanes, for all vertices alike.

    `allowed` (2 d + N,): the sides of a hyperplane on which the skeleton has cells. `keys` (2 d + N, 2): a random
    word a side. `base` (words,): the rows positive everywhere, and those that a prefix fixes to be positive.
    """

    allowed: Bytes
    keys: Words
    base: Words
    slope: Floats


class Row(NamedTuple):
    """The row being cut: its hyperplane, its column of `z`, its bit (a word and a mask), a key a side."""

    plane: int
    column: int
    word: int
    mask: np.uint64
    below: np.uint64
    above: np.uint64


def flat_network(rounded: RoundedNetwork) -> Net:
    """The network in flat arrays."""
    hidden = rounded.hidden
    sizes = [layer.weights.size for layer in hidden]
    rows = [len(layer.bias) for layer in hidden]
    return Net(
        np.concatenate([layer.weights.T.ravel() for layer in hidden]),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([layer.bias for layer in hidden]),
        np.concatenate([layer.slopes for layer in hidden]),
        np.concatenate([[0], np.cumsum(rows)]).astype(np.int64),
        np.stack([rounded.lower, rounded.upper], axis=1).ravel(),
        np.ones(len(hidden)),
    )


def fresh_signs(dimension: int, neurons: int) -> Signs:
    """The signs before any row is cut."""
    random = np.random.default_rng(20230708)
    planes = 2 * dimension + neurons
    allowed = np.full(planes, BOTH, dtype=np.uint8)
    allowed[: 2 * dimension] = POSITIVE
    return Signs(
        allowed,
        random.integers(1, 2**64, (planes, 2), dtype=np.uint64),
        np.zeros((neurons + _WORD - 1) // _WORD or 1, dtype=np.uint64),
        random.uniform(0.5, 1.0, dimension),
    )


def box_mesh(rounded: RoundedNetwork, signs: Signs) -> Mesh:
    """The 2**d vertices and d 2**(d - 1) edges of the box; `z` is still empty."""
    d = len(rounded.lower)
    corners = (np.arange(2**d)[:, None] >> np.arange(d)) & 1
    vertices = np.arange(2**d)
    tails = [vertices[corners[:, j] == 0] for j in range(d)]
    ends = np.concatenate([np.stack([tail, tail + 2**j], axis=1) for j, tail in enumerate(tails)])
    on = (2 * np.arange(d) + corners).astype(np.int32)
    through = np.concatenate([np.delete(on[tail], j, axis=1) for j, tail in enumerate(tails)])
    inside = signs.keys[: 2 * d, 1]
    missing = np.ones((len(ends), 2 * d), dtype=bool)
    np.put_along_axis(missing, through.astype(np.int64), values=False, axis=1)
    code = np.bitwise_xor.reduce(np.where(missing, inside, np.uint64(0)), axis=1)
    return Mesh(
        np.where(corners == 1, rounded.upper, rounded.lower),
        np.full(2**d, 2.0**-51),
        np.zeros((2**d, 0)),
        np.zeros((2**d, 0), dtype=np.float32),
        np.zeros(2**d),
        on,
        np.zeros((2**d, len(signs.base)), dtype=np.uint64),
        np.zeros(2**d, dtype=np.int8),
        ends.astype(np.int32),
        np.ascontiguousarray(through, dtype=np.int32).reshape(len(ends), d - 1),
        code,
    )


def gamma(terms: int) -> float:
    """A bound on the relative error of a sum of this many products of weights that are themselves rounded (Higham)."""
    return (terms + 10) * 1.25 * 2.0**-53


def symbols_of(words: Words, rows: int) -> Bytes:
    """The first symbols of a vertex' or cell's bits, one a byte; of many at once if there is another axis."""
    return np.unpackbits(words.astype(">u8").view(np.uint8), axis=-1)[..., :rows]


def make_room(arrays: list[NDArray[Any]], vertices: int, edges: int, most_bytes: int) -> None:
    """Let a mesh's arrays have room for this many vertices and edges; capacities grow by a factor.

    One array after the other is replaced, so that no two generations of all of them exist at once. Large arrays take
    real memory only where they are written, so that they may grow faster.

    Raises:
        OutOfRoom: that many vertices and edges take more memory than allowed.
    """
    needed = [vertices] * _OF_VERTICES + [edges] * (len(arrays) - _OF_VERTICES)
    if all(len(array) >= count for array, count in zip(arrays, needed, strict=True)):
        return
    sizes = [array.strides[0] for array in arrays]
    if sum(size * count for size, count in zip(sizes, needed, strict=True)) > most_bytes:
        raise OutOfRoom
    for i, (size, count) in enumerate(zip(sizes, needed, strict=True)):
        old = arrays[i]
        if count > len(old):
            length = max(count, (2 if size * len(old) < _LARGE else 4) * len(old))
            arrays[i] = np.empty((length, *old.shape[1:]), dtype=old.dtype)
            arrays[i][: len(old)] = old
