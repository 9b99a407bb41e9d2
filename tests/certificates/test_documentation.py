"""The page on the format shows a real certificate, and names every constant and limit."""

from __future__ import annotations

import gzip
import re

from certificates.networks import HERE
from relucensus.proof import certificate

PAGES = HERE.parents[1] / "docs"
FORMAT = (PAGES / "certificate-format.md").read_text()


def test_the_worked_example_is_the_committed_file() -> None:
    stream = gzip.decompress((HERE / "correct" / "small.example.cert").read_bytes())
    example = FORMAT.partition("## An example")[2]
    lines = [line.strip().encode() + b"\n" for line in example.splitlines() if line.startswith("    {")]
    records = b"".join(bytes.fromhex(row) for row in re.findall(r"^\| `([0-9a-f ]+)` \|", example, re.MULTILINE))
    assert b"".join(lines[:2]) + records + lines[2] == stream
    assert f"{len(stream)} bytes" in example


def test_every_byte_and_limit_of_the_format_is_documented() -> None:
    names = [name for name in vars(certificate) if name.isupper() and not name.startswith("_")]
    kinds = [name for name in names if isinstance(getattr(certificate, name), int) and name[:4] not in ("MOST", "LONG")]
    letters = {chr(getattr(certificate, name)) for name in kinds if 32 < getattr(certificate, name) < 127}
    assert letters == set("OLDRQ01?iafdqs")
    assert [letter for letter in letters if f"`{letter}`" not in FORMAT and f'"{letter}"' not in FORMAT] == []
    limits = (
        certificate.LARGEST_EXPONENT,
        f"{certificate.LONGEST_RATIONAL:,}",
        f"{certificate.LONGEST_LINE >> 20} MiB",
    )
    assert [limit for limit in limits if str(limit) not in FORMAT] == []
    assert f"2^{certificate.MOST_BITS.bit_length() - 1} bits" in FORMAT


def test_what_has_to_be_believed_is_as_long_as_it_says() -> None:
    files = ("checker", "linear", "exact", "certificate")
    proof = PAGES.parent / "solver" / "relucensus" / "proof"
    lines = sum(len((proof / f"{name}.py").read_text().splitlines()) for name in files)
    said = re.search(r"([0-9,]+) lines of Python", (PAGES / "certificates.md").read_text())
    assert said
    assert abs(int(said[1].replace(",", "")) - lines) < 100
