"""Networks without biases: proof that a form is nowhere positive in a cone, although it is zero at its apex.

All constants are exactly zero, so the form has no positive value in the cell as soon as it is a combination of the
cell's rows with no positive weight. Where the weights solve a square linear system whose matrix is shown to be
regular, exact weights exist near the computed ones (Krawczyk; Rump, Verification methods, Acta Numerica 2010), and
their signs are those of the computed ones when the enclosure leaves no doubt. So the identity holds exactly although
its coefficients are known in rounded form only.
"""

from __future__ import annotations

from typing import Final

from relucensus.compiled import Directory, Floats, floats, ints, kernel, symbols, table
from relucensus.engines.tree.log import add_number, begin_evidence
from relucensus.engines.tree.state import (
    AT,
    BOUNDS,
    COLUMN,
    DEAD,
    LAYER,
    ROW_ERROR,
    ROW_NEURON,
    ROWS,
    SOLVE,
    STARTS,
    TIED,
    UPPER,
)
from relucensus.proof import certificate

_UNIT: Final = 2.0**-52


@kernel
def tied(s: Directory, form: tuple[Floats, float, float]) -> int:
    """How many rows surely have a positive weight where the final tableau shows that the form is nowhere positive.

    -1 where it shows nothing. With two or more of them, which are independent, the form is zero on no facet.
    """
    column, upper, bounds = ints(s, COLUMN), symbols(s, UPPER), table(s, BOUNDS)
    values, error, _ = form
    d = values.shape[0] - 1
    used = 0
    for j in range(d):
        v = column[j]
        if v >= d:
            used += 1
        elif bounds[upper[j], v] != 0.0 and not _vanishes(s, v, values):
            return -1
    if used > TIED:
        return -1
    _assemble(s, values, used)
    if not (_enclosed(s, used, error) and _signs_fit(s, (values, error), used)):
        return -1
    positive, solve = 0, table(s, SOLVE)
    for k in range(used):
        positive += solve[1, k] > solve[3, 0]
    return positive


@kernel
def keep_tie(s: Directory, d: int) -> None:
    """Make the rows with a weight the evidence; the weights make the basic coordinates vanish."""
    column, used = ints(s, COLUMN), 0
    for j in range(d):
        used += column[j] >= d
    begin_evidence(s, certificate.KIND_SOLVED, used)
    for j in range(d):
        if column[j] >= d:
            add_number(s, column[j] - d)
    for c in range(d):
        if _is_basic(s, c, d):
            add_number(s, c)


@kernel
def _vanishes(s: Directory, v: int, values: Floats) -> bool:
    """Whether neither the form nor any nonbasic row depends on coordinate v, exactly.

    In the first layer a weight is 0.0 only if it is zero; above it nothing depends on what is dead.
    """
    rows, neuron, column, dead = table(s, ROWS), ints(s, ROW_NEURON), ints(s, COLUMN), symbols(s, DEAD)
    above, d = ints(s, STARTS)[1], values.shape[0] - 1
    if not (values[v] == 0.0 if ints(s, AT)[LAYER] == 0 else dead[v] == 1):
        return False
    for j in range(d):
        k = column[j] - d
        if k >= 0 and not (rows[k, v] == 0.0 if neuron[k] < above else dead[v] == 1):
            return False
    return True


@kernel
def _assemble(s: Directory, values: Floats, used: int) -> None:
    """Write the system for the weights: one equation a basic coordinate, one column a nonbasic row.

    The rows of SOLVE: right side, solution, the columns' errors, residual; then the matrix, its inverse and
    a copy to work on.
    """
    rows, row_error, solve, column = table(s, ROWS), floats(s, ROW_ERROR), table(s, SOLVE), ints(s, COLUMN)
    d = values.shape[0] - 1
    k = 0
    for j in range(d):
        v = column[j]
        if v < d:
            continue
        solve[2, k] = row_error[v - d]
        line = 0
        for c in range(d):
            if _is_basic(s, c, d):
                solve[4 + line, k] = rows[v - d, c]
                solve[0, line] = -values[c]
                line += 1
        k += 1


@kernel
def _is_basic(s: Directory, coordinate: int, d: int) -> bool:
    column = ints(s, COLUMN)
    for j in range(d):
        if column[j] == coordinate:
            return False
    return True


