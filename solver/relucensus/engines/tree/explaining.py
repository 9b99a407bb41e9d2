"""Why a row is stable on a cell that is known without a linear program: multipliers for the log.

On a polygon, a form that is nowhere positive is largest at a vertex, and there its gradient is a combination of the
two sides' normals (linear programming duality in the plane). Rows that are multiples of one on the path need that row
alone.
"""

from __future__ import annotations

from typing import Final

from relucensus.compiled import Directory, Floats, floats, ints, kernel, symbols, table
from relucensus.engines.tree.bounds import oriented, scale_of
from relucensus.engines.tree.log import add_number, begin_evidence, put, put_bound, put_evidence, shown_below
from relucensus.engines.tree.polygon import FIRST_ROW, ZERO
from relucensus.engines.tree.state import (
    ASKED,
    AT,
    BASE,
    CLAIMED,
    CORNERS,
    COUNT,
    FORM,
    GIVEN,
    HIGH,
    KIN,
    KIND,
    LAYER,
    LINES,
    LOW,
    MULTIPLIERS,
    PLANAR,
    PROOF,
    ROW_ERROR,
    ROW_NEURON,
    ROWS,
    SIGNS,
    SIZE,
    SUPPORT,
    SYMBOL,
    WANTED,
    WHY_INACTIVE,
)
from relucensus.proof import certificate

_UNIT: Final = 2.0**-52


@kernel
def log_stable(s: Directory, i: int, symbol: int) -> bool:
    """Append that a row is stable, with the evidence at hand or found here; False where it has to be asked for."""
    at = ints(s, AT)
    if at[WANTED] == GIVEN:
        at[WANTED] = SYMBOL
    elif at[PROOF] == 0 and not _explained(s, i, symbol):
        at[ASKED] = i
        at[CLAIMED] = symbol
        at[WANTED] = WHY_INACTIVE + symbol
        return False
    put(s, certificate.ACTIVE_BY if symbol else certificate.INACTIVE_BY)
    put_evidence(s)
    return True


@kernel
def _explained(s: Directory, i: int, symbol: int) -> bool:
    at = ints(s, AT)
    if at[KIN] and _explained_by_kin(s, i):
        return True
    return bool(at[PLANAR]) and _explained_at_vertex(s, i, symbol)


@kernel
def _explained_by_kin(s: Directory, i: int) -> bool:
    """Whether a row on the path is a multiple of this one, and surely depends on some coordinate."""
    at, kind, neuron, rows, error = (
        ints(s, AT),
        ints(s, KIND),
        ints(s, ROW_NEURON),
        table(s, ROWS),
        floats(s, ROW_ERROR),
    )
    for k in range(at[COUNT]):
        if kind[neuron[k]] | 1 == kind[i] | 1:
            best = 0
            for c in range(rows.shape[1] - 1):
                if abs(rows[k, c]) > abs(rows[k, best]):
                    best = c
            if abs(rows[k, best]) > error[k]:
                begin_evidence(s, certificate.KIND_SOLVED, 1)
                add_number(s, k)
                add_number(s, best)
                return True
    return False


@kernel
def _explained_at_vertex(s: Directory, i: int, symbol: int) -> bool:
    """The same by the polygon's vertex at which the row, whose signs are in SIGNS, comes nearest to the other side."""
    at, signs, form = ints(s, AT), symbols(s, SIGNS), floats(s, FORM)
    error, size = oriented(s, i, -1.0 if symbol else 1.0, form)
    zeros = 0
    for k in range(at[SIZE]):
        zeros += signs[k] == ZERO
    if zeros == at[SIZE]:
        begin_evidence(s, certificate.KIND_FLOAT32, 0)
        return True
    if size == 0.0:
        return False
    v = _extreme(s, form, zeros > 0)
    if zeros:
        return _solved_at(s, v, (form, error))
    return shown_below(s, (_weigh(s, v, form), at[LAYER]), form, error, scale_of(s, i))


@kernel
def _extreme(s: Directory, form: Floats, at_zero: bool) -> int:
    """The vertex at which the form is largest, among those at which it is surely zero if so asked."""
    at, corners, signs = ints(s, AT), table(s, CORNERS), symbols(s, SIGNS)
    base, best, most = at[BASE], -1, 0.0
    for k in range(at[SIZE]):
        if at_zero and signs[k] != ZERO:
            continue
        value = form[0] * corners[base + k, 0] + form[1] * corners[base + k, 1]
        if best < 0 or value > most:
            best, most = k, value
    return best


@kernel
def _sides(s: Directory, v: int) -> tuple[int, int]:
    """The lines of the polygon's two sides that meet in vertex v."""
    at, lines = ints(s, AT), ints(s, LINES)
    return lines[at[BASE] + v], lines[at[BASE] + (v - 1 if v else at[SIZE] - 1)]


