"""Notes in the header of a certificate: there for people, ignored by the checker, and no old certificate is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from relucensus import read_model, verify
from relucensus.census import count_regions
from relucensus.errors import InvalidCertificate, UnreadableCertificate
from relucensus.proof.certificate import line, member
from relucensus.values.domain import Box
from relucensus.values.network import Network
from relucensus.values.problem import Problem

CASES = Path(__file__).parents[1] / "cases"
NOTES = ("the last Softmax was left off", 'an output "müller" was chosen')


@pytest.fixture(scope="module")
def network() -> Network:
    return read_model((CASES / "planar_8x3.onnx").read_bytes()).network


def written(path: Path, network: Network) -> bytes:
    result = count_regions(Problem(network, Box.from_bounds(-1.0, 1.0, 2)), certificate=path)
    assert result.notes == network.notes
    assert result.to_json()["notes"] == list(network.notes)
    return gzip.decompress(path.read_bytes())


def test_the_header_has_the_notes_and_nothing_else_changes(network: Network, tmp_path: Path) -> None:
    plain, noted = (written(tmp_path / "c", net) for net in (network, network.with_notes(NOTES)))
    header, _, rest = noted.partition(b"\n")
    document = json.loads(header)
    assert document.pop("notes") == list(NOTES)
    assert line(document) + rest == plain
    verified = verify(network, tmp_path / "c")
    assert verified.counts["activation_regions"] == 40


@pytest.mark.parametrize("notes", [[], ["other words"], "text", None, 7, {"a": ["b"]}])
def test_whatever_the_notes_are_the_proof_is_the_same(network: Network, tmp_path: Path, notes: object) -> None:
    header, _, rest = written(tmp_path / "c", network).partition(b"\n")
    changed = tmp_path / "changed"
    changed.write_bytes(member(line({**json.loads(header), "notes": notes}) + rest))
    assert verify(network, changed).counts["activation_regions"] == 40


def test_notes_hide_no_other_field_and_no_other_count(network: Network, tmp_path: Path) -> None:
    header, _, rest = written(tmp_path / "c", network.with_notes(NOTES)).partition(b"\n")
    document = json.loads(header)
    changed = tmp_path / "changed"
    changed.write_bytes(member(line({**document, "remarks": []}) + rest))
    with pytest.raises(UnreadableCertificate, match="'remarks'"):
        verify(network, changed)
    changed.write_bytes(member(line({**document, "counts": {**document["counts"], "activation_regions": 41}}) + rest))
    with pytest.raises(InvalidCertificate, match="41"):
        verify(network, changed)
