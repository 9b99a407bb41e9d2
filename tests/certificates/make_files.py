"""Writes the committed certificates: ``python -m certificates.make_files``, from the folder tests.

Those that are not correct are changes of the worked example by hand, each with the words that refuse it.
"""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction

from certificates.networks import HERE, problems
from certificates.writer import PLAIN, Style, Writer, packed, rational
from known_cases import NETWORKS, network_problem
from relucensus import Problem
from relucensus.proof import certificate as codec

STYLES = {
    "plain": PLAIN,
    "mixed": Style(odd_coordinates=True),
    "solved": Style(kinds="s", points="Q", bounds=0.5),
    "many": Style(open=0.5, dead=0.5, bounds=0.5, odd_coordinates=True),
}
KNOWN = ("duplicate_neurons_cancel", "four_concurrent_lines", "relu_of_relu", "corner_touch", "sawtooth_4", "braid_4")
MADE = ("plane", "residual", "concurrent", "dead_end", "clipped", "relu6", "slice", "fixed", "point", "affine")
MADE_TOO = ("small", "folded", "mirrored", "resonance_3", "one_layer_general_5_in_2d", *MADE, *KNOWN)


def header(of: str = "small", **changes: object) -> bytes:
    """The header of the worked example, or of another network with one input."""
    problem = problems()[of]
    document: dict[str, object] = {
        "format": "relucensus certificate",
        "version": 1,
        "network": problem.network.digest,
        "domain": problem.domain.to_json(),
        "counts": {"activation_regions": 3},
        "reference": [0.0],
        "widths": [0],
        "exponents": [0] * problem.network.neurons,
    }
    document = {name: value for name, value in (document | changes).items() if value is not None}
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def double(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


def by(*multipliers: tuple[int, float], kind: bytes = b"d") -> bytes:
    return kind + codec.varint(len(multipliers)) + b"".join(codec.varint(k) + double(y) for k, y in multipliers)


PART = b'{"cube":""}\n'
END = b'{"end":1}\n'
LEFT = b"i" + by((0, 1.0)) + b"R" + double(-0.5)
RIGHT = b"D" + b"R" + double(0.25) + b"R" + double(0.75)
EXAMPLE = PART + b"L\x00??D" + LEFT + RIGHT


def example(part: bytes = EXAMPLE, end: bytes = END, **changes: object) -> bytes:
    return header(**changes) + part + end


def two_parts(first: bytes, second: bytes, cube: str = "1", **changes: object) -> bytes:
    return example(PART + first + codec.line({"cube": cube}) + second, b'{"end":2}\n', **changes)


def instead(old: bytes, new: bytes) -> bytes:
    """The worked example with another record in place of one."""
    assert EXAMPLE.count(old) == 1
    return example(EXAMPLE.replace(old, new))


def incorrect() -> Iterator[tuple[str, bytes, str]]:
    """Name, stream, and words of the refusal: the file is a certificate, and proves something else than it says."""
    yield "small.point_outside", instead(double(-0.5), double(-1.5)), "not in the box"
    yield "small.point_on_the_hyperplane", instead(double(-0.5), double(-0.0)), "not on its side of this row"
    yield "small.point_on_the_other_side", instead(double(0.25), double(0.625)), "not on its side of this row"
    yield "small.multiplier_too_small", instead(by((0, 1.0)), by((0, 0.25))), "the sum is positive"
    yield "small.multiplier_negative", instead(by((0, 1.0)), by((0, -1.0))), "is negative"
    yield "small.no_multiplier", instead(by((0, 1.0)), by()), "the sum is positive"
    yield "small.multiplier_of_nothing", instead(by((0, 1.0)), by((1, 1.0))), "half-spaces of the path"
    yield "small.multipliers_too_many", instead(by((0, 1.0)), by((0, 1.0), (0, 1.0))), "2 multipliers"
    twice = PART + b"L\x00????DDi" + by((0, 1.0), (0, 1.0))
    yield "folded.multiplier_twice", header("folded") + twice, "half-spaces of the path"
    twice = PART + b"L\x00????DDis\x02\x00\x01\x00\x00"
    yield "folded.coordinate_twice", header("folded") + twice, "different coordinates"
    yield "small.active_for_inactive", instead(LEFT, b"a" + LEFT[1:]), "the sum is positive"
    yield "small.solved_otherwise", instead(by((0, 1.0)), b"s\x01\x00\x01"), "different coordinates"
    yield "small.box_inactive", instead(b"L\x00??", b"L\x00?0"), "symbol 0 on the box"
    yield "small.box_active", instead(b"L\x00??", b"L\x001?"), "symbol 1 on the box"
    yield "small.region_missing", example(PART + b"L\x00??D" + LEFT + b"i" + by()), "the sum is positive"
    yield "small.empty_cell_divided", example(PART + b"L\x00??DDR" + double(-0.5) + b"R" + double(-0.25)), "side"
    yield from of_bounds_and_links()
    yield from zero_rows()
    yield from of_merges()


def of_bounds_and_links() -> Iterator[tuple[str, bytes, str]]:
    """Bounds that are not proven, parts that do not make one tree, lines that claim something else."""
    bound = b"\x01\x01" + double(0.25) + by()
    yield "small.bound_not_proven", instead(b"L\x00??", b"L" + bound + b"??"), "the sum is positive"
    bound = b"\x01\x02" + double(-1) + by()
    yield "small.bound_of_no_coordinate", instead(b"L\x00??", b"L" + bound + b"??"), "coordinate 1 of 1"
    for name, number in (("less", 2), ("more", 4)):
        yield f"small.claims_{name}", example(counts={"activation_regions": number}), "proven are"
    yield "small.claims_pieces", example(counts={"activation_regions": 3, "affine_pieces": 2}), "proven are"
    yield "small.part_missing", example(PART + b"L\x00??D" + LEFT + b"O\x01"), "left open, and no part covers it"
    second = b"L\x001?" + RIGHT
    yield "small.part_needless", two_parts(EXAMPLE[len(PART) :], b"L\x00??D" + RIGHT), "no part leaves it open"
    forced = b"L\x00??D" + RIGHT
    yield (
        "small.part_twice",
        two_parts(b"L\x00??D" + LEFT + b"O\x01", forced + codec.line({"cube": "1"}) + forced),
        "two parts",
    )
    yield "small.box_symbol_forced", two_parts(b"L\x00??D" + LEFT + b"O\x01", second), "symbol 1 on the box"
    yield "small.open_too_shallow", two_parts(b"L\x00??DO\x01O\x00", forced), "cannot be left open here"
    yield "small.open_too_deep", two_parts(b"L\x00??DO\x02O\x01", forced), "cannot be left open here"
    yield (
        "small.open_behind_a_half_space",
        two_parts(b"L\x00??D" + LEFT + b"DR" + double(0.25) + b"O\x01", forced),
        "cannot",
    )
    yield "small.open_itself", two_parts(b"L\x00??D" + LEFT + b"O\x01", b"L\x00??DO\x01"), "cannot be left open here"
    yield "small.end_wrong", example(end=b'{"end":2}\n'), "end line"
    yield "small.something_behind", example(end=END + b"\n"), "follows the end line"
    yield "small.merges_unclaimed", example(end=b'{"joins":0,"apart":0}\n' + END), "end line"
    claims = {"activation_regions": 3, "linear_regions": 3}
    yield "small.merges_missing", example(counts=claims), "needed is that of the merges"


def zero_rows() -> Iterator[tuple[str, bytes, str]]:
    """The box is the point (1/4, 1/4), at which row 2 of the network is zero."""
    start = header("point", reference=[], widths=[], exponents=[0] * 6, counts={"activation_regions": 1}) + PART
    zero = header("plane", reference=[0, 0], widths=[0, 0]) + PART + b"L\x00???DDD"
    yield "plane.solved_by_a_zero_form", zero + b"L\x00is\x01\x02\x00", "not determined by these coordinates"
    linear = header("residual", reference=[0, 0], widths=[0, 0]) + PART
    yield "residual.linear_row_divided", linear + b"L\x00???", "has no breakpoint"
    yield "point.zero_form_active", start + b"L\x00111", "symbol 1 on the box"
    yield "point.zero_form_active_by_evidence", start + b"L\x0011a" + by(), "its form is zero"


def of_merges() -> Iterator[tuple[str, bytes, str]]:
    """The regions of ``folded``: 0000, 1000, 1100, 1110, 1111; the first and the last two have the map 0."""
    parts = b"".join(Writer(problems()["folded"]).parts())
    claims = {"activation_regions": 5, "linear_regions": 4, "affine_pieces": 3}
    start = header("folded", counts=claims) + parts
    ends, neighbours = packed("0000") + packed("1111"), packed("1110") + packed("1111")
    one, no = Fraction(1), Fraction(0)

    def join(point: Fraction, pair: bytes) -> bytes:
        return pair + rational(point)

    def apart(*y: tuple[int, Fraction], z: Fraction = no) -> bytes:
        rows = b"".join(codec.varint(k) + rational(number) for k, number in y)
        return ends + codec.varint(len(y)) + rows + rational(z)

    def merged(*records: bytes, joins: int = 1, how: bytes = start) -> bytes:
        sizes = {"joins": joins, "apart": len(records) - joins}
        return how + codec.line(sizes) + b"".join(records) + END

    right = join(Fraction(3, 4), neighbours)
    yield "folded.join_missing", merged(joins=0), "nothing is said of regions"
    yield "folded.join_beside", merged(join(Fraction(5, 8), neighbours)), "not on row 3"
    yield "folded.join_at_the_wall", merged(join(one, neighbours)), "not strictly inside"
    yield "folded.join_of_different_maps", merged(join(no, packed("0000") + packed("1000"))), "different affine maps"
    yield "folded.join_of_regions_apart", merged(join(no, ends)), "wrong side of row"
    yield "folded.join_of_one", merged(join(no, packed("0000") * 2)), "beside itself"
    yield "folded.join_of_no_region", merged(join(no, packed("0001") + packed("1111"))), "not that of a region"
    yield "folded.join_with_padding", merged(join(no, b"\x01" + packed("1111"))), "not that of a region"
    yield "folded.apart_of_the_row_itself", merged(right, apart((0, one))), "multiple of the row"
    yield "folded.apart_without_multipliers", merged(right, apart(z=one)), "all are 0"
    yield "folded.apart_with_zeros", merged(right, apart((5, no))), "all are 0"
    yield "folded.apart_negative", merged(right, apart((5, -one))), "is negative"
    yield "folded.apart_twice", merged(right, apart((5, one), (5, one))), "two multipliers"
    yield "folded.apart_of_nothing", merged(right, apart((8, one))), "no half-space"
    yield "folded.apart_proves_nothing", merged(right, apart((5, one))), "positive in the box"
    fewer = header("folded", counts=claims | {"linear_regions": 3}) + parts
    yield "folded.claims_fewer_linear_regions", merged(right, how=fewer), "proven are"
    more = header("folded", counts=claims | {"linear_regions": 5}) + parts
    yield "folded.claims_more_linear_regions", merged(right, how=more), "proven are"


def needless_apart() -> bytes:
    """A certificate of ``folded`` with a pair apart that follows without evidence too."""
    claims = {"activation_regions": 5, "linear_regions": 4, "affine_pieces": 3}
    parts = b"".join(Writer(problems()["folded"]).parts())
    join = packed("1110") + packed("1111") + rational(Fraction(3, 4))
    apart = (
        packed("0000")
        + packed("1111")
        + b"\x02\x05"
        + rational(Fraction(1))
        + b"\x06"
        + rational(Fraction(0))
        + rational(Fraction(-1))
    )
    return header("folded", counts=claims) + parts + b'{"joins":1,"apart":1}\n' + join + apart + END


def malformed() -> Iterator[tuple[str, bytes, str]]:
    """Name, stream and words of the refusal: what is no certificate, or breaks off."""
    yield "small.no_line", b"", "where a line is needed"
    yield "small.no_json", b"certificate\n", "not JSON"
    yield "small.no_object", b"[1]\n", "not a JSON object"
    yield "small.other_object", b"{}\n", "not that of a certificate"
    yield "small.deep_json", b'{"format":' + b"[" * 100_000 + b"\n", "not JSON"
    yield "small.twice_named", header().replace(b'"version":1', b'"version":2,"version":1'), "twice"
    yield "small.other_version", example(version=2), "version is 2"
    yield "small.true_version", example(version=True), "version is True"
    yield "small.no_widths", example(widths=None), "needed are"
    yield "small.more_in_the_header", example(more=1), "needed are"
    yield "small.no_digest", example(network="sha256:0"), "digest of a network"
    yield "small.no_counts", example(counts={}), "needed is activation_regions"
    yield (
        "small.other_counts",
        example(counts={"activation_regions": 3, "activation_patterns": 3}),
        "activation_regions",
    )
    yield "small.fraction_of_counts", example(counts={"activation_regions": 3.0}), "not a whole number"
    yield "small.negative_counts", example(counts={"activation_regions": -3}), "not a whole number"
    yield "small.reference_nan", example(reference=[float("nan")]), "NaN"
    yield "small.reference_infinite", header().replace(b'"reference":[0.0]', b'"reference":[1e999]'), "finite numbers"
    yield "small.reference_text", example(reference=["0"]), "finite numbers"
    yield "small.reference_too_long", example(reference=[0, 0]), "reference has 2 numbers"
    yield "small.widths_huge", example(widths=[10**9]), "widths must be"
    yield "small.widths_fraction", example(widths=[0.5]), "widths must be"
    yield "small.exponents_too_few", example(exponents=[0]), "exponents has 1 numbers"
    yield "small.huge_number", header().replace(b'"version":1', b'"version":' + b"1" * 5000), "not JSON"
    yield "small.domain_text", example(domain="box"), "must be objects"
    yield "small.domain_unknown", example(domain={"kind": "ball"}), "ball"
    yield "small.domain_other_dimension", example(domain={"kind": "box", "lower": [0, 0], "upper": [1, 1]}), "inputs"
    yield "small.domain_crossed", example(domain={"kind": "box", "lower": [1], "upper": [0]}), "above upper"
    yield from malformed_parts()


def malformed_parts() -> Iterator[tuple[str, bytes, str]]:
    """Behind a header as it should be."""
    yield "small.no_parts_no_end", header(), "where a line is needed"
    yield "small.ends_in_a_number", header() + EXAMPLE[:-3], "the data ends in the middle"
    yield "small.ends_before_a_byte", header() + PART + b"L\x00?", "the data ends in the middle"
    yield "small.no_end", example(end=b""), "where a line is needed"
    yield "small.no_parts", example(b"", b'{"end":0}\n'), "no part covers it"
    yield "small.cube_of_numbers", example(b'{"cube":[]}\n'), "a cube is"
    yield "small.cube_of_other_digits", example(b'{"cube":"2"}\n'), "a cube is"
    yield "small.cube_too_deep", example(b'{"cube":"000"}\n'), "a cube is"
    yield "small.cube_and_more", example(end=b'{"cube":"","more":1}\n'), "end line"
    yield "small.node_of_unknown_kind", example(PART + b"X"), "stands where a node begins"
    yield "small.status_unknown", example(PART + b"L\x00X"), "no status"
    yield "small.decision_unknown", example(PART + b"L\x00??X"), "no decision"
    yield "small.region_unknown", instead(b"R" + double(-0.5), b"X" + double(-0.5)), "stands where a region"
    yield "small.evidence_unknown", instead(by((0, 1.0)), by((0, 1.0), kind=b"x")), "no kind of evidence"
    yield "small.multiplier_nan", instead(by((0, 1.0)), by((0, float("nan")))), "finite"
    yield "small.multiplier_infinite", instead(by((0, 1.0)), by((0, float("inf")))), "finite"
    yield "small.point_nan", instead(double(-0.5), double(float("nan"))), "finite"
    yield "small.varint_too_long", example(PART + b"L" + b"\xff" * 20), "longer than 9 bytes"
    yield "small.multipliers_beyond_all", instead(by((0, 1.0)), b"d" + codec.varint(2**62)), "multipliers for a path"
    yield "small.bounds_beyond_all", header() + PART + b"L" + codec.varint(2**62), "the data ends"
    for name, text in {
        "empty": b"",
        "no_denominator": b"1/",
        "zero_denominator": b"1/0",
        "negative_denominator": b"1/-2",
        "upper_case": b"A",
        "spaces": b" 1",
        "underscore": b"1_0",
    }.items():
        record = b"q\x01\x00" + codec.varint(len(text)) + text
        yield f"small.rational_{name}", instead(by((0, 1.0)), record), "rational number"
    record = b"q\x01\x00" + codec.varint(2**40)
    yield "small.rational_beyond_all", instead(by((0, 1.0)), record), "characters"
    merges = header(counts={"activation_regions": 3, "linear_regions": 3}) + EXAMPLE
    yield "small.joins_negative", merges + b'{"joins":-1,"apart":0}\n' + END, "that of the merges"
    yield "small.joins_beyond_all", merges + b'{"joins":99999999999,"apart":0}\n' + END, "not that of a region"


def damaged() -> Iterator[tuple[str, bytes, str]]:
    """Name, file and words of the refusal: damage below the stream."""
    whole = codec.member(example())
    yield "small.empty_file", b"", "where a line is needed"
    yield "small.not_compressed", example(), "not a gzip|Not a gzip"
    yield "small.cut_off", whole[:-12], "damaged or cut off"
    yield "small.checksum", whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:], "damaged or cut off"
    yield "small.garbage_behind", whole + b"garbage", "damaged or cut off"
    yield "small.unknown_method", whole[:2] + b"\x07" + whole[3:], "damaged or cut off"


