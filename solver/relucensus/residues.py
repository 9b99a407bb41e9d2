"""Digests of affine maps: the map of a region at two random points, in two finite fields, compiled.

An affine map with rational entries, taken modulo a prime, has one value at a point of the field. Mixed with drawn
weights of the outputs it is a polynomial of degree 2; two different ones agree at random points with probability 2/p
at most (Schwartz-Zippel). Two maps that differ by multiples of a prime agree everywhere in its field, so the primes,
too, are drawn: a difference of n binary digits is a multiple of n/60 of the 2^54 primes between 2^60 and 2^61 at most.
With two primes, the digests of two different maps are equal with a probability below 2^-100 for differences of up to
600 digits, and below 2^-80 up to a million. Primes, points and weights are drawn from BLAKE2 and the network's digest,
so that all processes agree on them. Everything is exact integer arithmetic (Montgomery 1985); nothing is rounded.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import Any, Final

import numpy as np
from flint import fmpz
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from relucensus.compiled import Bytes, Directory, Words, directory, entry, ints, kernel, symbols, words
from relucensus.values.exact_rows import ExactRows
from relucensus.values.network import Network

_FIELDS: Final = 2
_LOWEST: Final = 1 << 60
_WORD: Final = 1 << 64
_SPARSE: Final = 2


_STARTS, _OFFSETS, _WEIGHTS, _BIAS, _SLOPES, _OUTPUT, _CONSTANT, _VALUES, _USED, _FRESH, _PRIMES = range(11)


@dataclass(frozen=True, eq=False)
class Residues:
    """A network modulo both primes, and the values of every row under the symbols used last; not for two threads.

    By number: layer l has rows ``starts[l] .. starts[l + 1]``; its weights (2, ..), one column of the layer below
    after the other, begin at ``offsets[l]``; bias (2, N), slopes (2 N, 2), the mixed output's weights (2, n_L) and
    constant (2,), values (2, N); the symbols used (N,), and whether there were any. Every number x stands as
    ``2^64 x`` modulo the prime. The primes p (2, 2) come with ``-1 / p`` modulo 2^64.
    """

    arrays: dict[int, NDArray[Any]]
    directory: Directory

    def digest(self, pattern: bytes) -> bytes:
        """16 bytes that are equal for two patterns' regions when their affine maps are, and else (almost) never."""
        return self.digests(np.frombuffer(pattern, dtype=np.uint8).reshape(1, -1))[0]

    def digests(self, patterns: NDArray[np.uint8]) -> list[bytes]:
        """The digests of patterns (n, N); quickest where neighbours in the list share a prefix."""
        out = np.zeros((len(patterns), 2), dtype=np.uint64)
        write_digests(self.directory, np.ascontiguousarray(patterns), out)
        return out.view("V16").ravel().tolist()

    def copy(self) -> Residues:
        """The same with values of its own, for another thread."""
        arrays = self.arrays | {number: self.arrays[number].copy() for number in (_VALUES, _USED, _FRESH)}
        return Residues(arrays, directory(arrays))


def residues_of(network: Network) -> Residues:
    """The residues of a network of hinges (`Problem.free`)."""
    hidden, output = network.hidden, network.output
    starts = np.cumsum([0, *(layer.rows for layer in hidden)]).astype(np.int64)
    sizes = [layer.rows * layer.columns for layer in hidden]
    offsets = np.cumsum([0, *sizes]).astype(np.int64)
    rows = int(starts[-1])
    arrays: dict[int, NDArray[Any]] = {
        _STARTS: starts,
        _OFFSETS: offsets,
        _WEIGHTS: np.zeros((2, int(offsets[-1])), dtype=np.uint64),
        _BIAS: np.zeros((2, rows), dtype=np.uint64),
        _SLOPES: np.zeros((2 * rows, 2), dtype=np.uint64),
        _OUTPUT: np.zeros((2, output.columns if hidden else 0), dtype=np.uint64),
        _CONSTANT: np.zeros((2, 1), dtype=np.uint64),
        _VALUES: np.zeros((2, rows), dtype=np.uint64),
        _USED: np.zeros(rows, dtype=np.uint8),
        _FRESH: np.zeros(1, dtype=np.uint8),
        _PRIMES: np.zeros((2, 2), dtype=np.uint64),
    }
    for field in range(_FIELDS):
        _fill(arrays, network, field, _prime(network, field))
    return Residues(arrays, directory(arrays))


