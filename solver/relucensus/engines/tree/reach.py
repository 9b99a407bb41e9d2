"""Whether a form is positive somewhere inside a cell: the kernel's linear programs, and what they prove."""

from __future__ import annotations

from typing import Final

import numpy as np

from relucensus.compiled import Directory, Floats, floats, ints, kernel, table
from relucensus.engines.tree import interior, simplex
from relucensus.engines.tree.bounds import copy, doubt, scale_of, slack, support_of, upper_bound, value_at, within
from relucensus.engines.tree.log import put_bound, shown_below
from relucensus.engines.tree.state import (
    ASKED,
    AT,
    BOUNDS,
    BOX,
    CERTIFY,
    CORNER,
    COST,
    FORM,
    HIGH,
    HOMOGENEOUS,
    INSIDE,
    KEPT,
    LIFTED,
    LOW,
    MULTIPLIERS,
    POINT,
    ROW_SIZE,
    ROWS,
    TOUCHES,
)
from relucensus.engines.tree.ties import keep_tie, tied

EMPTY: Final = 0
FOUND: Final = 1
UNSURE: Final = 2
_FEW: Final = 12
_GOOD: Final = 1e-8
_NEAR: Final = 0.3
_BESIDE: Final = 1e-9


@kernel
def beyond(s: Directory, where: tuple[int, int], form: tuple[Floats, float, float], out: Floats) -> int:
    """Whether the form is positive inside the cell, at whose point it is negative; a point where it is goes to `out`.

    `where` is (number of the cell's rows, layer), `form` (values, error, size). A point of the cell far beyond the
    form's hyperplane is written to CORNER.
    """
    d = out.shape[0]
    _set_bounds(s, where[1], d)
    if d > max(_FEW, where[0]):
        code = _beyond_by_steps(s, where, form, out)
        if code != UNSURE:
            return code
    return _beyond_by_pivots(s, where, form, out)


@kernel
def _beyond_by_steps(s: Directory, where: tuple[int, int], form: tuple[Floats, float, float], out: Floats) -> int:
    values, error, size = form
    code = interior.climb(s, table(s, ROWS)[: where[0]], values, 4.0 * doubt(error, size, out.shape[0]))
    if code == interior.BEYOND:
        return _inner(s, where, form, (floats(s, INSIDE), floats(s, CORNER)), out)
    if code == interior.BELOW and _is_below(s, where, values, error):
        return EMPTY
    return UNSURE


@kernel
def _beyond_by_pivots(s: Directory, where: tuple[int, int], form: tuple[Floats, float, float], out: Floats) -> int:
    at, cost, multipliers, corner = ints(s, AT), floats(s, COST), floats(s, MULTIPLIERS), floats(s, CORNER)
    values, error, size = form
    m, d = where[0], out.shape[0]
    simplex.load(s, table(s, ROWS), m, values)
    margin = 4.0 * doubt(error, size, d)
    status = simplex.improve(s, m, d, -margin)
    while status == simplex.BELOW and margin < np.inf:
        simplex.multipliers(s, m, d, multipliers)
        if _is_below(s, where, values, error):
            return EMPTY
        margin = max(2.0 * margin, 4.0 * abs(cost[-1]))
        status = simplex.improve(s, m, d, -margin)
    if status != simplex.FEASIBLE:
        return UNSURE
    simplex.vertex(s, m, d, corner)
    if cost[-1] > margin:
        return _inner(s, where, form, (floats(s, POINT), corner), out)
    simplex.multipliers(s, m, d, multipliers)
    if _is_below(s, where, values, error):
        return EMPTY
    if at[HOMOGENEOUS]:
        positive = tied(s, form)
        if positive >= 0:
            at[TOUCHES] = positive < 2
            if at[CERTIFY]:
                keep_tie(s, d)
            return EMPTY
    return centre(s, where, form, out)[0]


@kernel
def _inner(
    s: Directory, where: tuple[int, int], form: tuple[Floats, float, float], way: tuple[Floats, Floats], out: Floats
) -> int:
    """An inner point on the way to a corner where the form is positive, or a better centred one if that is poor."""
    mixed = _mixed(s, where[0], form, way, out)
    if mixed > _GOOD:
        return FOUND
    kept = floats(s, KEPT)
    copy(out, kept)
    code, centred = centre(s, where, form, out)
    if mixed > 0.0 and centred < mixed:
        copy(kept, out)
        return FOUND
    return code


@kernel
def mixed_with(s: Directory, m: int, form: tuple[Floats, float, float], corner: Floats, out: Floats) -> bool:
    """Whether a point between the cell's point and a corner is surely inside, the form positive; written to `out`."""
    return bool(_mixed(s, m, form, (floats(s, POINT), corner), out) > 0.0)