def write(folder: str, entries: Iterator[tuple[str, bytes, str]], wrap: Callable[[bytes], bytes]) -> dict[str, str]:
    """Write the files of a folder; the words of every file's refusal."""
    reasons = {}
    for name, data, words in entries:
        (HERE / folder / f"{name}.cert").write_bytes(wrap(data))
        reasons[name] = words
    return reasons


def problem_of_network(name: str) -> Problem:
    """The case of cases.json with this name."""
    return network_problem(next(case for case in NETWORKS if case["name"] == name))


def main() -> None:
    """Write all three folders anew."""
    for folder in ("correct", "incorrect", "malformed"):
        (HERE / folder).mkdir(exist_ok=True)
        for old in (HERE / folder).iterdir():
            old.unlink()
    for name in MADE_TOO:
        for style, how in STYLES.items():
            data = Writer(problems()[name], how, seed=len(name)).certificate()
            (HERE / "correct" / f"{name}.{style}.cert").write_bytes(data)
    (HERE / "correct" / "folded.apart.cert").write_bytes(codec.member(needless_apart()))
    (HERE / "correct" / "small.example.cert").write_bytes(codec.member(example()))
    planar = problem_of_network("planar_8x3")
    (HERE / "planar_8x3.cert").write_bytes(Writer(planar).certificate())
    folders = {
        "incorrect": write("incorrect", incorrect(), codec.member),
        "malformed": write("malformed", malformed(), codec.member) | write("malformed", damaged(), lambda data: data),
    }
    (HERE / "reasons.json").write_text(json.dumps(folders, indent=1) + "\n")
    assert gzip.decompress((HERE / "correct" / "small.example.cert").read_bytes()) == example()


if __name__ == "__main__":
    main()
