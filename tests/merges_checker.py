"""A plain check of the merges section of a certificate, pair by pair, in fractions; shares no code with the library.

It reads the section as docs/certificate-format.md says. A form is a list of d coefficients and a constant, over box
coordinates u.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations

from relucensus import Network

Form = list[Fraction]


class Section:
    """The bytes of a section, read from the start."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def line(self) -> dict[str, int]:
        end = self.data.index(b"\n") + 1
        head, self.at = self.data[:end], end
        return json.loads(head)

    def take(self, size: int) -> bytes:
        assert self.at + size <= len(self.data)
        self.at += size
        return self.data[self.at - size : self.at]

    def varint(self) -> int:
        number, shift = 0, 0
        while True:
            (byte,) = self.take(1)
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    def rational(self) -> Fraction:
        p, _, q = self.take(self.varint()).decode("ascii").partition("/")
        return Fraction(int(p, 16), int(q, 16) if q else 1)

    def pattern(self, rows: int) -> bytes:
        bits = "".join(f"{byte:08b}" for byte in self.take((rows + 7) // 8))
        assert "1" not in bits[rows:]
        return bytes(int(bit) for bit in bits[:rows])


class Census:
    """A network of hinges on a box, in the coordinates and units of a certificate, and its regions."""

    def __init__(
        self,
        network: Network,
        box: tuple[Sequence[float], Sequence[float]],
        frame: tuple[Sequence[float], Sequence[int], Sequence[int]],
        regions: Iterable[bytes],
    ) -> None:
        self.network = network
        reference, widths, self.exponents = frame
        self.scales = [Fraction(2) ** width for width in widths]
        self.reference = [Fraction(c) for c in reference]
        self.lower, self.upper = (
            [(Fraction(x) - c) / s for x, c, s in zip(side, self.reference, self.scales, strict=True)] for side in box
        )
        self.bent = [bool(one.breakpoints) for layer in network.hidden for one in layer.row_activations]
        self.forms: dict[bytes, list[Form]] = {}
        self.groups: dict[tuple[Fraction, ...], list[bytes]] = {}
        for pattern in regions:
            forms, output = self.walked(pattern)
            self.forms[pattern] = forms
            self.groups.setdefault(output, []).append(pattern)

    def walked(self, pattern: bytes) -> tuple[list[Form], tuple[Fraction, ...]]:
        """The form of every row on the region of a pattern, and the network's map there."""
        size = len(self.scales)
        values: list[Form] = [
            [scale if c == k else Fraction(0) for k in range(size)] + [middle]
            for c, (scale, middle) in enumerate(zip(self.scales, self.reference, strict=True))
        ]
        forms: list[Form] = []
        for layer in self.network.layers:
            weights, bias, q = (
                layer.exact.coefficients.tolist(),
                layer.exact.constants.entries(),
                layer.exact.denominator,
            )
            sums = []
            for row, constant in zip(weights, bias, strict=True):
                total = [Fraction(0)] * size + [Fraction(int(constant), q)]
                for weight, value in zip(row, values, strict=True):
                    total = [t + Fraction(int(weight), q) * v for t, v in zip(total, value, strict=True)]
                sums.append(total)
            if layer is self.network.output:
                return forms, tuple(c for form in sums for c in form)
            slopes = [one.slopes[-1 if pattern[len(forms) + k] else 0] for k, one in enumerate(layer.row_activations)]
            values = [[slope * c for c in form] for slope, form in zip(slopes, sums, strict=True)]
            forms += [[Fraction(2) ** self.exponents[len(forms) + k] * c for c in form] for k, form in enumerate(sums)]
        raise AssertionError

    def wall(self, first: bytes, second: bytes) -> Form:
        row = next(k for k in range(len(first)) if first[k] != second[k])
        assert self.forms[first][row] == self.forms[second][row]
        return self.forms[first][row]

    def evidently_apart(self, first: bytes, second: bytes) -> bool:
        h = self.wall(first, second)
        differing = [k for k in range(len(first)) if first[k] != second[k]]
        return any(not multiple(self.forms[one][k], h) for k in differing for one in (first, second))

    def check_join(self, first: bytes, second: bytes, point: Sequence[Fraction]) -> None:
        h = self.wall(first, second)
        assert all(low < u < high for low, u, high in zip(self.lower, point, self.upper, strict=True))
        assert value(h, point) == 0
        for pattern in (first, second):
            for k, form in enumerate(self.forms[pattern]):
                if self.bent[k] and any(form):
                    oriented = value(form, point) if pattern[k] else -value(form, point)
                    assert oriented > 0 or (oriented == 0 and multiple(form, h))

    def check_apart(self, first: bytes, second: bytes, shares: Sequence[tuple[int, Fraction]], slope: Fraction) -> None:
        h = self.wall(first, second)
        total = [slope * c for c in h]
        rows = len(first)
        for k, y in shares:
            pattern = first if k < rows else second
            form = self.forms[pattern][k % rows]
            assert y >= 0
            assert k < 2 * rows
            assert self.bent[k % rows]
            assert not multiple(form, h)
            sign = 1 if pattern[k % rows] else -1
            total = [t + sign * y * c for t, c in zip(total, form, strict=True)]
        assert len({k for k, _ in shares}) == len(shares)
        assert any(y for _, y in shares)
        ends = zip(total, self.lower, self.upper, strict=False)
        assert sum((max(c * low, c * high) for c, low, high in ends), total[-1]) <= 0


def value(form: Form, point: Sequence[Fraction]) -> Fraction:
    return sum((c * u for c, u in zip(form, point, strict=False)), form[-1])


def multiple(form: Form, h: Form) -> bool:
    """Whether a form is a multiple of h, which is not zero; zero is one."""
    pivot = next(k for k, c in enumerate(h) if c)
    return all(form[k] * h[pivot] == form[pivot] * h[k] for k in range(len(h)))


def linear_regions(census: Census, data: bytes) -> tuple[int, Counter[str]]:
    """The number of linear regions that the section proves, and how many records of each kind it has."""
    section, rows = Section(data), len(census.bent)
    head = section.line()
    assert list(head) == ["joins", "apart"]
    group_of = {pattern: n for n, group in enumerate(census.groups.values()) for pattern in group}
    parent = {pattern: pattern for pattern in group_of}

    def root(pattern: bytes) -> bytes:
        while parent[pattern] != pattern:
            pattern = parent[pattern]
        return pattern

    count = len(parent)
    for _ in range(head["joins"]):
        first, second = section.pattern(rows), section.pattern(rows)
        point = [section.rational() for _ in census.scales]
        assert first != second
        assert group_of[first] == group_of[second]
        census.check_join(first, second, point)
        count -= root(first) != root(second)
        parent[root(first)] = root(second)
    shown = set()
    for _ in range(head["apart"]):
        first, second = section.pattern(rows), section.pattern(rows)
        shares = [(section.varint(), section.rational()) for _ in range(section.varint())]
        assert group_of[first] == group_of[second]
        census.check_apart(first, second, shares, section.rational())
        shown.add(frozenset((first, second)))
    assert section.at == len(data)
    for group in census.groups.values():
        for first, second in combinations(group, 2):
            if root(first) != root(second) and frozenset((first, second)) not in shown:
                assert census.evidently_apart(first, second)
    return count, Counter(head)
