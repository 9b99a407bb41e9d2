"""Certificates for tests: a slow search by exact linear programs, which can be told to use every kind of record.

Its forms are those of `Preactivations`, its answers those of `LpSolver`; nothing of it is in engine `tree`.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations, permutations

from certificates.reference import Form, Refused, highest, multiple, solved, value
from relucensus import Problem
from relucensus.affine import Preactivations
from relucensus.arithmetic import AffineMap
from relucensus.feasibility import Empty, Inhabited, Rows, System
from relucensus.lp import LpSolver
from relucensus.proof import certificate as codec

Path = list[tuple[int, Form]]
Bounds = list[tuple[Fraction, Fraction]]


@dataclass(frozen=True)
class Style:
    """How to write: which kinds of evidence and points, how often a rarer record is taken where it may stand."""

    kinds: str = "dfsq"
    points: str = "RQ"
    bounds: float = 0.3
    open: float = 0.15
    dead: float = 0.15
    odd_coordinates: bool = False


PLAIN = Style(kinds="d", points="R", bounds=0, open=0, dead=0)


class Writer:
    """Writes one certificate of a problem; the same seed writes the same bytes."""

    def __init__(self, problem: Problem, style: Style = PLAIN, seed: int = 0) -> None:
        self.problem, self.free, self.style = problem, problem.free, style
        self.random = random.Random(seed)
        self.network, self.inputs = self.free.network, self.free.network.inputs
        self.starts = [sum(self.network.widths[:i]) for i in range(len(self.network.widths) + 1)]
        self.rows = self.network.neurons
        self.bent = [bent for layer in self.network.hidden for bent in layer.bent]
        self.forms_of = Preactivations(self.free)
        self.solver = LpSolver(self.forms_of.box) if self.inputs else None
        box = self.free.box
        odd = style.odd_coordinates
        self.reference = [self.random.uniform(-1, 1) if odd else float(m) for m in (box.lower / 2 + box.upper / 2)]
        self.widths = [self.random.randint(-3, 3) if odd else 0 for _ in range(self.inputs)]
        self.exponents = [self.random.randint(-4, 4) if odd else 0 for _ in range(self.rows)]
        ends = zip(box.lower.tolist(), box.upper.tolist(), self.reference, self.widths, strict=True)
        self.box: Bounds = [
            ((Fraction(a) - Fraction(r)) / Fraction(2) ** w, (Fraction(b) - Fraction(r)) / Fraction(2) ** w)
            for a, b, r, w in ends
        ]
        self.left_open: list[str] = []
        self.patterns: list[str] = []
        self.forms = cache(self._forms)
        self.output_map = cache(self._output_map)

    def certificate(self, claims: Sequence[str] = codec.CLAIMED) -> bytes:
        """The whole file, one gzip member a part."""
        parts = self.parts()
        return self.assembled(parts, self.merges() if "linear_regions" in claims else b"", claims)

    def assembled(self, parts: Sequence[bytes], merges: bytes = b"", claims: Sequence[str] = codec.CLAIMED) -> bytes:
        counts = {"activation_regions": len(self.patterns)}
        if "linear_regions" in claims:
            counts["linear_regions"] = self.linear
        if "affine_pieces" in claims:
            counts["affine_pieces"] = len({self.output_map(pattern) for pattern in self.patterns})
        header = codec.Header(
            self.problem.network.digest,
            self.problem.domain.to_json(),
            counts,
            tuple(self.reference),
            tuple(self.widths),
            tuple(self.exponents),
        )
        end = codec.line({"end": len(parts)})
        return b"".join(codec.member(data) for data in (header.to_line(), *parts, merges + end))

    def parts(self) -> list[bytes]:
        """The parts, in an order of chance, uncompressed."""
        self.left_open = [""]
        parts = []
        while self.left_open:
            self.cube = self.left_open.pop()
            parts.append(codec.line({"cube": self.cube}) + b"".join(self.node("", [], self.box)))
        self.random.shuffle(parts)
        return parts

    # --- forms in the coordinates of the header

    def _forms(self, symbols: str) -> list[Form]:
        """The forms of the layer after these symbols, of whole layers."""
        layer = self.starts.index(len(symbols))
        exact = self.forms_of.forms(layer, bytes(map(int, symbols))).exact
        return [
            tuple(Fraction(2) ** self.exponents[len(symbols) + i] * c for c in form)
            for i, form in enumerate(self.in_coordinates(exact))
        ]

    def in_coordinates(self, exact: AffineMap) -> list[Form]:
        forms = []
        for row, constant in zip(exact.coefficients.tolist(), exact.constants.entries(), strict=True):
            x = [Fraction(int(c), exact.denominator) for c in row]
            shift = sum((c * Fraction(r) for c, r in zip(x, self.reference, strict=True)), Fraction(0))
            u = [c * Fraction(2) ** w for c, w in zip(x, self.widths, strict=True)]
            forms.append((*u, Fraction(int(constant), exact.denominator) + shift))
        return forms

    def _output_map(self, pattern: str) -> tuple[Form, ...]:
        return tuple(self.in_coordinates(self.forms_of.output_map(bytes(map(int, pattern)))))

    # --- the search

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def may_open(self, known: int, symbols: str, path: Path) -> bytes | None:
        """An open leaf, now and then; the cube is put with those to come."""
        low = 1 + max([len(self.cube), *(row for row, _ in path)])
        if low > known or not self.chance(self.style.open / 2):
            return None
        depth = self.random.randint(low, known)
        self.left_open.append(symbols[:depth])
        return b"O" + codec.varint(depth)

    def node(self, symbols: str, path: Path, box: Bounds) -> Iterable[bytes]:
        opened = self.may_open(len(symbols), symbols, path)
        if opened is not None:
            yield opened
        elif len(symbols) == self.rows:
            self.patterns.append(symbols)
            yield self.point(path)
        else:
            yield from self.layer(symbols, path, box)

    def layer(self, symbols: str, path: Path, box: Bounds) -> Iterable[bytes]:
        written, box = self.bounds(path, box)
        yield b"L" + written
        known, candidates = symbols, []
        for i, form in enumerate(self.forms(symbols)):
            row = len(symbols) + i
            symbol = "?"
            if not self.bent[row]:
                symbol, written = "0", b"0"
            elif highest(form, box) <= 0 and not self.chance(self.style.dead):
                symbol, written = "0", b"0"
            elif any(form) and highest(negative(form), box) <= 0 and not self.chance(self.style.dead):
                symbol, written = "1", b"1"
            elif not self.chance(0.5):
                symbol, written = self.settled(form, path, box)
            if symbol == "?":
                candidates.append(i)
                written = b"?"
            yield written
            if symbol != "?" and row < len(self.cube) and self.cube[row] != symbol:
                return
            known += symbol
        yield from self.decisions(known, candidates, self.forms(symbols), path, box)

    def settled(self, form: Form, path: Path, box: Bounds) -> tuple[str, bytes]:
        """A symbol and the record that proves it, or ``?`` and nothing."""
        for symbol, side in (("0", form), ("1", negative(form))):
            if symbol == "1" and not any(form):
                break
            found = self.refuted(side, path)
            if found is not None:
                return symbol, {"0": b"i", "1": b"a"}[symbol] + self.evidence(side, path, found, box)
        return "?", b""

    def decisions(
        self, known: str, candidates: list[int], forms: list[Form], path: Path, box: Bounds
    ) -> Iterable[bytes]:
        if not candidates:
            yield from self.node(known, path, box)
            return
        i, *rest = candidates
        row = len(known) - len(forms) + i
        opened = self.may_open(row, known, path)
        if opened is not None:
            yield opened
            return
        symbol, written = self.settled(forms[i], path, box)
        forced = row < len(self.cube)
        needless = symbol != "?" and any(forms[i]) and self.chance(self.style.dead)
        dead = needless and not forced
        if symbol == "?" or dead or (needless and self.cube[row] == symbol):
            yield b"D"
            for side in "01" if not forced else self.cube[row]:
                half = [*path, (row, forms[i] if side == "1" else negative(forms[i]))]
                longer = known[:row] + side + known[row + 1 :]
                if dead and side != symbol:
                    self.left_open.append(longer[: row + 1])
                    yield b"O" + codec.varint(row + 1)
                else:
                    yield from self.decisions(longer, rest, forms, half, box)
            return
        yield written
        if not forced or self.cube[row] == symbol:
            yield from self.decisions(known[:row] + symbol + known[row + 1 :], rest, forms, path, box)

    # --- evidence

    def rows_of(self, forms: Sequence[Form]) -> Rows:
        """Forms in u as rows in x, which the solver takes."""
        table, constants = [], []
        for form in forms:
            x = [c / Fraction(2) ** w for c, w in zip(form, self.widths, strict=False)]
            table.append(x)
            shift = sum((c * Fraction(r) for c, r in zip(x, self.reference, strict=True)), Fraction(0))
            constants.append(form[-1] - shift)
        return Rows.of(AffineMap.from_fractions(table, constants), self.forms_of.box)

    def decided(self, forms: Sequence[Form], weak: int = 0) -> list[Fraction] | tuple[Fraction, ...]:
        """A list of multipliers that refute forms > 0 (the last `weak` of them >= 0), or a point, a tuple."""
        if self.solver is None:
            bad = [k for k, form in enumerate(forms) if form[-1] <= 0]
            return [Fraction(int(k == bad[0])) for k in range(len(forms))] if bad else ()
        weaknesses = tuple(k >= len(forms) - weak for k in range(len(forms)))
        rows = self.rows_of(forms)
        match self.solver.decide(System((rows,), ((1,) * len(forms),), (weaknesses,) if weak else ())):
            case Inhabited(witness):
                scale = [Fraction(2) ** w for w in self.widths]
                at = zip(witness.to_fractions(), self.reference, scale, strict=True)
                return tuple((x - Fraction(r)) / s for x, r, s in at)
            case Empty(multipliers):
                return [Fraction(y) for y in multipliers]

    def refuted(self, form: Form, path: Path) -> list[Fraction] | None:
        """Multipliers for which ``form + sum y g`` is nowhere positive in the box; None if the form is somewhere."""
        if highest(form, self.box) <= 0:
            return [Fraction(0)] * len(path)
        found = self.decided([form, *(g for _, g in path)])
        if isinstance(found, tuple):
            return None
        if found[0] == 0:  # the cell is empty, whatever the form is: as large a multiple as it takes
            total = combination([tuple([Fraction(0)] * len(form)), *(g for _, g in path)], [Fraction(0), *found[1:]])
            top = highest(total, self.box)
            if top == 0:
                return None
            factor = highest(form, self.box) / -top
            return [y * factor for y in found[1:]]
        return [y / found[0] for y in found[1:]]

    def evidence(self, form: Form, path: Path, y: list[Fraction], box: Bounds) -> bytes:
        for kind in self.random.sample(self.style.kinds, len(self.style.kinds)):
            written = self.evidence_of_kind(kind, form, path, y, box)
            if written is not None:
                return written
        written = self.evidence_of_kind("q", form, path, y, box)
        assert written is not None
        return written

    def evidence_of_kind(self, kind: str, form: Form, path: Path, y: list[Fraction], box: Bounds) -> bytes | None:
        support = [k for k, number in enumerate(y) if number]
        self.random.shuffle(support)
        head = kind.encode() + codec.varint(len(support))
        if kind == "s":
            coordinates = self.coordinates(form, [path[k][1] for k in support], [y[k] for k in support])
            if coordinates is None:
                return None
            return head + b"".join(map(codec.varint, [*support, *coordinates]))
        if kind == "q":
            return head + b"".join(codec.varint(k) + rational(y[k]) for k in support)
        code = {"f": "<f", "d": "<d"}[kind]
        try:
            packed = [struct.pack(code, float(y[k])) for k in support]
        except OverflowError:
            return None
        rounded = [Fraction(struct.unpack(code, one)[0]) for one in packed]
        if highest(combination([form, *(path[k][1] for k in support)], [Fraction(1), *rounded]), box) > 0:
            return None
        return head + b"".join(codec.varint(k) + one for k, one in zip(support, packed, strict=True))

    def coordinates(self, form: Form, rows: list[Form], y: list[Fraction]) -> list[int] | None:
        """Coordinates at which the sum cancels, and which determine these multipliers."""
        for chosen in permutations(range(self.inputs), len(rows)):
            try:
                if solved([[row[c] for row in rows] + [-form[c]] for c in chosen]) == y:
                    return list(chosen)
            except Refused:
                continue
        return None

    def bounds(self, path: Path, box: Bounds) -> tuple[bytes, Bounds]:
        """Bounds of some coordinates that can be proven, and the box that they leave."""
        written, box = [], list(box)
        for c in range(self.inputs):
            for side in (0, 1):
                if not self.chance(self.style.bounds):
                    continue
                low, high = box[c]
                part = Fraction(self.random.randint(0, 8), 8)
                number = Fraction(float(high - part * (high - low) if side else low + part * (high - low)))
                sign = 1 if side else -1
                form = tuple([Fraction(0)] * c + [Fraction(sign)] + [Fraction(0)] * (self.inputs - c - 1))
                form = (*form, -sign * number)
                found = self.refuted(form, path)
                if found is None:
                    continue
                record = codec.varint(2 * c + side) + struct.pack("<d", float(number))
                written.append(record + self.evidence(form, path, found, box))
                box[c] = (low, min(high, number)) if side else (max(low, number), high)
                assert box[c][0] <= box[c][1]
        return codec.varint(len(written)) + b"".join(written), box

    def point(self, path: Path) -> bytes:
        found = self.decided([g for _, g in path]) if path else tuple((a + b) / 2 for a, b in self.box)
        assert isinstance(found, tuple)
        floats = [float(u) for u in found]
        rounded = [Fraction(u) for u in floats]
        fits = all(a <= u <= b for u, (a, b) in zip(rounded, self.box, strict=True))
        if fits and all(value(g, rounded) > 0 for _, g in path) and self.random.choice(self.style.points) == "R":
            return b"R" + struct.pack(f"<{len(floats)}d", *floats)
        return b"Q" + b"".join(map(rational, found))

    # --- linear regions

    def merges(self) -> bytes:
        """The section of merges, with evidence for every pair of regions that have the same map."""
        joins, apart = [], []
        component = {pattern: {pattern} for pattern in self.patterns}
        for a, b in combinations(self.patterns, 2):
            if self.output_map(a) != self.output_map(b):
                continue
            record = self.facet(a, b)
            if isinstance(record, tuple):
                apart.append(record[0])
                continue
            joins.append(record)
            both = component[a] | component[b]
            for pattern in both:
                component[pattern] = both
        self.linear = len({id(one) for one in component.values()})
        return codec.line({"joins": len(joins), "apart": len(apart)}) + b"".join([*joins, *apart])

    def facet(self, a: str, b: str) -> bytes | tuple[bytes]:
        """The record of a join, or, in a tuple, that of a pair apart."""
        first = next(i for i in range(self.rows) if a[i] != b[i])
        forms = [form for pattern in (a, b) for start in self.starts[:-1] for form in self.forms(pattern[:start])]
        h = forms[first]
        kept = [k for k, form in enumerate(forms) if self.bent[k % self.rows] and not multiple(form, h)]
        sides = [forms[k] if (a + b)[k] == "1" else negative(forms[k]) for k in kept]
        walls: list[Form] = []
        for c, (low, high) in enumerate(self.box):
            unit = [Fraction(int(k == c)) for k in range(self.inputs)]
            walls += [(*unit, -low), (*(-k for k in unit), high)]
        found = self.decided([*sides, *walls, h, negative(h)], weak=2)
        head = packed(a) + packed(b)
        if isinstance(found, list):
            z = found[-2] - found[-1]
            y = [(k, number) for k, number in zip(kept, found, strict=False) if number]
            multipliers = b"".join(codec.varint(k) + rational(number) for k, number in y)
            return (head + codec.varint(len(y)) + multipliers + rational(z),)
        differ = [k for k in range(self.rows) if a[k] != b[k]]
        assert all(multiple(forms[k], h) and multiple(forms[self.rows + k], h) for k in differ)
        return head + b"".join(map(rational, found))


def combination(forms: Sequence[Form], weights: Sequence[Fraction]) -> Form:
    return tuple(
        sum((y * c for y, c in zip(weights, column, strict=True)), Fraction(0)) for column in zip(*forms, strict=True)
    )


def negative(form: Form) -> Form:
    return tuple(-c for c in form)


def rational(number: Fraction) -> bytes:
    return codec.rational(number.numerator, number.denominator)


def packed(pattern: str) -> bytes:
    size = -(-len(pattern) // 8)
    return int(pattern.ljust(8 * size, "0") or "0", 2).to_bytes(size, "big")


def certificate(problem: Problem, style: Style = PLAIN, seed: int = 0, claims: Sequence[str] = codec.CLAIMED) -> bytes:
    """A correct certificate of the problem, found without the engines."""
    return Writer(problem, style, seed).certificate(claims)
