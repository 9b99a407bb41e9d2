"""The log of the search, from which a certificate is made (docs/certificate-format.md).

Records are appended to LOG; Python takes them away when there is little room left (`part`). The proof of a stable row
is assembled in EVIDENCE first, so that the log never holds half a record.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from relucensus.compiled import Directory, Floats, floats, ints, kernel, singles, symbols, table
from relucensus.engines.tree.bounds import bound_by, slack, within
from relucensus.engines.tree.state import (
    AT,
    BLIND,
    CHOSEN,
    COUNT,
    DOUBLE,
    DOUBLE_BYTES,
    ENTRY,
    EVIDENCE,
    GIVEN,
    HIGH,
    INSIDE_POINT,
    LOG,
    LOGGED,
    LOW,
    MULTIPLIERS,
    PLANAR,
    POINT,
    PROOF,
    ROW_SCALE,
    SINGLE,
    SINGLE_BYTES,
    SPACE,
    SUPPORT,
    SYMBOL,
    WANTED,
)
from relucensus.proof import certificate

_SPARE: Final = 24
_NARROWER: Final = 0.02
_BESIDE: Final = 1e-9


@kernel
def has_room(s: Directory, pieces: int) -> bool:
    """Whether so many records with evidence fit; if not, the search is to ask for space."""
    at = ints(s, AT)
    if symbols(s, LOG).shape[0] - at[LOGGED] >= pieces * (symbols(s, EVIDENCE).shape[0] + _SPARE):
        return True
    at[WANTED] = SPACE
    return False


@kernel
def put(s: Directory, byte: int) -> None:
    """Append a byte to the log."""
    at = ints(s, AT)
    symbols(s, LOG)[at[LOGGED]] = np.uint8(byte)
    at[LOGGED] += 1


@kernel
def put_entry(s: Directory) -> None:
    """Begin the record of entering a layer, with no bounds so far."""
    at = ints(s, AT)
    at[ENTRY] = at[LOGGED]
    put(s, certificate.LAYER)
    put(s, 0)


@kernel
def put_evidence(s: Directory) -> None:
    """Append the evidence found last."""
    at, log, evidence = ints(s, AT), symbols(s, LOG), symbols(s, EVIDENCE)
    start, size = at[LOGGED], at[PROOF]
    for k in range(size):
        log[start + k] = evidence[k]
    at[LOGGED] += size
    at[PROOF] = 0


@kernel
def put_region(s: Directory) -> bool:
    """Append the region reached with its point; False where a point that is surely inside has to be asked for."""
    at, point = ints(s, AT), floats(s, POINT)
    if at[WANTED] == GIVEN:
        at[WANTED] = SYMBOL
        put_evidence(s)
        return True
    blind = slack(s, at[COUNT], point) <= 0.0 or not within(s, point) if at[PLANAR] else at[BLIND]
    if blind:
        at[WANTED] = INSIDE_POINT
        return False
    put(s, certificate.REGION)
    for c in range(point.shape[0]):
        _put_double(s, point[c])
    return True


@kernel
def put_bound(s: Directory, where: tuple[int, int], side: tuple[int, int], form: Floats) -> float:
    """Append that the coordinate, (number, 1 for upper), is bounded by MULTIPLIERS, if that narrows the box.

    `where` is (number of rows in SUPPORT, layer). The bound of ``form``, which is the coordinate or its negative, on
    the cell; infinite where nothing was appended.
    """
    at, weights, scales, support = ints(s, AT), floats(s, MULTIPLIERS), floats(s, ROW_SCALE), ints(s, SUPPORT)
    low, high = table(s, LOW), table(s, HIGH)
    n, layer = where
    c, upper = side
    for j in range(n):
        k = support[j]
        weights[k] = _short(weights[k] * scales[k]) / scales[k]
    most = bound_by(s, n, layer, form, 0.0)
    before = high[layer, c] if upper else -low[layer, c]
    if not before - most > _NARROWER * (high[layer, c] - low[layer, c]) or abs(most) < _BESIDE:
        return np.inf
    _keep_singles(s, n, 1.0)
    put(s, 2 * c + upper)
    _put_double(s, most if upper else -most)
    put_evidence(s)
    symbols(s, LOG)[at[ENTRY] + 1] += np.uint8(1)
    return most


@kernel
def shown_below(s: Directory, where: tuple[int, int], form: Floats, error: float, scale: float) -> bool:
    """Whether MULTIPLIERS prove that the form, scaled, is negative on the cell; if so, they become the evidence.

    `where` as for `put_bound`. The multipliers are rounded to float32 where that is enough.
    """
    weights, chosen = floats(s, MULTIPLIERS), floats(s, CHOSEN)
    scales, support = floats(s, ROW_SCALE), ints(s, SUPPORT)
    n, layer = where
    for j in range(n):
        k = support[j]
        chosen[j] = weights[k] * scales[k] / scale
        weights[k] = _short(chosen[j]) * scale / scales[k]
    if bound_by(s, n, layer, form, error) < 0.0:
        _keep_singles(s, n, scale)
        return True
    for j in range(n):
        k = support[j]
        weights[k] = chosen[j] * scale / scales[k]
    if bound_by(s, n, layer, form, error) < 0.0:
        _keep_doubles(s, n)
        return True
    return False


@kernel
def _keep_singles(s: Directory, n: int, scale: float) -> None:
    """Make the multipliers, which float32 holds, the evidence; `scale` is that of the form they are for."""
    weights, scales, support = floats(s, MULTIPLIERS), floats(s, ROW_SCALE), ints(s, SUPPORT)
    single, raw = singles(s, SINGLE), symbols(s, SINGLE_BYTES)
    begin_evidence(s, certificate.KIND_FLOAT32, n)
    for j in range(n):
        k = support[j]
        add_number(s, k)
        single[0] = np.float32(weights[k] * scales[k] / scale)
        for byte in range(4):
            _add(s, raw[byte])


@kernel
def _keep_doubles(s: Directory, n: int) -> None:
    chosen, support = floats(s, CHOSEN), ints(s, SUPPORT)
    double, raw = floats(s, DOUBLE), symbols(s, DOUBLE_BYTES)
    begin_evidence(s, certificate.KIND_FLOAT64, n)
    for j in range(n):
        add_number(s, support[j])
        double[0] = chosen[j]
        for byte in range(8):
            _add(s, raw[byte])


@kernel
def begin_evidence(s: Directory, kind: int, count: int) -> None:
    """Start evidence of a kind with so many multipliers."""
    ints(s, AT)[PROOF] = 0
    _add(s, kind)
    add_number(s, count)


@kernel
def add_number(s: Directory, number: int) -> None:
    """Add a whole number to the evidence, seven bits a byte."""
    while number >= 128:
        _add(s, number & 127 | 128)
        number >>= 7
    _add(s, number)


@kernel
def _add(s: Directory, byte: int) -> None:
    at = ints(s, AT)
    symbols(s, EVIDENCE)[at[PROOF]] = np.uint8(byte)
    at[PROOF] += 1


@kernel
def _put_double(s: Directory, value: float) -> None:
    double, raw = floats(s, DOUBLE), symbols(s, DOUBLE_BYTES)
    double[0] = value
    for j in range(8):
        put(s, raw[j])


@kernel
def _short(value: float) -> float:
    """The value as float32 holds it."""
    return float(np.float32(value))
