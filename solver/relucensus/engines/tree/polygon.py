"""Cells of two coordinates as polygons: rows are decided by their signs at the vertices, without linear programs.

A vertex is where the lines of its two sides meet; its float position is off by a radius that is proven from the forms
of both lines (Cramer's rule on the residuals). A row's sign at a vertex is certain where its value exceeds its error
and what it may change within the radius. Signs at vertices decide all: a row with both signs divides the cell, one
with a single sign, or zeros beside it, is stable there. Exact zeros are known where the row and a line of the vertex
are multiples of each other, and at the origin for rows without a constant; what else is unsure is asked for.

Vertices are kept in one stack, the polygons of the path's frames below the current one. Line 0 to 3 are the lower and
upper bounds of the first and of the second coordinate, line 4 + k is row k of the path.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from relucensus.compiled import Directory, Floats, floats, ints, kernel, symbols, table
from relucensus.engines.tree.bounds import copy, oriented, scale_of
from relucensus.engines.tree.state import (
    ACTIVE,
    ANSWER,
    AT,
    BASE,
    BENT,
    BOX,
    CENTRAL,
    CORNERS,
    COUNT,
    CROSSINGS,
    DEPTH,
    DIVIDED,
    FORCED,
    FORM,
    FRAME_BASE,
    FRAME_SIZE,
    FRAMES,
    HIGH,
    INACTIVE,
    KIND,
    LAYER,
    LINES,
    LOW,
    MIDDLE,
    OFF,
    POINT,
    REACH,
    ROW_ERROR,
    ROW_NEURON,
    ROW_OFF,
    ROWS,
    SIGNS,
    SIZE,
    STARTS,
    SYMBOLS,
    TOUCHES,
    TOUCHING,
    UNCUT,
    UNCUT_LINES,
    UNKNOWN,
    WALLS,
)

NEGATIVE: Final = 0
ZERO: Final = 1
POSITIVE: Final = 2
UNSURE: Final = 3
FIRST_ROW: Final = 4
_UNIT: Final = 2.0**-52
_WALL: Final = 2.0**-51
_ABOVE: Final = 1.0 + 2.0**-30
_TINY: Final = 2.0**-900


@kernel
def begin(s: Directory) -> None:
    """Make the box the current polygon."""
    at, box, walls, lines = ints(s, AT), table(s, BOX), table(s, WALLS), ints(s, LINES)
    for k in range(4):
        for c in range(3):
            walls[k, c] = 0.0
        walls[k, k // 2] = 1.0
        walls[k, 2] = -box[k % 2, k // 2]
    lines[0], lines[1], lines[2], lines[3] = 2, 1, 3, 0
    for k in range(4):
        _place(s, lines[(k + 3) % 4], lines[k], table(s, CORNERS)[k])
    at[BASE] = 0
    at[SIZE] = 4


@kernel
def enclose(s: Directory) -> None:
    """A box around the current polygon for the current layer: LOW, HIGH."""
    at, corners, box = ints(s, AT), table(s, CORNERS), table(s, BOX)
    low, high, layer = table(s, LOW), table(s, HIGH), at[LAYER]
    for c in range(2):
        least, most = np.inf, -np.inf
        for k in range(at[BASE], at[BASE] + at[SIZE]):
            least = min(least, corners[k, c] - corners[k, 2])
            most = max(most, corners[k, c] + corners[k, 2])
        low[layer, c] = max(box[0, c], least - _UNIT)
        high[layer, c] = min(box[1, c], most + _UNIT)


@kernel
def middle_of(s: Directory) -> None:
    """Put POINT into the middle of the polygon's vertices."""
    at, corners, point = ints(s, AT), table(s, CORNERS), floats(s, POINT)
    for c in range(2):
        total = 0.0
        for k in range(at[BASE], at[BASE] + at[SIZE]):
            total += corners[k, c]
        point[c] = total / at[SIZE]


@kernel
def settle_apart(s: Directory) -> bool:
    """Give the layer's rows that MIDDLE and REACH decide their symbols; False where the cube has the other one."""
    at, starts, now, touching = ints(s, AT), ints(s, STARTS), symbols(s, SYMBOLS), symbols(s, TOUCHING)
    bent, forced, middles, reaches = symbols(s, BENT), symbols(s, FORCED), floats(s, MIDDLE), floats(s, REACH)
    start, end = starts[at[LAYER]], starts[at[LAYER] + 1]
    middle, mine, other, has = middles[start:end], now[start:end], touching[start:end], bent[start:end]
    for i in range(end - start):
        mine[i] = has[i] & np.uint8(middle[i] > 0.0)
        other[i] = 0
    if start < at[DEPTH]:
        for i in range(start, min(end, at[DEPTH])):
            if abs(middles[i]) > reaches[i] and now[i] != forced[i]:
                return False
    return True


