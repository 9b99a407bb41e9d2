"""The depth-first search over cells cut out by rows.

On entering a layer in a cell, every row of the layer is screened once: the rows that divide the cell are the layer's
candidates, the others are stable there. Then the candidates are decided one after the other in smaller and smaller
cells. The search stops where floating point cannot tell (`ASK`) and goes on with the answer.
"""

from __future__ import annotations

from typing import Final

from relucensus.compiled import Directory, Floats, entry, floats, ints, kernel, symbols, table
from relucensus.engines.tree.bounds import copy, doubt, oriented, value_at
from relucensus.engines.tree.forms import constant_symbol, note_dead, prepare
from relucensus.engines.tree.leaf import record
from relucensus.engines.tree.path import accept, backtrack, divide, finish_layer, keep
from relucensus.engines.tree.polygon import begin, enclose, middle_of, settle_apart, symbol_on
from relucensus.engines.tree.reach import EMPTY, FOUND, UNSURE, beyond, centre, mixed_with, tighten
from relucensus.engines.tree.state import (
    ACTIVE,
    ANSWER,
    ASK,
    AT,
    BLIND,
    BOX,
    CANDIDATES,
    CORNER,
    COUNT,
    DECIDE,
    DIVIDED,
    DONE,
    ENTER,
    ENTERED,
    ERROR,
    FORM,
    FORMS,
    FRESH,
    FULL,
    HAS,
    HIGH,
    HOMOGENEOUS,
    INACTIVE,
    KIN,
    KIND,
    LAYER,
    LEAF,
    LOW,
    LPS,
    MIDDLE,
    MODE,
    NUMBERS,
    PLANAR,
    POINT,
    POSITION,
    REACH,
    REGIONS,
    ROW_NEURON,
    RUNNING,
    SCREEN,
    SEEN,
    SIDES,
    STAGE,
    STARTS,
    STEPS,
    SYMBOLS,
    TOUCHES,
    UNKNOWN,
    VALID,
)

_MOST_TIGHTENED: Final = 12


@kernel
def search(s: Directory, steps: int) -> int:
    """Go on for so many steps: DONE, ASK (answer it in ``at[ANSWER]``), LEAF (record it, then go on) or RUNNING."""
    at, starts = ints(s, AT), ints(s, STARTS)
    for _ in range(steps):
        if at[STAGE] == ENTER:
            if at[LAYER] == starts.shape[0] - 1:
                at[STAGE] = LEAF
                return LEAF
            _enter(s)
        elif at[STAGE] == LEAF:
            if not backtrack(s):
                return DONE
        elif at[STAGE] == SCREEN:
            if not _screen(s):
                return ASK
        elif not _decide(s):
            return ASK
        if at[STAGE] == DONE:
            return DONE
    _pause(s)
    return RUNNING


@kernel
def _pause(s: Directory) -> None:
    """Finish a layer of which nothing is left to decide, so that the position is one where the search can be cut."""
    at = ints(s, AT)
    if at[STAGE] == DECIDE and at[POSITION] == ints(s, NUMBERS)[at[LAYER]]:
        finish_layer(s)


@kernel
def _enter(s: Directory) -> None:
    """Make the layer's forms, and a box around the cell where that saves programs."""
    at, starts, box, low, high, point, numbers = (
        ints(s, AT),
        ints(s, STARTS),
        table(s, BOX),
        table(s, LOW),
        table(s, HIGH),
        floats(s, POINT),
        ints(s, NUMBERS),
    )
    layer = at[LAYER]
    if layer > 0:
        prepare(s, layer)
        if layer == 1 and at[HOMOGENEOUS]:
            note_dead(s)
    elif at[PLANAR]:
        begin(s)
    numbers[layer] = 0
    at[POSITION] = starts[layer]
    at[STAGE] = SCREEN
    if at[PLANAR]:
        enclose(s)
        _intervals(s, layer)
        if not settle_apart(s):
            at[STAGE] = DONE
        return
    d = point.shape[0]
    before = max(0, layer - 1)
    for c in range(d):
        low[layer, c] = low[before, c] if layer else box[0, c]
        high[layer, c] = high[before, c] if layer else box[1, c]
    left = _intervals(s, layer)
    if at[COUNT] > 0 and d <= _MOST_TIGHTENED and left > 2 * d:
        tighten(s, at[COUNT], layer)
        at[LPS] += 2 * d
        _intervals(s, layer)
    copy(point, table(s, ENTERED)[layer])


