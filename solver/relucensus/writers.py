"""Regions into files or streams as they are found: Parquet or NDJSON, one region a row.

A file appears under its name when it is finished; until then, and after an error, there is none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from relucensus.errors import InvalidRequest, MissingPackage
from relucensus.polytope import HalfSpace
from relucensus.regions import RegionDescription, iterate_regions
from relucensus.replacing import replacing
from relucensus.values.problem import Budget, Problem

FORMATS: Final = ("parquet", "ndjson")
_ROWS: Final = 4096

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """How many regions a file holds, and whether these are all; None where an iterable does not tell."""

    regions: int
    complete: bool | None


def _pattern(region: RegionDescription) -> list[int]:
    return [symbol for layer in region.pattern for symbol in layer]


def _half_spaces(half_spaces: Sequence[HalfSpace]) -> list[Row]:
    """The integers as text, since they pass 64 bits."""
    return [
        {
            "normal": [str(n) for n in one.normal],
            "offset": str(one.offset),
            "neurons": list(one.neurons),
            "of_box": one.of_box,
        }
        for one in half_spaces
    ]


_COLUMNS: Final[dict[str, Callable[[RegionDescription], Any]]] = {
    "pattern": _pattern,
    "interior_point": lambda region: region.point.tolist(),
    "point_is_exact": lambda region: region.point_is_exact,
    "digest": lambda region: region.digest.hex(),
    "weights": lambda region: region.weights.ravel().tolist(),
    "bias": lambda region: region.bias.tolist(),
    "half_spaces": lambda region: _half_spaces(region.half_spaces),
    "facets": lambda region: _half_spaces(region.facets),
}
COLUMNS: Final = tuple(_COLUMNS)
DEFAULT_COLUMNS: Final = ("pattern", "interior_point", "point_is_exact", "digest")


def write_regions(
    regions: Problem | Iterable[RegionDescription],
    path: str | os.PathLike[str],
    *,
    format: str = "parquet",
    columns: Sequence[str] = DEFAULT_COLUMNS,
    budget: Budget | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Written:
    """Write one row a region, in bounded memory.

    Args:
        regions: a problem, or regions of one (`iterate_regions`).
        path: the file, which is replaced if it exists.
        format: "parquet", which needs the extra ``relucensus[parquet]``, or "ndjson": a JSON object a line.
        columns: names of `COLUMNS`: the pattern flat; the inner point in float64, and whether it is exactly that;
            the digest of the affine map in hex; weights (row after row) and bias in float64; half-spaces or facets,
            their integers as text.
        budget: where a problem is given, when to stop.
        on_progress: called with the number of regions written, after every few thousand.

    Raises:
        InvalidRequest: no such format or column, or a budget for regions that are given.
        MissingPackage: pyarrow is not installed.
    """
    check_output(format, columns)
    if isinstance(regions, Problem):
        regions = iterate_regions(regions, budget=budget)
    elif budget is not None:
        raise InvalidRequest(
            "a budget is given with regions; needed is a problem, or `iterate_regions` with the budget"
        )
    with replacing(Path(path)) as unfinished, unfinished.open("wb") as file:
        return send_regions(regions, file, format=format, columns=columns, on_progress=on_progress)


def send_regions(
    regions: Iterable[RegionDescription],
    file: BinaryIO,
    *,
    format: str = "parquet",
    columns: Sequence[str] = DEFAULT_COLUMNS,
    on_progress: Callable[[int], None] | None = None,
) -> Written:
    """The same into a binary file that is open, a pipe for example, while the regions are found.

    What is there after an error is only a part.
    """
    check_output(format, columns)
    count = 0
    opened = _parquet if format == "parquet" else _ndjson
    with opened(file, columns) as write:
        for rows in _batches(regions, columns):
            write(rows)
            count += len(rows)
            if on_progress is not None:
                on_progress(count)
    return Written(count, getattr(regions, "complete", None))


def check_output(format_: str, columns: Sequence[str]) -> None:
    """Check that regions can be written like this.

    Raises:
        InvalidRequest: no such format or column.
        MissingPackage: pyarrow is not installed.
    """
    if format_ not in FORMATS:
        raise InvalidRequest(f"format is {format_!r}; known are {', '.join(FORMATS)}")
    for name in columns:
        if name not in _COLUMNS:
            raise InvalidRequest(f"column {name!r} does not exist; known are {', '.join(COLUMNS)}")
    if not columns or len(set(columns)) < len(columns):
        raise InvalidRequest(f"columns are {', '.join(columns) or 'none'}; needed is at least one, none named twice")
    if format_ == "parquet":
        _pyarrow()


def _batches(regions: Iterable[RegionDescription], columns: Sequence[str]) -> Iterator[list[Row]]:
    iterator = iter(regions)
    while rows := [{name: _COLUMNS[name](region) for name in columns} for region in islice(iterator, _ROWS)]:
        yield rows


@contextmanager
def _ndjson(file: BinaryIO, columns: Sequence[str]) -> Iterator[Callable[[list[Row]], None]]:
    yield lambda rows: file.writelines(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)


def _pyarrow() -> tuple[Any, Any]:
    """The packages pyarrow and pyarrow.parquet."""
    try:
        import pyarrow  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingPackage(
            "format 'parquet' needs the Python package 'pyarrow', which is not installed: "
            "pip install 'relucensus[parquet]'"
        ) from error
    return pyarrow, parquet


@contextmanager
def _parquet(file: BinaryIO, columns: Sequence[str]) -> Iterator[Callable[[list[Row]], None]]:
    pyarrow, parquet = _pyarrow()
    half_space = pyarrow.struct(
        {
            "normal": pyarrow.list_(pyarrow.string()),
            "offset": pyarrow.string(),
            "neurons": pyarrow.list_(pyarrow.int32()),
            "of_box": pyarrow.bool_(),
        }
    )
    types = {
        "pattern": pyarrow.list_(pyarrow.uint8()),
        "point_is_exact": pyarrow.bool_(),
        "digest": pyarrow.string(),
        "half_spaces": pyarrow.list_(half_space),
        "facets": pyarrow.list_(half_space),
    }
    schema = pyarrow.schema({name: types.get(name, pyarrow.list_(pyarrow.float64())) for name in columns})
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        yield lambda rows: writer.write_table(pyarrow.Table.from_pylist(rows, schema))
