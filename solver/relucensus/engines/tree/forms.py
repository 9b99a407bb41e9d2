"""The forms of a layer on a cell, in float64 with a proven bound of their error.

A layer's forms are sums over the rows below of weight times slope times form. Where few symbols below have changed
since the last time, their terms are added or taken back instead of starting afresh; GROSS and TERMS keep count of all
that was added, so that the bound (Higham, Accuracy and Stability of Numerical Algorithms, §4.2) covers it.
"""

from __future__ import annotations

from typing import Final

from relucensus.compiled import Directory, floats, ints, kernel, symbols, table
from relucensus.engines.tree.state import (
    ACTIVE,
    AT,
    BASIS,
    BENT,
    BIAS,
    DEAD,
    ERROR,
    FORMS,
    GROSS,
    INACTIVE,
    OFF,
    OFFSETS,
    SLOPES,
    STARTS,
    SYMBOLS,
    TERMS,
    TOUCHES,
    UNKNOWN,
    USED,
    VERSION,
    WEIGHTS,
)

_UNIT: Final = 2.0**-52
_TINY: Final = 2.0**-900
_LEAST: Final = 2.0**-1000
_MOST_TERMS: Final = 4


@kernel
def prepare(s: Directory, layer: int) -> None:
    """Make the forms of a layer above the first for the symbols decided below it."""
    starts, slopes, now, used = ints(s, STARTS), table(s, SLOPES), symbols(s, SYMBOLS), symbols(s, USED)
    version, basis, terms = ints(s, VERSION), ints(s, BASIS), ints(s, TERMS)
    below, start = starts[layer - 1], starts[layer]
    changed = active = 0
    for j in range(below, start):
        active += slopes[j, now[j]] != 0.0
        changed += now[j] != used[j]
    fits = basis[layer] == version[layer - 1]
    if fits and changed == 0:
        return
    if fits and 2 * changed < active and terms[layer] + changed < _MOST_TERMS * (start - below):
        for j in range(below, start):
            if now[j] != used[j]:
                _add(s, layer, j, slopes[j, now[j]] - slopes[j, used[j]])
                terms[layer] += 2
    else:
        _afresh(s, layer)
    for j in range(below, start):
        used[j] = now[j]
    basis[layer] = version[layer - 1]
    version[layer] += 1
    _bound(s, layer)


@kernel
def note_dead(s: Directory) -> None:
    """Note the coordinates that no active row of the first layer depends on; only exact zeros stand there as 0.0."""
    starts, slopes, now = ints(s, STARTS), table(s, SLOPES), symbols(s, SYMBOLS)
    forms, dead = table(s, FORMS), symbols(s, DEAD)
    for c in range(dead.shape[0]):
        dead[c] = 1
        for j in range(starts[1]):
            if slopes[j, now[j]] != 0.0 and forms[c, j] != 0.0:
                dead[c] = 0


@kernel
def constant_symbol(s: Directory, i: int) -> int:
    """The symbol of a row without a breakpoint or without any term but its bias; UNKNOWN for the others."""
    if not symbols(s, BENT)[i]:
        return INACTIVE
    if floats(s, GROSS)[i] > 0.0:
        return UNKNOWN
    bias = floats(s, BIAS)[i]
    ints(s, AT)[TOUCHES] = bias == 0.0
    return ACTIVE if bias > 0.0 else INACTIVE


@kernel
def _afresh(s: Directory, layer: int) -> None:
    starts, slopes, now, terms = ints(s, STARTS), table(s, SLOPES), symbols(s, SYMBOLS), ints(s, TERMS)
    forms, gross, bias = table(s, FORMS), floats(s, GROSS), floats(s, BIAS)
    d = forms.shape[0] - 1
    for i in range(starts[layer], starts[layer + 1]):
        for c in range(d):
            forms[c, i] = 0.0
        forms[d, i] = bias[i]
        gross[i] = 0.0
    terms[layer] = 1
    for j in range(starts[layer - 1], starts[layer]):
        slope = slopes[j, now[j]]
        if slope != 0.0:
            _add(s, layer, j, slope)
            terms[layer] += 1


@kernel
def _add(s: Directory, layer: int, j: int, slope: float) -> None:
    """Add slope times the form of row j below, weighted, to every form of the layer; GROSS never underflows to zero."""
    starts, forms = ints(s, STARTS), table(s, FORMS)
    start, width = starts[layer], starts[layer + 1] - starts[layer]
    at = ints(s, OFFSETS)[layer] + (j - starts[layer - 1]) * width
    column = floats(s, WEIGHTS)[at : at + width]
    for c in range(forms.shape[0]):
        factor = slope * forms[c, j]
        if factor != 0.0:
            target = forms[c, start : start + width]
            for i in range(width):
                target[i] += factor * column[i]
    size = abs(slope)
    total = floats(s, GROSS)[start : start + width]
    for i in range(width):
        total[i] += size * abs(column[i]) + (_LEAST if column[i] != 0.0 else 0.0)


@kernel
def _bound(s: Directory, layer: int) -> None:
    """Bound the errors of the layer's forms over the box, and those of their constants.

    Every term's factor is at most `size` with error at most `worst`; `terms` additions of two roundings each, and
    the relative error of a weight, a slope and their product (`relucensus.scaling`). A form without terms is a bias.
    """
    starts, forms, error, off, gross = (
        ints(s, STARTS),
        table(s, FORMS),
        floats(s, ERROR),
        floats(s, OFF),
        floats(s, GROSS),
    )
    terms, bias, d = ints(s, TERMS)[layer], floats(s, BIAS), forms.shape[0] - 1
    size = worst = constant = worst_off = 0.0
    for j in range(starts[layer - 1], starts[layer]):
        magnitude = 0.0
        for c in range(forms.shape[0]):
            magnitude += abs(forms[c, j])
        size = max(size, magnitude)
        worst = max(worst, error[j])
        constant = max(constant, abs(forms[d, j]))
        worst_off = max(worst_off, off[j])
    each = worst + _UNIT * (terms + 8) * (size + worst)
    each_off = worst_off + _UNIT * (terms + 8) * (constant + worst_off)
    for i in range(starts[layer], starts[layer + 1]):
        off[i] = 1.0625 * (gross[i] * each_off + _UNIT * (terms + 4) * abs(bias[i])) + _TINY
        error[i] = 1.0625 * (gross[i] * each + _UNIT * (terms + 4) * abs(bias[i])) + _TINY
