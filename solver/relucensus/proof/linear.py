"""The checker's second half: which activation regions are one linear region.

Throughout: A and B are two regions with the same affine map, h is the form of the first row in which their patterns
differ (the same form on both, since the rows below agree), y and z are multipliers. If A and B share a facet, it lies
on the hyperplane h = 0, and every row in which A and B differ vanishes on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import combinations
from typing import Any, Final

from flint import fmpz_mat

from relucensus.errors import InvalidCertificate
from relucensus.proof.certificate import Reader
from relucensus.proof.exact import Bounds, Form, Levels, combined, integers, table, values

_REMEMBERED: Final = 1024

Pair = tuple[bytes, bytes]
Line = tuple[int, ...]


def linear_regions(
    reader: Reader, document: Mapping[str, Any], levels: Levels, box: Bounds, maps: Mapping[bytes, bytes]
) -> int:
    """The number of linear regions, after the section of merges that the line `document` begins.

    `maps` has the pattern of every region, and a digest of its affine map.

    Raises:
        InvalidCertificate: the section does not prove a number.
    """
    sizes: list[Any] = [document.get("joins"), document.get("apart")]
    if set(document) != {"joins", "apart"} or not all(type(size) is int and size >= 0 for size in sizes):
        raise InvalidCertificate(f"a line is {str(document)[:80]}; needed is that of the merges")
    return _Merges(reader, levels, box, maps).run(sizes[0], sizes[1])


class _Merges:
    """What is known of the regions' neighbourhoods so far."""

    def __init__(self, reader: Reader, levels: Levels, box: Bounds, maps: Mapping[bytes, bytes]) -> None:
        self.read, self.levels, self.box, self.maps = reader, levels, box, maps
        self.bent = [bent for level in levels.levels[:-1] for bent in level.bent]
        self.parent: dict[bytes, bytes] = {}
        self.apart: set[frozenset[bytes]] = set()
        self.forms = lru_cache(_REMEMBERED)(self._forms)
        self.output = lru_cache(_REMEMBERED)(self._output)
        self.lines = lru_cache(_REMEMBERED)(lambda pattern: [_line(form) for form in self.forms(pattern)])

    def run(self, joins: int, apart: int) -> int:
        """The number of linear regions."""
        merged = 0
        for number in range(joins):
            with_place = f"join {number + 1} of {joins}"
            try:
                first, second = self._join()
            except InvalidCertificate as error:
                raise InvalidCertificate(f"{with_place}: {error}") from None
            one, other = self._root(first), self._root(second)
            if one != other:
                self.parent[one] = other
                merged += 1
        for number in range(apart):
            try:
                self.apart.add(frozenset(self._apart()))
            except InvalidCertificate as error:
                raise InvalidCertificate(f"apart {number + 1} of {apart}: {error}") from None
        for a, b in self._separate():
            if frozenset((a, b)) not in self.apart and not self._differ_beside(a, b):
                raise InvalidCertificate(
                    f"nothing is said of regions {_digits(a)} and {_digits(b)}, which have the same affine map"
                )
        return len(self.maps) - merged

    def _root(self, pattern: bytes) -> bytes:
        while (parent := self.parent.get(pattern, pattern)) != pattern:
            self.parent[pattern] = self.parent.get(parent, parent)
            pattern = parent
        return pattern

    def _pair(self) -> Pair:
        """The next two patterns: of two regions with the same affine map."""
        a, b = self._pattern(), self._pattern()
        if a == b:
            raise InvalidCertificate("a region stands beside itself")
        if self.maps[a] != self.maps[b] or self.output(a) != self.output(b):
            raise InvalidCertificate("the two regions have different affine maps")
        return a, b

    def _pattern(self) -> bytes:
        rows = len(self.bent)
        packed = self.read.take((rows + 7) // 8)
        bits = f"{int.from_bytes(packed):0{8 * len(packed)}b}" if packed else ""
        pattern = bytes(map(int, bits[:rows]))
        if "1" in bits[rows:] or pattern not in self.maps:
            raise InvalidCertificate("a pattern is not that of a region")
        return pattern

    def _join(self) -> Pair:
        """The next pair that shares a facet: near the point p, the two are the two sides of h."""
        a, b = self._pair()
        point, q = integers([self.read.rational() for _ in range(self.levels.dimension)])
        if not self.box.contains(point, q, inside=True):
            raise InvalidCertificate("the point is not strictly inside the box")
        first = _first(a, b)
        line = _line(self.forms(a)[first])
        for pattern in (a, b):
            forms = self.forms(pattern)
            for row, value in enumerate(values(forms, point, q)):
                if not self.bent[row]:
                    continue
                if (value < 0) if pattern[row] else (value > 0):
                    raise InvalidCertificate(f"the point is on the wrong side of row {row} of {_digits(pattern)}")
                if value == 0 and _line(forms[row]) not in ((), line):
                    raise InvalidCertificate(f"the point is on row {row} of {_digits(pattern)} too")
                if row == first and value != 0:
                    raise InvalidCertificate(f"the point is not on row {row}, in which the two differ first")
        return a, b

    def _apart(self) -> Pair:
        """The next pair without a common facet: no point of h = 0 is strictly inside the half-spaces beside h."""
        a, b = self._pair()
        h = self.forms(a)[_first(a, b)]
        number = self.read.varint()
        if number > 2 * len(self.bent):
            raise InvalidCertificate(f"{number} multipliers for {2 * len(self.bent)} rows")
        pairs = [(self.read.varint(), self.read.rational()) for _ in range(number)]
        if len({k for k, _ in pairs}) < number:
            raise InvalidCertificate("a row has two multipliers")
        weights, _ = integers([*(y for _, y in pairs), self.read.rational()])
        if any(weight < 0 for weight in weights[:-1]) or not any(weights[:-1]):
            raise InvalidCertificate("a multiplier is negative, or all are 0")
        half_spaces = [self._half_space(a, b, k, _line(h)) for k, _ in pairs]
        if self.box.highest(combined([*half_spaces, h], weights)) > 0:
            raise InvalidCertificate("the multipliers prove nothing: their sum is positive in the box")
        return a, b

    def _half_space(self, a: bytes, b: bytes, k: int, line: Line) -> Form:
        """The half-space of row k of A, or of row k - N of B."""
        rows = len(self.bent)
        if k >= 2 * rows or not self.bent[k % rows]:
            raise InvalidCertificate(f"number {k} is that of no half-space")
        pattern = a if k < rows else b
        form = self.forms(pattern)[k % rows]
        if _line(form) in ((), line):
            raise InvalidCertificate(f"row {k % rows} of {_digits(pattern)} is a multiple of the row they differ in")
        return form if pattern[k % rows] else [-c for c in form]

    def _separate(self) -> Iterator[Pair]:
        """Pairs of regions with the same affine map that the joins do not connect."""
        groups: defaultdict[bytes, defaultdict[bytes, list[bytes]]] = defaultdict(lambda: defaultdict(list))
        for pattern, affine in self.maps.items():
            groups[affine][self._root(pattern)].append(pattern)
        for components in groups.values():
            for one, other in combinations(components.values(), 2):
                yield from ((a, b) for a in one for b in other)

    def _differ_beside(self, a: bytes, b: bytes) -> bool:
        """Whether a row in which A and B differ is not a multiple of h; then they share no facet."""
        of_a, of_b = self.lines(a), self.lines(b)
        line = of_a[_first(a, b)]
        rows = (row for row in range(len(a)) if a[row] != b[row])
        return any(of_a[row] not in ((), line) or of_b[row] not in ((), line) for row in rows)

    def _forms(self, pattern: bytes) -> list[Form]:
        """The forms of all rows on a region, over the common unit."""
        forms: list[Form] = []
        below: list[Form] = []
        for layer, level in enumerate(self.levels.levels[:-1]):
            symbols = pattern[level.start - len(below) : level.start]
            below = table(self.levels.forms(layer, below, symbols))
            forms += [self.levels.common(layer, form) for form in below]
        return forms

    def _output(self, pattern: bytes) -> fmpz_mat:
        """The exact affine map on a region."""
        start = self.levels.levels[-2].start
        return self.levels.forms(self.levels.hidden, self.forms(pattern)[start:], pattern[start:])


def _first(a: bytes, b: bytes) -> int:
    return next(row for row in range(len(a)) if a[row] != b[row])


def _line(form: Form) -> Line:
    """Equal for two forms exactly if one is a multiple of the other, but not zero; empty for the zero form."""
    lead = next((c for c in form if c), None)
    if lead is None:
        return ()
    content = lead
    for c in form:
        content = content.gcd(c)
    if lead < 0:
        content = -content
    return tuple(int(c // content) for c in form)


def _digits(pattern: bytes) -> str:
    return "".join(map(str, pattern))
