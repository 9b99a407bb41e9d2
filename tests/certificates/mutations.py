"""Correct certificates, changed at random: none may be accepted with another count, by either checker.

The suite runs a short form. A long one, from the folder tests: ``python -m certificates.mutations --seconds 3600``.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from certificates import reference
from certificates.networks import files, problem_of_file, problems
from relucensus import Network, Problem, count_regions
from relucensus.errors import InvalidCertificate
from relucensus.proof.certificate import line, member
from relucensus.proof.checker import verify
from relucensus.values.domain import domain_from_json

SLOWEST_SECONDS = 20.0
_PROVEN = re.compile(r"the header claims .*; proven are (\{.*\})$", re.DOTALL)
Stream = bytes


@dataclass
class Tally:
    """What became of the mutants."""

    verdicts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    @property
    def mutants(self) -> int:
        return sum(self.verdicts.values())


@dataclass(frozen=True)
class Original:
    """A correct certificate: its problem, its stream, where its records begin."""

    name: str
    problem: Problem
    stream: Stream
    marks: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> Original:
        problem = problem_of_file(path)
        stream = gzip.decompress(path.read_bytes())
        return cls(path.stem, problem, stream, tuple(_Marks(problem.network, stream).found()))

    @classmethod
    def of_all(cls, largest: int) -> list[Original]:
        """The committed certificates of up to so many bytes, decompressed."""
        return [cls.of(path) for path in files("correct") if len(gzip.decompress(path.read_bytes())) <= largest]


class _Marks(reference.Reference):
    """The reference, which notes where every number, byte and line begins."""

    def found(self) -> list[int]:
        self.marks = [0]
        self.run()
        return sorted({*self.marks, len(self.text)})

    def take(self, n: int) -> bytes:
        self.marks.append(self.at)
        return super().take(n)

    def line(self) -> dict[str, Any]:
        if hasattr(self, "marks"):
            self.marks.append(self.at)
        return super().line()


# --- mutations of the stream, from its bytes to its parts


def bytes_changed(one: Original, chance: random.Random) -> Stream:
    data = bytearray(one.stream)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        at = _place(one, chance)
        data[at] = chance.choice((data[at] ^ 1 << chance.randrange(8), chance.randrange(256), *b"01?iaLODRQfdsq"))
    return bytes(data)


def bytes_dropped(one: Original, chance: random.Random) -> Stream:
    at = _place(one, chance)
    return one.stream[:at] + one.stream[at + chance.randint(1, 12) :]


def bytes_inserted(one: Original, chance: random.Random) -> Stream:
    at = _place(one, chance)
    return one.stream[:at] + chance.randbytes(chance.randint(1, 12)) + one.stream[at:]


def records_dropped(one: Original, chance: random.Random) -> Stream:
    start, end = _records(one, chance)
    return one.stream[:start] + one.stream[end:]


def records_repeated(one: Original, chance: random.Random) -> Stream:
    start, end = _records(one, chance)
    return one.stream[:end] + one.stream[start:end] + one.stream[end:]


def records_moved(one: Original, chance: random.Random) -> Stream:
    start, end = _records(one, chance)
    rest = one.stream[:start] + one.stream[end:]
    at = chance.choice([mark for mark in one.marks if mark <= len(rest)])
    return rest[:at] + one.stream[start:end] + rest[at:]


def records_replaced(one: Original, chance: random.Random) -> Stream:
    (start, end), (first, last) = _records(one, chance), _records(one, chance)
    return one.stream[:start] + one.stream[first:last] + one.stream[end:]


def records_swapped(one: Original, chance: random.Random) -> Stream:
    (a, b), (c, d) = sorted((_records(one, chance), _records(one, chance)))
    if b > c:
        return records_moved(one, chance)
    return one.stream[:a] + one.stream[c:d] + one.stream[b:c] + one.stream[a:b] + one.stream[d:]


def parts_shuffled(one: Original, chance: random.Random) -> Stream:
    """Parts dropped, repeated, swapped, with another cube; the end line perhaps corrected."""
    pieces = re.split(rb'(?=\{"cube":"[01]*"\}\n)', one.stream)
    head, parts = pieces[0], pieces[1:]
    tail = re.search(rb'(\{"joins".*)?\{"end":\d+\}\n$', parts[-1], re.DOTALL)
    assert tail
    parts[-1] = parts[-1][: tail.start()]
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.randrange(len(parts))
        match chance.randrange(4):
            case 0 if len(parts) > 1:
                del parts[at]
            case 1:
                parts.insert(chance.randrange(len(parts) + 1), parts[at])
            case 2:
                other = chance.randrange(len(parts))
                parts[at], parts[other] = parts[other], parts[at]
            case _:
                cube = "".join(chance.choice("01") for _ in range(chance.randrange(4)))
                parts[at] = line({"cube": cube}) + parts[at].split(b"\n", 1)[1]
    end = tail[0] if chance.random() < 0.3 else re.sub(rb'"end":\d+', b'"end":%d' % len(parts), tail[0])
    return head + b"".join(parts) + end


def header_changed(one: Original, chance: random.Random) -> Stream:
    """Another value in the header: a count, a bound of the domain, a coordinate, an exponent, the network."""
    head, _, rest = one.stream.partition(b"\n")
    document = json.loads(head)
    kind = chance.choice(
        ("counts", "counts", "domain", "domain", "reference", "widths", "exponents", "network", "drop")
    )
    value = document.get(kind)
    if kind == "drop":
        del document[chance.choice(list(document))]
    elif kind == "network":
        document["network"] = chance.choice(list(problems().values())).network.digest
    elif kind == "counts":
        document["counts"][chance.choice(list(value))] += chance.choice((-1, 1, 10))
        if chance.random() < 0.3:
            del document["counts"][chance.choice(list(value))]
    elif kind == "domain":
        side = chance.choice([name for name in value if name != "kind"])
        value[side] = _shifted(value[side], chance)
    elif value:
        value[chance.randrange(len(value))] += chance.choice((-1, 1, 100))
    return line(document) + rest


def _shifted(values: Any, chance: random.Random) -> Any:
    """The numbers of a domain, one of them changed."""
    if not isinstance(values, list):
        return values + chance.choice((-1, -0.25, 2**-40, 0.25, 1))
    at = chance.randrange(len(values))
    return [*values[:at], _shifted(values[at], chance), *values[at + 1 :]]


MUTATIONS: tuple[Callable[[Original, random.Random], Stream], ...] = (
    bytes_changed,
    bytes_dropped,
    bytes_inserted,
    records_dropped,
    records_repeated,
    records_moved,
    records_replaced,
    records_swapped,
    parts_shuffled,
    header_changed,
)


def _place(one: Original, chance: random.Random) -> int:
    """Any byte, but seldom one of the header."""
    first = one.stream.index(b"\n") if chance.random() < 0.9 else 0
    return chance.randrange(first, len(one.stream))


def _records(one: Original, chance: random.Random) -> tuple[int, int]:
    """From the start of one record to that of one a little behind."""
    at = chance.randrange(1, len(one.marks) - 1)
    return one.marks[at], one.marks[min(len(one.marks) - 1, at + chance.choice((1, 1, 2, 3, 5, 20)))]


# --- the two verdicts


def compressed(stream: Stream, chance: random.Random) -> bytes:
    """The stream in one or several members; now and then the compressed data is damaged."""
    cut = chance.randrange(len(stream) + 1)
    data = bytearray(member(stream[:cut]) + member(stream[cut:]))
    if chance.random() < 0.05:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    if chance.random() < 0.02:
        del data[chance.randrange(len(data)) :]
    return bytes(data)


def resigned(stream: Stream, counts: dict[str, int]) -> Stream:
    """The stream with these counts in its header."""
    head, _, rest = stream.partition(b"\n")
    return line(json.loads(head) | {"counts": counts}) + rest


def proven(network: Network, data: bytes) -> tuple[dict[str, int] | None, str]:
    """The counts that the checker accepts, or None, and why."""
    try:
        verified = verify(network, io.BytesIO(data))
    except InvalidCertificate as error:
        return None, str(error)
    return verified.counts, json.dumps(verified.domain.to_json())


def also_proven(network: Network, data: bytes) -> dict[str, int] | None:
    """The counts that the reference accepts."""
    try:
        return reference.counts_of(network, data)
    except reference.Refused:
        return None


@cache
def true_counts(network: Network, domain: str) -> dict[str, int]:
    """The counts that an engine finds."""
    problem = Problem(network, domain_from_json(json.loads(domain), network.inputs))
    return {definition.value: count.value for definition, count in count_regions(problem, engine="tree").counts.items()}


def check(network: Network, data: bytes, stream: Stream, tally: Tally) -> None:
    """Fail if a mutant is accepted with another count, or the two checkers differ."""
    started = time.process_time()
    counts, why = proven(network, data)
    if counts is None and (claim := _PROVEN.search(why)):
        stream = resigned(stream, json.loads(claim[1].replace("'", '"')))
        data = member(stream)
        counts, why = proven(network, data)
        tally.verdicts["re-signed"] += 1
    tally.slowest = max(tally.slowest, time.process_time() - started)
    assert also_proven(network, data) == counts, f"the checker: {counts} {why}, the reference: other"
    if counts is None:
        tally.verdicts["refused"] += 1
        return
    true = true_counts(network, why)
    assert counts == {name: true[name] for name in counts}
    tally.verdicts["accepted"] += 1


def campaign(seed: int, seconds: float, most: int, largest: int) -> Tally:
    """Mutants of the committed certificates of up to `largest` bytes, until the time or the number is over."""
    originals = Original.of_all(largest)
    tally, chance, ends = Tally(), random.Random(seed), time.monotonic() + seconds
    networks = [problem.network for problem in problems().values()]
    while time.monotonic() < ends and tally.mutants < most:
        one, mutation = chance.choice(originals), chance.choice(MUTATIONS)
        stream = mutation(one, chance)
        named = json.loads(stream.partition(b"\n")[0]).get("network") if mutation is header_changed else None
        network = next((other for other in networks if other.digest == named), one.problem.network)
        state = chance.getstate()
        try:
            check(network, compressed(stream, chance), stream, tally)
        except Exception as error:
            chance.setstate(state)
            Path("mutant.cert").write_bytes(compressed(stream, chance))
            raise AssertionError(f"{mutation.__name__} of {one.name}, seed {seed}, is in mutant.cert") from error
    assert tally.slowest < SLOWEST_SECONDS
    return tally


def main() -> None:
    """Run mutants for some time, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--largest", type=int, default=20_000, help="bytes of the largest certificate to change")
    options = parser.parse_args()
    tally = campaign(options.seed, options.seconds, 10**9, options.largest)
    print(f"seed {options.seed}: {tally.mutants:,} mutants, {dict(tally.verdicts)}, slowest {tally.slowest:.3f} s")  # noqa: T201


if __name__ == "__main__":
    main()