@kernel
def symbol_on(s: Directory, i: int) -> int:
    """The row's symbol on the current polygon, or DIVIDED, or UNKNOWN; its signs at the vertices go to SIGNS."""
    at, signs = ints(s, AT), symbols(s, SIGNS)
    n = at[SIZE]
    if at[ANSWER]:
        at[ANSWER] = 0
    elif not _signs(s, i):
        return UNKNOWN
    positive = negative = 0
    for k in range(n):
        positive += signs[k] == POSITIVE
        negative += signs[k] == NEGATIVE
    if positive and negative:
        return DIVIDED
    at[TOUCHES] = positive + negative < n
    return ACTIVE if positive else INACTIVE


@kernel
def _signs(s: Directory, i: int) -> bool:
    """Write the row's signs at the vertices; whether all of them are known."""
    at, corners, signs, form = ints(s, AT), table(s, CORNERS), symbols(s, SIGNS), floats(s, FORM)
    error, size = oriented(s, i, 1.0, form)
    offset = floats(s, OFF)[i] * scale_of(s, i) if size > 0.0 else np.inf
    base, n = at[BASE], at[SIZE]
    steep = (abs(form[0]) + abs(form[1]) + error) * _ABOVE
    known = True
    for k in range(n):
        x, y = corners[base + k, 0], corners[base + k, 1]
        value, doubt = _value((form[0], form[1], form[2]), (error, offset), (x, y))
        unsure = doubt + steep * corners[base + k, 2]
        if value > unsure:
            signs[k] = POSITIVE
        elif value < -unsure:
            signs[k] = NEGATIVE
        elif _is_zero(s, i, k):
            signs[k] = ZERO
        else:
            signs[k] = UNSURE
            known = False
    return known


@kernel
def _value(
    form: tuple[float, float, float], errors: tuple[float, float], point: tuple[float, float]
) -> tuple[float, float]:
    """The form at a point, and a bound of its error; `errors` are those of the form on the box, and of its constant."""
    x, y = form[0] * point[0], form[1] * point[1]
    gross = abs(x) + abs(y) + abs(form[2])
    error = errors[0] * max(abs(point[0]), abs(point[1])) + errors[1]
    return x + y + form[2], _ABOVE * (error + 6.0 * _UNIT * gross) + _TINY


@kernel
def _is_zero(s: Directory, i: int, k: int) -> bool:
    """Whether the row is surely zero at the polygon's vertex k."""
    at, corners, lines, kind = ints(s, AT), table(s, CORNERS), ints(s, LINES), ints(s, KIND)
    neuron, base = ints(s, ROW_NEURON), at[BASE]
    if corners[base + k, 2] == 0.0 and symbols(s, CENTRAL)[i]:
        return True
    first, second = lines[base + k], lines[base + (k - 1 if k else at[SIZE] - 1)]
    if first >= FIRST_ROW and kind[neuron[first - FIRST_ROW]] | 1 == kind[i] | 1:
        return True
    return bool(second >= FIRST_ROW and kind[neuron[second - FIRST_ROW]] | 1 == kind[i] | 1)


@kernel
def cut(s: Directory, i: int, symbol: int) -> None:
    """Go on with the part of the polygon on the symbol's side of row i; the other part goes to the newest frame.

    The row is the newest of the path, and SIGNS are its signs. A row of the cube's prefix has made no frame.
    """
    at, corners, lines = ints(s, AT), table(s, CORNERS), ints(s, LINES)
    uncut, uncut_lines = table(s, UNCUT), ints(s, UNCUT_LINES)
    base, n = at[BASE], at[SIZE]
    for v in range(n):
        copy(corners[base + v], uncut[v])
        uncut_lines[v] = lines[base + v]
    _cross(s, n)
    if i >= at[DEPTH]:
        frame = at[FRAMES] - 1
        ints(s, FRAME_BASE)[frame] = base
        ints(s, FRAME_SIZE)[frame] = _clip(s, n, NEGATIVE if symbol else POSITIVE, base)
        base += ints(s, FRAME_SIZE)[frame]
    at[SIZE] = _clip(s, n, POSITIVE if symbol else NEGATIVE, base)
    at[BASE] = base


