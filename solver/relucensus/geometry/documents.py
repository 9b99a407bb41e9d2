"""Measures of regions and distances to boundaries as JSON documents: those of the HTTP API."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from relucensus.arithmetic import RationalPoint
from relucensus.errors import Disagreement, InvalidRequest, UnsupportedProblem
from relucensus.geometry.distances import distance_to_boundary, distances_to_boundary
from relucensus.geometry.lines import breakpoints_of
from relucensus.geometry.volumes import measure_regions
from relucensus.values.network import Network
from relucensus.values.problem import Budget, Problem

VOLUMES: Final = ("none", "float", "exact")
MOST_EXACT_POINTS: Final = 16


def geometry_of(
    problem: Problem, *, volumes: str = "none", regions: int | None = None, budget: Budget | None = None
) -> dict[str, Any]:
    """Volumes and boundaries of the regions (`measure_regions`), on a line the breakpoints too.

    Args:
        problem: network and domain.
        volumes: "none", or a volume a region: "float", or "exact" as a fraction in text; then with patterns in hex.
        regions: the exact number of activation regions, if it is known.
        budget: seconds and regions that this may take at most.

    Raises:
        InvalidRequest: volumes is none of these words.
        UnsupportedProblem: no coordinate varies, or more than three, or the budget is too small, or float64.
        Disagreement: another number of regions.
    """
    if volumes not in VOLUMES:
        raise InvalidRequest(f"volumes is {volumes!r}; known are {', '.join(VOLUMES)}")
    with np.errstate(over="ignore", invalid="ignore"):
        measured = measure_regions(problem, budget=budget)
        factor = measured.volume_factor
    if regions is not None and len(measured.regions) != regions:
        raise Disagreement(
            f"{len(measured.regions)} regions were measured, {regions} were counted; one of them is wrong, please "
            "report the network and the domain"
        )
    document: dict[str, Any] = {
        "dimension": problem.free.box.dimension,
        "regions": len(measured.regions),
        "volume": math.fsum(float(region.volume) for region in measured.regions),
        "volume_factor": factor,
        "boundary": measured.boundary,
        "boundary_of_layer": list(measured.boundary_of_layer),
    }
    if problem.free.box.dimension == 1:
        found = breakpoints_of(problem, budget=budget)
        document["breakpoints"] = [float(t) for t in found.inner]
        document["exact_breakpoints"] = [str(t) for t in found.inner]
    if volumes != "none":
        written = str if volumes == "exact" else float
        document["volumes"] = [written(region.volume) for region in measured.regions]
        symbols = (np.frombuffer(region.symbols, dtype=np.uint8) for region in measured.regions)
        document["patterns"] = [np.packbits(row).tobytes().hex() for row in symbols]
    if not np.isfinite([document["volume_factor"], document["boundary"], *document["boundary_of_layer"]]).all():
        raise UnsupportedProblem("the boundaries among the inputs are too large for float64; needed is a smaller slice")
    return document


def distances_of(network: Network, points: Sequence[Sequence[float]], *, exact: bool = False) -> dict[str, Any]:
    """The distances of inputs to the nearest boundaries, their mean, and for few of them exact squares as text.

    An input whose region has no boundary has no distance; the mean is that of the others.

    Raises:
        InvalidRequest: not as many finite numbers as the network has inputs, or too many points for exact answers.
        UnsupportedProblem: an exact distance is beyond the range of float64.
    """
    if exact and len(points) > MOST_EXACT_POINTS:
        raise InvalidRequest(f"{len(points)} points; exact distances are given for at most {MOST_EXACT_POINTS} at once")
    distances = distances_to_boundary(network, points)
    bounded = distances[np.isfinite(distances)]
    document: dict[str, Any] = {
        "distances": [distance if math.isfinite(distance) else None for distance in distances.tolist()],
        "mean": float(bounded.mean()) if len(bounded) else None,
    }
    if exact:
        document["exact"] = [_nearest(network, point) for point in points]
    return document


def _nearest(network: Network, point: Sequence[float]) -> dict[str, Any] | None:
    found = distance_to_boundary(network, point)
    if found.squared is None or found.foot is None:
        return None
    try:
        foot = RationalPoint.from_fractions(found.foot).to_floats().tolist()
    except OverflowError:
        raise UnsupportedProblem("the nearest boundary of an input is beyond the range of float64") from None
    return {
        "distance": found.value,
        "squared": str(found.squared),
        "layer": found.layer,
        "neuron": found.neuron,
        "foot": foot,
    }
