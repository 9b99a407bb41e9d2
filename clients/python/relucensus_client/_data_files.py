"""The files beside an ONNX model that hold its weights: which it names, and their bytes, from its own folder only.

The model is not parsed here, for which this package has nothing: an entry that names such a file is found by the bytes
it has to begin with. What is found is only read if it is a file in the model's folder; the reader, which parses the
model, says what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from relucensus_client._errors import InvalidArgument

# A StringStringEntryProto with the key "location": field 1, eight bytes; then field 2, its length and the name.
_LOCATION: Final = re.compile(rb"\n\x08location\x12([\x80-\xff]?[\x00-\x7f])")
_LONGEST_NAME: Final = 1024  # bytes


def files_beside(path: Path, model: bytes) -> dict[str, bytes]:
    """The bytes of each file that the model at this path names, as it names them, and that lies in its folder.

    A name that is absolute or climbs out of the folder, by itself or by a link, is passed over, as is a missing file.

    Raises:
        InvalidArgument: a file is there that cannot be read.
    """
    folder = path.parent.resolve()
    found: dict[str, bytes] = {}
    for name in sorted(set(_names(model))):
        place = _inside(folder, name)
        if place is None or place == path.resolve():
            continue
        try:
            found[name] = place.read_bytes()
        except OSError as error:
            why = error.strerror or error
            raise InvalidArgument(f"{place}, which holds weights of {path}, cannot be read: {why}") from None
    return found


def _names(model: bytes) -> Iterator[str]:
    """What stands in the model as the location of data."""
    for match in _LOCATION.finditer(model):
        low, *high = match[1]
        length = (low & 127) + (high[0] << 7 if high else 0)
        name = model[match.end() : match.end() + length]
        if 0 < length == len(name) <= _LONGEST_NAME:
            try:
                yield name.decode()
            except UnicodeDecodeError:
                continue


def _inside(folder: Path, name: str) -> Path | None:
    """The file of this name in the folder or in one within it; None if there is none."""
    inner = PurePosixPath(name)
    if inner.is_absolute() or ".." in inner.parts or "\\" in name or not name.isprintable():
        return None
    try:
        place = (folder / inner).resolve()
        return place if place.is_relative_to(folder) and place.is_file() else None
    except (OSError, ValueError):
        return None
