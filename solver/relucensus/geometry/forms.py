"""Preactivations as affine forms of two coordinates, many cells at once, in float64 with proven error bounds.

Throughout: u = (x, y) are box coordinates (`rounded`), between -1 and 1; a form is ``a x + b y + c``. The last axis of
an array of forms has a, b, c, and bounds of what a and b together, and c, are off by. A bound is 0 only where the exact
number is 0 too, so that a form without a constant is known to vanish at the origin.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.scaling import BalancedLayer

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

PARTS: Final = 5
COEFFICIENTS: Final = 3
_A, _B, _C, _OFF, _OFFSET = range(PARTS)
_UNIT: Final = 2.0**-52
_ABOVE: Final = 1.0 + 2.0**-20
_TINY: Final = 2.0**-900
_WALL: Final = 2.0**-51
_UNSURE: Final = 2


def inputs() -> Floats:
    """The forms of x and y themselves, for one cell: (1, 2, 5), without error."""
    forms = np.zeros((1, 2, PARTS))
    forms[0, 0, _A] = forms[0, 1, _B] = 1.0
    return forms


def walls(lower: Floats, upper: Floats) -> Floats:
    """The forms of the box's sides, (4, 5): lower and upper x, lower and upper y, each zero on its side."""
    forms = np.zeros((4, PARTS))
    for number, bound in enumerate((lower[0], upper[0], lower[1], upper[1])):
        forms[number, number // 2] = 1.0
        forms[number, _C] = -bound
        forms[number, _OFF] = _TINY
        forms[number, _OFFSET] = _WALL * abs(bound)
    return forms


def preactivations(layer: BalancedLayer, activations: Floats) -> Floats:
    """The forms of a layer's rows, (cells, rows, 5), from those of the layer before, (cells, columns, 5).

    Every bound of an error is that of a sum of rounded products of rounded weights and slopes (Higham 2002, section 3).
    """
    cells, columns, _ = activations.shape
    sizes, present = np.abs(layer.weights).T, (layer.weights != 0).T.astype(np.float64)
    gamma = (columns + 10) * 1.25 * 2.0**-53
    flat = np.ascontiguousarray(activations.transpose(2, 0, 1)).reshape(PARTS, cells, columns)
    forms = np.empty((cells, len(layer.bias), PARTS))
    for part in (_A, _B, _C):
        forms[:, :, part] = flat[part] @ layer.weights.T
    forms[:, :, _C] += layer.bias
    for part, size in ((_OFF, np.abs(flat[_A]) + np.abs(flat[_B])), (_OFFSET, np.abs(flat[_C]))):
        bias = np.abs(layer.bias) if part == _OFFSET else np.zeros_like(layer.bias)
        exists = ((size > 0) | (flat[part] > 0)).astype(np.float64) @ present + bias > 0
        bound = flat[part] @ sizes + gamma * (size @ sizes + bias)
        forms[:, :, part] = np.where(exists, bound * _ABOVE + _TINY, 0.0)
    return forms


def outputs(layer: BalancedLayer, activations: Floats) -> Floats:
    """The forms of the output, (cells, outputs, 3), from those of the last layer, (cells, columns, 3); no bounds."""
    forms = np.stack([activations[:, :, part] @ layer.weights.T for part in range(COEFFICIENTS)], axis=2)
    forms[:, :, _C] += layer.bias
    return forms


def activated(layer: BalancedLayer, forms: Floats, symbols: Bytes) -> Floats:
    """The activations of rows with these forms (cells, rows, 5) and symbols (cells, rows); for `preactivations`."""
    slopes = np.where(symbols > 0, layer.slopes[:, 1], layer.slopes[:, 0])
    scaled = forms * slopes[:, :, None]
    scaled[:, :, _OFF:] = np.abs(scaled[:, :, _OFF:])
    return scaled


def signs_at(forms: Floats, points: Floats, radius: Floats) -> NDArray[np.int8]:
    """The sign of each form at the true place of its point: -1, 0, 1, or 2 where rounding leaves it unsure.

    Forms (.., 5) and points (.., 2), which are off by `radius` (..) at most in both coordinates, are broadcast.
    """
    a, b, c, off, offset = (forms[..., part] for part in range(PARTS))
    x, y = points[..., 0], points[..., 1]
    across, along = a * x, b * y
    value = across + along + c
    with np.errstate(invalid="ignore"):  # nothing is certain at a point that is infinitely far off
        moved = (np.abs(a) + np.abs(b) + off) * radius
    doubt = offset + off * np.maximum(np.abs(x), np.abs(y)) + moved
    doubt = _ABOVE * (doubt + 4 * _UNIT * (np.abs(across) + np.abs(along) + np.abs(c)))
    certain = (np.abs(value) > doubt) | ((value == 0) & (doubt == 0))
    return np.where(certain, np.sign(value), _UNSURE).astype(np.int8)


def crossings(one: Floats, other: Floats, lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
    """Where the zero sets of two forms (n, 5) meet, in the box: (n, 2), and how far off that is at most, (n,).

    With p the place found, r the residuals there and A the coefficients, the true place is ``p - A^-1 r``. Infinite
    where A may be singular.
    """
    with np.errstate(all="ignore"):
        determinant = one[:, _A] * other[:, _B] - one[:, _B] * other[:, _A]
        x = (one[:, _B] * other[:, _C] - one[:, _C] * other[:, _B]) / determinant
        y = (one[:, _C] * other[:, _A] - one[:, _A] * other[:, _C]) / determinant
        points = np.stack([x, y], axis=1)
        points = np.clip(np.where(np.isnan(points), lower, points), lower, upper)
        first, second = (np.abs(form[:, _A]) + np.abs(form[:, _B]) for form in (one, other))
        vague = one[:, _OFF] * second + other[:, _OFF] * first + 2 * one[:, _OFF] * other[:, _OFF]
        products = np.abs(one[:, _A] * other[:, _B]) + np.abs(one[:, _B] * other[:, _A])
        certain = np.abs(determinant) - _ABOVE * (vague + 4 * _UNIT * products)
        spread = (second + other[:, _OFF]) * _residual(one, points) + (first + one[:, _OFF]) * _residual(other, points)
        return points, np.where(certain > 0, _ABOVE * spread / certain, np.inf)


def _residual(forms: Floats, points: Floats) -> Floats:
    """The largest absolute value that a true form may have at its point."""
    a, b, c, off, offset = (forms[:, part] for part in range(PARTS))
    x, y = points[:, 0], points[:, 1]
    across, along = a * x, b * y
    rounding = 4 * _UNIT * (np.abs(across) + np.abs(along) + np.abs(c))
    return np.asarray(np.abs(across + along + c) + rounding + offset + off * np.maximum(np.abs(x), np.abs(y)))
