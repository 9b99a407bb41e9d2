"""Interior point steps: from a cell's point inside the cell towards larger values of a form. They only propose.

Throughout: the rows of G (m, d) are those of a cell, s their slacks at the inner point u, f the form. A step is
Newton's for the barrier function ``pull f(u) + sum log(u - lower) + sum log(upper - u) + sum log s`` (Roos,
Terlaky & Vial, Interior Point Methods for Linear Optimization, 2005), prolonged almost to the border of the cell: with
w the gradient of that function and D the diagonal matrix of ``1 / (1 / (u - lower)^2 + 1 / (upper - u)^2)`` it is
``D (w + G^T y)``, where ``(G D G^T + S^2) y = -G D w``; and ``(1 / s + y) / pull`` tends to the multipliers of the
largest value on the cell. With few rows and many coordinates a step costs no more than a few pivots of a simplex
method, and few steps tell whether the form is positive anywhere in the cell.
"""

from __future__ import annotations

import math
from typing import Final

from relucensus.compiled import Directory, Floats, floats, kernel, reordering, table
from relucensus.engines.tree.bounds import copy, dot, value_at
from relucensus.engines.tree.state import (
    ASCENT,
    BOUNDS,
    CORNER,
    GRADIENT,
    INSIDE,
    METRIC,
    MULTIPLIERS,
    NORMAL,
    POINT,
    RATIO,
    SCALED,
    SLACKS,
)

BEYOND: Final = 0
BELOW: Final = 1
STUCK: Final = 2
_STEPS: Final = 20
_SHARE: Final = 0.97
_PULL: Final = 2.0


@kernel
def _start(s: Directory, rows: Floats) -> None:
    point, slacks = floats(s, POINT), floats(s, SLACKS)
    copy(point, floats(s, INSIDE))
    for k in range(rows.shape[0]):
        slacks[k] = value_at(rows[k], point)


@kernel
def climb(s: Directory, rows: Floats, form: Floats, margin: float) -> int:
    """Take steps until one leads BEYOND the form's hyperplane, or the form seems BELOW zero on the cell.

    The bounds of the coordinates must stand in BOUNDS already. If BEYOND, the form is negative at INSIDE, but positive
    at CORNER, both in the cell; if BELOW, the multipliers are in MULTIPLIERS.
    """
    inside, corner = floats(s, INSIDE), floats(s, CORNER)
    _start(s, rows)
    m, d = rows.shape[0], inside.shape[0]
    for _ in range(_STEPS):
        here = value_at(form, inside)
        pull = _PULL * (m + d) / abs(here)
        _weigh(s, rows, form, pull)
        _assemble(s, rows)
        if not _solve(s, m):
            return STUCK
        length = _SHARE * _direction(s, rows)
        _go(s, length)
        there = value_at(form, corner)
        if not there > here:
            return STUCK
        if there > margin:
            return BEYOND
        if here + _most_ahead(s, rows, form, pull) < -margin:
            return BELOW
        copy(corner, inside)
        _shorten(s, m, length)
    return STUCK


@kernel
def _weigh(s: Directory, rows: Floats, form: Floats, pull: float) -> None:
    """Write the diagonal D to METRIC and the gradient w to ASCENT."""
    inside, bounds, metric, ascent = floats(s, INSIDE), table(s, BOUNDS), floats(s, METRIC), floats(s, ASCENT)
    slacks, inverses = floats(s, SLACKS), floats(s, MULTIPLIERS)
    lower, upper = bounds[0], bounds[1]
    for c in range(inside.shape[0]):
        below, above = inside[c] - lower[c], upper[c] - inside[c]
        metric[c] = (below * above) ** 2 / (below * below + above * above)
        ascent[c] = pull * form[c] + 1.0 / below - 1.0 / above
    for k in range(rows.shape[0]):
        inverses[k] = 1.0 / slacks[k]
    _add_rows(ascent, rows, inverses)


@kernel
def _assemble(s: Directory, rows: Floats) -> None:
    """Write the lower triangle of ``G D G^T + S^2`` to NORMAL, with ``G D w`` as the line below it."""
    normal, metric, scaled, slacks = table(s, NORMAL), floats(s, METRIC), floats(s, SCALED), floats(s, SLACKS)
    ascent = floats(s, ASCENT)
    m, d = rows.shape[0], metric.shape[0]
    for i in range(m + 1):
        row = rows[i] if i < m else ascent
        for c in range(d):
            scaled[c] = metric[c] * row[c]
        k = 0
        while k + 3 < m and k <= i:
            normal[i, k], normal[i, k + 1], normal[i, k + 2], normal[i, k + 3] = _four_dots(
                scaled, (rows[k], rows[k + 1], rows[k + 2], rows[k + 3]), d
            )
            k += 4
        while k < m and k <= i:
            normal[i, k] = dot(scaled, rows[k], d)
            k += 1
    for k in range(m):
        normal[k, k] += slacks[k] * slacks[k]


