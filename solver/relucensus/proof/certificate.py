"""The certificate's format, version 1 (docs/certificate-format.md): its constants, writing, and reading in a stream.

A certificate is a concatenation of gzip members. Decompressed, it is a header line, parts, perhaps a section of
merges, and an end line. A part is a line that names its cube, then the binary log of a depth-first search.

Reading trusts nothing: a length is compared with what there can be before anything of that length is read.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from relucensus.errors import InvalidCertificate, UnreadableCertificate

FORMAT: Final = "relucensus certificate"
VERSION: Final = 1

OPEN: Final = ord("O")
LAYER: Final = ord("L")
DIVIDED: Final = ord("D")
REGION: Final = ord("R")
REGION_RATIONAL: Final = ord("Q")

BOX_INACTIVE: Final = ord("0")
BOX_ACTIVE: Final = ord("1")
CANDIDATE: Final = ord("?")
INACTIVE_BY: Final = ord("i")
ACTIVE_BY: Final = ord("a")

KIND_FLOAT32: Final = ord("f")
KIND_FLOAT64: Final = ord("d")
KIND_RATIONAL: Final = ord("q")
KIND_SOLVED: Final = ord("s")

SIDE_LOWER: Final = 0
SIDE_UPPER: Final = 1

LARGEST_EXPONENT: Final = 1 << 14
LONGEST_RATIONAL: Final = 1 << 17
LONGEST_LINE: Final = 1 << 24
MOST_BITS: Final = 1 << 22
MOST_BOUNDS: Final = 4
CLAIMED: Final = ("activation_regions", "linear_regions", "affine_pieces")

Ratio = tuple[int, int]

_NEEDED: Final = ("format", "version", "network", "domain", "counts", "reference", "widths", "exponents")
_RATIONAL: Final = re.compile(rb"-?[0-9a-f]+(/[0-9a-f]+)?")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_FLOAT32: Final = struct.Struct("<f")
_FLOAT64: Final = struct.Struct("<d")
_CHUNK: Final = 1 << 16
_VARINT_BYTES: Final = 9


@dataclass(frozen=True, slots=True)
class Header:
    """What the certificate is about and claims.

    `network` is the network's digest, `domain` its JSON form, `counts` from definition to number. Coordinate c of the
    search is ``u_c = (x_c - reference[c]) / 2**widths[c]``, and the form of row i is ``2**exponents[i]`` times its
    preactivation. `notes` is what the reader of the network's file assumed; it has no part in the proof.
    """

    network: str
    domain: Mapping[str, Any]
    counts: Mapping[str, int]
    reference: tuple[float, ...]
    widths: tuple[int, ...]
    exponents: tuple[int, ...]
    notes: tuple[str, ...] = ()

    def to_line(self) -> bytes:
        """The first line of a certificate."""
        notes = {"notes": list(self.notes)} if self.notes else {}
        return line(
            {
                "format": FORMAT,
                "version": VERSION,
                "network": self.network,
                "domain": dict(self.domain),
                "counts": dict(self.counts),
                "reference": list(self.reference),
                "widths": list(self.widths),
                "exponents": list(self.exponents),
            }
            | notes
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Header:
        """The header of this line. A member `notes` may be there; what it says is not looked at.

        Raises:
            UnreadableCertificate: the line is not a header of this version.
        """
        if document.get("format") != FORMAT:
            raise UnreadableCertificate("the first line is not that of a certificate")
        if not _is_integer(document.get("version")) or document["version"] != VERSION:
            raise UnreadableCertificate(f"version is {document.get('version')!r}; this program reads version {VERSION}")
        _expect_keys(document)
        network, domain, counts = document["network"], document["domain"], document["counts"]
        if not isinstance(network, str) or not _DIGEST.fullmatch(network):
            raise UnreadableCertificate("network is not the digest of a network, sha256:…")
        if not isinstance(domain, dict) or not isinstance(counts, dict):
            raise UnreadableCertificate("domain and counts must be objects")
        if "activation_regions" not in counts or not set(counts) <= set(CLAIMED):
            raise UnreadableCertificate(
                f"counts names {', '.join(map(repr, counts)) or 'nothing'}; "
                f"needed is activation_regions, and besides it only {' and '.join(CLAIMED[1:])} may stand"
            )
        for name, number in counts.items():
            if not _is_integer(number) or number < 0:
                raise UnreadableCertificate(f"counts: {name} is not a whole number")
        return cls(
            network,
            domain,
            counts,
            _floats(document["reference"]),
            _exponents("widths", document["widths"]),
            _exponents("exponents", document["exponents"]),
        )


def line(document: Mapping[str, Any]) -> bytes:
    r"""One line of JSON.

    >>> line({"end": 1})
    b'{"end":1}\n'
    """
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def varint(number: int) -> bytes:
    """The number, 0 <= number < 2**63, in groups of seven bits, least significant first (LEB128).

    >>> varint(300).hex()
    'ac02'
    """
    if not 0 <= number < 1 << 63:
        raise ValueError(f"{number} has no varint; needed is a number from 0 to 2**63 - 1")
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def rational(numerator: int, denominator: int = 1) -> bytes:
    r"""The number ``numerator / denominator``, denominator > 0, with its length in front.

    >>> rational(-26, 3)
    b'\x05-1a/3'
    """
    text = f"{numerator:x}" if denominator == 1 else f"{numerator:x}/{denominator:x}"
    return varint(len(text)) + text.encode()


def member(data: bytes) -> bytes:
    """The data as one gzip member; the same data gives the same bytes."""
    return gzip.compress(data, mtime=0)


class Reader:
    """Reads a certificate from front to back, and holds only a little of it.

    Every method raises `InvalidCertificate` where the data is not what was asked for, or at an end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = gzip.GzipFile(fileobj=file, mode="rb")
        self._data = b""
        self._at = 0

    def _fill(self) -> bool:
        """Take in more; False at the end."""
        try:
            more = self._file.read1(_CHUNK)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InvalidCertificate(f"the compressed data is damaged or cut off ({error})") from None
        self._data = self._data[self._at :] + more
        self._at = 0
        return bool(more)

    def at_end(self) -> bool:
        """Whether nothing follows."""
        return self._at >= len(self._data) and not self._fill()

    def byte(self) -> int:
        """The next byte."""
        if self._at >= len(self._data) and not self._fill():
            raise InvalidCertificate("the data ends in the middle of a part")
        self._at += 1
        return self._data[self._at - 1]

    def take(self, size: int) -> bytes:
        """The next bytes, as many; for sizes that were compared with something."""
        start = self._ahead(size)
        return self._data[start : start + size]

    def _ahead(self, size: int) -> int:
        """Go past so many bytes; where they start in the data that is held."""
        while len(self._data) - self._at < size:
            if not self._fill():
                raise InvalidCertificate("the data ends in the middle of a part")
        self._at += size
        return self._at - size

    def varint(self) -> int:
        """The next number below 2**63."""
        if self._at < len(self._data) and self._data[self._at] < 128:  # nearly all are of one byte
            self._at += 1
            return self._data[self._at - 1]
        number = 0
        for position in range(_VARINT_BYTES):
            byte = self.byte()
            number |= (byte & 127) << 7 * position
            if byte < 128:
                return number
        raise InvalidCertificate("a number is longer than 9 bytes")

    def float32(self) -> Ratio:
        """The next float32, exactly."""
        start = self._ahead(4)
        return _ratio(_FLOAT32.unpack_from(self._data, start)[0])

    def float64(self) -> Ratio:
        """The next float64, exactly."""
        start = self._ahead(8)
        return _ratio(_FLOAT64.unpack_from(self._data, start)[0])

    def rational(self) -> Ratio:
        """The next rational number."""
        size = self.varint()
        if size > LONGEST_RATIONAL:
            raise InvalidCertificate(
                f"a rational number has {size:,} characters; at most {LONGEST_RATIONAL:,} are read"
            )
        text = self.take(size)
        if not _RATIONAL.fullmatch(text):
            raise InvalidCertificate(f"{text[:40]!r} is not a rational number in hexadecimal digits")
        numerator, _, denominator = text.partition(b"/")
        ratio = int(numerator, 16), int(denominator or b"1", 16)
        if ratio[1] == 0:
            raise InvalidCertificate("a rational number has the denominator 0")
        return ratio

    def document(self) -> dict[str, Any]:
        """The JSON object on the next line."""
        start = 0
        while (end := self._data.find(b"\n", self._at + start)) < 0:
            start = len(self._data) - self._at
            if start > LONGEST_LINE:
                raise InvalidCertificate(f"a line is longer than {LONGEST_LINE:,} bytes")
            if not self._fill():
                raise InvalidCertificate("the data ends where a line is needed")
        text, self._at = self._data[self._at : end], end + 1
        try:
            document = json.loads(text.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise InvalidCertificate(f"a line is not JSON ({error})") from None
        if not isinstance(document, dict):
            raise InvalidCertificate("a line is not a JSON object")
        return document


@contextmanager
def opened(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    """The file, opened if it is a path.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    else:
        yield source


def _ratio(number: float) -> Ratio:
    try:
        return number.as_integer_ratio()
    except (OverflowError, ValueError):
        raise InvalidCertificate(f"{number} stands where a finite number is needed") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _expect_keys(document: Mapping[str, Any]) -> None:
    if set(document) - {"notes"} != set(_NEEDED):
        found = ", ".join(map(repr, sorted(document)))
        raise UnreadableCertificate(f"the header has {found}; needed are {', '.join(_NEEDED)}, and notes may stand")


def _floats(values: object) -> tuple[float, ...]:
    try:
        if isinstance(values, list) and not any(isinstance(value, bool | str) for value in values):
            numbers = tuple(float(cast(float, value)) for value in values)
            if all(map(math.isfinite, numbers)):
                return numbers
    except (TypeError, OverflowError):
        pass
    raise UnreadableCertificate("reference must be a list of finite numbers")


def _exponents(name: str, values: object) -> tuple[int, ...]:
    if isinstance(values, list) and all(_is_integer(value) for value in values):
        if all(abs(value) <= LARGEST_EXPONENT for value in values):
            return tuple(values)
    raise UnreadableCertificate(
        f"{name} must be a list of whole numbers from -{LARGEST_EXPONENT} to {LARGEST_EXPONENT}"
    )
