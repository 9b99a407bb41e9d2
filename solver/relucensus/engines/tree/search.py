"""The depth-first search over cells cut out by rows.

On entering a layer in a cell, every row of the layer is screened once: the rows that divide the cell are the layer's
candidates, the others are stable there. Then the candidates are decided one after the other in smaller and smaller
cells. The search stops where floating point cannot tell (`ASK`) and goes on with the answer.
"""

from __future__ import annotations

from typing import Final

from relucensus.compiled import Directory, entry, floats, ints, kernel, symbols, table
from relucensus.engines.tree.bounds import copy
from relucensus.engines.tree.deciding import symbol_of
from relucensus.engines.tree.explaining import enclose_shown, log_stable
from relucensus.engines.tree.forms import constant_symbol, note_dead, prepare
from relucensus.engines.tree.leaf import record
from relucensus.engines.tree.log import has_room, put, put_entry, put_region
from relucensus.engines.tree.path import backtrack, divide, finish_layer, keep
from relucensus.engines.tree.polygon import begin, enclose, middle_of, settle_apart
from relucensus.engines.tree.reach import tighten
from relucensus.engines.tree.state import (
    ACTIVE,
    ASK,
    AT,
    BOX,
    CANDIDATES,
    CERTIFY,
    CORNER,
    COUNT,
    DECIDE,
    DEPTH,
    DIVIDED,
    DONE,
    ENTER,
    ENTERED,
    ERROR,
    FORCED,
    FORMS,
    FRESH,
    FULL,
    HAS,
    HIGH,
    HOMOGENEOUS,
    INACTIVE,
    LAYER,
    LEAF,
    LOW,
    LPS,
    MIDDLE,
    MODE,
    NUMBERS,
    PENDING,
    PLANAR,
    POINT,
    POSITION,
    REACH,
    REGIONS,
    RUNNING,
    SCREEN,
    SEEN,
    STAGE,
    STARTS,
    STEPS,
    SYMBOLS,
    TOUCHES,
    UNKNOWN,
)
from relucensus.proof import certificate

_MOST_TIGHTENED: Final = 12


@kernel
def search(s: Directory, steps: int) -> int:
    """Go on for so many steps: DONE, ASK (answer it in ``at[ANSWER]``), LEAF (record it, then go on) or RUNNING."""
    at, layers = ints(s, AT), ints(s, STARTS).shape[0] - 1
    for _ in range(steps):
        if at[STAGE] == ENTER and at[LAYER] == layers:
            at[STAGE] = LEAF
            return LEAF
        if not _step(s):
            return ASK
        if at[STAGE] == DONE:
            return DONE
    _pause(s)
    return RUNNING


@kernel
def _step(s: Directory) -> bool:
    """One step of the search; False where something has to be answered first."""
    at = ints(s, AT)
    if at[STAGE] == ENTER:
        return _enter(s)
    if at[STAGE] == SCREEN:
        return _screen(s)
    if at[STAGE] == DECIDE:
        return _decide(s)
    if not backtrack(s):
        at[STAGE] = DONE
    return True


@kernel
def _pause(s: Directory) -> None:
    """Finish a layer of which nothing is left to decide, so that the position is one where the search can be cut."""
    at = ints(s, AT)
    if at[STAGE] == DECIDE and at[POSITION] == ints(s, NUMBERS)[at[LAYER]]:
        finish_layer(s)


@kernel
def _enter(s: Directory) -> bool:
    """Make the layer's forms, and a box around the cell where that saves programs; False without room in the log."""
    at, starts = ints(s, AT), ints(s, STARTS)
    layer = at[LAYER]
    if at[CERTIFY]:
        if not has_room(s, 2 * _MOST_TIGHTENED + 2):
            return False
        put_entry(s)
    if layer > 0:
        prepare(s, layer)
        if layer == 1 and at[HOMOGENEOUS]:
            note_dead(s)
    elif at[PLANAR]:
        begin(s)
    ints(s, NUMBERS)[layer] = 0
    at[POSITION] = starts[layer]
    at[STAGE] = SCREEN
    if at[PLANAR]:
        _enter_polygon(s, layer)
    else:
        _enter_cell(s, layer)
    return True


@kernel
def _enter_polygon(s: Directory, layer: int) -> None:
    """Decide what a box around the polygon decides; with a log, a box whose bounds have multipliers."""
    at = ints(s, AT)
    if at[CERTIFY]:
        _inherit_box(s, layer)
        if _intervals(s, layer) > 2:
            enclose_shown(s)
            _intervals(s, layer)
        settle_apart(s)
        return
    enclose(s)
    _intervals(s, layer)
    if not settle_apart(s):
        at[STAGE] = DONE


