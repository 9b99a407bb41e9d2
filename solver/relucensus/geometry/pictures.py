"""Everything that a picture of a network on one or two coordinates shows, as arrays and as a compact JSON document.

The document is what the HTTP API sends as ``format=json`` and what pictures are drawn from; docs/pictures.md says what
each field means. Numbers in it are rounded, as they are for eyes; counts are not.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relucensus.affine import Preactivations
from relucensus.errors import Disagreement, SolverFailure, UnsupportedProblem
from relucensus.geometry.decision import decision_segments
from relucensus.geometry.extent import check_extent
from relucensus.geometry.lines import breakpoints_of
from relucensus.geometry.planar import Polygons, polygons_of
from relucensus.values.domain import Slice
from relucensus.values.problem import Budget, Problem

_PLACES: Final = 11
_DIGITS: Final = 7
_AREA: Final = 1e-9


def picture_of(
    problem: Problem, *, regions: int | None = None, budget: Budget | None = None, maps: bool = True
) -> dict[str, Any]:
    """The document of the picture of a box or slice on which one or two coordinates vary.

    Args:
        problem: network and domain.
        regions: the exact number of activation regions, if it is known; the picture has to have as many.
        budget: seconds and regions that a picture may take at most.
        maps: whether to have the affine maps; without them `maps` and `map_of` are empty.

    Raises:
        UnsupportedProblem: no coordinate or more than two vary, or the budget is too small for all regions, or the
            domain or the outputs are too large or too small for float64.
        Disagreement: the picture has another number of regions.
        SolverFailure: the areas do not add up to that of the box.
    """
    varying = problem.free.box.dimension
    if varying not in (1, 2):
        raise UnsupportedProblem(f"pictures show one or two coordinates; on this domain {varying} vary")
    check_extent(problem)
    with np.errstate(over="ignore", invalid="ignore"):
        document = (_plane if varying == 2 else _line)(problem, budget, maps)
    if not all(np.isfinite(document[name]).all() for name in ("values", "maps")):
        raise UnsupportedProblem("the outputs of the network are beyond the range of float64 on this domain")
    if regions is not None and document["regions"] != regions:
        raise Disagreement(
            f"the picture has {document['regions']} regions, {regions} were counted; one of them is wrong, please "
            "report the network and the domain"
        )
    return document


def check_areas(polygons: Polygons, problem: Problem) -> None:
    """Nothing, where the areas of all polygons add up to that of the box, to a relative 1e-9.

    Raises:
        SolverFailure: otherwise.
    """
    box = problem.free.box
    whole = float(np.prod(box.upper - box.lower))
    total = math.fsum(polygons.areas.tolist())
    if not abs(total - whole) <= _AREA * whole:
        raise SolverFailure(
            f"the areas of the regions add up to {total!r}, that of the box is {whole!r}; please report it"
        )


def _plane(problem: Problem, budget: Budget | None, maps: bool) -> dict[str, Any]:
    polygons = polygons_of(problem, budget=budget)
    check_areas(polygons, problem)
    places = _places(problem)
    centres = polygons.centres
    vertices, rings = np.unique(np.round(polygons.points, places), axis=0, return_inverse=True)
    values = np.einsum("noc,nc->no", polygons.maps[:, :, :2], centres) + polygons.maps[:, :, 2]
    return {
        **_common(problem, "plane", len(polygons)),
        "vertices": vertices.ravel().tolist(),
        "rings": rings.ravel().tolist(),
        "offsets": polygons.offsets.tolist(),
        "rows": polygons.rows.tolist(),
        "centres": np.round(centres, places).ravel().tolist(),
        "values": _significant(values).ravel().tolist(),
        "decision": np.round(decision_segments(polygons), places).ravel().tolist(),
        "patterns": _packed(polygons.symbols),
        **_maps(problem, polygons.symbols, polygons.maps if maps else None),
    }


def _line(problem: Problem, budget: Budget | None, maps: bool) -> dict[str, Any]:
    found = breakpoints_of(problem, budget=budget)
    positions = np.array([float(t) for t in found.positions])
    return {
        **_common(problem, "line", len(found)),
        "positions": np.round(positions, _places(problem)).tolist(),
        "rows": list(found.rows),
        "values": _significant(found.values).ravel().tolist(),
        "patterns": _packed(found.symbols),
        **_maps(problem, found.symbols, found.maps if maps else None),
    }


def _common(problem: Problem, kind: str, regions: int) -> dict[str, Any]:
    box, free = problem.box, problem.free
    loose = np.flatnonzero(box.lower < box.upper).tolist()
    letter = "u" if isinstance(problem.domain, Slice) else "x"
    neurons = problem.lowering.neurons
    return {
        "kind": kind,
        "regions": regions,
        "coordinates": [f"{letter}[{i}]" for i in loose],
        "lower": free.box.lower.tolist(),
        "upper": free.box.upper.tolist(),
        "outputs": problem.network.outputs,
        "row_layers": [layer for layer, rows in enumerate(neurons) for _ in rows],
        "row_neurons": [neuron for rows in neurons for neuron in rows],
    }


def _packed(symbols: NDArray[np.uint8]) -> list[str]:
    return [row.tobytes().hex() for row in np.packbits(symbols, axis=1)]


def _maps(problem: Problem, symbols: NDArray[np.uint8], maps: NDArray[np.float64] | None) -> dict[str, Any]:
    """Each different affine map once: equal digests are equal maps."""
    if maps is None:
        return {"map_of": [], "maps": []}
    digests = Preactivations(problem.free).output_digests(symbols)
    _, first, numbers = np.unique(np.array(digests, dtype="V16").view("S16"), return_index=True, return_inverse=True)
    return {
        "map_of": numbers.ravel().tolist(),
        "maps": _significant(maps[first]).ravel().tolist(),
    }


def _places(problem: Problem) -> int:
    """The decimal places that tell apart what is a 10^-11 of the box away."""
    box = problem.free.box
    widest = float((box.upper - box.lower).max())
    return max(-300, min(250, _PLACES - math.floor(math.log10(widest))))


def _significant(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded to so many significant digits."""
    sizes = np.where(np.isfinite(numbers) & (numbers != 0), np.abs(numbers), 1.0)
    factors = 10.0 ** np.clip(_DIGITS - 1 - np.floor(np.log10(sizes)), -300, 300)
    return np.asarray(np.round(numbers * factors) / factors)