def _fill(arrays: dict[int, NDArray[Any]], network: Network, field: int, prime: int) -> None:
    arrays[_PRIMES][field] = _words((prime, -pow(prime, -1, _WORD) % _WORD))
    point = [_drawn(network, f"point {field} {j}") % prime for j in range(network.inputs)]
    for number, layer in enumerate(network.hidden):
        start, end = int(arrays[_STARTS][number]), int(arrays[_STARTS][number + 1])
        rows = layer.sparse
        weights, bias = _modulo(rows, prime)
        places = int(arrays[_OFFSETS][number]) + rows.indices * layer.rows + rows.row_of_entry
        arrays[_WEIGHTS][field, places] = _raised(weights, prime)
        arrays[_BIAS][field, start:end] = _raised(bias, prime)
        for row, activation in enumerate(layer.row_activations):
            pair = (activation.slopes[0], activation.slopes[-1])
            slopes = _raised((_residue(slope, prime) for slope in pair), prime)
            arrays[_SLOPES][field * len(arrays[_USED]) + start + row] = slopes
        if number == 0:
            arrays[_VALUES][field, :end] = _raised(_images(rows, weights, bias, point, prime), prime)
    rows = network.output.sparse
    weights, bias = _modulo(rows, prime)
    shares = [_drawn(network, f"output {field} {k}") % prime for k in range(network.outputs)]
    combined = [0] * network.output.columns
    for row, column, weight in zip(rows.row_of_entry.tolist(), rows.indices.tolist(), weights, strict=True):
        combined[column] = (combined[column] + shares[row] * weight) % prime
    constant = sum(s * c for s, c in zip(shares, bias, strict=True)) % prime
    if not network.hidden:
        constant = (sum(a * b for a, b in zip(combined, point, strict=True)) + constant) % prime
        combined = []
    arrays[_OUTPUT][field, : len(combined)] = _raised(combined, prime)
    arrays[_CONSTANT][field] = _raised([constant], prime)


def _prime(network: Network, field: int) -> int:
    """A prime of 61 bits that divides no denominator of the network."""
    denominators = math.lcm(*(layer.sparse.over_one_denominator()[1] for layer in network.layers))
    drawn = (_drawn(network, f"prime {field} {attempt}") % _LOWEST | _LOWEST | 1 for attempt in count())
    return next(number for number in drawn if fmpz(number).is_prime() and denominators % number)


def _drawn(network: Network, label: str) -> int:
    text = f"relucensus residues 2 {network.digest} {label}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=32).digest(), "little")


def _modulo(rows: ExactRows, prime: int) -> tuple[list[int], list[int]]:
    """The coefficients that are stored, and the constants."""
    numerators, denominator = rows.over_one_denominator()
    inverse = pow(denominator, -1, prime)
    numbers = [n * inverse % prime for n in numerators]
    return numbers[: rows.size], numbers[rows.size :]


def _residue(number: Fraction, prime: int) -> int:
    return number.numerator * pow(number.denominator, -1, prime) % prime


def _images(
    rows: ExactRows, weights: Sequence[int], bias: Sequence[int], point: Sequence[int], prime: int
) -> list[int]:
    """The values of the rows at a point."""
    found = list(bias)
    for row, column, weight in zip(rows.row_of_entry.tolist(), rows.indices.tolist(), weights, strict=True):
        found[row] = (found[row] + weight * point[column]) % prime
    return found


def _raised(numbers: Iterable[int], prime: int) -> Words:
    return _words(number * _WORD % prime for number in numbers)


def _words(numbers: Iterable[int]) -> Words:
    return np.array(list(numbers), dtype=np.uint64)


