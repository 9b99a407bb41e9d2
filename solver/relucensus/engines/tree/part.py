"""One part of a certificate: the log of one settlement, compressed while the search goes on."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from relucensus.compiled import Bytes
from relucensus.engines.tree.state import (
    AT,
    ENTRY,
    EVIDENCE,
    LOG,
    LOGGED,
    PROOF,
    SCREEN,
    STAGE,
    SYMBOL,
    WANTED,
    Arrays,
)
from relucensus.proof.certificate import BOX_ACTIVE, BOX_INACTIVE, LAYER, OPEN, REGION, line, member, varint
from relucensus.values.pattern import Cube

_LEVEL: Final = 1
_FEW: Final = 16
_GZIP: Final = 31


class Part:
    """Takes the log away from the search's arrays, and gives evidence that was asked for back to them.

    Runs of equal bytes are what is worth looking for; with many inputs the points fill most of it, which stay as long.
    """

    def __init__(self, cube: Cube, inputs: int) -> None:
        self._packer = zlib.compressobj(_LEVEL if inputs <= _FEW else 0, wbits=_GZIP, strategy=zlib.Z_RLE)
        self._packed = [self._packer.compress(line({"cube": cube.to_text()}))]

    def make_room(self, arrays: Arrays) -> None:
        """Take the log, but for the layer that is being screened, and answer the search's question for space.

        Arrays may be replaced by larger ones.
        """
        kept = self._take(arrays)
        if len(kept) > len(arrays[LOG]) // 2:
            arrays[LOG] = np.zeros(2 * len(arrays[LOG]), dtype=np.uint8)
        arrays[LOG][: len(kept)] = kept
        arrays[AT][WANTED] = SYMBOL

    def give(self, arrays: Arrays, record: bytes) -> None:
        """Hand the search a piece of evidence or the point of a region. Arrays may be replaced by larger ones."""
        if len(record) > len(arrays[EVIDENCE]):
            larger = 2 * len(record)
            more = (len(arrays[LOG]) // len(arrays[EVIDENCE]) + 1) * larger
            arrays[LOG] = np.concatenate([arrays[LOG], np.zeros(more, dtype=np.uint8)])
            arrays[EVIDENCE] = np.zeros(larger, dtype=np.uint8)
        arrays[EVIDENCE][: len(record)] = np.frombuffer(record, dtype=np.uint8)
        arrays[AT][PROOF] = len(record)

    def finished(self, arrays: Arrays, depths: Iterable[int]) -> bytes:
        """The compressed part, at the end of which the cubes of these depths are left open."""
        self._take(arrays)
        for depth in depths:
            self._packed.append(self._packer.compress(bytes((OPEN,)) + varint(depth)))
        self._packed.append(self._packer.flush())
        return b"".join(self._packed)

    def _take(self, arrays: Arrays) -> Bytes:
        """Compress the log up to the layer that is being screened; what is left of it."""
        at = arrays[AT]
        logged = int(at[LOGGED])
        end = int(at[ENTRY]) if at[STAGE] == SCREEN else logged
        self._packed.append(self._packer.compress(arrays[LOG][:end].tobytes()))
        at[ENTRY], at[LOGGED] = 0, logged - end
        return np.frombuffer(arrays[LOG][end:logged].tobytes(), dtype=np.uint8)


def part_of_point(starts: Sequence[int], cube: Cube, pattern: bytes) -> bytes:
    """The part of a cube where no input varies; `starts` are the layers' first rows, and the number of rows."""
    log = bytearray(line({"cube": cube.to_text()}))
    for row, symbol in enumerate(pattern):
        if row in starts:
            log += bytes((LAYER,)) + varint(0)
        log.append(BOX_ACTIVE if symbol else BOX_INACTIVE)
        if row < cube.depth and cube.symbols[row] != symbol:
            return member(bytes(log))
    return member(bytes(log) + bytes((REGION,)))
