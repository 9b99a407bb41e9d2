"""How large a model may be before it is refused; checked on declared sizes, before anything is allocated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relucensus.errors import UnreadableModel, UnsupportedModel

_SHOWN_CHARACTERS: Final = 80
_MAX_AXES: Final = 16


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """The most that a reader accepts; every `check_` method raises `UnsupportedModel` beyond its limit.

    `bytes` bounds the file, `layers` the affine layers, `neurons` all hidden neurons together, `inputs` the flattened
    input, `weights` the entries of all weight matrices together, zeros not counted (and all of any single tensor),
    `nodes` the nodes of a graph.
    """

    bytes: int = 128 * 2**20
    layers: int = 500
    neurons: int = 100_000
    inputs: int = 100_000
    weights: int = 10_000_000
    nodes: int = 10_000

    def check_bytes(self, size: int) -> None:
        """Accept a file of this many bytes."""
        self._check(size, self.bytes, "the file has", "bytes")

    def check_layers(self, layers: int) -> None:
        """Accept this many affine layers."""
        self._check(layers, self.layers, "the network has at least", "layers")

    def check_neurons(self, neurons: int) -> None:
        """Accept this many hidden neurons in total."""
        self._check(neurons, self.neurons, "the network has at least", "hidden neurons")

    def check_inputs(self, inputs: int) -> None:
        """Accept this many input coordinates."""
        self._check(inputs, self.inputs, "the network has", "inputs")

    def check_weights(self, weights: int) -> None:
        """Accept this many weights in total."""
        self._check(weights, self.weights, "the network has at least", "weights")

    def check_tensor(self, name: str, shape: Sequence[int]) -> int:
        """Accept a tensor of this declared shape; returns its number of entries."""
        self.check_axes(len(shape), f"tensor {shown(name)} declares")
        if min(shape, default=1) < 0:
            raise UnreadableModel(f"tensor {shown(name)} declares the shape {list(shape)}; sizes are never negative")
        if math.prod(n for n in shape if n) > self.weights:  # no array of no entries is huge in other axes either
            raise UnsupportedModel(
                f"tensor {shown(name)} declares the shape {shape_text(shape)}; accepted are at most {self.weights} "
                "entries"
            )
        return math.prod(shape)

    def check_axes(self, axes: int, subject: str = "a value has") -> None:
        """Accept a tensor or value with this many axes."""
        self._check(axes, _MAX_AXES, subject, "axes")

    @staticmethod
    def _check(got: int, limit: int, subject: str, unit: str) -> None:
        if got > limit:
            raise UnsupportedModel(f"{subject} {got} {unit}; accepted are at most {limit}")


def shown(name: object) -> str:
    """A name out of a file as it may stand in a message: quoted, control characters escaped, not too long."""
    text = repr(str(name))
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def shape_text(shape: Sequence[int]) -> str:
    """A shape in words of the file formats.

    >>> shape_text((1, 5)), shape_text(())
    ('1x5', 'scalar')
    """
    return "x".join(str(n) for n in shape) if shape else "scalar"
