"""The path of the search: divisions, and going back to the last one with a child left."""

from __future__ import annotations

import numpy as np

from relucensus.compiled import Directory, floats, ints, kernel, symbols, table
from relucensus.engines.tree.bounds import copy, oriented, scale_of
from relucensus.engines.tree.polygon import cut
from relucensus.engines.tree.state import (
    ANSWER,
    AT,
    BASE,
    BLIND,
    COUNT,
    DECIDE,
    DEPTH,
    DIVIDED,
    DONE,
    ENTER,
    FORCED,
    FRAME_BASE,
    FRAME_BLIND,
    FRAME_COUNT,
    FRAME_NEURON,
    FRAME_POINT,
    FRAME_POSITION,
    FRAME_SIZE,
    FRAME_SYMBOL,
    FRAMES,
    INACTIVE,
    LAYER,
    MET,
    OFF,
    PLANAR,
    POINT,
    POSITION,
    PREFIXES,
    ROW_ERROR,
    ROW_NEURON,
    ROW_OFF,
    ROW_SCALE,
    ROW_SIZE,
    ROWS,
    SIDES,
    SIZE,
    STAGE,
    STARTS,
    SYMBOLS,
    TOUCHES,
    TOUCHING,
    VALID,
)


@kernel
def accept(s: Directory) -> int:
    """The symbol that an answer gives: 1 + 1 (inactive side inhabited) + 2 (active side inhabited)."""
    at = ints(s, AT)
    sides = at[ANSWER] - 1
    at[ANSWER] = 0
    if sides == 3:
        return DIVIDED
    at[TOUCHES] = 1
    return int(sides >> 1)


@kernel
def keep(s: Directory, i: int, symbol: int) -> bool:
    """Give a stable row its symbol. False, and the end of the search, where the cube has the other one: it is empty."""
    at, now, forced = ints(s, AT), symbols(s, SYMBOLS), symbols(s, FORCED)
    if i < at[DEPTH] and forced[i] != symbol:
        at[STAGE] = DONE
        return False
    now[i] = symbol
    symbols(s, TOUCHING)[i] = at[TOUCHES]
    return True


@kernel
def divide(s: Directory, i: int) -> None:
    """Go on with one child of a division at row i, and keep the other one for later unless the cube excludes it."""
    at, point, sides, frame_neuron, frame_symbol, frame_count, frame_position, frame_blind, frame_point, forced = (
        ints(s, AT),
        floats(s, POINT),
        table(s, SIDES),
        ints(s, FRAME_NEURON),
        ints(s, FRAME_SYMBOL),
        ints(s, FRAME_COUNT),
        ints(s, FRAME_POSITION),
        ints(s, FRAME_BLIND),
        table(s, FRAME_POINT),
        symbols(s, FORCED),
    )
    symbol = INACTIVE
    if i < at[DEPTH]:
        symbol = forced[i]
    else:
        k = at[FRAMES]
        frame_neuron[k] = i
        frame_symbol[k] = 1 - symbol
        frame_count[k] = at[COUNT]
        frame_position[k] = at[POSITION]
        frame_blind[k] = 0 if at[VALID] >> (1 - symbol) & 1 else 1
        copy(sides[1 - symbol], frame_point[k])
        at[FRAMES] += 1
    copy(sides[symbol], point)
    at[BLIND] = 0 if at[VALID] >> symbol & 1 else 1
    _add_row(s, i, symbol)
    if at[PLANAR]:
        cut(s, i, symbol)


@kernel
def backtrack(s: Directory) -> bool:
    """Go on with the last child kept for later; False if there is none."""
    at, starts, point, frame_neuron, frame_symbol, frame_count, frame_position, frame_blind, frame_point = (
        ints(s, AT),
        ints(s, STARTS),
        floats(s, POINT),
        ints(s, FRAME_NEURON),
        ints(s, FRAME_SYMBOL),
        ints(s, FRAME_COUNT),
        ints(s, FRAME_POSITION),
        ints(s, FRAME_BLIND),
        table(s, FRAME_POINT),
    )
    if at[FRAMES] == 0:
        return False
    at[FRAMES] -= 1
    k = at[FRAMES]
    i = frame_neuron[k]
    layer = 0
    while starts[layer + 1] <= i:
        layer += 1
    at[LAYER] = layer
    at[COUNT] = frame_count[k]
    at[POSITION] = frame_position[k] + 1
    at[BLIND] = frame_blind[k]
    at[STAGE] = DECIDE
    copy(frame_point[k], point)
    at[BASE] = ints(s, FRAME_BASE)[k]
    at[SIZE] = ints(s, FRAME_SIZE)[k]
    _add_row(s, i, frame_symbol[k])
    return True


@kernel
def _add_row(s: Directory, i: int, symbol: int) -> None:
    at, rows, row_error, row_size, row_neuron, now = (
        ints(s, AT),
        table(s, ROWS),
        floats(s, ROW_ERROR),
        floats(s, ROW_SIZE),
        ints(s, ROW_NEURON),
        symbols(s, SYMBOLS),
    )
    now[i] = symbol
    symbols(s, TOUCHING)[i] = 0
    m = at[COUNT]
    error, size = oriented(s, i, 1.0 if symbol else -1.0, rows[m])
    row_error[m] = error
    row_size[m] = size
    row_neuron[m] = i
    scale = scale_of(s, i)
    floats(s, ROW_OFF)[m] = floats(s, OFF)[i] * scale
    floats(s, ROW_SCALE)[m] = scale
    at[COUNT] += 1


@kernel
def finish_layer(s: Directory) -> None:
    """All rows of the layer are decided: the cell is one of the network cut after it."""
    at, starts, prefixes = ints(s, AT), ints(s, STARTS), ints(s, PREFIXES)
    layer = at[LAYER]
    start, end = starts[layer], starts[layer + 1]
    now, met = symbols(s, SYMBOLS)[start:end], symbols(s, MET)[start:end]
    for i in range(end - start):
        met[i] |= np.uint8(1) + now[i]
    if at[DEPTH] < end:
        prefixes[layer] += 1
    at[LAYER] += 1
    at[STAGE] = ENTER