@intrinsic  # type: ignore[untyped-decorator]
def _wide_product(typingctx: Any, a: Any, b: Any) -> Any:
    """The 128-bit product of two words, as (high, low)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        word = ir.IntType(64)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), word)
        return cgutils.pack_array(builder, [high, builder.trunc(product, word)])

    return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), generate


@kernel
def _product(r: Directory, a: Any, b: Any, field: int) -> Any:
    """The product modulo the prime of the field, divided by 2^64 (Montgomery's reduction)."""
    primes = words(r, _PRIMES)
    prime = primes[field, 0]
    high, low = _wide_product(a, b)
    folded, _ = _wide_product(low * primes[field, 1], prime)
    total = high + folded + np.uint64(low != 0)
    return total - prime if total >= prime else total


@kernel
def _sum(r: Directory, a: Any, b: Any, field: int) -> Any:
    prime = words(r, _PRIMES)[field, 0]
    total = a + b
    return total - prime if total >= prime else total


@kernel
def _negative(r: Directory, a: Any, field: int) -> Any:
    return words(r, _PRIMES)[field, 0] - a if a else a


@kernel
def _add(r: Directory, layer: int, j: int, factor: Any, field: int) -> None:
    """Add factor times row j below, weighted, to every row of the layer."""
    starts, values, weights = ints(r, _STARTS), words(r, _VALUES), words(r, _WEIGHTS)
    start, end = starts[layer], starts[layer + 1]
    at = ints(r, _OFFSETS)[layer] + (j - starts[layer - 1]) * (end - start) - start
    for i in range(start, end):
        values[field, i] = _sum(r, values[field, i], _product(r, factor, weights[field, at + i], field), field)


@kernel
def _step(r: Directory, j: int, symbol: int, afresh: bool, field: int) -> Any:
    """The slope of row j, or with a value made before the change of its slope."""
    used, slopes = symbols(r, _USED), words(r, _SLOPES)
    row = field * used.shape[0] + j
    if afresh:
        return slopes[row, symbol]
    if symbol == used[j]:
        return np.uint64(0)
    return _sum(r, slopes[row, symbol], _negative(r, slopes[row, used[j]], field), field)


@kernel
def _follow(r: Directory, pattern: Bytes, field: int) -> None:
    """Bring the values of all rows to these symbols."""
    starts, values, bias, used = ints(r, _STARTS), words(r, _VALUES), words(r, _BIAS), symbols(r, _USED)
    stale = not symbols(r, _FRESH)[0]
    for layer in range(1, starts.shape[0] - 1):
        below, start, end = starts[layer - 1], starts[layer], starts[layer + 1]
        changed = 0
        for j in range(below, start):
            changed += pattern[j] != used[j]
        if not stale and not changed:
            continue
        afresh = stale or _SPARSE * changed > start - below
        if afresh:
            for i in range(start, end):
                values[field, i] = bias[field, i]
        for j in range(below, start):
            factor = _product(r, _step(r, j, pattern[j], afresh, field), values[field, j], field)
            if factor:
                _add(r, layer, j, factor, field)
        stale = True


@kernel
def digest(r: Directory, pattern: Bytes, out: Any) -> None:
    """Write the digest (2,) of the affine map on the region with these symbols of all rows."""
    starts, values, slopes, output = ints(r, _STARTS), words(r, _VALUES), words(r, _SLOPES), words(r, _OUTPUT)
    used, rows = symbols(r, _USED), pattern.shape[0]
    last = starts[-2] if starts.shape[0] > 1 else 0
    for field in range(2):
        _follow(r, pattern, field)
        total = words(r, _CONSTANT)[field, 0]
        for j in range(last, rows):
            value = _product(r, slopes[field * rows + j, pattern[j]], values[field, j], field)
            total = _sum(r, total, _product(r, value, output[field, j - last], field), field)
        out[field] = total
    for j in range(rows):
        used[j] = pattern[j]
    symbols(r, _FRESH)[0] = 1


@entry
def write_digests(r: Directory, patterns: Bytes, out: Words) -> None:
    """Write the digests (n, 2) of patterns (n, N); quickest where neighbours in the list share a prefix."""
    for k in range(patterns.shape[0]):
        digest(r, patterns[k], out[k])
