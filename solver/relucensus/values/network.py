"""A network with piecewise-linear activations as an immutable value.

Throughout: ``x -> z1 = W1 x + b1 -> a1 = act(z1) -> z2 = W2 a1 + b2 -> ... -> y``, no activation after the
last layer; act is ReLU unless a layer says otherwise. Weights are the exact rationals that
`Layer.exact` holds; the float64 arrays are those rationals rounded, for speed only.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relucensus.arithmetic import AffineMap
from relucensus.errors import InvalidNetwork
from relucensus.values.activation import RELU, Activation, name_of


@dataclass(frozen=True, eq=False)
class Layer:
    """One affine layer: weights (rows, columns), bias (rows,), read-only float64; `exact` is what they stand for.

    `activations` follow it in a hidden layer: one for all rows, or one a row. The output layer's are not looked at.

    Raises:
        InvalidNetwork: another number of activations.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    exact: AffineMap
    activations: tuple[Activation, ...] = (RELU,)

    def __post_init__(self) -> None:
        if len(self.activations) not in (1, self.rows):
            raise InvalidNetwork(
                f"a layer of {self.rows} rows has {len(self.activations)} activations; needed is one, or one a row"
            )
        for array in (self.weights, self.bias):
            array.setflags(write=False)

    @classmethod
    def from_arrays(
        cls,
        weights: ArrayLike,
        bias: ArrayLike,
        *,
        name: str = "layer",
        activations: tuple[Activation, ...] = (RELU,),
    ) -> Layer:
        """The layer whose exact weights are these floats; copies them.

        Raises:
            InvalidNetwork: shapes that do not fit each other, or an entry that is NaN or infinite.
        """
        w = np.array(weights, dtype=np.float64, copy=True, ndmin=2)
        b = np.array(bias, dtype=np.float64, copy=True, ndmin=1)
        if w.ndim != 2 or b.ndim != 1:
            raise InvalidNetwork(f"{name}: weights have shape {w.shape} and bias {b.shape}; needed are 2-D and 1-D")
        if w.shape[0] != b.shape[0]:
            raise InvalidNetwork(f"{name}: bias has {b.shape[0]} entries, weights have {w.shape[0]} rows")
        for label, array in (("weights", w), ("bias", b)):
            bad = np.argwhere(~np.isfinite(array))
            if len(bad):
                where = tuple(int(i) for i in bad[0])
                raise InvalidNetwork(
                    f"{name}: {label}{list(where)} is {array[where]}; every weight must be a finite number"
                )
        return cls(w, b, AffineMap.from_floats(w, b), activations)

    @classmethod
    def from_exact(
        cls, exact: AffineMap, *, name: str = "layer", activations: tuple[Activation, ...] = (RELU,)
    ) -> Layer:
        """The layer with these exact rational weights; the float arrays are their roundings.

        Raises:
            InvalidNetwork: an entry too large for float64.
        """
        try:
            weights, bias = exact.to_floats()
        except OverflowError:
            raise InvalidNetwork(f"{name}: a weight or bias exceeds the range of float64") from None
        return cls(weights, bias, exact.reduced(), activations)

    @property
    def row_activations(self) -> tuple[Activation, ...]:
        """The activation of every row."""
        return self.activations if len(self.activations) == self.rows else self.activations * self.rows

    @cached_property
    def bent(self) -> tuple[bool, ...]:
        """Per row: whether its activation has a breakpoint. A row without one is never divided."""
        return tuple(bool(activation.breakpoints) for activation in self.row_activations)

    @property
    def rows(self) -> int:
        """Number of neurons (or outputs)."""
        return int(self.weights.shape[0])

    @property
    def columns(self) -> int:
        """Number of inputs of the layer."""
        return int(self.weights.shape[1])

    @cached_property
    def floats_are_exact(self) -> bool:
        """Whether the float64 arrays are the exact weights, not only their roundings."""
        return AffineMap.from_floats(self.weights, self.bias).equals(self.exact)