@kernel
def _mixed(s: Directory, m: int, form: tuple[Floats, float, float], way: tuple[Floats, Floats], out: Floats) -> float:
    """The certain slack of a point on the way, between the form's hyperplane and the end; -1 if there is none."""
    box = table(s, BOX)
    point, corner = way
    values, error, size = form
    d = out.shape[0]
    here, there = value_at(values, point), value_at(values, corner)
    if not (there > 0.0 and here < 0.0):
        return -1.0
    cross = here / (here - there)
    share = _NEAR + (1.0 - _NEAR) * cross
    for c in range(d):
        out[c] = point[c] + share * (corner[c] - point[c])
        out[c] = min(max(out[c], box[2, c]), box[3, c])
    certain = value_at(values, out) - doubt(error, size, d)
    if not (certain > 0.0 and within(s, out)):
        return -1.0
    return float(min(slack(s, m, out), certain / size))


@kernel
def centre(s: Directory, where: tuple[int, int], form: tuple[Floats, float, float], out: Floats) -> tuple[int, float]:
    """The same from the point with the largest least slack: (answer, slack); needs no point of the cell."""
    box, rows, row_size, multipliers, lifted, bounds = (
        table(s, BOX),
        table(s, ROWS),
        floats(s, ROW_SIZE),
        floats(s, MULTIPLIERS),
        table(s, LIFTED),
        table(s, BOUNDS),
    )
    m, layer = where
    values, error, size = form
    d = values.shape[0] - 1
    for k in range(m):
        _lift(rows[k], row_size[k], lifted[k])
    _lift(values, size, lifted[m])
    objective = lifted[m + 1]
    for c in range(d + 2):
        objective[c] = 1.0 if c == d else 0.0
    _set_bounds(s, layer, d)
    bounds[0, d] = -2.0
    bounds[1, d] = 1.0
    simplex.load(s, lifted, m + 1, objective)
    if simplex.improve(s, m + 1, d + 1, -np.inf) != simplex.FEASIBLE:
        return UNSURE, 0.0
    found = lifted[m + 2]
    simplex.vertex(s, m + 1, d + 1, found)
    if found[d] > 0.0:
        for c in range(d):
            out[c] = min(max(found[c], box[2, c]), box[3, c])
        certain = min(slack(s, m, out), (value_at(values, out) - doubt(error, size, d)) / size)
        if certain > 0.0 and within(s, out):
            return FOUND, certain
    weights = multipliers
    simplex.multipliers(s, m + 1, d + 1, weights)
    if weights[m] > 0.0:
        for k in range(m):
            weights[k] /= weights[m]
        if _is_below(s, where, values, error):
            return EMPTY, 0.0
    return UNSURE, 0.0


@kernel
def tighten(s: Directory, m: int, layer: int) -> None:
    """Shrink the proven box around the cell, coordinate by coordinate, with two programs each.

    A bound that would come to lie beside zero stays: the apex of a cone is to be cut out by rows (`ties`).
    """
    low, high, rows, form, multipliers = (
        table(s, LOW),
        table(s, HIGH),
        table(s, ROWS),
        floats(s, FORM),
        floats(s, MULTIPLIERS),
    )
    d, certify = low.shape[1], ints(s, AT)[CERTIFY]
    for c in range(d + 1):
        form[c] = 0.0
    for c in range(d):
        for side in range(2):
            form[c] = 1.0 if side else -1.0
            _set_bounds(s, layer, d)
            simplex.load(s, rows, m, form)
            if simplex.improve(s, m, d, -np.inf) == simplex.FEASIBLE:
                simplex.multipliers(s, m, d, multipliers)
                if certify:
                    most = put_bound(s, (support_of(s, m), layer), (c, side), form)
                else:
                    most = upper_bound(s, m, layer, form, 0.0)
                if abs(most) < _BESIDE:
                    continue
                if side:
                    high[layer, c] = min(high[layer, c], most)
                else:
                    low[layer, c] = max(low[layer, c], -most)
        form[c] = 0.0


@kernel
def _is_below(s: Directory, where: tuple[int, int], form: Floats, error: float) -> bool:
    """Whether MULTIPLIERS prove the form negative on the cell; with a log they become the evidence."""
    at = ints(s, AT)
    if at[CERTIFY]:
        return shown_below(s, (support_of(s, where[0]), where[1]), form, error, scale_of(s, at[ASKED]))
    return bool(upper_bound(s, where[0], where[1], form, error) < 0.0)


@kernel
def _set_bounds(s: Directory, layer: int, d: int) -> None:
    low, high, bounds = table(s, LOW), table(s, HIGH), table(s, BOUNDS)
    for c in range(d):
        bounds[0, c] = low[layer, c]
        bounds[1, c] = high[layer, c]


@kernel
def _lift(row: Floats, size: float, out: Floats) -> None:
    """The row less its size times the least slack, which becomes the last coordinate."""
    d = row.shape[0] - 1
    for c in range(d):
        out[c] = row[c]
    out[d] = -size
    out[d + 1] = row[d]