@kernel
def _intervals(s: Directory, layer: int) -> int:
    """Bound every row of the layer on the box around the cell; how many may change sign there."""
    starts, forms, error, low, high, point, middles, reaches = (
        ints(s, STARTS),
        table(s, FORMS),
        floats(s, ERROR),
        table(s, LOW),
        table(s, HIGH),
        floats(s, POINT),
        floats(s, MIDDLE),
        floats(s, REACH),
    )
    start, end = starts[layer], starts[layer + 1]
    d = point.shape[0]
    middle, reach = middles[start:end], reaches[start:end]
    rounding = 2.0**-51 * (d + 4)
    for i in range(end - start):
        middle[i] = forms[d, start + i]
        reach[i] = rounding * abs(middle[i])
    for c in range(d):
        between, half = (low[layer, c] + high[layer, c]) / 2, (high[layer, c] - low[layer, c]) / 2
        half = (1.0 + 2.0**-30) * half + rounding * max(abs(low[layer, c]), abs(high[layer, c]))
        row = forms[c, start:end]
        for i in range(end - start):
            middle[i] += row[i] * between
            reach[i] += abs(row[i]) * half
    left = 0
    for i in range(end - start):
        reach[i] += error[start + i] + 2.0**-48 * (d + 4) * (reach[i] + abs(middle[i]) + error[start + i])
        left += abs(middle[i]) <= reach[i]
    return left


@kernel
def _screen(s: Directory) -> bool:
    """Screen the layer's rows from the position on; False where a row needs an answer."""
    at, starts, seen, has, corner, middle, reach, candidates, numbers = (
        ints(s, AT),
        ints(s, STARTS),
        table(s, SEEN),
        symbols(s, HAS),
        floats(s, CORNER),
        floats(s, MIDDLE),
        floats(s, REACH),
        ints(s, CANDIDATES),
        ints(s, NUMBERS),
    )
    layer = at[LAYER]
    for i in range(at[POSITION], starts[layer + 1]):
        if at[PLANAR] and abs(middle[i]) > reach[i]:
            continue
        at[POSITION] = i
        at[TOUCHES] = 0
        symbol = constant_symbol(s, i)
        if symbol == UNKNOWN and abs(middle[i]) > reach[i]:
            symbol = ACTIVE if middle[i] > 0.0 else INACTIVE
        has[i] = 0
        if symbol == UNKNOWN:
            symbol = _symbol(s, i)
        if symbol == UNKNOWN:
            return False
        if symbol == DIVIDED:
            candidates[starts[layer] + numbers[layer]] = i
            numbers[layer] += 1
            if at[FRESH]:
                has[i] = 1
                copy(corner, seen[i])
        elif not keep(s, i, symbol):
            return True
    at[POSITION] = 0
    at[STAGE] = DECIDE
    return True


@kernel
def _decide(s: Directory) -> bool:
    """Decide the layer's candidates from the position on; False where one needs an answer."""
    at, starts, candidates, numbers = ints(s, AT), ints(s, STARTS), ints(s, CANDIDATES), ints(s, NUMBERS)
    layer = at[LAYER]
    start = starts[layer]
    while at[POSITION] < numbers[layer]:
        i = candidates[start + at[POSITION]]
        at[TOUCHES] = 0
        symbol = _symbol(s, i)
        if symbol == UNKNOWN:
            return False
        if symbol == DIVIDED:
            divide(s, i)
        elif not keep(s, i, symbol):
            return True
        at[POSITION] += 1
    finish_layer(s)
    return True


@kernel
def _symbol(s: Directory, i: int) -> int:
    """The row's symbol on the cell, or DIVIDED with points of both sides in SIDES, or UNKNOWN."""
    at = ints(s, AT)
    at[FRESH] = 0
    if at[PLANAR]:
        return symbol_on(s, i)
    if at[ANSWER]:
        return accept(s)
    known = _kin_symbol(s, i) if at[KIN] else UNKNOWN
    return known if known != UNKNOWN else _symbol_by_programs(s, i)