@kernel
def _cross(s: Directory, n: int) -> None:
    """Place the vertices at which the newest row crosses the polygon's sides."""
    signs, lines, crossings = symbols(s, SIGNS), ints(s, UNCUT_LINES), table(s, CROSSINGS)
    found = 0
    for k in range(n):
        here, there = signs[k], signs[k + 1 if k + 1 < n else 0]
        if _opposite(here, there):
            _place(s, lines[k], _newest(s), crossings[found])
            found += 1


@kernel
def _clip(s: Directory, n: int, side: int, base: int) -> int:
    """Write the part of the uncut polygon on one side to the stack at `base`; its number of vertices."""
    signs, lines, corners = symbols(s, SIGNS), ints(s, LINES), table(s, CORNERS)
    uncut, uncut_lines, crossings = table(s, UNCUT), ints(s, UNCUT_LINES), table(s, CROSSINGS)
    new = _newest(s)
    written, found = base, 0
    for k in range(n):
        here, there = signs[k], signs[k + 1 if k + 1 < n else 0]
        if here in (side, ZERO):
            copy(uncut[k], corners[written])
            lines[written] = uncut_lines[k] if side in (here, there) else new
            written += 1
        if _opposite(here, there):
            copy(crossings[found], corners[written])
            lines[written] = new if here == side else uncut_lines[k]
            written += 1
            found += 1
    return written - base


@kernel
def _newest(s: Directory) -> int:
    return int(FIRST_ROW - 1 + ints(s, AT)[COUNT])


@kernel
def _opposite(one: int, other: int) -> bool:
    return bool(one != other and ZERO not in (one, other))


@kernel
def _place(s: Directory, a: int, b: int, out: Floats) -> None:
    """Write position and radius of the vertex where two lines meet; radius 0 only for the origin, exactly.

    With p the position, r the residuals and A the coefficients, the vertex is ``p - A^-1 r``. Infinite if A may be
    singular.
    """
    if _is_central(s, a) and _is_central(s, b):
        out[0] = out[1] = out[2] = 0.0
        return
    box = table(s, BOX)
    f, error_f, offset_f = _line(s, a)
    g, error_g, offset_g = _line(s, b)
    determinant = f[0] * g[1] - f[1] * g[0]
    x = (f[1] * g[2] - f[2] * g[1]) / determinant
    y = (f[2] * g[0] - f[0] * g[2]) / determinant
    x = min(max(x, box[0, 0]), box[1, 0]) if not np.isnan(x) else box[0, 0]
    y = min(max(y, box[0, 1]), box[1, 1]) if not np.isnan(y) else box[0, 1]
    vague = error_f * (abs(g[0]) + abs(g[1])) + error_g * (abs(f[0]) + abs(f[1])) + 2.0 * error_f * error_g
    vague += 4.0 * _UNIT * (abs(f[0] * g[1]) + abs(f[1] * g[0]))
    certain = abs(determinant) - 1.0625 * vague
    residual_f, doubt_f = _value(f, (error_f, offset_f), (x, y))
    residual_g, doubt_g = _value(g, (error_g, offset_g), (x, y))
    off_f, off_g = abs(residual_f) + doubt_f, abs(residual_g) + doubt_g
    spread = (max(abs(g[0]), abs(g[1])) + error_g) * off_f + (max(abs(f[0]), abs(f[1])) + error_f) * off_g
    out[0] = x
    out[1] = y
    out[2] = _ABOVE * spread / certain if certain > 0.0 else np.inf


@kernel
def _line(s: Directory, line: int) -> tuple[tuple[float, float, float], float, float]:
    """The line's form, a bound of its error on the box, and one of that of its constant."""
    if line < FIRST_ROW:
        walls = table(s, WALLS)
        return (walls[line, 0], walls[line, 1], walls[line, 2]), _TINY, _WALL * abs(walls[line, 2])
    rows, k = table(s, ROWS), line - FIRST_ROW
    return (rows[k, 0], rows[k, 1], rows[k, 2]), floats(s, ROW_ERROR)[k], floats(s, ROW_OFF)[k]


@kernel
def _is_central(s: Directory, line: int) -> bool:
    """Whether the line surely goes through the origin of the coordinates."""
    if line < FIRST_ROW:
        return bool(table(s, WALLS)[line, 2] == 0.0)
    return bool(symbols(s, CENTRAL)[ints(s, ROW_NEURON)[line - FIRST_ROW]])
