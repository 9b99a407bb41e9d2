"""The picture of a network on one or two coordinates, as numpy arrays; drawn by `drawing`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from relucensus_client import _parts
from relucensus_client._errors import UnexpectedAnswer

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEEDED: Final = {
    "plane": ("vertices", "rings", "offsets", "rows", "centres", "values", "decision", "patterns", "map_of", "maps"),
    "line": ("positions", "rows", "values", "patterns", "map_of", "maps"),
}


class Picture:
    """The regions of a box or slice on which one (`kind` "line") or two coordinates ("plane") vary, to be drawn.

    In a plane, ``picture.polygon(i)`` has the corners of region i; on a line, region i is between `positions` i and
    i + 1. `document` is the JSON of the HTTP API with every field.

    Raises:
        UnexpectedAnswer: the document is not that of a picture.
        MissingPart: numpy is not installed.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        kind = document.get("kind")
        missing = [name for name in _NEEDED.get(str(kind), ("kind",)) if name not in document]
        if missing:
            raise UnexpectedAnswer(
                f"a picture of kind {kind!r} lacks {missing[0]!r}; the service is of another version"
            )
        self.document = dict(document)
        self._numpy = _parts.package("numpy", "a picture")

    def __len__(self) -> int:
        """The number of regions."""
        return int(self.document["regions"])

    def __repr__(self) -> str:
        return f"<Picture of a {self.kind}: {len(self)} regions>"

    @property
    def kind(self) -> str:
        """`plane` or `line`."""
        return str(self.document["kind"])

    @property
    def coordinates(self) -> list[str]:
        """The names of what varies: inputs ``x[i]``, or the numbers ``u[i]`` before a slice's directions."""
        return list(self.document["coordinates"])

    @property
    def layers(self) -> int:
        """The number of hidden layers."""
        return 1 + max(self.document["row_layers"], default=-1)

    @cached_property
    def vertices(self) -> NDArray[Any]:
        """The corners of all polygons, each once, (V, 2)."""
        return self._floats("vertices").reshape(-1, 2)

    @cached_property
    def rings(self) -> NDArray[Any]:
        """The numbers of the corners of one polygon after the other, anticlockwise, (M,)."""
        return self._integers("rings")

    @cached_property
    def offsets(self) -> NDArray[Any]:
        """Where each polygon begins in `rings`, and the end of the last, (regions + 1,)."""
        return self._integers("offsets")

    @cached_property
    def side_layers(self) -> NDArray[Any]:
        """The layer that made the side from a corner of `rings` to the next, -1 on the box, (M,); or the breakpoint."""
        rows = self._integers("rows")
        layers = self._numpy.array([*self.document["row_layers"], -1], dtype=int)
        of_sides: NDArray[Any] = layers[rows]
        return of_sides

    @cached_property
    def centres(self) -> NDArray[Any]:
        """A point inside each region of a plane, (regions, 2)."""
        return self._floats("centres").reshape(-1, 2)

    @cached_property
    def positions(self) -> NDArray[Any]:
        """The ends and breakpoints of a line, (regions + 1,)."""
        return self._floats("positions")

    @cached_property
    def values(self) -> NDArray[Any]:
        """The outputs at the `centres`, (regions, outputs), or at the `positions`."""
        return self._floats("values").reshape(-1, self.document["outputs"])

    @cached_property
    def map_of(self) -> NDArray[Any]:
        """The number of each region's affine map, (regions,)."""
        return self._integers("map_of")

    @cached_property
    def maps(self) -> NDArray[Any]:
        """The different affine maps, (maps, outputs, 3): coefficients and a constant; on a line (maps, outputs, 2)."""
        return self._floats("maps").reshape(-1, self.document["outputs"], 1 + len(self.document["coordinates"]))

    @cached_property
    def decision(self) -> NDArray[Any]:
        """The segments of the decision boundary of a plane, (m, 2, 2)."""
        return self._floats("decision").reshape(-1, 2, 2)

    @cached_property
    def symbols(self) -> NDArray[Any]:
        """The symbols of the rows in each region, (regions, rows)."""
        packed = self._numpy.frombuffer(bytes.fromhex("".join(self.document["patterns"])), dtype="uint8")
        rows = len(self.document["row_layers"])
        symbols: NDArray[Any] = self._numpy.unpackbits(packed.reshape(len(self), -1), axis=1, count=rows)
        return symbols

    def polygon(self, region: int) -> NDArray[Any]:
        """The corners of a region of a plane, anticlockwise, (n, 2)."""
        corners: NDArray[Any] = self.vertices[self.rings[self.offsets[region] : self.offsets[region + 1]]]
        return corners

    def plot(self, axes: Any = None, **options: Any) -> Any:
        """Draws the picture with matplotlib and returns the axes; the options are those of `drawing.draw`.

        Raises:
            MissingPart: matplotlib is not installed.
        """
        from relucensus_client import drawing  # noqa: PLC0415 - needs an extra

        return drawing.draw(self, axes, **options)

    def save(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Writes the picture to a file, ``.png``, ``.svg`` or ``.json`` by its name; options as `drawing.rendered`."""
        ending = Path(path).suffix.lower().lstrip(".")
        if ending == "json":
            Path(path).write_text(json.dumps(self.document))
            return
        from relucensus_client import drawing  # noqa: PLC0415 - needs an extra

        Path(path).write_bytes(drawing.rendered(self, ending, **options))

    def _floats(self, name: str) -> NDArray[Any]:
        numbers: NDArray[Any] = self._numpy.array(self.document[name], dtype="float64")
        return numbers

    def _integers(self, name: str) -> NDArray[Any]:
        numbers: NDArray[Any] = self._numpy.array(self.document[name], dtype="int64")
        return numbers
