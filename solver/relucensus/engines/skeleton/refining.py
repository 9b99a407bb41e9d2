"""Compiled kernels that place a vertex anew from the exact hyperplanes through it, with a proven error.

Throughout: P is a cell at the vertex v (bit 0 for the rows through v), in which every preactivation is an affine form
``V + J (u - x)`` at the float position x. The d forms of the hyperplanes through v are F(u) = r + G (u - x), and v is
where F is zero. With Y near the inverse of G and ``q = |I - Y G| < 1`` (row sums), any point x' is within
``|Y F(x')| / (1 - q)`` of v (Krawczyk). Rounding errors of J and V are bounded layer by layer (Higham's gamma).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from relucensus.compiled import entry, kernel
from relucensus.engines.skeleton.mesh import Floats, Integers, Mesh, Net, Signs, Words

_UNIT = 2.0**-53
_TINY = 2.0**-960
_UP = 1 + 2.0**-22
_FLOOR = 2.0**-120
_HUGE = 2.0**100


@kernel
def gamma(terms: int) -> float:
    """A bound on the relative error of a sum of this many products of weights that are themselves rounded."""
    return (terms + 10) * 1.25 * _UNIT


@entry
def advance(mesh: Mesh, net: Net, layer: int, vertices: int) -> None:
    """Turn the preactivations of a layer into its activations, and `err` into what the next layer reads; in place.

    The next layer's error is the sum of the products of the absolute weights with `err`, and `gamma` times the bias.
    """
    width = mesh.z.shape[1]
    rounding = gamma(width) + 4 * _UNIT
    for v in range(vertices):
        for i in range(width):
            row = net.starts[layer] + i
            slope = net.slopes[row, 1 if mesh.z[v, i] > 0 else 0]
            off = mesh.err[v, i] * (abs(slope) if abs(mesh.z[v, i]) > mesh.err[v, i] else _steeper(net, row))
            mesh.z[v, i] *= slope
            mesh.err[v, i] = (off + rounding * abs(mesh.z[v, i])) * _UP + _FLOOR


@kernel
def _steeper(net: Net, row: int) -> Any:
    return max(abs(net.slopes[row, 0]), abs(net.slopes[row, 1]))


@entry
def settle_errors(mesh: Mesh, bias: Floats, vertices: int) -> None:
    """Complete the errors of a new layer by those of its bias, and set `eps`."""
    rounding = gamma(mesh.z.shape[1])
    for v in range(vertices):
        largest = 0.0
        for i in range(mesh.z.shape[1]):
            error = (mesh.err[v, i] + rounding * abs(bias[i])) * _UP + _FLOOR
            error = error if error < _HUGE else np.inf
            mesh.err[v, i] = error
            largest = max(largest, error * _UP)
        mesh.eps[v] = largest


@entry
def refine(mesh: Mesh, net: Net, base: Words, layer: int, chosen: Integers) -> None:
    """Place the chosen vertices anew where that lowers their errors."""
    d = mesh.x.shape[1]
    forms = np.empty((2, d + 3, _widest(net, layer, d)))
    system, y = np.empty((d, d + 3)), np.empty((d, 2 * d))
    moved, word = np.empty(d), np.empty(len(base), dtype=np.uint64)
    for i in range(len(chosen)):
        v = chosen[i]
        for k in range(len(base)):
            word[k] = mesh.bits[v, k] | base[k]
        local_system(mesh, net, (v, layer), word, forms, system)
        contraction = inverted(system, y)
        if contraction < 0.5:
            reach = _moved(mesh, v, moved, system, y)
            reach = reach / (1 - contraction) * (1 + 64 * _UNIT) + _TINY
            if _move(mesh, v, forms[layer & 1], moved, (reach, net.scales[layer])):
                mesh.rho[v] = reach
            first = 2 * d + net.starts[layer]
            for h in range(d):
                if mesh.on[v, h] >= first:
                    mesh.z[v, mesh.on[v, h] - first] = 0.0
                    mesh.err[v, mesh.on[v, h] - first] = 0.0


@kernel
def _widest(net: Net, layer: int, d: int) -> int:
    """The most forms of a layer up to this one, the input too."""
    widest = d
    for k in range(layer + 1):
        widest = max(widest, net.starts[k + 1] - net.starts[k])
    return widest


@kernel
def local_system(mesh: Mesh, net: Net, place: tuple[int, int], word: Words, forms: Floats, system: Floats) -> None:
    """The forms of the hyperplanes through a vertex, and those of the layer, in the cell whose bits are `word`.

    `place` is the vertex and the layer. `forms` (2, d + 3, rows) takes the forms of two layers in turn, those of the
    last in ``forms[layer & 1]``: a row a coordinate of J, then V, the error of V, the error of an entry of J. A row of
    the system: of G, then r, the error of an entry of G, the error of r.
    """
    v, layer = place
    d = mesh.x.shape[1]
    system[:, :] = 0.0
    forms[1, :, :d] = 0.0
    for h in range(d):
        forms[1, h, h], forms[1, d, h] = 1.0, mesh.x[v, h]
        plane = mesh.on[v, h]
        if plane < 2 * d:
            wall = net.walls[plane]
            system[h, plane >> 1] = 1.0
            system[h, d] = mesh.x[v, plane >> 1] - wall
            system[h, d + 2] = (0.0 if wall == 0.0 else 2.0**-51) + 4 * _UNIT * abs(system[h, d])
    for k in range(layer + 1):
        inner, outer = forms[(k + 1) & 1], forms[k & 1]
        if k:
            _bend(net, k - 1, word, inner)
        _next(net, k, inner, outer)
        first = 2 * d + net.starts[k]
        for h in range(d):
            plane = mesh.on[v, h]
            if first <= plane < 2 * d + net.starts[k + 1]:
                for c in range(d + 1):
                    system[h, c] = outer[c, plane - first]
                system[h, d + 1], system[h, d + 2] = outer[d + 2, plane - first], outer[d + 1, plane - first]


@kernel
def _bend(net: Net, layer: int, word: Words, forms: Floats) -> None:
    """Preactivations to activations in the cell, in place."""
    d = len(forms) - 3
    for i in range(net.starts[layer + 1] - net.starts[layer]):
        row = net.starts[layer] + i
        bit = (word[row >> 6] >> np.uint64(63 - (row & 63))) & np.uint64(1)
        slope = net.slopes[row, np.int64(bit)]
        for c in range(d + 3):
            forms[c, i] *= slope
        for c in range(d + 1, d + 3):
            forms[c, i] = abs(forms[c, i])


@kernel
def _next(net: Net, layer: int, inner: Floats, outer: Floats) -> None:
    """The preactivations of a layer as forms of the position, from the activations before, and their errors."""
    rows, d = net.starts[layer + 1] - net.starts[layer], len(inner) - 3
    columns = net.starts[layer] - net.starts[layer - 1] if layer else d
    rounding = gamma(columns + 4)
    outer[:, :rows] = 0.0
    for i in range(rows):
        outer[d, i] = net.bias[net.starts[layer] + i]
        outer[d + 1, i] = rounding * abs(outer[d, i]) + _TINY
        outer[d + 2, i] = _TINY
    for j in range(columns):
        steepest = 0.0
        for c in range(d):
            steepest = max(steepest, abs(inner[c, j]))
        value = inner[d, j]
        off, tilt = inner[d + 1, j] + rounding * abs(value), inner[d + 2, j] + rounding * steepest
        if steepest == 0.0 and value == 0.0 and off == 0.0 and tilt == 0.0:
            continue
        at = net.offsets[layer] + j * rows
        for c in range(d + 1):
            factor = inner[c, j]
            for i in range(rows):
                outer[c, i] += factor * net.turned[at + i]
        for i in range(rows):
            outer[d + 1, i] += off * abs(net.turned[at + i])
            outer[d + 2, i] += tilt * abs(net.turned[at + i])
    for i in range(rows):
        outer[d + 1, i] *= 1 + rounding
        outer[d + 2, i] *= 1 + rounding


@kernel
def _invert(system: Floats, y: Floats) -> bool:
    """Write about the inverse of G to the right half of y (d, 2 d), by elimination; False if it seems singular."""
    d = len(y)
    for h in range(d):
        for c in range(d):
            y[h, c] = system[h, c]
            y[h, d + c] = 1.0 if h == c else 0.0
    for k in range(d):
        pivot = k
        for i in range(k + 1, d):
            if abs(y[i, k]) > abs(y[pivot, k]):
                pivot = i
        if abs(y[pivot, k]) < 2.0**-200:
            return False
        _eliminate(y, k, pivot)
    return True


@kernel
def _eliminate(y: Floats, k: int, pivot: int) -> None:
    """One step of the elimination: the pivot's row to row k, its column cleared elsewhere."""
    lead = y[pivot, k]
    for c in range(y.shape[1]):
        kept = y[pivot, c] / lead
        y[pivot, c] = y[k, c]
        y[k, c] = kept
    for i in range(len(y)):
        factor = y[i, k]
        if i != k:
            for c in range(y.shape[1]):
                y[i, c] -= factor * y[k, c]