@kernel
def _enter_cell(s: Directory, layer: int) -> None:
    at, point = ints(s, AT), floats(s, POINT)
    d = point.shape[0]
    _inherit_box(s, layer)
    left = _intervals(s, layer)
    if at[COUNT] > 0 and d <= _MOST_TIGHTENED and left > 2 * d:
        tighten(s, at[COUNT], layer)
        at[LPS] += 2 * d
        _intervals(s, layer)
    copy(point, table(s, ENTERED)[layer])


@kernel
def _inherit_box(s: Directory, layer: int) -> None:
    """Begin with the box of the layer below, or with the whole box."""
    box, low, high = table(s, BOX), table(s, LOW), table(s, HIGH)
    for c in range(low.shape[1]):
        low[layer, c] = low[layer - 1, c] if layer else box[0, c]
        high[layer, c] = high[layer - 1, c] if layer else box[1, c]


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
            if at[CERTIFY] and not _log_apart(s, i):
                return True
            continue
        at[POSITION] = i
        symbol = _screened(s, i)
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
def _screened(s: Directory, i: int) -> int:
    """The row's symbol on the cell in which the layer was entered, or DIVIDED, logged; UNKNOWN where to ask."""
    at, middle, reach = ints(s, AT), floats(s, MIDDLE), floats(s, REACH)
    if at[CERTIFY] and not has_room(s, 2):
        return UNKNOWN
    at[TOUCHES] = 0
    symbol = constant_symbol(s, i)
    if symbol == UNKNOWN and abs(middle[i]) > reach[i]:
        symbol = ACTIVE if middle[i] > 0.0 else INACTIVE
    symbols(s, HAS)[i] = 0
    if symbol != UNKNOWN:
        if at[CERTIFY]:
            put(s, certificate.BOX_ACTIVE if symbol else certificate.BOX_INACTIVE)
        return symbol
    symbol = symbol_of(s, i)
    if at[CERTIFY] and symbol != UNKNOWN and not _log_found(s, i, symbol, certificate.CANDIDATE):
        return UNKNOWN
    return symbol


@kernel
def _decide(s: Directory) -> bool:
    """Decide the layer's candidates from the position on; False where one needs an answer."""
    at, starts, candidates, numbers = ints(s, AT), ints(s, STARTS), ints(s, CANDIDATES), ints(s, NUMBERS)
    layer = at[LAYER]
    start = starts[layer]
    while at[POSITION] < numbers[layer]:
        i = candidates[start + at[POSITION]]
        if at[CERTIFY] and not has_room(s, 2):
            return False
        at[TOUCHES] = 0
        symbol = symbol_of(s, i)
        if symbol == UNKNOWN or (at[CERTIFY] and not _log_found(s, i, symbol, certificate.DIVIDED)):
            return False
        if symbol == DIVIDED:
            divide(s, i)
        elif not keep(s, i, symbol):
            return True
        at[POSITION] += 1
    finish_layer(s)
    return True


@kernel
def _log_apart(s: Directory, i: int) -> bool:
    """Log the symbol that the box gave to a row; False, and the end of the search, where the cube has the other one.

    The log has room for a byte a row wherever it has room for evidence.
    """
    at, now = ints(s, AT), symbols(s, SYMBOLS)
    put(s, certificate.BOX_ACTIVE if now[i] else certificate.BOX_INACTIVE)
    if i < at[DEPTH] and symbols(s, FORCED)[i] != now[i]:
        at[STAGE] = DONE
        return False
    return True


@kernel
def _log_found(s: Directory, i: int, symbol: int, divided: int) -> bool:
    """Log what was found of a row, the byte given where it divides; False where evidence has to be asked for."""
    if symbol == DIVIDED:
        put(s, divided)
        return True
    return log_stable(s, i, symbol)


@entry
def run(s: Directory, residues: Directory, steps: int, most: int) -> int:
    """Search and record for so many steps, or until so many regions are counted: DONE, ASK, FULL or RUNNING."""
    at = ints(s, AT)
    goal = at[STEPS] + steps
    while at[STEPS] < goal:
        status = LEAF if at[PENDING] else search(s, 64)
        at[STEPS] += 64
        if status != LEAF:
            if status != RUNNING:
                return status
        else:
            if at[PLANAR] and (at[MODE] or at[CERTIFY]):
                middle_of(s)
            at[PENDING] = at[CERTIFY]
            if at[CERTIFY] and not (has_room(s, 2) and put_region(s)):
                return ASK
            at[PENDING] = 0
            room = record(s, residues)
            if at[REGIONS] >= most or not room:
                return FULL
    return RUNNING
