"""Vertices placed anew, from the exact hyperplanes through them, with a proven error; for the few that need it.

Throughout: P is a cell at the vertex v, in which every preactivation is an affine form ``V + J (u - x)`` at the float
position x. The d forms of the hyperplanes through v are ``F(u) = r + G (u - x)``, and v is where F is zero. With Y near
the inverse of G and ``q = |I - Y G| < 1`` (row sums), any point x' is within ``|Y F(x')| / (1 - q)`` of v (Krawczyk).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from relucensus.engines.skeleton.mesh import FLOOR, UP, Floats, Integers, Mesh, Net, Signs, gamma, symbols_of
from relucensus.rounded import RoundedNetwork

_UNIT: Final = 2.0**-53
_TINY: Final = 2.0**-960


class _Forms(NamedTuple):
    """Affine forms at a point: J (n, d), V (n,), bounds on the errors of the entries of a row of J, and of V."""

    slopes: Floats
    values: Floats
    tilts: Floats
    offs: Floats

    def picked(self, rows: Sequence[int]) -> _Forms:
        return _Forms(*(array[rows] for array in self))

    @staticmethod
    def stacked(parts: Sequence[_Forms]) -> _Forms:
        return _Forms(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


class Refining:
    """Questions about vertices of a mesh, answered by the forms of a cell at the vertex."""

    def __init__(self, rounded: RoundedNetwork, net: Net, signs: Signs) -> None:
        self._layers, self._net, self._signs = rounded.hidden, net, signs
        self._sizes = [np.abs(layer.weights) for layer in rounded.hidden]

    def refine(self, mesh: Mesh, layer: int, chosen: Integers) -> None:
        """Place the chosen vertices anew where that lowers their errors."""
        for v in chosen.tolist():
            x, on = mesh.x[v].copy(), mesh.on[v].tolist()
            through, forms = self._local(x, on, mesh.bits[v] | self._signs.base, layer)
            inverse, contraction = _inverse(through)
            if contraction < 0.5:
                moved = x - inverse @ through.values
                step = moved - x
                values, offs = _at(through, step)
                reach = float((np.abs(inverse) @ (np.abs(values) + offs)).max()) / (1 - contraction)
                self._move(mesh, v, layer, forms, moved, reach * (1 + 256 * _UNIT) + _TINY)

    def _move(self, mesh: Mesh, v: int, layer: int, forms: _Forms, moved: Floats, reach: float) -> None:
        """Give the vertex its new position and preactivations, if their error is lower."""
        values, offs = _at(forms, moved - mesh.x[v])
        steep = np.abs(forms.slopes).sum(axis=1) + len(moved) * forms.tilts
        scale = float(self._net.scales[layer])
        offs = ((offs + steep * reach) * (1 + 256 * _UNIT)) * scale * UP + FLOOR
        first = 2 * len(moved) + int(self._net.starts[layer])
        through = [plane - first for plane in mesh.on[v].tolist() if plane >= first]
        values[through], offs[through] = 0.0, 0.0
        if offs.max() * UP < mesh.eps[v]:
            mesh.x[v], mesh.rho[v] = moved, reach
            mesh.z[v], mesh.err[v], mesh.eps[v] = values * scale, offs, offs.max() * UP

    def rises(self, mesh: Mesh, layer: int, e: int) -> bool | None:
        """Whether the height grows along the edge, from its first end to the second; None if that stays unsure.

        The edge leaves one hyperplane h at its second end. In a cell beside the edge it runs along ``G^-1 e_h``, to the
        side of h where its first end is.
        """
        a, b = mesh.ends[e].tolist()
        on, through = mesh.on[b].tolist(), set(mesh.through[e].tolist())
        h = next(k for k, plane in enumerate(on) if plane not in through)
        words = mesh.bits[a] | mesh.bits[b] | self._signs.base
        system, _ = self._local(mesh.x[b].copy(), on, words, layer)
        inverse, contraction = _inverse(system)
        if not contraction < 0.5:
            return None
        along, slope = inverse[:, h], self._signs.slope
        rise = float(slope @ along)
        error = np.abs(slope).sum() * np.abs(along).max() * contraction / (1 - contraction)
        error += (len(slope) + 4) * 4 * _UNIT * (np.abs(slope) @ np.abs(along))
        if not abs(rise) > error * (1 + 256 * _UNIT) + _TINY:
            return None
        return (rise > 0) != self._is_positive(on[h], words)

    def _is_positive(self, plane: int, words: NDArray[np.uint64]) -> bool:
        """Whether the cell of these bits is on the positive side of a hyperplane; in u, of a box facet."""
        row = plane - 2 * len(self._signs.slope)
        return plane & 1 == 0 if row < 0 else bool(symbols_of(words, row + 1)[row])

    def _local(self, x: Floats, on: Sequence[int], words: NDArray[np.uint64], layer: int) -> tuple[_Forms, _Forms]:
        """The forms of the hyperplanes through a vertex, and those of the layer, in the cell of these bits."""
        d, starts = len(x), self._net.starts.tolist()
        symbols = symbols_of(words, starts[layer])
        walls = [plane for plane in on if plane < 2 * d]
        parts = [self._facets(x, walls)]
        forms = _Forms(np.eye(d), x, np.zeros(d), np.zeros(d))
        for k in range(layer + 1):
            if k:
                rows = np.arange(starts[k - 1], starts[k])
                forms = _bent(forms, self._net.slopes[rows, symbols[rows]])
            forms = _after(self._layers[k].weights, self._sizes[k], self._layers[k].bias, forms)
            first, last = 2 * d + starts[k], 2 * d + starts[k + 1]
            parts.append(forms.picked([plane - first for plane in on if first <= plane < last]))
        return _Forms.stacked(parts), forms

    def _facets(self, x: Floats, walls: Sequence[int]) -> _Forms:
        coordinates = [plane >> 1 for plane in walls]
        bounds = self._net.walls[list(walls)]
        values = x[coordinates] - bounds
        offs = np.where(bounds == 0, 0.0, 2.0**-51) + 4 * _UNIT * np.abs(values)
        return _Forms(np.eye(len(x))[coordinates], values, np.zeros(len(walls)), offs)


def _bent(forms: _Forms, slopes: Floats) -> _Forms:
    """Preactivations to activations, on the cell where they have these slopes; `_after` bounds the rounding."""
    sizes = np.abs(slopes)
    return _Forms(forms.slopes * slopes[:, None], forms.values * slopes, forms.tilts * sizes, forms.offs * sizes)


def _after(weights: Floats, sizes: Floats, bias: Floats, inner: _Forms) -> _Forms:
    """The forms of a layer, from those of the activations that it reads."""
    rounding = gamma(weights.shape[1] + 4)
    steepest = np.abs(inner.slopes).max(axis=1)
    tilts = sizes @ (inner.tilts + rounding * steepest)
    offs = sizes @ (inner.offs + rounding * np.abs(inner.values)) + rounding * np.abs(bias)
    return _Forms(
        weights @ inner.slopes,
        weights @ inner.values + bias,
        tilts * (1 + rounding) + _TINY,
        offs * (1 + rounding) + _TINY,
    )


def _at(forms: _Forms, step: Floats) -> tuple[Floats, Floats]:
    """The forms' values after a step from their point, and bounds on the errors of these."""
    size = np.abs(step)
    values = forms.values + forms.slopes @ step
    gross = np.abs(forms.values) + np.abs(forms.slopes) @ size
    return values, forms.offs + forms.tilts * size.sum() + (len(step) + 6) * 4 * _UNIT * gross


def _inverse(system: _Forms) -> tuple[Floats, float]:
    """Y and a bound on ``|I - Y G|``; infinite if G seems singular."""
    matrix, d = system.slopes, len(system.slopes)
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.ldexp(1.0, -np.frexp(np.abs(matrix).max(axis=1))[1])
        try:
            inverse = np.linalg.inv(matrix * scale[:, None]) * scale
        except np.linalg.LinAlgError:
            return matrix, np.inf
        size = np.abs(inverse)
        error = np.abs(inverse @ matrix - np.eye(d)).sum(axis=1) + d * (size @ system.tilts)
        error += (d + 4) * 4 * _UNIT * (size @ np.abs(matrix).sum(axis=1))
        bound = float(error.max()) * (1 + 256 * _UNIT) + (d + 8) * 8 * _UNIT
    return inverse, bound if np.isfinite(bound) else np.inf
