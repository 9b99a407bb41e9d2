"""VNN-LIB properties: their text, the variables they declare, and the boxes of inputs they are about."""

from relucensus.readers.vnnlib.property import (
    Property,
    read_property,
    read_vnnlib,
    rounded_bounds,
    vnnlib_boxes,
)

__all__ = ["Property", "read_property", "read_vnnlib", "rounded_bounds", "vnnlib_boxes"]
