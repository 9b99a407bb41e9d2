"""A small dense dual simplex with bound flipping: the largest value of a form on a cell. It only proposes.

Throughout: maximise ``f(u)`` subject to ``g_k(u) >= 0`` for m rows and ``lower <= u <= upper`` for d coordinates.
Variables are numbered coordinates first, then the slacks of the rows. A basic variable of tableau row i is
``value[i] + sum_j tableau[i, j] * (move of nonbasic variable j)``. The tableau stays dual feasible, so that its
objective is an upper bound at any time; the long-step ratio test flips boxed variables instead of pivoting on them
(Maros 2003; Koberstein 2005). Rows are chosen by Devex weights (Forrest & Goldfarb 1992).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from relucensus.compiled import Directory, Floats, Ints, floats, ints, kernel, symbols, table
from relucensus.engines.tree.bounds import dot
from relucensus.engines.tree.state import (
    BASIC,
    BOUNDS,
    COLUMN,
    COST,
    FLIPPED,
    MOVES,
    ORDER,
    PIVOTS,
    RATIO,
    TABLEAU,
    UPPER,
    VALUE,
    WEIGHT,
)

FEASIBLE: Final = 0
BELOW: Final = 1
FAILED: Final = 2
_TOLERANCE: Final = 1e-11
_PIVOT: Final = 1e-10
_FEW: Final = 12
_CHUNK: Final = 16


@kernel
def load(s: Directory, rows: Floats, m: int, form: Floats) -> None:
    """Start from the vertex of the box at which the form is largest; `rows` (m, d + 1) and `form` (d + 1,).

    The bounds of the coordinates must stand in BOUNDS already.
    """
    tableau, value, weight, basic, column, upper, cost, bounds = (
        table(s, TABLEAU),
        floats(s, VALUE),
        floats(s, WEIGHT),
        ints(s, BASIC),
        ints(s, COLUMN),
        symbols(s, UPPER),
        floats(s, COST),
        table(s, BOUNDS),
    )
    pivots = floats(s, PIVOTS)
    d = form.shape[0] - 1
    cost[-1] = form[d]
    for j in range(d):
        column[j] = j
        cost[j] = form[j]
        upper[j] = 1 if form[j] > 0.0 else 0
        pivots[j] = bounds[upper[j], j]
        cost[-1] += form[j] * pivots[j]
    for k in range(m):
        basic[k] = d + k
        bounds[0, d + k] = 0.0
        bounds[1, d + k] = np.inf
        for j in range(d):
            tableau[k, j] = rows[k, j]
        value[k] = rows[k, d] + dot(rows[k], pivots, d)
        weight[k] = 1.0


@kernel
def improve(s: Directory, m: int, d: int, enough: float) -> int:
    """Pivot until the vertex is feasible, or the objective is at most `enough`, or nothing more is possible."""
    cost = floats(s, COST)
    for _ in range(40 + 6 * (m + d)):
        if cost[-1] <= enough:
            return BELOW
        row, excess = _most_violated(s, m)
        if row < 0:
            return FEASIBLE
        entering, flips = _entering(s, row, excess, d) if d <= _FEW else _entering_many(s, row, excess, d)
        if entering < 0:
            return FAILED
        _move(s, m, flips)
        _pivot(s, row, entering, m, d)
    return FAILED


@kernel
def _most_violated(s: Directory, m: int) -> tuple[int, float]:
    """The tableau row farthest outside its bounds by its weight, and how far: negative below; row -1 if none."""
    value, basic, bounds, weight = floats(s, VALUE), ints(s, BASIC), table(s, BOUNDS), floats(s, WEIGHT)
    best, worst, excess = -1, 0.0, 0.0
    for i in range(m):
        low = value[i] - bounds[0, basic[i]]
        high = value[i] - bounds[1, basic[i]]
        off = low if low < 0.0 else max(high, 0.0)
        if abs(off) > _TOLERANCE and off * off > worst * weight[i]:
            best, worst, excess = i, off * off / weight[i], off
    return best, excess


@kernel
def _entering(s: Directory, row: int, excess: float, d: int) -> tuple[int, int]:
    """The column to enter by the long-step ratio test, -1 if there is none, and the number of flips on the way."""
    tableau, column, upper, cost, bounds, ratio = (
        table(s, TABLEAU),
        ints(s, COLUMN),
        symbols(s, UPPER),
        floats(s, COST),
        table(s, BOUNDS),
        floats(s, RATIO),
    )
    sign = 1.0 if excess < 0.0 else -1.0
    for j in range(d):
        alpha = sign * tableau[row, j]
        usable = alpha > _PIVOT if upper[j] == 0 else alpha < -_PIVOT
        ratio[j] = abs(cost[j] / alpha) if usable else np.inf
    left = abs(excess)
    flips = 0
    while True:
        best = -1
        for j in range(d):
            if (
                ratio[j] >= 0.0
                and ratio[j] < np.inf
                and (
                    best < 0
                    or ratio[j] < ratio[best]
                    or (ratio[j] == ratio[best] and abs(tableau[row, j]) > abs(tableau[row, best]))
                )
            ):
                best = j
        if best < 0:
            return -1, flips
        v = column[best]
        left -= abs(tableau[row, best]) * (bounds[1, v] - bounds[0, v])
        if left <= 0.0:
            return best, flips
        flips = _flip(s, best, flips)
        ratio[best] = np.inf


@kernel
def _entering_many(s: Directory, row: int, excess: float, d: int) -> tuple[int, int]:
    """The same for many columns: candidates in the order of their ratios, sorted only in part."""
    tableau, column, bounds = table(s, TABLEAU), ints(s, COLUMN), table(s, BOUNDS)
    first, flips, count = 0, 0, _candidates(s, row, excess, d)
    left = abs(excess)
    while count > 0:
        ratio, order = floats(s, RATIO)[first:], ints(s, ORDER)[first:]
        chunk = count if count <= _CHUNK else _partition(ratio, order, count, _low_sample(ratio, count))
        total = 0.0
        for k in range(chunk):
            v = column[order[k]]
            total += abs(tableau[row, order[k]]) * (bounds[1, v] - bounds[0, v])
        if total >= left and _CHUNK < chunk < count:
            count = chunk
        elif total >= left or chunk == count:
            return _last_of(s, row, left, (first, chunk, flips))
        else:
            for k in range(chunk):
                flips = _flip(s, order[k], flips)
            left -= total
            first += chunk
            count -= chunk
    return -1, flips


@kernel
def _candidates(s: Directory, row: int, excess: float, d: int) -> int:
    """Write the columns that can move the row towards its bound, and their ratios; how many they are.

    Here and in `_partition` nothing branches on the data, which is what makes them quick.
    """
    tableau, upper, cost = table(s, TABLEAU), symbols(s, UPPER), floats(s, COST)
    ratio, order = floats(s, RATIO), ints(s, ORDER)
    sign = 1.0 if excess < 0.0 else -1.0
    count = 0
    for j in range(d):
        alpha = sign * tableau[row, j]
        ratio[count] = abs(cost[j] / alpha)
        order[count] = j
        count += int(alpha * (1.0 - 2.0 * upper[j]) > _PIVOT)
    return count


@kernel
def _low_sample(sizes: Floats, count: int) -> float:
    """A ratio from the lower part: the second smallest of five samples."""
    least = second = np.inf
    for k in range(5):
        sample = sizes[(k * (count - 1)) // 4]
        if sample < least:
            least, second = sample, least
        elif sample < second:
            second = sample
    return float(second)


@kernel
def _partition(sizes: Floats, columns: Ints, count: int, bar: float) -> int:
    """Move the candidates with ratio up to the bar to the front; how many they are (at least one)."""
    k = 0
    for i in range(count):
        sizes[k], sizes[i] = sizes[i], sizes[k]
        columns[k], columns[i] = columns[i], columns[k]
        k += int(sizes[k] <= bar)
    return max(k, 1)


@kernel
def _last_of(s: Directory, row: int, left: float, place: tuple[int, int, int]) -> tuple[int, int]:
    """Sort these candidates, (first, count, flips): flip those that do not suffice and give the one that does."""
    first, count, flips = place
    tableau, column, bounds = table(s, TABLEAU), ints(s, COLUMN), table(s, BOUNDS)
    ratio, order = floats(s, RATIO)[first:], ints(s, ORDER)[first:]
    for rank in range(count):
        best = rank
        for k in range(rank + 1, count):
            if ratio[k] < ratio[best]:
                best = k
        ratio[rank], ratio[best] = ratio[best], ratio[rank]
        order[rank], order[best] = order[best], order[rank]
        j = order[rank]
        v = column[j]
        left -= abs(tableau[row, j]) * (bounds[1, v] - bounds[0, v])
        if left <= 0.0:
            return j, flips
        flips = _flip(s, j, flips)
    return -1, flips


@kernel
def _flip(s: Directory, j: int, flips: int) -> int:
    """Note that a nonbasic coordinate moves to its other bound; the number of flips noted."""
    column, upper, cost, bounds = ints(s, COLUMN), symbols(s, UPPER), floats(s, COST), table(s, BOUNDS)
    v = column[j]
    move = bounds[1, v] - bounds[0, v]
    if upper[j] == 1:
        move = -move
    upper[j] = 1 - upper[j]
    cost[-1] += cost[j] * move
    ints(s, FLIPPED)[flips] = j
    floats(s, MOVES)[flips] = move
    return flips + 1


@kernel
def _move(s: Directory, m: int, flips: int) -> None:
    """Bring the basic variables to the flips noted."""
    tableau, value, flipped, moves = table(s, TABLEAU), floats(s, VALUE), ints(s, FLIPPED), floats(s, MOVES)
    for i in range(m):
        row = tableau[i]
        total = 0.0
        for k in range(flips):
            total += row[flipped[k]] * moves[k]
        value[i] += total


@kernel
def _pivot(s: Directory, row: int, entering: int, m: int, d: int) -> None:
    """The basic variable of the row leaves to the bound it violates; the entering column becomes basic."""
    tableau, value, basic, column = table(s, TABLEAU), floats(s, VALUE), ints(s, BASIC), ints(s, COLUMN)
    upper, cost, bounds, pivots = symbols(s, UPPER), floats(s, COST), table(s, BOUNDS), floats(s, PIVOTS)
    weight = floats(s, WEIGHT)
    leaving, v = basic[row], column[entering]
    to_upper = value[row] > bounds[1, leaving]
    target = bounds[1, leaving] if to_upper else bounds[0, leaving]
    step = (target - value[row]) / tableau[row, entering]
    inverse = 1.0 / tableau[row, entering]
    reference = weight[row] * inverse * inverse
    for j in range(d):
        pivots[j] = -inverse * tableau[row, j]
        tableau[row, j] = pivots[j]
    pivots[entering] = 0.0
    tableau[row, entering] = inverse
    for i in range(m):
        factor = tableau[i, entering]
        if i != row and factor != 0.0:
            value[i] += factor * step
            weight[i] = max(weight[i], factor * factor * reference)
            tableau[i, entering] = factor * inverse
            _add(factor, pivots, tableau[i], d)
    factor = cost[entering]
    cost[-1] += factor * step
    cost[entering] = factor * inverse
    _add(factor, pivots, cost, d)
    value[row] = bounds[upper[entering], v] + step
    weight[row] = max(reference, 1.0)
    basic[row] = v
    column[entering] = leaving
    upper[entering] = 1 if to_upper else 0


@kernel
def _add(factor: float, source: Floats, target: Floats, count: int) -> None:
    """Add a multiple of one vector to another."""
    for j in range(count):
        target[j] += factor * source[j]


@kernel
def vertex(s: Directory, m: int, d: int, point: Floats) -> None:
    """Write the coordinates of the tableau's vertex."""
    value, basic, column, upper, bounds = (
        floats(s, VALUE),
        ints(s, BASIC),
        ints(s, COLUMN),
        symbols(s, UPPER),
        table(s, BOUNDS),
    )
    for j in range(d):
        if column[j] < d:
            point[column[j]] = bounds[upper[j], column[j]]
    for i in range(m):
        if basic[i] < d:
            point[basic[i]] = value[i]


@kernel
def multipliers(s: Directory, m: int, d: int, weights: Floats) -> None:
    """Write a weight a row: with these the form plus the weighted rows is bounded by the objective over the box."""
    column, cost = ints(s, COLUMN), floats(s, COST)
    for k in range(m):
        weights[k] = 0.0
    for j in range(d):
        if column[j] >= d:
            weights[column[j] - d] = max(0.0, -cost[j])