@kernel
def _scaled(system: Floats) -> None:
    """Multiply every row by a power of two, so that the entries of G are about 1."""
    d = len(system)
    for h in range(d):
        largest = 0.0
        for c in range(d):
            largest = max(largest, abs(system[h, c]))
        factor = math.ldexp(1.0, -math.frexp(largest)[1]) if 2.0**-900 < largest else 1.0
        for c in range(d + 3):
            system[h, c] *= factor


@kernel
def inverted(system: Floats, y: Floats) -> float:
    """Scale the system's rows and write Y to the right half of y; a bound on ``|I - Y G|``, infinite if singular."""
    d = len(system)
    _scaled(system)
    if not _invert(system, y):
        return np.inf
    contraction = 0.0
    for k in range(d):
        error = 0.0
        for h in range(d):
            error += d * abs(y[k, d + h]) * (system[h, d + 1] + (d + 4) * 2 * _UNIT)
        for c in range(d):
            entry = -1.0 if k == c else 0.0
            for h in range(d):
                entry += y[k, d + h] * system[h, c]
            error += abs(entry)
        contraction = max(contraction, error * (1 + 64 * _UNIT) + (d + 8) * 8 * _UNIT)
    return contraction


@kernel
def _moved(mesh: Mesh, v: int, moved: Floats, system: Floats, y: Floats) -> float:
    """Write the position where F is about zero; a bound on ``|Y F|`` there."""
    d = len(moved)
    for k in range(d):
        shift = 0.0
        for h in range(d):
            shift += y[k, d + h] * system[h, d]
        moved[k] = mesh.x[v, k] - shift
    reach = 0.0
    for h in range(d):
        value, gross, way = system[h, d], abs(system[h, d]), 0.0
        for c in range(d):
            step = moved[c] - mesh.x[v, c]
            value += system[h, c] * step
            gross += abs(system[h, c] * step)
            way += abs(step)
        system[h, d] = abs(value) + system[h, d + 2] + system[h, d + 1] * way + (d + 6) * 4 * _UNIT * gross
    for k in range(d):
        total = 0.0
        for h in range(d):
            total += abs(y[k, d + h]) * system[h, d]
        reach = max(reach, total)
    return reach * (1 + (d + 8) * 4 * _UNIT)