@dataclass(frozen=True, eq=False)
class Network:
    """A fully connected network: hidden layers, each followed by its activations, then an affine output.

    `notes` is what a reader assumed or left off, in words for the user. Neither the digest nor `to_bytes` has it.

    Raises:
        InvalidNetwork: shapes that do not chain, a layer without neurons.
    """

    hidden: tuple[Layer, ...]
    output: Layer
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        width = self.inputs
        for number, layer in enumerate(self.layers, start=1):
            if layer.columns != width:
                raise InvalidNetwork(
                    f"layer {number}: weights have {layer.columns} columns, but the layer before gives {width} values"
                )
            if layer.rows < 1:
                raise InvalidNetwork(f"layer {number}: has no neurons")
            width = layer.rows

    @classmethod
    def from_arrays(cls, layers: Sequence[tuple[ArrayLike, ArrayLike]], activation: Activation = RELU) -> Network:
        """The network with these (weights, bias) pairs and one activation throughout; the last pair is the output.

        >>> Network.from_arrays([([[1.0], [-1.0]], [0, 0]), ([[1.0, 1.0]], [0])]).widths
        (2,)
        """
        if not layers:
            raise InvalidNetwork("a network needs at least one layer")
        built = [
            Layer.from_arrays(w, b, name=f"layer {n}", activations=(activation,))
            for n, (w, b) in enumerate(layers, start=1)
        ]
        return cls(tuple(built[:-1]), built[-1])

    def with_notes(self, notes: Iterable[str]) -> Network:
        """The same network with these notes."""
        return replace(self, notes=tuple(notes))

    @property
    def activation(self) -> str:
        """The name of the activation: one of `relucensus.values.activation.ACTIVATIONS`, or what it is instead."""
        return name_of([activation for layer in self.hidden for activation in layer.activations])

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Hidden layers, then the output."""
        return (*self.hidden, self.output)

    @property
    def inputs(self) -> int:
        """Number of input coordinates."""
        return self.layers[0].columns

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each hidden layer."""
        return tuple(layer.rows for layer in self.hidden)

    @property
    def neurons(self) -> int:
        """Number of hidden neurons."""
        return sum(self.widths)

    @property
    def bent_widths(self) -> tuple[int, ...]:
        """Neurons with a breakpoint of each hidden layer that has any."""
        return tuple(sum(layer.bent) for layer in self.hidden if any(layer.bent))

    @property
    def breakpoints(self) -> int:
        """Number of breakpoints of all hidden neurons: as many hyperplanes bound regions; one a ReLU."""
        return sum(len(activation.breakpoints) for layer in self.hidden for activation in layer.row_activations)

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self.output.rows

    @cached_property
    def digest(self) -> str:
        """``sha256:…`` of the exact weights: equal for the same layers, whatever file they came from."""
        only_relu = all(activation == RELU for layer in self.hidden for activation in layer.activations)
        digest = hashlib.sha256(f"relucensus network 1 {'relu' if only_relu else 'piecewise'}\n".encode())
        for layer in self.hidden:
            digest.update(layer.exact.canonical_text().encode() + b"\n")
            if not only_relu:
                digest.update("|".join(one.to_text() for one in layer.row_activations).encode() + b"\n")
        digest.update(self.output.exact.canonical_text().encode() + b"\n")
        return f"sha256:{digest.hexdigest()}"

    def forward(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Float64 evaluation, (n, inputs) -> (n, outputs): for comparison with other tools, never for counting."""
        values = np.atleast_2d(points)
        for layer in self.hidden:
            values = _applied(layer, values @ layer.weights.T + layer.bias)
        return np.asarray(values @ self.output.weights.T + self.output.bias)

    def to_bytes(self) -> bytes:
        """A self-contained encoding that keeps the weights exact; read back by `from_bytes`."""
        layers = [_encoded(layer) for layer in self.layers]
        return json.dumps({"format": 1, "layers": layers}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Network:
        """The network that `to_bytes` wrote."""
        document = json.loads(data)
        if document["format"] != 1:
            raise InvalidNetwork(f"network encoding has format {document['format']}; this version reads format 1")
        layers = [_decoded(entry) for entry in document["layers"]]
        return cls(tuple(layers[:-1]), layers[-1])


def _applied(layer: Layer, z: NDArray[np.float64]) -> NDArray[np.float64]:
    """The layer's activations of preactivations (n, rows), in float64."""
    out = np.empty_like(z)
    for row, activation in enumerate(layer.row_activations):
        points = [float(t) for t in activation.breakpoints] or [0.0]
        slopes = [float(s) for s in activation.slopes]
        column = z[:, row]
        out[:, row] = float(activation.value) + slopes[0] * (column - points[0])
        for point, before, after in zip(points, slopes, slopes[1:], strict=False):
            out[:, row] += (after - before) * np.maximum(column - point, 0.0)
    return out


def _encoded(layer: Layer) -> dict[str, Any]:
    shape: dict[str, Any] = {"shape": [layer.rows, layer.columns]}
    if layer.activations != (RELU,):
        shape["activations"] = [activation.to_text() for activation in layer.activations]
    if layer.floats_are_exact:
        return shape | {
            "weights": base64.b64encode(layer.weights.astype("<f8").tobytes()).decode(),
            "bias": base64.b64encode(layer.bias.astype("<f8").tobytes()).decode(),
        }
    return shape | {"exact": layer.exact.canonical_text()}


def _decoded(entry: dict[str, Any]) -> Layer:
    rows, columns = entry["shape"]
    activations = tuple(Activation.from_text(text) for text in entry.get("activations", [])) or (RELU,)
    if "exact" in entry:
        return Layer.from_exact(AffineMap.from_canonical_text(entry["exact"]), activations=activations)
    weights = np.frombuffer(base64.b64decode(entry["weights"]), dtype="<f8").reshape(rows, columns)
    bias = np.frombuffer(base64.b64decode(entry["bias"]), dtype="<f8")
    return Layer.from_arrays(weights, bias, activations=activations)
