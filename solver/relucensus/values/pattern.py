"""Activation patterns and cubes: one symbol a neuron, in layer order, 1 = active (z > 0), 0 = inactive.

A neuron whose preactivation is identically zero on a region is written 0 there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

INACTIVE = 0
ACTIVE = 1


@dataclass(frozen=True, slots=True)
class Cube:
    """The symbols of the first `depth` neurons in layer order: a convex polytope of the domain.

    A cube as long as the network has neurons is an activation pattern.
    """

    symbols: bytes = b""

    @property
    def depth(self) -> int:
        """Number of neurons decided."""
        return len(self.symbols)

    def extended(self, symbol: int) -> Cube:
        """The child in which the next neuron has this symbol."""
        return Cube(self.symbols + bytes((symbol,)))

    def contains(self, pattern: bytes) -> bool:
        """Whether the pattern starts with this prefix."""
        return pattern.startswith(self.symbols)

    def to_text(self) -> str:
        """The symbols as digits, ``"0110"``; the form the database keeps."""
        return self.symbols.translate(_DIGITS).decode()

    @classmethod
    def from_text(cls, text: str) -> Cube:
        """The cube that `to_text` wrote."""
        if text.strip("01"):
            raise ValueError(f"a cube is written with the digits 0 and 1, got {text!r}")
        return cls(bytes(int(c) for c in text))


_DIGITS = bytes(range(48, 48 + 10)) + bytes(246)


def flipped(pattern: bytes, neuron: int) -> bytes:
    """The pattern with the other symbol at this neuron.

    >>> list(flipped(bytes([0, 1]), 0))
    [1, 1]
    """
    return pattern[:neuron] + bytes((1 - pattern[neuron],)) + pattern[neuron + 1 :]


def packed(pattern: bytes) -> bytes:
    """Eight symbols a byte, for storage; read back by `unpacked`."""
    return np.packbits(np.frombuffer(pattern, dtype=np.uint8)).tobytes()


def unpacked(data: bytes, neurons: int) -> bytes:
    """The pattern of this many neurons that `packed` wrote."""
    return np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=neurons).tobytes()