@kernel
def _move(mesh: Mesh, v: int, forms: Floats, moved: Floats, sizes: tuple[float, float]) -> bool:
    """Give the vertex its new position and preactivations, if their error is lower; `sizes`: rho, the scale."""
    d, width = len(moved), mesh.z.shape[1]
    reach, scale = sizes
    eps = 0.0
    for i in range(width):
        value, gross, way, steep = forms[d, i], abs(forms[d, i]), 0.0, 0.0
        for c in range(d):
            step = moved[c] - mesh.x[v, c]
            value += forms[c, i] * step
            gross += abs(forms[c, i] * step)
            way += abs(step)
            steep += abs(forms[c, i]) + forms[d + 2, i]
        own = forms[d + 1, i] + forms[d + 2, i] * way + (d + 6) * 4 * _UNIT * gross + steep * reach
        own = own * scale * _UP + _FLOOR
        if not own < _HUGE:
            return False
        forms[d, i], forms[d + 1, i] = value, own
        eps = max(eps, own * _UP)
    if eps >= mesh.eps[v]:
        return False
    mesh.eps[v] = eps
    for c in range(d):
        mesh.x[v, c] = moved[c]
    for i in range(width):
        mesh.z[v, i], mesh.err[v, i] = forms[d, i] * scale, forms[d + 1, i]
    return True


@entry
def steer(mesh: Mesh, net: Net, signs: Signs, layer: int, doubtful: Integers) -> int:
    """Direct the doubtful edges by their slopes; those still unsure move to the front, and their number is returned.

    An edge leaves the hyperplane h at its end b. In a cell beside the edge it runs along ``G^-1 e_h``, to the side of h
    where its other end is.
    """
    d = mesh.x.shape[1]
    forms = np.empty((2, d + 3, _widest(net, layer, d)))
    system, y = np.empty((d, d + 3)), np.empty((d, 2 * d))
    word, left = np.empty(len(signs.base), dtype=np.uint64), 0
    for i in range(1, doubtful[0] + 1):
        e = doubtful[i]
        a, b = mesh.ends[e, 0], mesh.ends[e, 1]
        h = 0
        while h < d - 1 and mesh.on[b, h] == mesh.through[e, h]:
            h += 1
        plane = mesh.on[b, h]
        for k in range(len(word)):
            word[k] = mesh.bits[b, k] | mesh.bits[a, k] | signs.base[k]
        local_system(mesh, net, (b, layer), word, forms, system)
        rise = _rise(signs.slope, h, system, y)
        if rise == 0.0:
            left += 1
            doubtful[left] = e
        elif (rise > 0) == _positive(word, plane, d):
            mesh.ends[e, 0], mesh.ends[e, 1] = b, a
        else:
            mesh.ends[e, 0], mesh.ends[e, 1] = a, b
    doubtful[0] = left
    return left


@kernel
def _rise(slope: Floats, h: int, system: Floats, y: Floats) -> float:
    """How the height changes along ``G^-1 e_h``, of which only the sign is proven; 0 where it is not."""
    d = len(slope)
    contraction = inverted(system, y)
    if not contraction < 0.5:
        return 0.0
    rise, gross, size, longest = 0.0, 0.0, 0.0, 0.0
    for k in range(d):
        rise += slope[k] * y[k, d + h]
        gross += abs(slope[k] * y[k, d + h])
        size += abs(slope[k])
        longest = max(longest, abs(y[k, d + h]))
    error = size * longest * contraction / (1 - contraction) + (d + 4) * 4 * _UNIT * gross
    return rise if abs(rise) > error * (1 + 64 * _UNIT) + _TINY else 0.0


@kernel
def _positive(word: Words, plane: int, d: int) -> Any:
    """Whether the cell is on the positive side of a hyperplane; box facets are positive inside."""
    row = plane - 2 * d
    if row < 0:
        return (plane & 1) == 0
    return ((word[row >> 6] >> np.uint64(63 - (row & 63))) & np.uint64(1)) == 1
