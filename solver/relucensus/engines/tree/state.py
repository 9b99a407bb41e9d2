"""The arrays that the compiled search works on, by number in one directory (`relucensus.compiled`).

Throughout: d is the number of coordinates, N the number of rows of all hidden layers, L the number of hidden layers.
A form is an affine function ``sum_c values[c] u_c + values[d]`` of the box coordinates u (`relucensus.rounded`); a cell
is the set of points of the box where the forms on the path are positive.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relucensus.compiled import Floats
from relucensus.rounded import RoundedNetwork

_number = count()

# The rounded network. Layer l has rows STARTS[l] .. STARTS[l + 1]; its weights, one column of the layer below after the
# other, begin at OFFSETS[l]. BOX (4, d): lower, upper, both rounded inward.
STARTS: Final = next(_number)
OFFSETS: Final = next(_number)
WEIGHTS: Final = next(_number)
BIAS: Final = next(_number)
SLOPES: Final = next(_number)
BENT: Final = next(_number)
BOX: Final = next(_number)

# The forms of every row on the current cell: FORMS (d + 1, N), a proven bound of the error of each ERROR (N,), of that
# of its constant alone OFF (N,), and GROSS (N,), the sum of the absolute weights of every term added or taken back.
# USED (N,): the symbols of the layer below that a layer's forms were made with; VERSION, BASIS (L,): whether they still
# fit; TERMS (L,): additions since afresh.
FORMS: Final = next(_number)
ERROR: Final = next(_number)
OFF: Final = next(_number)
GROSS: Final = next(_number)
USED: Final = next(_number)
VERSION: Final = next(_number)
BASIS: Final = next(_number)
TERMS: Final = next(_number)

# The current cell: ROWS (M, d + 1) of the path, positive inside, scaled by powers of two; their errors over the box and
# the sums of their absolute values (M,), the neurons they belong to (M,), the errors of their constants (M,). LOW, HIGH
# (L + 1, d): a proven box around the cell for every layer. POINT (d,): inside by a margin that exceeds every error,
# unless the cell is blind; SIDES (2, d): the same for the two children of a division. SEEN (N, d): vertices beyond a
# row's hyperplane; HAS (N,): where known; ENTERED (L + 1, d): the points at which the layers were entered.
ROWS: Final = next(_number)
ROW_ERROR: Final = next(_number)
ROW_SIZE: Final = next(_number)
ROW_NEURON: Final = next(_number)
ROW_OFF: Final = next(_number)
LOW: Final = next(_number)
HIGH: Final = next(_number)
POINT: Final = next(_number)
SIDES: Final = next(_number)
SEEN: Final = next(_number)
ENTERED: Final = next(_number)
HAS: Final = next(_number)

# DEAD (d,): the coordinates of which nothing above the first layer depends in the current cell of that layer.
DEAD: Final = next(_number)

# Cells of two coordinates (`polygon`): the stack of vertices CORNERS (M, 3), two coordinates and a radius, and LINES
# (M,), the line of the side to the next vertex. SIGNS: of one row at the current polygon's vertices. WALLS (4, 3): the
# box's sides. CENTRAL (N,): whether a row has no constant on any cell. KIND (N,): n and n + 1 for multiples
# (`kinship`).
CORNERS: Final = next(_number)
LINES: Final = next(_number)
SIGNS: Final = next(_number)
UNCUT: Final = next(_number)
UNCUT_LINES: Final = next(_number)
CROSSINGS: Final = next(_number)
WALLS: Final = next(_number)
CENTRAL: Final = next(_number)
KIND: Final = next(_number)

# Room for intermediate results.
FORM: Final = next(_number)
MULTIPLIERS: Final = next(_number)
COMBINED: Final = next(_number)
CORNER: Final = next(_number)
KEPT: Final = next(_number)
MIDDLE: Final = next(_number)
REACH: Final = next(_number)
LIFTED: Final = next(_number)
SOLVE: Final = next(_number)

# The tableau of the linear programs (`simplex`).
TABLEAU: Final = next(_number)
VALUE: Final = next(_number)
WEIGHT: Final = next(_number)
BASIC: Final = next(_number)
COLUMN: Final = next(_number)
UPPER: Final = next(_number)
COST: Final = next(_number)
BOUNDS: Final = next(_number)
RATIO: Final = next(_number)
ORDER: Final = next(_number)
PIVOTS: Final = next(_number)
FLIPPED: Final = next(_number)
MOVES: Final = next(_number)

# The steps of the interior point method (`interior`).
INSIDE: Final = next(_number)
SLACKS: Final = next(_number)
METRIC: Final = next(_number)
ASCENT: Final = next(_number)
NORMAL: Final = next(_number)
SCALED: Final = next(_number)
GRADIENT: Final = next(_number)

# The path: at every division above, the child left to do. CANDIDATES (N,): from a layer's start on, the NUMBERS[layer]
# rows that divide the cell in which the layer was entered. SYMBOLS (N,): those decided, FORCED (N,): those of the cube.
# TOUCHING (N,): whether a stable row may be zero somewhere on the closed cell; a row not flagged is nowhere zero there.
# PREFIXES (L,): cells of the network cut after each layer. MET (N,): the symbols that a row has in these, 1 + 2 for
# both. AT: the numbers below.
FRAME_NEURON: Final = next(_number)
FRAME_SYMBOL: Final = next(_number)
FRAME_COUNT: Final = next(_number)
FRAME_POSITION: Final = next(_number)
FRAME_BLIND: Final = next(_number)
FRAME_POINT: Final = next(_number)
FRAME_BASE: Final = next(_number)
FRAME_SIZE: Final = next(_number)
CANDIDATES: Final = next(_number)
NUMBERS: Final = next(_number)
SYMBOLS: Final = next(_number)
FORCED: Final = next(_number)
TOUCHING: Final = next(_number)
PREFIXES: Final = next(_number)
MET: Final = next(_number)
AT: Final = next(_number)

# The log of the search (`log`): its bytes, the bytes of the evidence found last, and room to turn numbers into bytes.
# ROW_SCALE (M,): the power of two by which the path's row was scaled. SUPPORT (M,): the rows with a multiplier, CHOSEN
# (M,): these multipliers as they are written.
LOG: Final = next(_number)
EVIDENCE: Final = next(_number)
DOUBLE: Final = next(_number)
DOUBLE_BYTES: Final = next(_number)
SINGLE: Final = next(_number)
SINGLE_BYTES: Final = next(_number)
ROW_SCALE: Final = next(_number)
CHOSEN: Final = next(_number)
SUPPORT: Final = next(_number)

# The regions reached and kept (`leaf`).
DIGESTS: Final = next(_number)
PATTERNS: Final = next(_number)
WHICH: Final = next(_number)
POINTS: Final = next(_number)
SLOPE: Final = next(_number)
SLOPE_GROSS: Final = next(_number)
OUTPUT: Final = next(_number)

# Places in AT.
_place = count()
STAGE: Final = next(_place)
LAYER: Final = next(_place)
POSITION: Final = next(_place)
COUNT: Final = next(_place)
FRAMES: Final = next(_place)
DEPTH: Final = next(_place)
ANSWER: Final = next(_place)
VALID: Final = next(_place)
BLIND: Final = next(_place)
FRESH: Final = next(_place)
TOUCHES: Final = next(_place)
LPS: Final = next(_place)
REGIONS: Final = next(_place)
STEPS: Final = next(_place)
MODE: Final = next(_place)
KEPT_MAPS: Final = next(_place)
KEPT_PATTERNS: Final = next(_place)
HOMOGENEOUS: Final = next(_place)
PLANAR: Final = next(_place)
KIN: Final = next(_place)
BASE: Final = next(_place)
SIZE: Final = next(_place)
CERTIFY: Final = next(_place)
LOGGED: Final = next(_place)
ENTRY: Final = next(_place)
PROOF: Final = next(_place)
ASKED: Final = next(_place)
CLAIMED: Final = next(_place)
PENDING: Final = next(_place)
WANTED: Final = next(_place)
PLACES: Final = next(_place)

ENTER, SCREEN, DECIDE, LEAF, DONE, ASK, RUNNING, FULL = range(8)
SYMBOL, WHY_INACTIVE, WHY_ACTIVE, INSIDE_POINT, SPACE, GIVEN = range(6)
INACTIVE, ACTIVE, DIVIDED, UNKNOWN = range(4)
TIED: Final = 16
MOST_PLANAR_ROWS: Final = 4096
_LOG_BYTES: Final = 2**20
_LOG_PIECES: Final = 64

Arrays = dict[int, NDArray[Any]]


def arrays_of(rounded: RoundedNetwork, kind: NDArray[np.int64], room: int, *, certify: bool = False) -> Arrays:
    """The arrays of a search in the whole box, with room to keep so many regions at a time; `kind` as in `kinship`."""
    layers = rounded.hidden
    starts = np.cumsum([0, *(len(layer.bias) for layer in layers)]).astype(np.int64)
    none: Floats = np.zeros(0)
    bias = np.concatenate([none, *(layer.bias for layer in layers)])
    arrays: Arrays = {
        STARTS: starts,
        OFFSETS: np.cumsum([0, *(layer.weights.size for layer in layers)]).astype(np.int64),
        WEIGHTS: np.concatenate([none, *(layer.weights.T.ravel() for layer in layers)]),
        BIAS: bias,
        SLOPES: np.concatenate([np.zeros((0, 2)), *(layer.slopes for layer in layers)]),
        BENT: np.concatenate([np.zeros(0, dtype=np.uint8), *rounded.bent]),
        BOX: np.stack([rounded.lower, rounded.upper, rounded.inner_lower, rounded.inner_upper]),
        AT: np.zeros(PLACES, dtype=np.int64),
    }
    arrays[AT][HOMOGENEOUS] = not bias.any()
    d, rows = len(rounded.lower), int(starts[-1])
    arrays[AT][KIN] = len(set((kind | 1).tolist())) < rows
    arrays[AT][PLANAR] = d == 2 and rows <= MOST_PLANAR_ROWS
    arrays[AT][CERTIFY] = certify
    shares = np.random.default_rng(1).uniform(0.5, 1.5, len(rounded.output.bias))
    return (
        arrays
        | _forms(arrays, d, rows, len(layers))
        | _cell(arrays[BOX], rows, len(layers))
        | _polygons(rows if arrays[AT][PLANAR] else 0)
        | {CENTRAL: _central(rounded), KIND: kind}
        | _room(d, rows)
        | _path(d, rows, len(layers))
        | _leaves(d, rows, room)
        | _log(d, rows, certify=certify)
        | {OUTPUT: np.stack([shares @ rounded.output.weights, shares @ np.abs(rounded.output.weights)])}
    )


def _ints(size: int) -> NDArray[np.int64]:
    return np.zeros(size, dtype=np.int64)


def _bytes(size: int) -> NDArray[np.uint8]:
    return np.zeros(size, dtype=np.uint8)


def _forms(arrays: Arrays, d: int, rows: int, layers: int) -> Arrays:
    """Forms of the first layer, which are the same on every cell, and room for the others."""
    first = int(arrays[STARTS][1]) if layers else 0
    forms, error, gross = np.zeros((d + 1, rows)), np.zeros(rows), np.zeros(rows)
    forms[:d, :first] = arrays[WEIGHTS][: d * first].reshape(d, first)
    forms[d, :first] = arrays[BIAS][:first]
    size = np.abs(forms[:, :first]).sum(axis=0)
    error[:first] = np.where(size > 0, 2.0**-51 * size + 2.0**-960, 0.0)
    off = np.zeros(rows)
    constant = np.abs(forms[d, :first])
    off[:first] = np.where(constant > 0, 2.0**-51 * constant + 2.0**-960, 0.0)
    gross[:first] = np.abs(forms[:d, :first]).sum(axis=0)
    basis = np.full(layers, -1, dtype=np.int64)
    return {
        FORMS: forms,
        ERROR: error,
        OFF: off,
        GROSS: gross,
        USED: _bytes(rows),
        VERSION: _ints(layers),
        BASIS: basis,
        TERMS: _ints(layers),
    }


def _cell(box: Floats, rows: int, layers: int) -> Arrays:
    """The whole box as a cell, with room for its divisions."""
    d = box.shape[1]
    return {
        ROWS: np.zeros((rows + 1, d + 1)),
        ROW_ERROR: np.zeros(rows + 1),
        ROW_SIZE: np.zeros(rows + 1),
        ROW_NEURON: _ints(rows + 1),
        ROW_OFF: np.zeros(rows + 1),
        LOW: np.tile(box[0], (layers + 1, 1)),
        HIGH: np.tile(box[1], (layers + 1, 1)),
        POINT: np.clip((box[2] + box[3]) / 2, box[2], box[3]),
        SIDES: np.zeros((2, d)),
        SEEN: np.zeros((rows, d)),
        ENTERED: np.zeros((layers + 1, d)),
        HAS: _bytes(rows),
        DEAD: _bytes(d),
    }


def _polygons(rows: int) -> Arrays:
    """Every row adds one side at most, and leaves one polygon on the path; memory is taken where it is written."""
    sides = rows + 6
    return {
        CORNERS: np.zeros((sides * (sides + 4), 3)),
        LINES: _ints(sides * (sides + 4)),
        SIGNS: _bytes(sides),
        UNCUT: np.zeros((sides, 3)),
        UNCUT_LINES: _ints(sides),
        CROSSINGS: np.zeros((2, 3)),
        WALLS: np.zeros((4, 3)),
    }


def _central(rounded: RoundedNetwork) -> NDArray[np.uint8]:
    """Rows that have no constant: those of the first layer without a bias, all as long as no layer has one."""
    central, clear = [np.zeros(0, dtype=np.uint8)], True
    for number, layer in enumerate(rounded.hidden):
        clear = clear and not layer.bias.any()
        central.append(np.where(layer.bias == 0, number == 0 or clear, 0).astype(np.uint8))
    return np.concatenate(central)


def _room(d: int, rows: int) -> Arrays:
    return {
        FORM: np.zeros(d + 1),
        MULTIPLIERS: np.zeros(rows + 2),
        COMBINED: np.zeros(d + 1),
        CORNER: np.zeros(d),
        KEPT: np.zeros(d),
        MIDDLE: np.zeros(rows),
        REACH: np.zeros(rows),
        LIFTED: np.zeros((rows + 4, d + 2)),
        SOLVE: np.zeros((4 + 3 * TIED, TIED)),
        TABLEAU: np.zeros((rows + 2, d + 1)),
        VALUE: np.zeros(rows + 2),
        WEIGHT: np.zeros(rows + 2),
        BASIC: _ints(rows + 2),
        COLUMN: _ints(d + 1),
        UPPER: _bytes(d + 1),
        COST: np.zeros(d + 2),
        BOUNDS: np.zeros((2, rows + d + 4)),
        RATIO: np.zeros(d + 1),
        ORDER: _ints(d + 1),
        PIVOTS: np.zeros(d + 1),
        FLIPPED: _ints(d + 1),
        MOVES: np.zeros(d + 1),
        INSIDE: np.zeros(d),
        SLACKS: np.zeros(rows),
        METRIC: np.zeros(d),
        ASCENT: np.zeros(d),
        NORMAL: np.zeros((rows + 2, rows + 2)),
        SCALED: np.zeros(d),
        GRADIENT: np.zeros(d),
    }


def _path(d: int, rows: int, layers: int) -> Arrays:
    numbers = (
        FRAME_NEURON,
        FRAME_SYMBOL,
        FRAME_COUNT,
        FRAME_POSITION,
        FRAME_BLIND,
        FRAME_BASE,
        FRAME_SIZE,
        CANDIDATES,
    )
    return {number: _ints(rows) for number in numbers} | {
        FRAME_POINT: np.zeros((rows, d)),
        NUMBERS: _ints(layers),
        SYMBOLS: _bytes(rows),
        FORCED: _bytes(rows),
        TOUCHING: _bytes(rows),
        PREFIXES: _ints(layers),
        MET: _bytes(rows),
    }


def _leaves(d: int, rows: int, room: int) -> Arrays:
    return {
        DIGESTS: np.zeros((room, 2), dtype=np.uint64),
        PATTERNS: np.zeros((room, rows), dtype=np.uint8),
        WHICH: _ints(room),
        POINTS: np.zeros((room, d)),
        SLOPE: np.zeros(rows),
        SLOPE_GROSS: np.zeros(rows),
    }


def _log(d: int, rows: int, *, certify: bool) -> Arrays:
    """Room for the log: evidence has a multiplier of at most 17 bytes for every row of the path."""
    evidence = (64 + 17 * rows + 12 * d) if certify else 0
    double, single = np.zeros(1), np.zeros(1, dtype=np.float32)
    return {
        LOG: _bytes(_LOG_PIECES * (evidence + 24) + (_LOG_BYTES if certify else 0)),
        EVIDENCE: _bytes(evidence),
        DOUBLE: double,
        DOUBLE_BYTES: double.view(np.uint8),
        SINGLE: single,
        SINGLE_BYTES: single.view(np.uint8),
        ROW_SCALE: np.ones(rows + 1),
        CHOSEN: np.zeros(rows + 2),
        SUPPORT: _ints(rows + 2),
    }
