"""The checker: whether a certificate proves the counts it claims, for a network that the caller has.

It replays the search that the certificate is the log of, and believes no word of it: docs/certificates.md has the
proof that what is accepted here is so. It shares nothing with the engines but the network, as a network of hinges in
the coordinates that vary (`Problem.free`), and it computes with integers only.

Throughout: rows are numbered from 0 in layer order; the *path* is a list of half-spaces ``g > 0``, one for each row
that was divided on the way to the present cell; m is the length of the part's cube.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from flint import fmpz_mat

from relucensus.errors import InvalidCertificate, InvalidDomain, InvalidNetwork, OtherCertificate, UnreadableCertificate
from relucensus.proof import certificate as codec
from relucensus.proof.exact import Bounds, Form, Levels, combined, digest, integers, table, values
from relucensus.proof.linear import linear_regions
from relucensus.values.domain import Domain, domain_from_json
from relucensus.values.network import Network
from relucensus.values.problem import Problem

_PULSE: Final = 256
_LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Verified:
    """What a certificate was found to prove: so many of each of these, for this network on this domain."""

    network: str
    domain: Domain
    counts: dict[str, int]
    parts: int

    def to_json(self) -> dict[str, Any]:
        """The same as a JSON object."""
        return {
            "network": self.network,
            "domain": self.domain.to_json(),
            "counts": dict(self.counts),
            "parts": self.parts,
        }


def verify(
    network: Network,
    source: Path | BinaryIO,
    *,
    domain: Domain | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Verified:
    """What the certificate proves about this network; checked to the last byte, in exact arithmetic.

    Args:
        network: the network, as a reader gave it.
        source: the certificate, a file that is read once from front to back.
        domain: refuse a certificate of another domain; None takes the one that the certificate names.
        on_progress: called now and then with the number of regions checked.

    Raises:
        OtherCertificate: it is of another network or domain.
        UnreadableCertificate: it is not a certificate of a known version.
        InvalidCertificate: it does not prove what it claims; the text names the first place that fails.
        OSError: the file cannot be read.
    """
    with codec.opened(source) as file:
        reader = codec.Reader(file)
        header, problem = _opening(reader, network)
        if domain is not None and domain.to_json() != problem.domain.to_json():
            raise OtherCertificate("the certificate is of another domain than the one asked for")
        replay = _Replay(reader, header, problem.free, on_progress)
        try:
            return Verified(header.network, problem.domain, replay.run(), replay.parts)
        except InvalidCertificate as error:
            raise InvalidCertificate(f"{replay.place}: {error}") from None


def _opening(reader: codec.Reader, network: Network) -> tuple[codec.Header, Problem]:
    """The header, and the problem it speaks of."""
    try:
        header = codec.Header.from_document(reader.document())
        if header.network != network.digest:
            raise OtherCertificate(f"the certificate is of network {header.network}, the network is {network.digest}")
        problem = Problem(network, domain_from_json(header.domain, network.inputs))
        free = problem.free
    except OtherCertificate:
        raise
    except (InvalidCertificate, InvalidDomain, InvalidNetwork) as error:  # the last: composed with a slice
        raise UnreadableCertificate(f"header: {_shortened(error)}") from None
    for name, found, needed in (
        ("reference", len(header.reference), free.network.inputs),
        ("widths", len(header.widths), free.network.inputs),
        ("exponents", len(header.exponents), free.network.neurons),
    ):
        if found != needed:
            raise UnreadableCertificate(f"header: {name} has {found} numbers; needed are {needed}")
    return header, problem


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    """A layer entered on the present cell: its forms, those of its rows that are candidates, the box in force."""

    forms: list[Form]
    candidates: list[int]
    box: Bounds


class _Replay:
    """The replay of one certificate: what has been accepted so far, and where in the search it stands."""

    def __init__(
        self, reader: codec.Reader, header: codec.Header, free: Problem, on_progress: Callable[[int], None] | None
    ) -> None:
        self.read, self.claimed, self.on_progress = reader, header.counts, on_progress
        self.levels = Levels(free.network, header)
        self.box = Bounds.of(free.box, header.reference, header.widths)
        self.neurons = free.network.neurons
        self.parts = self.regions = 0
        self.named, self.covered = {b""}, set[bytes]()
        self.maps: set[bytes] = set()
        self.of_patterns: dict[bytes, bytes] = {}
        self.cube, self.symbols = b"", bytearray(self.neurons)
        self.path: list[Form] = []
        self.path_rows: list[int] = []
        self.nodes: list[_Node] = []
        self.row: int | None = None

    @property
    def place(self) -> str:
        """Where the replay stands, in words."""
        where = f"part {self.parts}, after region {self.regions}" if self.parts else "before the first part"
        return where if self.row is None else f"{where}, row {self.row}"

    def run(self) -> dict[str, int]:
        """The counts, after everything to the end line."""
        document = self.read.document()
        while set(document) == {"cube"}:
            self.parts += 1
            self._part(document["cube"])
            self.row = None
            document = self.read.document()
        for cube in self.named ^ self.covered:
            why = "left open, and no part covers it" if cube in self.named else "covered, and no part leaves it open"
            raise InvalidCertificate(f"the cube {_text(cube)!r} is {why}")
        counts = {"activation_regions": self.regions}
        if "affine_pieces" in self.claimed:
            counts["affine_pieces"] = len(self.maps)
        if "linear_regions" in self.claimed:
            counts["linear_regions"] = linear_regions(self.read, document, self.levels, self.box, self.of_patterns)
            document = self.read.document()
        if set(document) != {"end"} or type(document["end"]) is not int or document["end"] != self.parts:
            raise InvalidCertificate(f"the end line is {str(document)[:80]}; needed is {{'end': {self.parts}}}")
        if not self.read.at_end():
            raise InvalidCertificate("something follows the end line")
        if counts != self.claimed:
            raise InvalidCertificate(f"the header claims {dict(self.claimed)}; proven are {counts}")
        return {name: counts[name] for name in codec.CLAIMED if name in counts}

    def _part(self, cube: object) -> None:
        """Replay one part: depth first, symbol 0 before symbol 1, with the second halves still to come on a stack."""
        if not isinstance(cube, str) or cube.strip("01") or len(cube) > self.neurons:
            raise InvalidCertificate(f"a cube is up to {self.neurons} digits 0 and 1")
        self.cube = bytes(map(int, cube))
        if self.cube in self.covered:
            raise InvalidCertificate(f"the cube {cube!r} is covered by two parts")
        self.covered.add(self.cube)
        self.nodes = [_Node([], [], self.box)]
        self.path, self.path_rows = [], []
        halves: list[tuple[int, int, int]] = []
        self._descend(0, 0, halves)
        while halves:
            depth, position, length = halves.pop()
            del self.nodes[depth + 1 :], self.path[length:], self.path_rows[length:]
            self._divide(depth, position, 1)
            self._descend(depth, position + 1, halves)

    def _descend(self, depth: int, position: int, halves: list[tuple[int, int, int]]) -> None:
        """Go on from a candidate of the node at this depth (layer + 1) to where a record ends the way down."""
        while True:
            node = self.nodes[depth]
            for k in range(position, len(node.candidates)):
                self.row = row = self._start(depth) + node.candidates[k]
                kind = self.read.byte()
                if kind == codec.OPEN:
                    return self._leave_open(row)
                if kind == codec.DIVIDED:
                    if row >= len(self.cube):
                        halves.append((depth, k, len(self.path)))
                    self._divide(depth, k, self.cube[row] if row < len(self.cube) else 0)
                elif not self._is_settled(kind, depth, node.candidates[k], node):
                    return None
            depth, position = depth + 1, 0
            if depth > self.levels.hidden:
                return self._leaf()
            if not self._enter(depth):
                return None

    def _enter(self, depth: int) -> bool:
        """Read a node's bounds and statuses; False if the search does not go on from here."""
        level, start = self.levels.levels[depth - 1], self._start(depth)
        self.row = start
        kind = self.read.byte()
        if kind == codec.OPEN:
            self._leave_open(start)
            return False
        if kind != codec.LAYER:
            raise InvalidCertificate(f"byte {kind} stands where a node begins; needed is O or L")
        matrix = self._forms(depth - 1)
        box = self._bounded(self.nodes[-1].box)
        forms, (minima, maxima) = table(matrix), box.ranges(matrix)
        node = _Node(forms, [], box)
        for i in range(level.rows):
            self.row = start + i
            status = self.read.byte()
            if not level.bent[i] and status != codec.BOX_INACTIVE:
                raise InvalidCertificate("has no breakpoint; its status must be 0")
            if status == codec.CANDIDATE:
                node.candidates.append(i)
            elif status in (codec.BOX_INACTIVE, codec.BOX_ACTIVE):
                symbol = int(status == codec.BOX_ACTIVE)
                if level.bent[i] and (minima[i] < 0 or not any(forms[i]) if symbol else maxima[i] > 0):
                    raise InvalidCertificate(f"its form does not have the sign of symbol {symbol} on the box in force")
                if not self._becomes(start + i, symbol):
                    return False
            elif not self._is_settled(status, depth, i, node):
                return False
        self.nodes.append(node)
        return True

    def _start(self, depth: int) -> int:
        return self.levels.levels[depth - 1].start

    def _forms(self, layer: int) -> fmpz_mat:
        """The forms of the layer that comes next, given the symbols of the one before it."""
        start = self.levels.levels[layer - 1].start if layer else 0
        return self.levels.forms(layer, self.nodes[-1].forms, self.symbols[start : self.levels.levels[layer].start])

    def _divide(self, depth: int, position: int, symbol: int) -> None:
        """Put the half-space of a candidate on the path."""
        node, start = self.nodes[depth], self._start(depth)
        i = node.candidates[position]
        form = self.levels.common(depth - 1, node.forms[i])
        self.path.append(form if symbol else [-a for a in form])
        self.path_rows.append(start + i)
        self.symbols[start + i] = symbol

    def _becomes(self, row: int, symbol: int) -> bool:
        """Note a stable row; False if the cube has the other symbol, so that it holds nothing here."""
        self.symbols[row] = symbol
        return row >= len(self.cube) or self.cube[row] == symbol

    def _is_settled(self, kind: int, depth: int, i: int, node: _Node) -> bool:
        """Check the evidence that a row is stable; False if the cube holds nothing here."""
        if kind not in (codec.INACTIVE_BY, codec.ACTIVE_BY):
            raise InvalidCertificate(f"byte {kind} is no status and no decision")
        symbol = int(kind == codec.ACTIVE_BY)
        if symbol and not any(node.forms[i]):
            raise InvalidCertificate("said to be active, but its form is zero")
        form = self.levels.common(depth - 1, node.forms[i])
        self._check_evidence([-a for a in form] if symbol else form, 1, node.box)
        return self._becomes(self._start(depth) + i, symbol)

    def _bounded(self, box: Bounds) -> Bounds:
        """Read the bounds of a node, each proven on the box in force, and return the narrower box."""
        number = self.read.varint()
        if number > codec.MOST_BOUNDS * self.levels.dimension:
            raise InvalidCertificate(f"{number} bounds in one node; at most {codec.MOST_BOUNDS} a coordinate may stand")
        for _ in range(number):
            coordinate, side = divmod(self.read.varint(), 2)
            if coordinate >= self.levels.dimension:
                raise InvalidCertificate(f"a bound is on coordinate {coordinate} of {self.levels.dimension}")
            p, q = self.read.float64()
            sign = self.levels.unit if side == codec.SIDE_UPPER else -self.levels.unit
            form = [0] * coordinate + [sign * q] + [0] * (self.levels.dimension - coordinate - 1) + [-sign * p]
            self._check_evidence(form, q, box)
            box = box.narrowed(coordinate, side, (p, q))
        return box

    def _check_evidence(self, form: list[Any], q: int, box: Bounds) -> None:
        """Check the multipliers that come next: the form (over the common unit, and q) is nowhere positive."""
        read, kind, number = self.read, self.read.byte(), self.read.varint()
        if number > len(self.path):
            raise InvalidCertificate(f"{number} multipliers for a path of {len(self.path)}")
        if kind == codec.KIND_SOLVED:
            rows = self._half_spaces([read.varint() for _ in range(number)])
            weights, lead = self._solved(form, rows)
        else:
            one = self._multipliers.get(kind)
            if one is None:
                raise InvalidCertificate(f"byte {kind} is no kind of evidence")
            pairs = [(read.varint(), one(read)) for _ in range(number)]
            rows = self._half_spaces([k for k, _ in pairs])
            weights, lead = integers([y for _, y in pairs])
            if q != 1:
                weights = [weight * q for weight in weights]
        if min(weights, default=0) < 0:
            raise InvalidCertificate("a multiplier is negative")
        if box.highest(combined([form, *rows], [lead, *weights])) > 0:
            raise InvalidCertificate("the multipliers do not prove what they should: the sum is positive in the box")

    _multipliers: Final = {
        codec.KIND_FLOAT32: codec.Reader.float32,
        codec.KIND_FLOAT64: codec.Reader.float64,
        codec.KIND_RATIONAL: codec.Reader.rational,
    }

    def _half_spaces(self, indices: list[int]) -> list[Form]:
        if len(set(indices)) < len(indices) or max(indices, default=-1) >= len(self.path):
            raise InvalidCertificate(
                f"multipliers are for different half-spaces of the path, 0 to {len(self.path) - 1}"
            )
        return [self.path[k] for k in indices]

    def _solved(self, form: list[Any], rows: list[Form]) -> tuple[list[Any], Any]:
        """The multipliers for which the coefficients at the coordinates that come next cancel."""
        coordinates = [self.read.varint() for _ in rows]
        if len(set(coordinates)) < len(rows) or any(k >= self.levels.dimension for k in coordinates):
            raise InvalidCertificate(f"needed are different coordinates, 0 to {self.levels.dimension - 1}")
        square = fmpz_mat(len(rows), len(rows), [row[k] for k in coordinates for row in rows])
        try:
            solution: Any = square.solve(fmpz_mat(len(rows), 1, [-form[k] for k in coordinates]))
        except ZeroDivisionError:
            raise InvalidCertificate("the multipliers are not determined by these coordinates") from None
        numerators, lead = solution.numer_denom()
        return numerators.entries(), lead

    def _leave_open(self, known: int) -> None:
        """Read how much of the present prefix is left to another part. Rows up to `known` are decided here."""
        depth = self.read.varint()
        if not len(self.cube) < depth <= known or (self.path_rows and self.path_rows[-1] >= depth):
            raise InvalidCertificate(f"a cube of depth {depth} cannot be left open here")
        name = bytes(self.symbols[:depth])
        if name in self.named:
            raise InvalidCertificate(f"the cube {_text(name)!r} is left open twice")
        self.named.add(name)

    def _leaf(self) -> None:
        """Read a region: a point of the box at which every half-space of the path is positive."""
        self.row = None
        kind = self.read.byte()
        if kind == codec.OPEN:
            return self._leave_open(self.neurons)
        if kind not in (codec.REGION, codec.REGION_RATIONAL):
            raise InvalidCertificate(f"byte {kind} stands where a region should be; needed is R, Q or O")
        one = self.read.float64 if kind == codec.REGION else self.read.rational
        point, q = integers([one() for _ in range(self.levels.dimension)])
        if not self.box.contains(point, q):
            raise InvalidCertificate("the point of the next region is not in the box")
        for row, value in zip(self.path_rows, values(self.path, point, q), strict=True):
            if value <= 0:
                self.row = row
                raise InvalidCertificate("the point of the next region is not on its side of this row")
        self._count()
        return None

    def _count(self) -> None:
        self.regions += 1
        if len(self.claimed) > 1:
            affine = digest(self._forms(self.levels.hidden))
            self.maps.add(affine)
            if "linear_regions" in self.claimed:
                self.of_patterns[bytes(self.symbols)] = affine
        if self.on_progress is not None and self.regions % _PULSE == 0:
            self.on_progress(self.regions)


def _shortened(error: Exception) -> str:
    """Its text, in which there may be words of any length that the header has."""
    text = str(error)
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"


def _text(symbols: bytes) -> str:
    return "".join(map(str, symbols))
