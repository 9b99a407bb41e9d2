"""What requests and answers about geometry look like on the wire."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, FailFast, Field

from relucensus_service.request_schemas import Numbers


class DistancesRequest(BaseModel):
    """Inputs whose distances are asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    points: Annotated[list[Annotated[Numbers, Field(min_length=1)]], FailFast(), Field(min_length=1)]
    exact: bool = Field(default=False, description="exact squares too, of at most 16 points")


class ExactDistanceView(BaseModel):
    """The exact distance of an input: its square as a fraction in text, and the neuron whose breakpoint is nearest."""

    distance: float
    squared: str = Field(examples=["16/25"])
    layer: int = Field(description="from 0")
    neuron: int = Field(description="from 0, within its layer")
    foot: list[float] = Field(description="the nearest point of the boundary")


class DistancesView(BaseModel):
    """A distance for each input, null where its region has no boundary; the mean is that of the others."""

    distances: list[float | None]
    mean: float | None
    exact: list[ExactDistanceView | None] = Field(default=[], description="only if asked for")


class GeometryView(BaseModel):
    """How large the regions of a domain are together, and the boundaries between them."""

    dimension: int = Field(description="coordinates that vary")
    regions: int
    volume: float = Field(description="of all regions, over the coordinates that vary: that of the box")
    volume_factor: float = Field(description="what such a volume is to be multiplied by for one among the inputs")
    boundary: float = Field(description="points, length or area of all boundaries, among the inputs")
    boundary_of_layer: list[float] = Field(description="the same by the first layer that divides there")
    breakpoints: list[float] = Field(default=[], description="on a line, ascending")
    exact_breakpoints: list[str] = Field(default=[], description="the same as fractions in text")
    volumes: list[float | str] = Field(default=[], description="of each region, only if asked for")
    patterns: list[str] = Field(default=[], description="of each region, with volumes: eight symbols a byte, in hex")
