"""The regions of a job as numpy arrays, and how they are read from the lines that the service sends."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from relucensus_client import _parts
from relucensus_client._errors import InvalidArgument, UnexpectedAnswer
from relucensus_client._requests import excerpt

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS: Final = ("parquet", "ndjson")
_TYPES: Final = {
    "pattern": "uint8",
    "interior_point": "float64",
    "point_is_exact": "bool",
    "digest": "str",
    "weights": "float64",
    "bias": "float64",
}


class Regions:
    """Activation regions, one a row, as numpy arrays: ``regions["pattern"][i]`` is that of region i.

    There are those columns that were asked for. `pattern` has a symbol for each neuron, `interior_point` a number for
    each input, `bias` one for each output, `weights` a matrix from the inputs that vary to the outputs;
    `point_is_exact` is a boolean, `digest` that of the affine map in hex; `half_spaces` and `facets` are lists of
    mappings, with integers as text, since they may pass 64 bits.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = dict(arrays)

    def __len__(self) -> int:
        return len(next(iter(self._arrays.values()))) if self._arrays else 0

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self._arrays[column]

    def __repr__(self) -> str:
        return f"<Regions {len(self)}: {', '.join(self.columns)}>"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._arrays)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` with one row a region; a cell with several numbers is a numpy array.

        Raises:
            MissingPart: pandas is not installed.
        """
        pandas = _parts.package("pandas", "Regions.to_pandas")
        return pandas.DataFrame({name: list(array) for name, array in self._arrays.items()})

    def to_arrow(self) -> Any:
        """A `pyarrow.Table` with one row a region and the types of the Parquet files that the service sends.

        Raises:
            MissingPart: pyarrow is not installed.
        """
        pyarrow = _parts.package("pyarrow", "Regions.to_arrow")
        return pyarrow.table({name: _arrow_array(pyarrow, array) for name, array in self._arrays.items()})


def regions_of(lines: Sequence[bytes], outputs: int | None) -> Regions:
    """The regions that these lines describe, of a network with so many outputs.

    Raises:
        UnexpectedAnswer: a line is not a region, or not one like the others.
    """
    try:
        rows = [json.loads(line) for line in lines]
        if not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
            raise ValueError("needed are objects with the same columns")
        return Regions({name: _array(name, [row[name] for row in rows], outputs) for name in rows[0]})
    except (ValueError, TypeError, OverflowError) as error:
        raise UnexpectedAnswer(
            f"the service sent {excerpt(lines[0])!r} among {len(lines)} lines that are not regions: {error}"
        ) from None


def joined(batches: Sequence[Regions]) -> Regions:
    """All regions of the batches, which have the same columns."""
    import numpy as np  # noqa: PLC0415 - only for regions

    names = batches[0].columns if batches else ()
    return Regions({name: np.concatenate([batch[name] for batch in batches]) for name in names})


async def batches_of_lines(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[list[bytes]]:
    """The lines that the chunks make up, `size` at a time."""
    lines: list[bytes] = []
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        lines += whole
        while len(lines) >= size:
            yield lines[:size]
            lines = lines[size:]
    lines += [rest] if rest else []
    if lines:
        yield lines


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file beside the path that takes its place when all went well, and else is removed.

    Raises:
        InvalidArgument: there can be no such file.
    """
    if path.exists() and not path.is_file():
        raise InvalidArgument(f"{path} cannot be written: it is a folder or a device, which no file may replace")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".unfinished")
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be written: {error.strerror or error}") from error
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        unfinished.chmod(0o666 & ~umask)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _array(name: str, values: list[Any], outputs: int | None) -> NDArray[Any]:
    import numpy as np  # noqa: PLC0415 - only for regions

    if name not in _TYPES:
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    read = np.asarray(values, dtype=_TYPES[name])
    return read.reshape(len(values), outputs, -1) if name == "weights" and outputs else read


def _arrow_array(pyarrow: Any, array: NDArray[Any]) -> Any:
    import numpy as np  # noqa: PLC0415 - only for regions

    if array.ndim == 1:
        return pyarrow.array(array.tolist())
    flat = array.reshape(len(array), -1)
    starts = np.arange(len(array) + 1, dtype=np.int32) * flat.shape[1]
    return pyarrow.ListArray.from_arrays(pyarrow.array(starts), pyarrow.array(flat.ravel()))
