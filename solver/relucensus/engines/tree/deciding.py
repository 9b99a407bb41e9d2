"""The symbol of one row on the current cell: by its polygon, by the rows on the path, or by linear programs."""

from __future__ import annotations

from typing import Final

from relucensus.compiled import Directory, Floats, floats, ints, kernel, symbols, table
from relucensus.engines.tree.bounds import copy, doubt, oriented, value_at
from relucensus.engines.tree.path import accept
from relucensus.engines.tree.polygon import symbol_on
from relucensus.engines.tree.reach import EMPTY, FOUND, UNSURE, beyond, centre, mixed_with
from relucensus.engines.tree.state import (
    ACTIVE,
    ANSWER,
    ASKED,
    AT,
    BLIND,
    CANDIDATES,
    CLAIMED,
    CORNER,
    COUNT,
    DIVIDED,
    ENTERED,
    FORM,
    FRESH,
    GIVEN,
    HAS,
    INACTIVE,
    KIN,
    KIND,
    LAYER,
    LPS,
    NUMBERS,
    PLANAR,
    POINT,
    ROW_NEURON,
    SCREEN,
    SEEN,
    SIDES,
    STAGE,
    STARTS,
    SYMBOLS,
    TOUCHES,
    UNKNOWN,
    VALID,
    WANTED,
)

_MANY: Final = 12


@kernel
def symbol_of(s: Directory, i: int) -> int:
    """The row's symbol on the cell, or DIVIDED with points of both sides in SIDES, or UNKNOWN."""
    at = ints(s, AT)
    at[FRESH] = 0
    if at[WANTED] == GIVEN:
        at[TOUCHES] = 1
        return int(at[CLAIMED])
    at[ASKED] = i
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
    if d > _MANY and _seen_beyond(s, form, other):
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
