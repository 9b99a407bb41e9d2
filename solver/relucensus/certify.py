"""A certificate put together: the parts that the engine has written, and what goes round them.

The format is in docs/certificate-format.md. A certificate is a sequence of gzip members, which are joined as they
are: the opening says what is certified, a part comes from every settlement, and the closing has the merges and the
end. Here nothing is proven and nothing checked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import frexp
from pathlib import Path

from relucensus.errors import InvalidRequest
from relucensus.proof.certificate import Header, line, member
from relucensus.replacing import replacing
from relucensus.rounded import rounded_network
from relucensus.values.frame import Frame
from relucensus.values.problem import Definition, Problem


def frame_of(problem: Problem) -> Frame:
    """The coordinates and units in which the certificate of a problem states its numbers: those of engine tree."""
    free = problem.free
    if not free.network.inputs:
        return Frame((), (), (0,) * free.network.neurons)
    rounded = rounded_network(free)
    return Frame(
        tuple(rounded.reference.tolist()),
        tuple(frexp(width)[1] - 1 for width in rounded.widths.tolist()),
        tuple(exponent for layer in rounded.hidden for exponent in layer.exponents),
    )


@dataclass(frozen=True, slots=True)
class Binding:
    """What goes round the parts of a certificate: gzip members, `merges` empty where no linear regions are counted."""

    opening: bytes
    merges: bytes

    @classmethod
    def of(cls, problem: Problem, frame: Frame, counts: Mapping[Definition, int], merges: bytes) -> Binding:
        """The binding of a problem's certificate, from its counts and the section that proves the merges."""
        named = {definition.value: count for definition, count in counts.items()}
        header = Header(
            problem.network.digest,
            problem.domain.to_json(),
            named,
            frame.reference,
            frame.widths,
            frame.exponents,
            problem.network.notes,
        )
        return cls(member(header.to_line()), member(merges) if merges else b"")

    def closing(self, parts: int) -> bytes:
        """What follows the parts, given how many there are."""
        return self.merges + member(line({"end": parts}))

    def round(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """The certificate, piece by piece."""
        yield self.opening
        count = 0
        for part in parts:
            count += 1
            yield part
        yield self.closing(count)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check, before anything is counted, that a file can be made there.

    Raises:
        InvalidRequest: its folder does not exist or may not be written to, or the path is a folder or a device.
    """
    place = Path(path)
    if place.exists() and not place.is_file():
        raise InvalidRequest(f"{place} cannot be written: it is a folder or a device")
    if not os.access(place.parent, os.W_OK | os.X_OK):
        raise InvalidRequest(f"{place} cannot be written: its folder does not exist or may not be written to")


def save(path: str | os.PathLike[str], pieces: Iterable[bytes]) -> None:
    """Write a certificate to a file, which is replaced if it exists, when all pieces are there."""
    with replacing(Path(path)) as unfinished, unfinished.open("wb") as file:
        file.writelines(pieces)
