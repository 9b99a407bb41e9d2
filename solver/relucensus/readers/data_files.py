"""The files beside a model that hold its weights: by name, and never from outside the model's own folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final

from relucensus.errors import UnreadableModel
from relucensus.readers.limits import shown

DataFiles = Mapping[str, bytes]
NO_FILES: Final[DataFiles] = MappingProxyType({})


class FolderFiles(Mapping[str, bytes]):
    """The files in a folder and in folders within it, each read when it is asked for.

    Asking for a file raises `UnreadableModel` if its name is absolute or climbs, by itself or by a link, out of the
    folder, or cannot be read, and KeyError if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def __getitem__(self, name: str) -> bytes:
        inner = PurePosixPath(name)
        path = (self._folder / inner).resolve()
        if inner.is_absolute() or ".." in inner.parts or "\\" in name or not path.is_relative_to(self._folder):
            raise UnreadableModel(
                f"the model keeps weights in {shown(name)}, outside of its own folder; such a file is never opened"
            )
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            raise KeyError(name) from None
        except OSError as error:
            raise UnreadableModel(f"the model keeps weights in {shown(name)}, which cannot be read: {error}") from None

    def __iter__(self) -> Iterator[str]:
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return (path.relative_to(self._folder).as_posix() for path in files)

    def __len__(self) -> int:
        return sum(1 for _ in self)
