"""The counts of a network on a segment, from the breakpoints of its neurons along it.

An oracle of its own: it takes weights and activations from the product, and no other code. Throughout: t is the
position on the segment ``x = origin + t * direction``; a pair (m, c) stands for ``m t + c``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from relucensus import Network
from relucensus.values.activation import Activation

Line = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Piece:
    start: Fraction
    end: Fraction
    values: tuple[Line, ...]
    symbols: tuple[int, ...] = ()


def counts_on_a_segment(
    network: Network, origin: Sequence[float], direction: Sequence[float], lower: float, upper: float
) -> dict[str, int]:
    """Every definition's count; on a line, closed linear regions are the linear regions."""
    start = tuple((Fraction(m), Fraction(c)) for m, c in zip(direction, origin, strict=True))
    pieces = [Piece(Fraction(lower), Fraction(upper), start)]
    for layer in network.hidden:
        rows = list(zip(layer.weights.tolist(), layer.bias.tolist(), layer.row_activations, strict=True))
        pieces = [part for piece in pieces for part in _divided(piece, rows)]
    output = list(zip(network.output.weights.tolist(), network.output.bias.tolist(), strict=True))
    maps = [tuple(_sum(row, bias, piece.values) for row, bias in output) for piece in pieces]
    symbols = [piece.symbols for piece in pieces]
    ends = [_symbols_at(network, start, t) for piece in pieces for t in (piece.start, piece.end)]
    linear = 1 + sum(one != other for one, other in pairwise(maps))
    return {
        "activation_regions": 1 + sum(one != other for one, other in pairwise(symbols)),
        "linear_regions": linear,
        "affine_pieces": len(set(maps)),
        "activation_patterns": len({*symbols, *ends}),
        "closed_linear_regions": linear,
    }


def _divided(piece: Piece, rows: list[tuple[list[float], float, Activation]]) -> list[Piece]:
    """The piece cut where a neuron of the next layer is at a breakpoint, with that layer's activations."""
    sums = [_sum(row, bias, piece.values) for row, bias, _ in rows]
    activations = [activation for _, _, activation in rows]
    crossings = {
        (breakpoint_ - c) / m
        for (m, c), activation in zip(sums, activations, strict=True)
        for breakpoint_ in activation.breakpoints
        if m != 0
    }
    cuts = [piece.start, *sorted(t for t in crossings if piece.start < t < piece.end), piece.end]
    parts = []
    for start, end in pairwise(cuts):
        middle = (start + end) / 2
        symbols = [_symbol(one, m * middle + c) for one, (m, c) in zip(activations, sums, strict=True)]
        values = [_activated(one, k, z) for one, k, z in zip(activations, symbols, sums, strict=True)]
        parts.append(Piece(start, end, tuple(values), (*piece.symbols, *symbols)))
    return parts


def _sum(row: list[float], bias: float, values: Sequence[Line]) -> Line:
    terms = [(Fraction(w), line) for w, line in zip(row, values, strict=True)]
    return sum((w * m for w, (m, _) in terms), Fraction(0)), sum((w * c for w, (_, c) in terms), Fraction(bias))


def _symbol(activation: Activation, z: Fraction) -> int:
    return sum(breakpoint_ < z for breakpoint_ in activation.breakpoints)


def _activated(activation: Activation, symbol: int, z: Line) -> Line:
    """The activation of a preactivation that is on piece number `symbol`: through the ends of the pieces before."""
    at = activation.breakpoints[0] if activation.breakpoints else Fraction(0)
    height = activation.value
    for k in range(1, symbol):
        height += activation.slopes[k] * (activation.breakpoints[k] - at)
        at = activation.breakpoints[k]
    slope = activation.slopes[symbol]
    return slope * z[0], slope * (z[1] - at) + height


def _symbols_at(network: Network, start: Sequence[Line], t: Fraction) -> tuple[int, ...]:
    values = [(Fraction(0), m * t + c) for m, c in start]
    found: list[int] = []
    for layer in network.hidden:
        sums = [_sum(row, b, values) for row, b in zip(layer.weights.tolist(), layer.bias.tolist(), strict=True)]
        symbols = [_symbol(one, z[1]) for one, z in zip(layer.row_activations, sums, strict=True)]
        values = [_activated(one, k, z) for one, k, z in zip(layer.row_activations, symbols, sums, strict=True)]
        found += symbols
    return tuple(found)
