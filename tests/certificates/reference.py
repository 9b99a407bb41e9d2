"""A second checker, for checking the first: fractions, the whole file in memory, plain recursion, nothing shared.

Written from docs/certificate-format.md. Only for small certificates.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import re
import struct
import sys
import zlib
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from typing import Any

from relucensus import Network, Problem
from relucensus.errors import CensusError
from relucensus.values.domain import domain_from_json

Form = tuple[Fraction, ...]
Box = list[tuple[Fraction, Fraction]]
KEYS = {"format", "version", "network", "domain", "counts", "reference", "widths", "exponents"}
COUNTS = {"activation_regions", "linear_regions", "affine_pieces"}


class Refused(Exception):
    """The certificate is not accepted."""


def need(condition: bool, why: str) -> None:
    if not condition:
        raise Refused(why)


def counts_of(network: Network, data: bytes) -> dict[str, int]:
    """The counts that the certificate proves.

    Raises:
        Refused: it proves none.
    """
    try:
        text = gzip.GzipFile(fileobj=io.BytesIO(data)).read()
    except (OSError, EOFError, zlib.error) as error:
        raise Refused(str(error)) from error
    return Reference(network, text).run()


def whole(value: Any) -> bool:
    return type(value) is int


class Reference:
    def __init__(self, network: Network, text: bytes) -> None:
        self.text, self.at = text, 0
        self.header = self.line()
        need(set(self.header) - {"notes"} == KEYS, "keys of the header")
        need(self.header["format"] == "relucensus certificate" and self.header["version"] == 1, "format")
        need(whole(self.header["version"]), "version")
        need(self.header["network"] == network.digest, "network")
        self.claims = self.header["counts"]
        need(isinstance(self.claims, dict) and "activation_regions" in self.claims, "counts")
        need(set(self.claims) <= COUNTS and all(whole(n) and n >= 0 for n in self.claims.values()), "counts")
        need(isinstance(self.header["domain"], dict), "domain")
        try:
            problem = Problem(network, domain_from_json(self.header["domain"], network.inputs)).free
        except CensusError as error:
            raise Refused(str(error)) from error
        self.free, self.inputs = problem.network, problem.network.inputs
        self.rows = self.free.neurons
        reference, widths, exponents = (self.header[name] for name in ("reference", "widths", "exponents"))
        need(all(isinstance(v, list) for v in (reference, widths, exponents)), "lists")
        need(len(reference) == len(widths) == self.inputs and len(exponents) == self.rows, "lengths")
        need(all(type(x) in (int, float) for x in reference), "reference")
        need(all(abs(x) <= sys.float_info.max and math.isfinite(x) for x in reference), "reference")
        need(all(whole(k) and abs(k) <= 1 << 14 for k in [*widths, *exponents]), "exponents")
        self.reference = [Fraction(float(x)) for x in reference]
        self.scale = [Fraction(2) ** k for k in widths]
        self.exponents = [Fraction(2) ** k for k in exponents]
        ends = zip(problem.box.lower.tolist(), problem.box.upper.tolist(), self.reference, self.scale, strict=True)
        self.box: Box = [((Fraction(a) - r) / s, (Fraction(b) - r) / s) for a, b, r, s in ends]
        self.layers = [i for i, layer in enumerate(self.free.hidden) for _ in range(layer.rows)]
        self.bent = [bent for layer in self.free.hidden for bent in layer.bent]
        self.parts: list[str] = []
        self.opened: list[str] = [""]
        self.regions: dict[str, tuple[Form, ...]] = {}

    # --- bytes

    def line(self) -> dict[str, Any]:
        end = self.text.find(b"\n", self.at)
        need(end >= 0, "a line")

        def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            need(len(dict(pairs)) == len(pairs), "a name twice")
            return dict(pairs)

        def constant(name: str) -> Any:
            raise Refused(name)

        try:
            document = json.loads(self.text[self.at : end].decode(), object_pairs_hook=once, parse_constant=constant)
        except (ValueError, RecursionError) as error:
            raise Refused(str(error)) from error
        self.at = end + 1
        need(isinstance(document, dict), "an object")
        assert isinstance(document, dict)
        return document

    def take(self, n: int) -> bytes:
        need(self.at + n <= len(self.text), "the end")
        self.at += n
        return self.text[self.at - n : self.at]

    def varint(self) -> int:
        number = 0
        for k in range(9):
            byte = self.take(1)[0]
            number += (byte % 128) << (7 * k)
            if byte < 128:
                return number
        raise Refused("varint")

    def unpacked(self, code: str, size: int) -> Fraction:
        number = struct.unpack(code, self.take(size))[0]
        need(math.isfinite(number), "finite")
        return Fraction(number)

    def float32(self) -> Fraction:
        return self.unpacked("<f", 4)

    def float64(self) -> Fraction:
        return self.unpacked("<d", 8)

    def rational(self) -> Fraction:
        size = self.varint()
        need(size <= 1 << 17, "rational")
        text = self.take(size)
        match = re.fullmatch(rb"(-?[0-9a-f]+)(?:/([0-9a-f]+))?", text)
        need(match is not None, "rational")
        assert match
        bottom = int(match[2] or b"1", 16)
        need(bottom > 0, "denominator")
        return Fraction(int(match[1], 16), bottom)

    # --- forms

    def forms(self, symbols: str) -> list[Form]:
        """The forms of the layer that these symbols, of whole layers, lead to."""
        values: list[Form] = []
        for c in range(self.inputs):
            row = [Fraction(0)] * (self.inputs + 1)
            row[c], row[-1] = self.scale[c], self.reference[c]
            values.append(tuple(row))
        at = 0
        for layer in self.free.layers:
            q = layer.exact.denominator
            weights, bias = layer.exact.coefficients.tolist(), layer.exact.constants.entries()
            z = []
            for row, b in zip(weights, bias, strict=True):
                total = [Fraction(0)] * self.inputs + [Fraction(int(b), q)]
                for w, value in zip(row, values, strict=True):
                    total = [t + Fraction(int(w), q) * v for t, v in zip(total, value, strict=True)]
                z.append(tuple(total))
            if at == len(symbols):
                return z
            own = symbols[at : at + layer.rows]
            slopes = [
                a.slopes[-1] if s == "1" else a.slopes[0] for a, s in zip(layer.row_activations, own, strict=True)
            ]
            values = [tuple(slope * c for c in row) for slope, row in zip(slopes, z, strict=True)]
            at += layer.rows
        raise AssertionError

    def scaled(self, symbols: str) -> list[Form]:
        return [tuple(self.exponents[len(symbols) + i] * c for c in f) for i, f in enumerate(self.forms(symbols))]

    def every_form(self, pattern: str) -> list[Form]:
        starts = [i for i in range(self.rows) if i == 0 or self.layers[i] != self.layers[i - 1]]
        return [form for start in starts for form in self.scaled(pattern[:start])]

    # --- the search

    def run(self) -> dict[str, int]:
        line = self.line()
        while set(line) == {"cube"}:
            self.cube = line["cube"]
            need(isinstance(self.cube, str) and set(self.cube) <= set("01"), "cube")
            need(len(self.cube) <= self.rows and self.cube not in self.parts, "cube")
            self.parts.append(self.cube)
            self.node("", [], self.box)
            line = self.line()
        need(sorted(self.opened) == sorted(self.parts), "links")
        counts = {"activation_regions": len(self.regions)}
        if "affine_pieces" in self.claims:
            counts["affine_pieces"] = len(set(self.regions.values()))
        if "linear_regions" in self.claims:
            counts["linear_regions"] = self.linear_regions(line)
            line = self.line()
        need(line == {"end": len(self.parts)} and whole(line["end"]), "end")
        need(self.at == len(self.text), "nothing behind the end")
        need(counts == self.claims, f"counts {counts}")
        return counts

    def open(self, known: int, symbols: str, path: list[tuple[int, Form]]) -> None:
        depth = self.varint()
        need(len(self.cube) < depth <= known, "depth")
        need(all(row < depth for row, _ in path), "depth")
        need(symbols[:depth] not in self.opened, "opened twice")
        self.opened.append(symbols[:depth])

    def node(self, symbols: str, path: list[tuple[int, Form]], box: Box) -> None:
        """A node, or the record of a region; `symbols` are of whole layers."""
        kind = self.take(1)
        if kind == b"O":
            return self.open(len(symbols), symbols, path)
        if len(symbols) == self.rows:
            return self.region(kind, symbols, path)
        need(kind == b"L", "node")
        forms = self.scaled(symbols)
        box = self.bounds(path, list(box))
        known = symbols
        candidates = []
        for i, form in enumerate(forms):
            row = len(symbols) + i
            status = self.take(1)
            if not self.bent[row]:
                need(status == b"0", "linear")
            if status == b"?":
                candidates.append(i)
                known += "?"
                continue
            symbol = self.symbol(status, form, path, box, self.bent[row])
            if row < len(self.cube) and self.cube[row] != symbol:
                return None
            known += symbol
        return self.decide(known, candidates, forms, path, box)

    def symbol(self, status: bytes, form: Form, path: list[tuple[int, Form]], box: Box, bent: bool = True) -> str:
        minus = tuple(-c for c in form)
        if status == b"0":
            need(not bent or highest(form, box) <= 0, "0")
        elif status == b"1":
            need(highest(minus, box) <= 0 and any(form), "1")
        elif status == b"i":
            self.evidence(form, path, box)
        elif status == b"a":
            need(any(form), "a")
            self.evidence(minus, path, box)
        else:
            raise Refused("status")
        return "0" if status in b"0i" else "1"

    def decide(
        self, known: str, candidates: list[int], forms: list[Form], path: list[tuple[int, Form]], box: Box
    ) -> None:
        if not candidates:
            return self.node(known, path, box)
        i, *rest = candidates
        row = len(known) - len(forms) + i
        kind = self.take(1)
        if kind == b"O":
            return self.open(row, known, path)
        if kind == b"D":
            for symbol in "01" if row >= len(self.cube) else self.cube[row]:
                side = forms[i] if symbol == "1" else tuple(-c for c in forms[i])
                self.decide(known[:row] + symbol + known[row + 1 :], rest, forms, [*path, (row, side)], box)
            return None
        need(kind in (b"i", b"a"), "decision")
        symbol = self.symbol(kind, forms[i], path, box)
        if row < len(self.cube) and self.cube[row] != symbol:
            return None
        return self.decide(known[:row] + symbol + known[row + 1 :], rest, forms, path, box)

    def region(self, kind: bytes, symbols: str, path: list[tuple[int, Form]]) -> None:
        need(kind in (b"R", b"Q"), "region")
        point = [self.float64() if kind == b"R" else self.rational() for _ in range(self.inputs)]
        need(all(a <= u <= b for u, (a, b) in zip(point, self.box, strict=True)), "box")
        need(all(value(g, point) > 0 for _, g in path), "point")
        need(symbols not in self.regions, "a region twice")
        self.regions[symbols] = tuple(self.forms(symbols))

    def bounds(self, path: list[tuple[int, Form]], box: Box) -> Box:
        for _ in range(self.varint()):
            c, side = divmod(self.varint(), 2)
            number = self.float64()
            need(c < self.inputs, "coordinate")
            sign = 1 if side else -1
            form = [Fraction(0)] * (self.inputs + 1)
            form[c], form[-1] = Fraction(sign), -sign * number
            self.evidence(tuple(form), path, box)
            low, high = box[c]
            box[c] = (low, min(high, number)) if side else (max(low, number), high)
            need(box[c][0] <= box[c][1], "crossed")
        return box

    def evidence(self, form: Form, path: list[tuple[int, Form]], box: Box) -> None:
        kind = self.take(1)
        n = self.varint()
        need(n <= len(path), "multipliers")
        readers: dict[bytes, Callable[[], Fraction]] = {b"f": self.float32, b"d": self.float64, b"q": self.rational}
        if kind == b"s":
            rows = [self.varint() for _ in range(n)]
            need(len(set(rows)) == n and all(k < len(path) for k in rows), "rows")
            coordinates = [self.varint() for _ in range(n)]
            need(len(set(coordinates)) == n and all(c < self.inputs for c in coordinates), "coordinates")
            y = solved([[path[k][1][c] for k in rows] + [-form[c]] for c in coordinates])
        else:
            need(kind in readers, "kind")
            pairs = [(self.varint(), readers[kind]()) for _ in range(n)]
            rows, y = [k for k, _ in pairs], [number for _, number in pairs]
            need(len(set(rows)) == n and all(k < len(path) for k in rows), "rows")
        need(all(number >= 0 for number in y), "negative")
        total = form
        for k, number in zip(rows, y, strict=True):
            total = tuple(t + number * g for t, g in zip(total, path[k][1], strict=True))
        need(highest(total, box) <= 0, "evidence")

    # --- linear regions

    def pattern(self) -> str:
        packed = self.take(-(-self.rows // 8))
        bits = "".join(f"{byte:08b}" for byte in packed)
        need("1" not in bits[self.rows :] and bits[: self.rows] in self.regions, "pattern")
        return bits[: self.rows]

    def pair(self) -> tuple[str, str, int]:
        a, b = self.pattern(), self.pattern()
        need(a != b and self.regions[a] == self.regions[b], "pair")
        return a, b, next(i for i in range(self.rows) if a[i] != b[i])

    def linear_regions(self, line: dict[str, Any]) -> int:
        need(set(line) == {"joins", "apart"} and all(whole(n) and n >= 0 for n in line.values()), "merges")
        component = {pattern: {pattern} for pattern in self.regions}
        count = len(self.regions)
        for _ in range(line["joins"]):
            a, b = self.join()
            if component[a] is not component[b]:
                count -= 1
                both = component[a] | component[b]
                for pattern in both:
                    component[pattern] = both
        apart = {frozenset(self.separation()) for _ in range(line["apart"])}
        for a, b in combinations(self.regions, 2):
            if self.regions[a] == self.regions[b] and component[a] is not component[b]:
                need({a, b} in apart or self.differ_elsewhere(a, b), "a pair")
        return count

    def join(self) -> tuple[str, str]:
        a, b, first = self.pair()
        point = [self.rational() for _ in range(self.inputs)]
        need(all(low < u < high for u, (low, high) in zip(point, self.box, strict=True)), "inside")
        h = self.every_form(a)[first]
        need(value(h, point) == 0, "h")
        for pattern in (a, b):
            for row, form in enumerate(self.every_form(pattern)):
                if self.bent[row] and any(form):
                    side = value(form, point) * (1 if pattern[row] == "1" else -1)
                    need(side >= 0 and (side > 0 or multiple(form, h)), "side")
        return a, b

    def separation(self) -> tuple[str, str]:
        a, b, first = self.pair()
        h = self.every_form(a)[first]
        n = self.varint()
        need(n <= 2 * self.rows, "multipliers")
        pairs = [(self.varint(), self.rational()) for _ in range(n)]
        z = self.rational()
        need(len({k for k, _ in pairs}) == n and all(k < 2 * self.rows for k, _ in pairs), "rows")
        need(all(y >= 0 for _, y in pairs) and any(y for _, y in pairs), "multipliers")
        total = tuple(z * c for c in h)
        for k, y in pairs:
            pattern, row = (a, k) if k < self.rows else (b, k - self.rows)
            form = self.every_form(pattern)[row]
            need(self.bent[row] and not multiple(form, h), "row")
            sign = 1 if pattern[row] == "1" else -1
            total = tuple(t + y * sign * c for t, c in zip(total, form, strict=True))
        need(highest(total, self.box) <= 0, "apart")
        return a, b

    def differ_elsewhere(self, a: str, b: str) -> bool:
        of_a, of_b = self.every_form(a), self.every_form(b)
        different = [i for i in range(self.rows) if a[i] != b[i]]
        h = of_a[different[0]]
        return any(not multiple(of_a[i], h) or not multiple(of_b[i], h) for i in different)


def highest(form: Form, box: Box) -> Fraction:
    return form[-1] + sum((max(c * low, c * high) for c, (low, high) in zip(form, box, strict=False)), Fraction(0))


def value(form: Form, point: list[Fraction]) -> Fraction:
    return form[-1] + sum((c * u for c, u in zip(form, point, strict=False)), Fraction(0))


def multiple(form: Form, h: Form) -> bool:
    """Whether form = s h for some number s."""
    k = next(k for k, c in enumerate(h) if c)
    return all(form[k] * c == f * h[k] for f, c in zip(form, h, strict=True))


def solved(system: list[list[Fraction]]) -> list[Fraction]:
    """The unique solution of linear equations, by elimination; each row ends with its right side."""
    rows, n = [list(row) for row in system], len(system)
    for k in range(n):
        pivot = next((i for i in range(k, n) if rows[i][k]), None)
        need(pivot is not None, "singular")
        assert pivot is not None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [c / rows[k][k] for c in rows[k]]
        for i in range(n):
            if i != k:
                rows[i] = [c - rows[i][k] * b for c, b in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]
