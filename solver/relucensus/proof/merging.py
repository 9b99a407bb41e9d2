"""The merges section of a certificate: regions with equal maps that share a facet, and why the others do not.

Throughout: A and B are regions with equal affine maps, i is the first row at which their symbols differ and h its
preactivation, the same on both.

Only the pairs that `Region.crossings` finds can share a facet or need evidence that they do not, at most one a row of
A. For let every row at which A and B differ have a multiple of h on both (if not, they share no facet, and that is
evident). Then, layer by layer, preactivations on A and on B agree on the hyperplane of h, since rows that differ are
zero there. So a row that has a multiple of h on A has one on B, and the factor decides its symbol; every other row
has the symbol that it has on A. A and h leave one pattern for B. The half-spaces that are left on the hyperplane are
the same, too, so that A and B share a facet exactly where A has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from relucensus.adjacency import Region
from relucensus.affine import Preactivations
from relucensus.arithmetic import AffineMap
from relucensus.engines.protocol import Mergeable
from relucensus.lp import LpCounter
from relucensus.merge import Components, groups_of_equal_maps
from relucensus.proof.certificate import line, rational, varint
from relucensus.proof.evidence import Apart, Join, check_apart, check_join, first_difference
from relucensus.proof.facets import Facet, FacetFinder
from relucensus.values.frame import Frame
from relucensus.values.pattern import INACTIVE, packed


def merges(
    preactivations: Preactivations, regions: Iterable[Mergeable], frame: Frame, counter: LpCounter | None = None
) -> tuple[int, bytes]:
    """The number of linear regions, given every activation region, and the section that proves it, not compressed.

    Every record was checked in exact arithmetic. Where few regions have a map in common with another, the cost is
    little more than grouping them.

    Args:
        preactivations: of the problem (`Problem.free`) the regions belong to.
        regions: all of them, in any order; the section does not depend on it.
        frame: coordinates and units of the certificate.
        counter: counts the linear programs.

    Raises:
        SolverFailure: a record does not prove what it should: a bug, or patterns that are not those of the regions.
    """
    every = list(regions)
    finder = FacetFinder(preactivations, counter or LpCounter())
    merging = _Merging(preactivations, finder, frame)
    for group in sorted(sorted(one.pattern for one in group) for group in groups_of_equal_maps(every)):
        for patterns in _confirmed(preactivations, group):
            merging.add(patterns)
    return len(every) - len(merging.joins), merging.section()


def _confirmed(preactivations: Preactivations, patterns: Sequence[bytes]) -> list[list[bytes]]:
    """The regions by affine map, compared exactly: one list unless two maps have the same digest."""
    known: list[tuple[AffineMap, list[bytes]]] = []
    for pattern in patterns:
        mine = preactivations.output_map(pattern)
        same = next((members for other, members in known if other.equals(mine)), None)
        if same is None:
            known.append((mine, [pattern]))
        else:
            same.append(pattern)
    return [members for _, members in known]


class _Merging:
    """Collects the records of one group of regions with equal maps after the other."""

    def __init__(self, preactivations: Preactivations, finder: FacetFinder, frame: Frame) -> None:
        self._preactivations = preactivations
        self._finder = finder
        self._frame = frame
        self.joins: list[Join] = []
        self.aparts: list[Apart] = []

    def add(self, patterns: Sequence[bytes]) -> None:
        """Join what shares a facet, until the components are those of the group; keep evidence between components."""
        components = Components(len(patterns))
        aparts: list[tuple[int, int, Apart]] = []
        for i, j in self._neighbours(patterns):
            if components.count == 1:
                return
            if components.root(i) == components.root(j):
                continue
            record = self._record(patterns[i], patterns[j])
            if isinstance(record, Join):
                components.join(i, j)
                self.joins.append(record)
            else:
                aparts.append((i, j, record))
        self.aparts += [record for i, j, record in aparts if components.root(i) != components.root(j)]

    def _neighbours(self, patterns: Sequence[bytes]) -> Iterator[tuple[int, int]]:
        """The pairs i < j of patterns, sorted, that are across a hyperplane from each other, each once.

        The first row at which they differ is inactive in the first: other rows need not be crossed.
        """
        index = {pattern: i for i, pattern in enumerate(patterns)}
        for i, pattern in enumerate(patterns):
            rows = [row for row, symbol in enumerate(pattern) if symbol == INACTIVE]
            across = {index.get(other, i) for _, other in Region(self._preactivations, pattern).crossings(rows)}
            yield from ((i, j) for j in sorted(across) if j > i)

    def _record(self, first: bytes, second: bytes) -> Join | Apart:
        """Evidence that two regions share a facet, or that they do not; checked."""
        pre, frame = self._preactivations, self._frame
        row = first_difference(first, second)
        found = self._finder.find(first, row)
        if isinstance(found, Facet):
            join = Join(first, second, frame.coordinates(found.point.to_fractions()))
            check_join(pre, join, frame)
            return join
        multipliers = {k: y / frame.unit(k) for k, y in found.multipliers.items()}
        apart = Apart.scaled(first, second, multipliers, found.slope / frame.unit(row))
        check_apart(pre, apart, frame)
        return apart

    def section(self) -> bytes:
        """The section: its line, then the joins, then the aparts."""
        head = line({"joins": len(self.joins), "apart": len(self.aparts)})
        return b"".join([head, *map(_join_bytes, self.joins), *map(_apart_bytes, self.aparts)])


def _join_bytes(join: Join) -> bytes:
    return b"".join([packed(join.first), packed(join.second), *map(_rational, join.point)])


def _apart_bytes(apart: Apart) -> bytes:
    multipliers = b"".join(varint(k) + _rational(y) for k, y in apart.multipliers)
    return (
        packed(apart.first)
        + packed(apart.second)
        + varint(len(apart.multipliers))
        + multipliers
        + _rational(apart.slope)
    )


def _rational(number: Fraction) -> bytes:
    return rational(number.numerator, number.denominator)