@reordering
def _four_dots(a: Floats, rows: tuple[Floats, Floats, Floats, Floats], count: int) -> tuple[float, float, float, float]:
    """The products of a vector with four others, read together."""
    first, second, third, fourth = rows
    p = q = r = t = 0.0
    for c in range(count):
        p += a[c] * first[c]
        q += a[c] * second[c]
        r += a[c] * third[c]
        t += a[c] * fourth[c]
    return p, q, r, t


@kernel
def _solve(s: Directory, m: int) -> bool:
    """Write y to the line below NORMAL's last, by Cholesky's factorisation in place; False if that breaks down."""
    normal = table(s, NORMAL)
    y = normal[m + 1]
    for i in range(m):
        for k in range(i + 1):
            total = normal[i, k] - dot(normal[i], normal[k], k)
            if k < i:
                normal[i, k] = total * normal[k, -1]
            elif total > 0.0:
                normal[i, -1] = 1.0 / math.sqrt(total)
            else:
                return False
    for i in range(m):
        y[i] = -(normal[m, i] + dot(normal[i], y, i)) * normal[i, -1]
    for i in range(m - 1, -1, -1):
        y[i] *= normal[i, -1]
        for k in range(i):
            y[k] -= normal[i, k] * y[i]
    return True


@kernel
def _direction(s: Directory, rows: Floats) -> float:
    """Write ``w + G^T y`` to GRADIENT; how far the step may go until it meets a row or a bound."""
    gradient, inside, slacks, blocked = floats(s, GRADIENT), floats(s, INSIDE), floats(s, SLACKS), floats(s, RATIO)
    bounds, ascent = table(s, BOUNDS), floats(s, ASCENT)
    m, d = rows.shape[0], inside.shape[0]
    y = table(s, NORMAL)[m + 1]
    for c in range(d):
        gradient[c] = ascent[c]
    _add_rows(gradient, rows, y)
    lower, upper = bounds[0], bounds[1]
    for c in range(d):
        below, above = inside[c] - lower[c], upper[c] - inside[c]
        toward = below if gradient[c] > 0.0 else -above
        blocked[c] = gradient[c] * toward * (below * above / (below * below + above * above))
    most = _largest(blocked, d)
    for k in range(m):
        most = max(most, slacks[k] * y[k])
    return 1.0 / most


@kernel
def _add_rows(target: Floats, rows: Floats, factors: Floats) -> None:
    """Add multiples of the rows, four at a time."""
    m, d = rows.shape[0], rows.shape[1] - 1
    k = 0
    while k + 3 < m:
        a, b, c, e = factors[k], factors[k + 1], factors[k + 2], factors[k + 3]
        first, second, third, fourth = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        for j in range(d):
            target[j] += (a * first[j] + b * second[j]) + (c * third[j] + e * fourth[j])
        k += 4
    while k < m:
        a, first = factors[k], rows[k]
        for j in range(d):
            target[j] += a * first[j]
        k += 1


@kernel
def _largest(values: Floats, count: int) -> float:
    """The largest of the values, which are overwritten: halves are compared, which needs no order."""
    while count > 1:
        half = (count + 1) // 2
        front, back = values[:half], values[half:count]
        for k in range(count - half):
            front[k] = front[k] if front[k] > back[k] else back[k]
        count = half
    return float(values[0])


@kernel
def _most_ahead(s: Directory, rows: Floats, form: Floats, pull: float) -> float:
    """By how much the form may be larger anywhere in the cell, by the multipliers, which are written."""
    inside, slacks, weights, combined, bounds = (
        floats(s, INSIDE),
        floats(s, SLACKS),
        floats(s, MULTIPLIERS),
        floats(s, SCALED),
        table(s, BOUNDS),
    )
    m = rows.shape[0]
    y = table(s, NORMAL)[m + 1]
    total = 0.0
    for k in range(m):
        weights[k] = max(0.0, (1.0 / slacks[k] + y[k]) / pull)
        total += weights[k] * slacks[k]
    for c in range(inside.shape[0]):
        combined[c] = form[c]
    _add_rows(combined, rows, weights)
    return total + _most_in_box(combined, inside, (bounds[0], bounds[1]))


@reordering
def _most_in_box(gradient: Floats, inside: Floats, box: tuple[Floats, Floats]) -> float:
    """By how much a form with this gradient may rise from a point of the box."""
    lower, upper = box
    total = 0.0
    for c in range(inside.shape[0]):
        total += gradient[c] * ((upper[c] if gradient[c] > 0.0 else lower[c]) - inside[c])
    return total


@kernel
def _go(s: Directory, length: float) -> None:
    """Write the point at the end of the step to CORNER."""
    inside, corner, gradient, metric = floats(s, INSIDE), floats(s, CORNER), floats(s, GRADIENT), floats(s, METRIC)
    for c in range(inside.shape[0]):
        corner[c] = inside[c] + length * metric[c] * gradient[c]


@kernel
def _shorten(s: Directory, m: int, length: float) -> None:
    """Bring the slacks to the end of the step, along which they change by ``-S^2 y``."""
    slacks, y = floats(s, SLACKS), table(s, NORMAL)[m + 1]
    for k in range(m):
        slacks[k] *= 1.0 - length * slacks[k] * y[k]
