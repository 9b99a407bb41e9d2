"""Proven bounds on preactivations over a cube: which neurons are stable there, and valid big-M for the others.

Every layer is rescaled by powers of two so that nothing overflows (`scaling`).

Throughout: u is the input in box coordinates (``x = middle + half_widths * u``, -1 <= u <= 1) and r_j the positive part
of the preactivation of an unstable neuron j divided by its scale, a power of two at or above max(|l_j|, |u_j|) and far
above rounding errors, so that 0 <= r_j <= 1. Every activation is an affine function of these columns: one slope times
the preactivation where the neuron is stable, ``s_0 z + (s_1 - s_0) max(z, 0)`` where it is not. The polytope has the
cube's half-spaces and, for each unstable neuron, the triangle ``r >= z, r <= u (z - l) / (u - l)``.

A bound comes from the box of the columns (interval arithmetic) or from the multipliers of a linear program, either
way evaluated with a proven bound on the rounding error (Neumaier & Shcherbina 2004), so that no solver is trusted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, inf, log2
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.affine import Forms, Preactivations
from relucensus.arithmetic import RationalPoint
from relucensus.feasibility import Inhabited, System
from relucensus.lp import BoundingProgram, LpSolver, Unstable, rounding
from relucensus.scaling import BalancedLayer
from relucensus.values.pattern import ACTIVE, INACTIVE

_TIE: Final = 1e-7
_MARGIN: Final = 1e-12
_UNDERFLOW: Final = 2.0**-900
_ROOM: Final = 2.0**34


@dataclass(frozen=True, eq=False)
class Envelope:
    """What is known of the undecided neurons on a cube.

    `walls` are the cube's half-spaces ``weights u + constants >= 0`` as unit rows; `stable` gives the symbol of
    every undecided neuron proven to keep one; `unstable` the others, in layer order.
    """

    walls: tuple[NDArray[np.float64], NDArray[np.float64]]
    stable: dict[int, int]
    unstable: tuple[Unstable, ...]

    @property
    def free(self) -> list[int]:
        """The neurons that may take both symbols on the cube."""
        return [neuron.neuron for neuron in self.unstable]


def envelope(
    preactivations: Preactivations,
    symbols: bytes,
    solver: LpSolver,
    *,
    closed: bool = False,
    seen: RationalPoint | None = None,
    seconds: float | None = None,
) -> Envelope:
    """Bound every undecided neuron on the non-empty cube with these symbols. Cost: up to two LPs a neuron.

    With `closed`, a neuron is stable only if it is so on the closed cube, its boundary included. At the point `seen`
    of the cube one sign of each neuron occurs; the bound on that side is left as wide as intervals make it. After
    `seconds`, intervals alone bound the neurons still to come, and ties among them are left unstable.
    """
    built = _Envelope(preactivations, symbols, solver, closed)
    if seconds is not None:
        built.deadline = time.monotonic() + seconds
    if seen is not None:
        built.signs_seen = preactivations.pattern_at(seen)[0]
    return built.build()


@dataclass(frozen=True, slots=True, eq=False)
class _AffineLayer:
    """Forms over the columns: weights (rows, columns), constants (rows,), and how far each may be from the truth.

    `errors` bounds ``|float form - exact form|`` anywhere in the box of the columns.
    """

    weights: NDArray[np.float64]
    constants: NDArray[np.float64]
    errors: NDArray[np.float64]

    def through(self, layer: BalancedLayer) -> _AffineLayer:
        """The next preactivations, when these are the activations."""
        magnitude = np.abs(layer.weights)
        gross = magnitude @ (np.abs(self.weights).sum(axis=1) + np.abs(self.constants)) + np.abs(layer.bias)
        return _AffineLayer(
            layer.weights @ self.weights,
            layer.weights @ self.constants + layer.bias,
            magnitude @ self.errors * (1 + _MARGIN) + rounding(magnitude.shape[1] + 4) * gross + _UNDERFLOW,
        )


@dataclass(eq=False)
class _Envelope:
    preactivations: Preactivations
    symbols: bytes
    solver: LpSolver
    closed: bool
    signs_seen: bytes | None = None
    deadline: float = inf
    unstable: dict[int, Unstable] = field(default_factory=dict)
    stable: dict[int, int] = field(default_factory=dict)

    def build(self) -> Envelope:
        pre = self.preactivations
        system = pre.system(self.symbols)
        if system is None:
            raise ValueError("the cube is empty: a symbol contradicts a constant preactivation")
        dimension = pre.box.dimension
        walls = system.floats if system.parts else (np.zeros((0, dimension)), np.zeros(0))
        self._program = BoundingProgram(*walls, self.solver.counter)
        activation: _AffineLayer | None = None
        for layer, (start, end) in enumerate(pairwise(pre.starts)):
            if end <= len(self.symbols):
                continue
            if activation is None:
                forms = pre.forms(layer, self.symbols)
                bounded = self._affine_layer(forms, start, pre.balanced[layer].exponents)
            else:
                bent = pre.network.hidden[layer].bent
                bounded = self._relaxed_layer(activation.through(pre.balanced[layer]), start, bent)
            activation = self._activations(bounded, start, pre.balanced[layer].slopes)
        return Envelope(walls, self.stable, tuple(self.unstable.values()))

    def _affine_layer(self, forms: Forms, start: int, exponents: Sequence[int]) -> _AffineLayer:
        """The first layer with undecided neurons: affine on the cube, so that ties can be decided exactly."""
        weights, constants = forms.rows.values(exponents)
        gross = np.abs(weights).sum(axis=1) + np.abs(constants)
        layer = _AffineLayer(weights, constants, rounding(4) * gross + _UNDERFLOW)
        for row in range(max(0, len(self.symbols) - start), len(constants)):
            constant = forms.constant_sign[row]
            if constant is not None:
                self.stable[start + row] = ACTIVE if constant > 0 else INACTIVE
                continue
            lower, upper = self._bounds(layer, row, start + row)
            tie = _TIE * gross[row] + 2 * layer.errors[row]
            decidable = not self.closed and not self._late()
            if upper <= 0 or (decidable and upper <= tie and not self._reaches(forms, row, 1)):
                self.stable[start + row] = INACTIVE
            elif lower > 0 or (decidable and lower >= -tie and not self._reaches(forms, row, -1)):
                self.stable[start + row] = ACTIVE
            else:
                self._add(start + row, layer, row, (lower, upper))
        return layer

    def _relaxed_layer(self, layer: _AffineLayer, start: int, bent: Sequence[bool]) -> _AffineLayer:
        """A later layer: affine in the inputs and in the relaxed positive parts of the unstable neurons before it."""
        for row in range(len(layer.constants)):
            if not bent[row]:
                self.stable[start + row] = INACTIVE
                continue
            lower, upper = self._bounds(layer, row, start + row)
            if upper <= 0:
                self.stable[start + row] = INACTIVE
            elif lower > 0:
                self.stable[start + row] = ACTIVE
            else:
                self._add(start + row, layer, row, (lower, upper))
        return layer

    def _bounds(self, layer: _AffineLayer, row: int, neuron: int) -> tuple[float, float]:
        """Proven (lower, upper) of one preactivation."""
        weights, constant, error = layer.weights[row], float(layer.constants[row]), float(layer.errors[row])
        program = self._program
        upper = program.box_maximum(weights, constant) + error
        lower = -program.box_maximum(-weights, -constant) - error
        if upper <= 0 or lower > 0 or self._late():
            return lower, upper
        seen = None if self.signs_seen is None else self.signs_seen[neuron]
        if seen != ACTIVE:
            upper = min(upper, program.maximum(weights, constant) + error)
        if seen != INACTIVE:
            lower = max(lower, -program.maximum(-weights, -constant) - error)
        return lower, upper

    def _reaches(self, forms: Forms, row: int, sign: int) -> bool:
        """Whether the neuron has this sign somewhere in the cube; exact."""
        system = self.preactivations.system(self.symbols)
        if system is None:
            return False
        extra = tuple(sign if i == row else 0 for i in range(forms.exact.rows))
        extended = System((*system.parts, forms.rows), (*system.signs, extra))
        return isinstance(self.solver.decide(extended), Inhabited)

    def _add(self, neuron: int, layer: _AffineLayer, row: int, bounds: tuple[float, float]) -> None:
        lower, upper = bounds
        scale = 2.0 ** ceil(log2(max(-lower, upper, _ROOM * float(layer.errors[row]))))
        self.unstable[neuron] = Unstable(
            neuron,
            self._program.columns + len(self.unstable) - self._program.activations,
            scale,
            layer.weights[row] / scale,
            float(layer.constants[row]) / scale,
            float(layer.errors[row]) / scale,
            lower / scale,
            upper / scale,
        )

    def _activations(self, layer: _AffineLayer, start: int, slopes: NDArray[np.float64]) -> _AffineLayer:
        """The layer's activations, over all columns that exist once its unstable neurons have theirs."""
        rows, columns = layer.weights.shape
        fresh = {row: self.unstable[start + row] for row in range(rows) if start + row in self.unstable}
        for entry in fresh.values():
            self._program.add_activation(entry)
        symbols = [INACTIVE if row in fresh else self._symbol(start + row) for row in range(rows)]
        slope = slopes[np.arange(rows), symbols]
        out = np.zeros((rows, self._program.columns))
        out[:, :columns] = slope[:, None] * layer.weights
        gross = np.abs(slope) * (np.abs(layer.weights).sum(axis=1) + np.abs(layer.constants))
        for row, entry in fresh.items():
            out[row, entry.column] = (slopes[row, 1] - slopes[row, 0]) * entry.scale
            gross[row] += np.abs(slopes[row]).sum() * entry.scale
        errors = np.abs(slope) * layer.errors * (1 + _MARGIN) + rounding(6) * gross + _UNDERFLOW
        return _AffineLayer(out, slope * layer.constants, errors)

    def _late(self) -> bool:
        return time.monotonic() > self.deadline

    def _symbol(self, neuron: int) -> int:
        return self.symbols[neuron] if neuron < len(self.symbols) else self.stable[neuron]
