"""A network with piecewise-linear activations as an immutable value.

Throughout: ``x -> z1 = W1 x + b1 -> a1 = act(z1) -> z2 = W2 a1 + b2 -> ... -> y``, no activation after the
last layer; act is ReLU unless a layer says otherwise. Weights are exact rationals; the float64 arrays are those
rationals rounded, for speed only.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relucensus.arithmetic import AffineMap
from relucensus.errors import InvalidNetwork
from relucensus.values import exact_numbers
from relucensus.values.activation import RELU, Activation, name_of
from relucensus.values.exact_rows import ExactRows

_SPARSE: Final = 4  # a layer with fewer entries than a share of one in so many is kept without its zeros


@dataclass(frozen=True, eq=False)
class Layer:
    """One affine layer, exact; `source` is its map, stored without zeros or as a whole.

    `activations` follow it in a hidden layer: one for all rows, or one a row. The output layer's are not looked at.
    The other forms of the map are made when they are first asked for.

    Raises:
        InvalidNetwork: another number of activations.
    """

    source: ExactRows | AffineMap
    activations: tuple[Activation, ...] = (RELU,)

    def __post_init__(self) -> None:
        if len(self.activations) not in (1, self.rows):
            raise InvalidNetwork(
                f"a layer of {self.rows} rows has {len(self.activations)} activations; needed is one, or one a row"
            )

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
        return cls(ExactRows.from_dense(w, b), activations)

    @classmethod
    def from_exact(
        cls, exact: ExactRows | AffineMap, *, name: str = "layer", activations: tuple[Activation, ...] = (RELU,)
    ) -> Layer:
        """The layer with these exact rational weights; the float arrays are their roundings.

        Raises:
            InvalidNetwork: an entry too large for float64.
        """
        made = cls(exact if isinstance(exact, ExactRows) else exact.reduced(), activations)
        try:
            if isinstance(exact, ExactRows):
                exact_numbers.rounded(exact.coefficients)
                exact_numbers.rounded(exact.constants)
            else:
                made.rounded  # noqa: B018 - made once, here, where an entry that is too large can be told
        except OverflowError:
            raise InvalidNetwork(f"{name}: a weight or bias exceeds the range of float64") from None
        return made

    @cached_property
    def rounded(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights (rows, columns) and bias (rows,), each entry rounded to float64; read-only."""
        source = self.source
        weights, bias = source.to_dense() if isinstance(source, ExactRows) else source.to_floats()
        for array in (weights, bias):
            array.setflags(write=False)
        return weights, bias

    @property
    def weights(self) -> NDArray[np.float64]:
        """(rows, columns), each entry rounded to float64; read-only."""
        return self.rounded[0]

    @property
    def bias(self) -> NDArray[np.float64]:
        """(rows,), each entry rounded to float64; read-only."""
        return self.rounded[1]

    @cached_property
    def exact(self) -> AffineMap:
        """The exact map as a whole matrix."""
        return self.source.to_affine_map() if isinstance(self.source, ExactRows) else self.source

    @cached_property
    def sparse(self) -> ExactRows:
        """The exact map without its zeros."""
        return self.source if isinstance(self.source, ExactRows) else ExactRows.from_affine_map(self.source)

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
        return self.source.rows

    @property
    def columns(self) -> int:
        """Number of inputs of the layer."""
        return self.source.columns

    @cached_property
    def floats_are_exact(self) -> bool:
        """Whether the float64 arrays are the exact weights, not only their roundings."""
        if isinstance(self.source, ExactRows):
            parts = (self.source.coefficients, self.source.constants)
            return all(exact_numbers.are_floats(exact_numbers.settled(part)) for part in parts)
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
            _update(digest, layer)
            if not only_relu:
                digest.update("|".join(one.to_text() for one in layer.row_activations).encode() + b"\n")
        _update(digest, self.output)
        return f"sha256:{digest.hexdigest()}"

    def forward(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Float64 evaluation, (n, inputs) -> (n, outputs): for comparison with other tools, never for counting."""
        values = np.atleast_2d(points)
        for layer in self.hidden:
            values = _applied(layer, _preactivations(layer, values))
        return _preactivations(self.output, values)

    def to_bytes(self) -> bytes:
        """A self-contained encoding that keeps the weights exact; read back by `from_bytes`."""
        layers = [_encoded(layer) for layer in self.layers]
        sparse = any("indices" in layer for layer in layers)
        return json.dumps({"format": 2 if sparse else 1, "layers": layers}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Network:
        """The network that `to_bytes` wrote."""
        document = json.loads(data)
        if document["format"] not in (1, 2):
            raise InvalidNetwork(f"network encoding has format {document['format']}; this version reads 1 and 2")
        layers = [_decoded(entry) for entry in document["layers"]]
        return cls(tuple(layers[:-1]), layers[-1])


def _preactivations(layer: Layer, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The layer's affine map of values (n, columns), in float64."""
    if not isinstance(layer.source, ExactRows) or layer.source.size * _SPARSE > layer.rows * layer.columns:
        return np.asarray(values @ layer.weights.T + layer.bias)
    rows = layer.source
    coefficients, constants = exact_numbers.rounded(rows.coefficients), exact_numbers.rounded(rows.constants)
    sums = [np.bincount(rows.row_of_entry, coefficients * x[rows.indices], rows.rows) for x in values]
    return np.array(sums) + constants


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


def _update(digest: Any, layer: Layer) -> None:
    """Add the canonical text of the layer's map, a line."""
    source = layer.source
    pieces = source.canonical_text() if isinstance(source, ExactRows) else [source.canonical_text().encode()]
    for piece in pieces:
        digest.update(piece)
    digest.update(b"\n")


def _encoded(layer: Layer) -> dict[str, Any]:
    shape: dict[str, Any] = {"shape": [layer.rows, layer.columns]}
    if layer.activations != (RELU,):
        shape["activations"] = [activation.to_text() for activation in layer.activations]
    sparse = layer.source if isinstance(layer.source, ExactRows) else None
    if sparse is not None and sparse.size * _SPARSE <= layer.rows * layer.columns:
        return shape | _encoded_rows(sparse)
    if layer.floats_are_exact:
        return shape | {"weights": _base64(layer.weights, "<f8"), "bias": _base64(layer.bias, "<f8")}
    return shape | {"exact": layer.exact.canonical_text()}


def _encoded_rows(rows: ExactRows) -> dict[str, Any]:
    entries: dict[str, Any] = {"starts": _base64(rows.starts, "<i8"), "indices": _base64(rows.indices, "<i4")}
    for name, numbers in (("coefficients", rows.coefficients), ("constants", rows.constants)):
        settled = exact_numbers.settled(numbers)
        floats = exact_numbers.are_floats(settled)
        entries[name] = _base64(settled, "<f8") if floats else [str(x) for x in settled.tolist()]
    return entries


def _decoded_rows(entry: dict[str, Any]) -> ExactRows:
    rows, columns = entry["shape"]
    starts, indices = _array(entry["starts"], "<i8"), _array(entry["indices"], "<i4").astype(np.int64)
    coefficients, constants = (_numbers(entry[name]) for name in ("coefficients", "constants"))
    where = np.repeat(np.arange(rows), np.diff(starts))
    return ExactRows.from_entries((rows, columns), where, indices, coefficients, constants)


def _numbers(field: str | list[str]) -> exact_numbers.Numbers:
    return _array(field, "<f8") if isinstance(field, str) else exact_numbers.of_fractions([Fraction(x) for x in field])


def _base64(array: NDArray[Any], kind: str) -> str:
    return base64.b64encode(array.astype(kind).tobytes()).decode()


def _array(text: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def _decoded(entry: dict[str, Any]) -> Layer:
    rows, columns = entry["shape"]
    activations = tuple(Activation.from_text(text) for text in entry.get("activations", [])) or (RELU,)
    if "exact" in entry:
        return Layer.from_exact(AffineMap.from_canonical_text(entry["exact"]), activations=activations)
    if "indices" in entry:
        return Layer.from_exact(_decoded_rows(entry), activations=activations)
    weights, bias = _array(entry["weights"], "<f8").reshape(rows, columns), _array(entry["bias"], "<f8")
    return Layer.from_arrays(weights, bias, activations=activations)
