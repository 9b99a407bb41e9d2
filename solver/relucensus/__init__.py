"""Exact counts of the activation regions and linear regions of a piecewise-linear network on a bounded box.

>>> from relucensus import count
>>> result = count([([[1.0], [-1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0])], lower=-1, upper=1)
>>> {definition.value: counted.value for definition, counted in result.counts.items()}
{'activation_regions': 2, 'linear_regions': 2, 'affine_pieces': 2}
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from relucensus.errors import CensusError
from relucensus.values.activation import Activation
from relucensus.values.domain import Box, Slice
from relucensus.values.network import Layer, Network
from relucensus.values.problem import Budget, Definition, Problem
from relucensus.values.result import Count, CountResult, Statistics, Status

if TYPE_CHECKING:
    from relucensus.census import count_regions
    from relucensus.geometry.distances import distance_to_boundary, distances_to_boundary
    from relucensus.geometry.lines import breakpoints_of
    from relucensus.geometry.pictures import picture_of
    from relucensus.geometry.planar import polygons_of
    from relucensus.geometry.volumes import measure_regions
    from relucensus.one_line import count
    from relucensus.proof.checker import verify
    from relucensus.readers import network_of, read_model, read_vnnlib, vnnlib_boxes
    from relucensus.regions import iterate_regions
    from relucensus.writers import write_regions

__all__ = [
    "Activation",
    "Box",
    "Budget",
    "CensusError",
    "Count",
    "CountResult",
    "Definition",
    "Layer",
    "Network",
    "Problem",
    "Slice",
    "Statistics",
    "Status",
    "breakpoints_of",
    "count",
    "count_regions",
    "distance_to_boundary",
    "distances_to_boundary",
    "iterate_regions",
    "measure_regions",
    "network_of",
    "picture_of",
    "polygons_of",
    "read_model",
    "read_vnnlib",
    "verify",
    "vnnlib_boxes",
    "write_regions",
]

_LOADED_ON_FIRST_USE: Final = {
    "breakpoints_of": "relucensus.geometry.lines",
    "count": "relucensus.one_line",
    "count_regions": "relucensus.census",
    "distance_to_boundary": "relucensus.geometry.distances",
    "distances_to_boundary": "relucensus.geometry.distances",
    "measure_regions": "relucensus.geometry.volumes",
    "picture_of": "relucensus.geometry.pictures",
    "polygons_of": "relucensus.geometry.planar",
    "iterate_regions": "relucensus.regions",
    "network_of": "relucensus.readers",
    "read_model": "relucensus.readers",
    "read_vnnlib": "relucensus.readers",
    "verify": "relucensus.proof.checker",
    "vnnlib_boxes": "relucensus.readers",
    "write_regions": "relucensus.writers",
}


def __getattr__(name: str) -> Any:
    """Load what pulls in an engine or a reader on first use only."""
    if name in _LOADED_ON_FIRST_USE:
        return getattr(import_module(_LOADED_ON_FIRST_USE[name]), name)
    raise AttributeError(f"module 'relucensus' has no attribute {name!r}")
