"""Where the decision of a network changes, region by region: on a region outputs are affine, so these are segments.

With one output the decision is its sign; with several it is which one is largest. Segments are rounded to float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidRequest
from relucensus.geometry.planar import Polygons

Floats = NDArray[np.float64]


def decision_segments(polygons: Polygons, outputs: tuple[int, int] | None = None) -> Floats:
    """The segments (m, 2, 2) of the decision boundary: two ends with two coordinates each.

    Args:
        polygons: the regions.
        outputs: two outputs, to see where they are equal, whatever the others are; else all decide.

    Raises:
        InvalidRequest: no such outputs.
    """
    count = polygons.maps.shape[1]
    if outputs is not None:
        if len(set(outputs)) != 2 or not all(0 <= one < count for one in outputs):
            raise InvalidRequest(f"outputs are {outputs}; needed are two different numbers from 0 to {count - 1}")
        return _zeros(polygons, polygons.maps[:, outputs[0]] - polygons.maps[:, outputs[1]])[1]
    if count == 1:
        return _zeros(polygons, polygons.maps[:, 0])[1]
    leading = _leading(polygons)
    together = leading.T.astype(np.float64) @ leading > 0
    found = []
    for one, other in np.argwhere(np.triu(together, 1)).tolist():
        regions, segments = _zeros(polygons, polygons.maps[:, one] - polygons.maps[:, other])
        both = leading[regions, one] & leading[regions, other]
        regions, segments = regions[both], segments[both]
        for third in set(np.flatnonzero(leading[regions].any(axis=0)).tolist()) - {one, other}:
            ahead = polygons.maps[regions, one] - polygons.maps[regions, third]
            kept, segments = _clipped(segments, ahead)
            regions = regions[kept]
        found.append(segments)
    return np.concatenate(found) if found else np.zeros((0, 2, 2))


def _leading(polygons: Polygons) -> NDArray[np.bool_]:
    """Which outputs may be the largest somewhere in a region, (n, outputs): those that no other exceeds all over it."""
    sizes, starts = np.diff(polygons.offsets), polygons.offsets[:-1]
    most, least = np.empty(polygons.maps.shape[:2]), np.empty(polygons.maps.shape[:2])
    for output in range(polygons.maps.shape[1]):
        values = _at(np.repeat(polygons.maps[:, output], sizes, axis=0), polygons.points)
        most[:, output] = np.maximum.reduceat(values, starts)
        least[:, output] = np.minimum.reduceat(values, starts)
    return np.asarray(most >= least.max(axis=1, keepdims=True))


def _zeros(polygons: Polygons, forms: Floats) -> tuple[NDArray[np.intp], Floats]:
    """The regions in which a form (n, 3) has both signs, and the segments on which it is zero there."""
    sizes = np.diff(polygons.offsets)
    values = _at(np.repeat(forms, sizes, axis=0), polygons.points)
    after = polygons.following
    changes = np.flatnonzero((values >= 0) != (values[after] >= 0))
    share = values[changes] / (values[changes] - values[after[changes]])
    start, end = polygons.points[changes], polygons.points[after[changes]]
    met = start + share[:, None] * (end - start)
    regions = np.searchsorted(polygons.offsets, changes, side="right") - 1
    return regions[::2], met.reshape(-1, 2, 2)  # a convex polygon has two changes, or none


def _clipped(segments: Floats, forms: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Which segments have a part on which their form is positive, and these parts."""
    first, last = _at(forms, segments[:, 0]), _at(forms, segments[:, 1])
    kept = (first > 0) | (last > 0)
    first, last, segments = first[kept], last[kept], segments[kept].copy()
    along = segments[:, 1] - segments[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        met = segments[:, 0] + (first / (first - last))[:, None] * along
    segments[first < 0, 0] = met[first < 0]
    segments[last < 0, 1] = met[last < 0]
    return kept, segments


def _at(forms: Floats, points: Floats) -> Floats:
    return np.asarray((forms[:, :2] * points).sum(axis=1) + forms[:, 2])
