"""The text of a VNN-LIB file: unpacked if it is gzip, without its byte order mark, never more than a bound."""

from __future__ import annotations

import zlib
from typing import Final

from relucensus.errors import InvalidDomain

_MOST_BYTES: Final = 64 * 2**20
_MOST_MEMBERS: Final = 100
_GZIP: Final = b"\x1f\x8b"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


def property_text(data: bytes | str) -> str:
    """The characters of the file; a gzip file is unpacked only as far as the bound on its size.

    Raises:
        InvalidDomain: a damaged gzip file, one that is too large, or bytes that are not UTF-8.
    """
    if isinstance(data, str):
        _check_size(len(data), "characters")
        return data.removeprefix("\ufeff")
    unpacked = _unpacked(data) if data.startswith(_GZIP) else data
    _check_size(len(unpacked), "bytes")
    if unpacked.startswith(_UTF_16):
        raise InvalidDomain("the VNN-LIB file is UTF-16; needed is UTF-8: save it again as UTF-8")
    try:
        return unpacked.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidDomain(
            f"the VNN-LIB file is not text: byte {error.start} is 0x{unpacked[error.start]:02x}; needed is UTF-8"
        ) from None


def _unpacked(data: bytes) -> bytes:
    """The members of the gzip file one after the other, at most one byte more than is accepted."""
    _check_size(len(data), "bytes")
    parts, size, rest = list[bytes](), 0, data
    while rest and size <= _MOST_BYTES:
        if len(parts) == _MOST_MEMBERS:
            raise InvalidDomain(f"the VNN-LIB file is a gzip file of more than {_MOST_MEMBERS} parts; needed is one")
        unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            part = unpacker.decompress(rest, _MOST_BYTES + 1 - size)
        except zlib.error as error:
            raise InvalidDomain(f"the VNN-LIB file is a damaged gzip file ({error})") from None
        parts.append(part)
        size += len(part)
        if not unpacker.eof and size <= _MOST_BYTES:
            raise InvalidDomain("the VNN-LIB file is a gzip file that ends too soon; it is cut off")
        rest = unpacker.unused_data.lstrip(b"\0")
    return b"".join(parts)


def _check_size(size: int, unit: str) -> None:
    if size > _MOST_BYTES:
        raise InvalidDomain(f"the VNN-LIB file has more than {_MOST_BYTES} {unit}, unpacked; that is the most accepted")
