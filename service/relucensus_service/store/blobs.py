"""Lists of byte strings as one compressed value of a column: length (4 bytes, little endian), then the bytes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from relucensus.engines.protocol import Mergeable

_LENGTH: Final = struct.Struct("<I")
_FAST: Final = 1  # digests do not compress and patterns compress easily: more effort gains nothing


def joined(items: Iterable[bytes]) -> bytes:
    """All items in one value.

    >>> list(separated(joined([b"a", b"", b"bcd"])))
    [b'a', b'', b'bcd']
    """
    return zlib.compress(b"".join(_LENGTH.pack(len(item)) + item for item in items), _FAST)


def separated(value: bytes) -> Iterator[bytes]:
    """The items that `joined` put together."""
    data = zlib.decompress(value)
    position = 0
    while position < len(data):
        (length,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        yield data[position : position + length]
        position += length


def joined_mergeable(regions: Iterable[Mergeable]) -> bytes:
    """Mergeable regions in one value."""
    return joined(part for region in regions for part in (region.pattern, region.affine_map))


def separated_mergeable(value: bytes) -> tuple[Mergeable, ...]:
    """The regions that `joined_mergeable` put together."""
    parts = list(separated(value))
    return tuple(Mergeable(*pair) for pair in zip(parts[::2], parts[1::2], strict=True))
