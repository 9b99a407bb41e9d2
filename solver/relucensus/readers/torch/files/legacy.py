"""The format of `torch.save` of before torch 1.6: five pickles one behind the other, then the bytes of the storages."""

from __future__ import annotations

import io
from typing import Any, Final

from relucensus.errors import CensusError, RefusedFormat, UnreadableModel
from relucensus.readers.limits import shown
from relucensus.readers.torch.files.descriptions import ITEM_BYTES, Storage
from relucensus.readers.torch.files.unpickler import SAVE_STATE_DICT, next_object

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001
_BARE: Final = (
    "the file is a bare pickle, not what torch.save writes, and is refused, nothing of it was run; "
    f"from PyTorch, {SAVE_STATE_DICT}"
)


class LegacyFile:
    """The pickled object of such a file and its storages, which lie there in little-endian order.

    Raises:
        RefusedFormat: another pickle.
        UnreadableModel: a file that is cut off, or contradicts itself.
    """

    order: str = "<"

    def __init__(self, data: bytes) -> None:
        stream = io.BytesIO(data)
        if not _is_of_torch(stream):
            raise RefusedFormat(_BARE)
        if next_object(stream, "the pickle of the protocol")[0] != _PROTOCOL:
            raise UnreadableModel(f"the file is of a version of torch.save that is not known; {SAVE_STATE_DICT}")
        system = next_object(stream, "the pickle of the system")[0]
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise RefusedFormat(f"the file was written by a big-endian system before torch 1.6; {SAVE_STATE_DICT}")
        self.described: Any
        self.described, storages = next_object(stream, "the pickle of the weights")
        keys = next_object(stream, "the pickle of the storages")[0]
        self._bytes = _read_storages(stream, keys, storages)

    def storage(self, key: str) -> bytes:
        """The bytes of a storage; raises UnreadableModel if there is none of this key."""
        if key not in self._bytes:
            raise UnreadableModel(f"the file has no storage {shown(key)}")
        return self._bytes[key]


def _is_of_torch(stream: io.BytesIO) -> bool:
    """Whether the first pickle is torch's number; only its first bytes are looked at."""
    head = io.BytesIO(stream.getvalue()[:64])
    try:
        number = next_object(head, "the first pickle")[0]
    except CensusError:
        return False
    stream.seek(head.tell())
    return type(number) is int and number == _MAGIC


def _read_storages(stream: io.BytesIO, keys: Any, storages: dict[str, Storage]) -> dict[str, bytes]:
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise UnreadableModel("the pickle of the storages is not a list of their keys")
    content = {}
    end = len(stream.getbuffer())
    for key in keys:
        if key not in storages:
            raise UnreadableModel(f"the file keeps the storage {shown(key)}, which no tensor is in")
        entries = int.from_bytes(stream.read(8), "little", signed=True)
        size = entries * ITEM_BYTES[storages[key].dtype]
        if not 0 <= size <= end - stream.tell():
            raise UnreadableModel(f"the storage {shown(key)} reaches beyond the end of the file; it is cut off")
        content[key] = stream.read(size)
    return content