@kernel
def _weigh(s: Directory, v: int, form: Floats) -> int:
    """Write the rows through a vertex to SUPPORT, their multipliers to MULTIPLIERS; how many they are."""
    rows, weights, support = table(s, ROWS), floats(s, MULTIPLIERS), ints(s, SUPPORT)
    first, second = _sides(s, v)
    a, b = first - FIRST_ROW, second - FIRST_ROW
    if a >= 0 and b >= 0:
        determinant = rows[a, 0] * rows[b, 1] - rows[a, 1] * rows[b, 0]
        weights[a] = max(0.0, (form[1] * rows[b, 0] - form[0] * rows[b, 1]) / determinant)
        weights[b] = max(0.0, (form[0] * rows[a, 1] - form[1] * rows[a, 0]) / determinant)
        support[0], support[1] = a, b
        return 2
    if a >= 0 or b >= 0:
        k, wall = (a, second) if a >= 0 else (b, first)
        c = 1 - wall // 2
        weights[k] = max(0.0, -form[c] / rows[k, c])
        support[0] = k
        return 1
    return 0


@kernel
def _solved_at(s: Directory, v: int, form: tuple[Floats, float]) -> bool:
    """Whether the form, zero at vertex v, is surely a combination of the two sides with no negative weight.

    The evidence names the rows; the weights are what makes the combination's coefficients zero.
    """
    first, second = _sides(s, v)
    if first >= FIRST_ROW and second >= FIRST_ROW:
        return _solved_by_two(s, (first - FIRST_ROW, second - FIRST_ROW), form)
    if first < FIRST_ROW and second < FIRST_ROW:
        values, error = form
        if not (_falls(values[first // 2], error, first) and _falls(values[second // 2], error, second)):
            return False
        begin_evidence(s, certificate.KIND_FLOAT32, 0)
        return True
    wall, k = (first, second - FIRST_ROW) if first < FIRST_ROW else (second, first - FIRST_ROW)
    return _solved_beside_wall(s, k, wall, form)


@kernel
def _falls(value: float, error: float, wall: int) -> bool:
    """Whether a form with this coefficient surely is largest at the wall of the box."""
    return bool(value > error if wall % 2 else value < -error)


@kernel
def _solved_by_two(s: Directory, lines: tuple[int, int], form: tuple[Floats, float]) -> bool:
    rows, row_error = table(s, ROWS), floats(s, ROW_ERROR)
    a, b = lines
    values, error = form
    turn = _turn(rows[a], row_error[a], rows[b], row_error[b])
    if turn == 0 or _turn(values, error, rows[b], row_error[b]) != -turn:
        return False
    if _turn(rows[a], row_error[a], values, error) != -turn:
        return False
    begin_evidence(s, certificate.KIND_SOLVED, 2)
    add_number(s, a)
    add_number(s, b)
    add_number(s, 0)
    add_number(s, 1)
    return True


@kernel
def _solved_beside_wall(s: Directory, k: int, wall: int, form: tuple[Floats, float]) -> bool:
    """The weight cancels the other coordinate; what is left of the wall's has to fall away from the wall."""
    rows, row_error = table(s, ROWS), floats(s, ROW_ERROR)
    values, error = form
    c = 1 - wall // 2
    mine, theirs = _sure(values[c], error), _sure(rows[k, c], row_error[k])
    if mine * theirs >= 0:
        return False
    turn = _turn(values, error, rows[k], row_error[k])
    left = turn * theirs if c == 1 else -turn * theirs
    if left != (1 if wall % 2 else -1):
        return False
    begin_evidence(s, certificate.KIND_SOLVED, 1)
    add_number(s, k)
    add_number(s, c)
    return True


@kernel
def _sure(value: float, error: float) -> int:
    """The sign of a number that is off by the error at most; 0 where it is unsure."""
    if value > error:
        return 1
    return -1 if value < -error else 0


@kernel
def _turn(f: Floats, error_f: float, g: Floats, error_g: float) -> int:
    """The sign of ``f_0 g_1 - f_1 g_0``; 0 where it is unsure."""
    value = f[0] * g[1] - f[1] * g[0]
    vague = error_f * (abs(g[0]) + abs(g[1])) + error_g * (abs(f[0]) + abs(f[1])) + 2.0 * error_f * error_g
    vague += 4.0 * _UNIT * (abs(f[0] * g[1]) + abs(f[1] * g[0]))
    return _sure(value, 1.0625 * vague)


@kernel
def enclose_shown(s: Directory) -> None:
    """Narrow the layer's box around the polygon, with multipliers from the vertices farthest out."""
    at, form = ints(s, AT), floats(s, FORM)
    low, high, layer = table(s, LOW), table(s, HIGH), at[LAYER]
    for c in range(2):
        for upper in range(2):
            form[c] = 1.0 if upper else -1.0
            form[1 - c] = form[2] = 0.0
            most = put_bound(s, (_weigh(s, _extreme(s, form, False), form), layer), (c, upper), form)
            if upper:
                high[layer, c] = min(high[layer, c], most)
            else:
                low[layer, c] = max(low[layer, c], -most)