@kernel
def _signs_fit(s: Directory, form: tuple[Floats, float], used: int) -> bool:
    """Whether the weights are surely not negative, and the combination falls away from coordinates' bounds of zero."""
    rows, row_error, solve, column, upper, bounds = (
        table(s, ROWS),
        floats(s, ROW_ERROR),
        table(s, SOLVE),
        ints(s, COLUMN),
        symbols(s, UPPER),
        table(s, BOUNDS),
    )
    values, error = form
    d = values.shape[0] - 1
    radius = solve[3, 0]
    for k in range(used):
        if solve[1, k] < radius:
            return False
    for j in range(d):
        v = column[j]
        if v >= d or bounds[upper[j], v] != 0.0:
            continue
        total, doubt = values[v], error + 8.0 * _UNIT * abs(values[v])
        k = 0
        for other in range(d):
            row = column[other] - d
            if row >= 0:
                entry, weight = rows[row, v], solve[1, k]
                total += weight * entry
                doubt += (radius + (used + 8.0) * _UNIT * weight) * (abs(entry) + row_error[row])
                doubt += weight * row_error[row]
                k += 1
        if (upper[j] == 1 and total < doubt) or (upper[j] == 0 and total > -doubt):
            return False
    return True


@kernel
def _enclosed(s: Directory, n: int, right_off: float) -> bool:
    """Solve and enclose: the radius goes to ``SOLVE[3, 0]``; False if a matrix within the errors may be singular.

    The right side may be off by `right_off` in every entry, column k of the matrix by ``SOLVE[2, k]``.
    """
    solve = table(s, SOLVE)
    if not _invert(solve, n):
        return False
    for i in range(n):
        solve[1, i] = 0.0
        for k in range(n):
            solve[1, i] += solve[4 + TIED + i, k] * solve[0, k]
    worst = most = 0.0
    for i in range(n):
        spread = 0.0
        for k in range(n):
            spread += abs(solve[4 + TIED + i, k]) * _residual(solve, n, k, right_off)
        most = max(most, spread)
        worst = max(worst, _contraction(solve, n, i))
    solve[3, 0] = 1.0625 * most / (1.0 - worst)
    return bool(worst < 0.5)


@kernel
def _residual(s: Floats, n: int, i: int, right_off: float) -> float:
    """A bound of equation i's residual, for every system near the given one."""
    total, gross, doubt = -s[0, i], abs(s[0, i]), right_off
    for k in range(n):
        term = s[4 + i, k] * s[1, k]
        total += term
        gross += abs(term)
        doubt += s[2, k] * abs(s[1, k])
    return float(abs(total) + doubt + (n + 4.0) * _UNIT * gross)


@kernel
def _contraction(s: Floats, n: int, i: int) -> float:
    """A bound of row i's absolute sum of the identity less the inverse times a matrix near the given one."""
    bound = 0.0
    for k in range(n):
        total, gross = (1.0 if i == k else 0.0), 1.0
        for j in range(n):
            term = s[4 + TIED + i, j] * s[4 + j, k]
            total -= term
            gross += abs(term)
            bound += abs(s[4 + TIED + i, j]) * s[2, k]
        bound += abs(total) + (n + 4.0) * _UNIT * gross
    return bound


@kernel
def _invert(s: Floats, n: int) -> bool:
    """An approximate inverse by Gauss-Jordan elimination with partial pivoting; False if a pivot is zero."""
    for r in range(n):
        for c in range(n):
            s[4 + 2 * TIED + r, c] = s[4 + r, c]
            s[4 + TIED + r, c] = 1.0 if r == c else 0.0
    work, inverse = s[4 + 2 * TIED :], s[4 + TIED :]
    for c in range(n):
        p = c
        for r in range(c, n):
            if abs(work[r, c]) > abs(work[p, c]):
                p = r
        if work[p, c] == 0.0:
            return False
        _eliminate(work, inverse, n, (c, p))
    return True


@kernel
def _eliminate(work: Floats, inverse: Floats, n: int, place: tuple[int, int]) -> None:
    c, p = place
    scale = 1.0 / work[p, c]
    for k in range(n):
        work[c, k], work[p, k] = work[p, k], work[c, k]
        inverse[c, k], inverse[p, k] = inverse[p, k], inverse[c, k]
    for k in range(n):
        work[c, k] *= scale
        inverse[c, k] *= scale
    for r in range(n):
        factor = work[r, c]
        if r != c and factor != 0.0:
            for k in range(n):
                work[r, k] -= factor * work[c, k]
                inverse[r, k] -= factor * inverse[c, k]
