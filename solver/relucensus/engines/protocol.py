"""What an engine is: it says whether it can serve a problem, and it settles cubes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from relucensus.values.pattern import Cube
from relucensus.values.problem import Budget, Problem
from relucensus.values.result import Statistics

INACTIVE_SEEN: Final = 1
ACTIVE_SEEN: Final = 2


def seen_together(one: bytes, other: bytes) -> bytes:
    """The symbols seen in one place or the other; an empty one says nothing.

    >>> list(seen_together(bytes([1, 2]), bytes([2, 2])))
    [3, 2]
    """
    both = int.from_bytes(one) | int.from_bytes(other)
    return both.to_bytes(max(len(one), len(other)))


@dataclass(frozen=True, slots=True)
class Support:
    """Whether an engine serves a problem; if not, `reason` says why in words for the user."""

    supported: bool
    reason: str = ""


def writes_no_certificates(engine: str) -> Support:
    """The answer of an engine that only counts to a problem that asks for a certificate."""
    return Support(False, f"engine {engine} writes no certificates; engine tree does")


@dataclass(frozen=True, slots=True)
class OpenCube:
    """A cube still to settle, proven to hold something.

    `found`: regions already proven to exist in it (found again when it is settled; they count only if work stops);
    0 only where the cube holds nothing but activation patterns of lower dimension.
    `at_most`: a proven upper bound on its regions.
    """

    cube: Cube
    found: int
    at_most: int


@dataclass(frozen=True, slots=True)
class Mergeable:
    """A region that may share a facet with one of the same affine map; `affine_map` is the digest of its map."""

    pattern: bytes
    affine_map: bytes


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one call of `settle` established about a cube. Settlements of disjoint cubes add up.

    `regions`: activation regions counted, every one proven by an exact interior point.
    `prefixes`: per hidden layer, regions of the network cut after that layer that were first counted here.
    `affine_maps`: digests of the affine maps of the regions counted.
    `mergeable`: those among the regions counted that may be one linear region with another.
    `part`: where the problem asks for a certificate, the part that covers this cube (one gzip member); empty where
        the cube was left open as it was.
    `patterns`: activation patterns attained in the closed cube; None where the engine did not count them.
    `seen`: per row, INACTIVE_SEEN, ACTIVE_SEEN or both: the symbols that it has in regions counted or left open.
    """

    regions: int = 0
    prefixes: tuple[int, ...] = ()
    open: tuple[OpenCube, ...] = ()
    affine_maps: frozenset[bytes] = frozenset()
    mergeable: tuple[Mergeable, ...] = ()
    patterns: int | None = None
    seen: bytes = b""
    part: bytes = b""
    statistics: Statistics = field(default_factory=Statistics)


class Engine(Protocol):
    """A way to settle cubes. Engines hold no state between calls."""

    @property
    def name(self) -> str:
        """The name in requests and results."""

    @property
    def parallel(self) -> bool:
        """Whether several threads may settle cubes at the same time, and the budget's pulse is felt on the way."""

    def supports(self, problem: Problem) -> Support:
        """Yes, or the reason why not."""

    def settle(self, problem: Problem, cube: Cube, budget: Budget) -> Settlement:
        """Count the regions of the cube, or as many as the budget allows; the rest comes back as open cubes.

        `problem` is full-dimensional (`Problem.free`). Progress is guaranteed: an open cube in the answer is
        deeper than the cube given, or the budget was spent before it could be split.
        """
