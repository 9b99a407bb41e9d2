"""Files that appear under their name when they are finished."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from relucensus.errors import InvalidRequest


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside the path that takes its name when all went well, and else is removed.

    Raises:
        InvalidRequest: no file can be made there.
    """
    if path.exists() and not path.is_file():
        raise InvalidRequest(f"{path} cannot be written: it is a folder or a device, which no file may replace")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".unfinished")
        os.close(handle)
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be written: {error.strerror}") from error
    unfinished = Path(name)
    try:
        yield unfinished
        umask = os.umask(0)
        os.umask(umask)
        unfinished.chmod(0o666 & ~umask)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