@kernel
def _kin_symbol(s: Directory, i: int) -> int:
    """The row's symbol where a row that it is a multiple of has divided a cell above; UNKNOWN if none has."""
    at, kind, neuron, now = ints(s, AT), ints(s, KIND), ints(s, ROW_NEURON), symbols(s, SYMBOLS)
    for k in range(at[COUNT]):
        if kind[neuron[k]] | 1 == kind[i] | 1:
            at[TOUCHES] = 1
            return int(now[neuron[k]] ^ ((kind[neuron[k]] ^ kind[i]) & 1))
    return UNKNOWN


@kernel
def _symbol_by_programs(s: Directory, i: int) -> int:
    at, point, sides, seen, has, values = (
        ints(s, AT),
        floats(s, POINT),
        table(s, SIDES),
        table(s, SEEN),
        symbols(s, HAS),
        floats(s, FORM),
    )
    d = point.shape[0]
    error, size = oriented(s, i, 1.0, values)
    here = value_at(values, point)
    if at[BLIND] or abs(here) <= doubt(error, size, d) or size == 0.0:
        return _symbol_blind(s, (error, size))
    mine = 1 if here > 0.0 else 0
    for c in range(d + 1):
        values[c] *= -1.0 if mine else 1.0
    form = (values, error, size)
    other = sides[1 - mine]
    copy(point, sides[mine])
    at[VALID] = 3
    if has[i] and mixed_with(s, at[COUNT], form, seen[i], other):
        return DIVIDED
    if d > _MOST_TIGHTENED and _seen_beyond(s, form, other):
        at[FRESH] = at[STAGE] == SCREEN
        return DIVIDED
    at[LPS] += 1
    code = beyond(s, (at[COUNT], at[LAYER]), form, other)
    if code == FOUND:
        at[FRESH] = 1
        return DIVIDED
    return UNKNOWN if code == UNSURE else mine


@kernel
def _seen_beyond(s: Directory, form: tuple[Floats, float, float], other: Floats) -> bool:
    """Whether a point known from this layer lies beyond the row's hyperplane; it goes to CORNER."""
    at, candidates, entered = ints(s, AT), ints(s, CANDIDATES), table(s, ENTERED)
    seen, has, corner = table(s, SEEN), symbols(s, HAS), floats(s, CORNER)
    layer = at[LAYER]
    start = ints(s, STARTS)[layer]
    for k in range(ints(s, NUMBERS)[layer]):
        i = candidates[start + k]
        if has[i] and mixed_with(s, at[COUNT], form, seen[i], other):
            copy(seen[i], corner)
            return True
    copy(entered[layer], corner)
    return mixed_with(s, at[COUNT], form, corner, other)


@kernel
def _symbol_blind(s: Directory, sizes: tuple[float, float]) -> int:
    """The same without an inner point of the cell, or with one on the row's hyperplane."""
    at, sides, values = ints(s, AT), table(s, SIDES), floats(s, FORM)
    error, size = sizes
    if size == 0.0:
        return UNKNOWN
    where = (at[COUNT], at[LAYER])
    at[LPS] += 2
    positive = centre(s, where, (values, error, size), sides[1])[0]
    if positive == EMPTY:
        return INACTIVE
    for c in range(values.shape[0]):
        values[c] = -values[c]
    negative = centre(s, where, (values, error, size), sides[0])[0]
    if negative == EMPTY:
        return ACTIVE
    at[VALID] = 3
    return DIVIDED if positive == FOUND and negative == FOUND else UNKNOWN


@entry
def run(s: Directory, residues: Directory, steps: int, most: int) -> int:
    """Search and record for so many steps, or until so many regions are counted: DONE, ASK, FULL or RUNNING."""
    at = ints(s, AT)
    goal = at[STEPS] + steps
    while at[STEPS] < goal:
        status = search(s, 64)
        at[STEPS] += 64
        if status != LEAF:
            if status != RUNNING:
                return status
        else:
            if at[PLANAR] and at[MODE]:
                middle_of(s)
            room = record(s, residues)
            if at[REGIONS] >= most or not room:
                return FULL
    return RUNNING
