"""What floating point can prove of a cell: that a form is bounded on it, that a point is inside.

A bound is the box maximum of the form plus non-negative multiples of the cell's rows, with the rounding errors and
the errors of the forms added (Neumaier & Shcherbina 2004); no trust in the solver that proposed the multiples.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from relucensus.compiled import Directory, Floats, floats, ints, kernel, reordering, table
from relucensus.engines.tree.state import (
    BOX,
    COMBINED,
    ERROR,
    FORMS,
    HIGH,
    LOW,
    MULTIPLIERS,
    ROW_ERROR,
    ROW_SIZE,
    ROWS,
    SUPPORT,
)

_UNIT: Final = 2.0**-52
_TINY: Final = 2.0**-900
_LEAST: Final = 2.0**-1000
_REACH: Final = 1.0 + 2.0**-40


@kernel
def scale_of(s: Directory, i: int) -> float:
    """The power of two by which `oriented` scales form i."""
    forms, largest = table(s, FORMS), 0.0
    for c in range(forms.shape[0]):
        largest = max(largest, abs(forms[c, i]))
    if largest < _LEAST:
        return 1.0
    _, exponent = math.frexp(largest)
    return math.ldexp(1.0, -exponent)


@kernel
def oriented(s: Directory, i: int, sign: float, out: Floats) -> tuple[float, float]:
    """Write ``sign`` times form i, scaled by a power of two; its error and the sum of its absolute values.

    That sum is 0, and the form is not scaled, where all values are 0 or so small that nothing is certain of them.
    """
    forms, scale, size, largest = table(s, FORMS), scale_of(s, i), 0.0, 0.0
    for c in range(out.shape[0]):
        out[c] = sign * scale * forms[c, i]
        largest = max(largest, abs(forms[c, i]))
        size += abs(out[c])
    return floats(s, ERROR)[i] * scale + _TINY, size if largest >= _LEAST else 0.0


@kernel
def copy(source: Floats, target: Floats) -> None:
    """Copy one vector into another."""
    for c in range(target.shape[0]):
        target[c] = source[c]


@reordering
def dot(a: Floats, b: Floats, count: int) -> float:
    """The sum of the products of the first entries, in any order of summation."""
    total = 0.0
    for c in range(count):
        total += a[c] * b[c]
    return total


@kernel
def value_at(form: Floats, point: Floats) -> float:
    """The form at a point."""
    return float(form[point.shape[0]] + dot(form, point, point.shape[0]))


@kernel
def doubt(error: float, size: float, d: int) -> float:
    """The most by which the value of a form at a point of the box, computed, may be off."""
    return error + _UNIT * (d + 4) * size + _TINY


@kernel
def slack(s: Directory, m: int, point: Floats) -> float:
    """The least certain distance of the rows from zero at a point; positive proves it inside the cell's rows."""
    rows, error, size = table(s, ROWS), floats(s, ROW_ERROR), floats(s, ROW_SIZE)
    d = point.shape[0]
    least = np.inf
    for k in range(m):
        certain = value_at(rows[k], point) - doubt(error[k], size[k], d)
        if not certain > 0.0:
            return -1.0
        least = min(least, certain / size[k])
    return float(least)


@kernel
def within(s: Directory, point: Floats) -> bool:
    """Whether the point is surely in the box."""
    box = table(s, BOX)
    for c in range(point.shape[0]):
        if not box[2, c] <= point[c] <= box[3, c]:
            return False
    return True


@kernel
def upper_bound(s: Directory, m: int, layer: int, form: Floats, error: float) -> float:
    """A proven upper bound of the form on the cell, from the multipliers in MULTIPLIERS."""
    return bound_by(s, support_of(s, m), layer, form, error)


@kernel
def support_of(s: Directory, m: int) -> int:
    """Write the rows with a positive multiplier to SUPPORT; how many they are."""
    weights, support, n = floats(s, MULTIPLIERS), ints(s, SUPPORT), 0
    for k in range(m):
        support[n] = k
        n += int(weights[k] > 0.0)
    return n


@kernel
def bound_by(s: Directory, n: int, layer: int, form: Floats, error: float) -> float:
    """The same from the multipliers of the first n rows in SUPPORT alone."""
    support = ints(s, SUPPORT)
    rows, row_error, row_size = table(s, ROWS), floats(s, ROW_ERROR), floats(s, ROW_SIZE)
    weights, combined, low, high = floats(s, MULTIPLIERS), floats(s, COMBINED), table(s, LOW), table(s, HIGH)
    d = form.shape[0] - 1
    gross = off = 0.0
    terms = d + 8
    for c in range(d + 1):
        combined[c] = form[c]
        gross += abs(form[c])
    for j in range(n):
        k = support[j]
        weight = weights[k]
        terms += 2
        off += weight * row_error[k]
        gross += weight * row_size[k]
        for c in range(d + 1):
            combined[c] += weight * rows[k, c]
    total = combined[d]
    for c in range(d):
        total += combined[c] * (high[layer, c] if combined[c] > 0.0 else low[layer, c])
    return float(total + 1.0625 * _REACH * (error + off + _UNIT * terms * gross) + _TINY)
