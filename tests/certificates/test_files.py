"""Every committed certificate is a test by its folder."""

from __future__ import annotations

import gzip
import io
import json
import re
from pathlib import Path

import pytest

from certificates import reference
from certificates.make_files import STYLES
from certificates.networks import HERE, files, problem_of_file
from relucensus import count_regions
from relucensus.errors import InvalidCertificate, OtherCertificate, UnreadableCertificate
from relucensus.proof.certificate import member
from relucensus.proof.checker import verify

REASONS = json.loads((HERE / "reasons.json").read_text())


def named(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", files("correct"), ids=named)
def test_a_correct_certificate_is_accepted_with_the_counts_of_an_engine(path: Path) -> None:
    problem = problem_of_file(path)
    verified = verify(problem.network, path)
    counts = {definition.value: count.value for definition, count in count_regions(problem).counts.items()}
    assert verified.counts == {name: counts[name] for name in verified.counts}
    assert verified.network == problem.network.digest
    assert verified.domain.to_json() == problem.domain.to_json()
    assert reference.counts_of(problem.network, path.read_bytes()) == verified.counts


@pytest.mark.parametrize("path", files("incorrect"), ids=named)
def test_an_incorrect_certificate_is_refused_with_its_reason(path: Path) -> None:
    with pytest.raises(InvalidCertificate) as caught:
        verify(problem_of_file(path).network, path)
    assert type(caught.value) is InvalidCertificate
    assert re.search(REASONS["incorrect"][path.stem], str(caught.value))
    assert re.match(r"part [123], after region \d", str(caught.value))
    with pytest.raises(reference.Refused):
        reference.counts_of(problem_of_file(path).network, path.read_bytes())


@pytest.mark.parametrize("path", files("malformed"), ids=named)
def test_a_malformed_certificate_is_refused_with_its_reason(path: Path) -> None:
    with pytest.raises(InvalidCertificate, match=REASONS["malformed"][path.stem]):
        verify(problem_of_file(path).network, path)
    with pytest.raises(reference.Refused):
        reference.counts_of(problem_of_file(path).network, path.read_bytes())


def test_there_are_files_of_every_kind_and_reasons_for_those_alone() -> None:
    assert len(files("correct")) > 4 * len(STYLES)
    for folder, reasons in REASONS.items():
        assert {path.stem for path in files(folder)} == set(reasons)
        assert len(reasons) > 30
    assert sum(path.stat().st_size for folder in ("correct", *REASONS) for path in files(folder)) < 1_000_000


def test_a_certificate_of_another_network_or_domain_is_not_taken() -> None:
    path = HERE / "correct" / "plane.plain.cert"
    other = problem_of_file(HERE / "correct" / "concurrent.plain.cert")
    with pytest.raises(OtherCertificate, match="the certificate is of network sha256:"):
        verify(other.network, path)
    network = problem_of_file(path).network
    assert verify(network, path, domain=problem_of_file(path).domain).parts == 1
    with pytest.raises(OtherCertificate, match="another domain"):
        verify(network, path, domain=problem_of_file(HERE / "correct" / "fixed.plain.cert").domain)


def test_members_may_be_divided_anywhere_and_an_open_file_is_read_too() -> None:
    path = HERE / "correct" / "plane.many.cert"
    stream = gzip.decompress(path.read_bytes())
    divided = b"".join(member(stream[i : i + 7]) for i in range(0, len(stream), 7))
    network = problem_of_file(path).network
    assert verify(network, io.BytesIO(divided)).counts == verify(network, path).counts


def test_a_file_that_is_not_a_certificate_is_told_from_one_that_is_refused(tmp_path: Path) -> None:
    network = problem_of_file(HERE / "correct" / "plane.plain.cert").network
    with pytest.raises(UnreadableCertificate):
        verify(network, HERE / "test_files.py")
    with pytest.raises(FileNotFoundError):
        verify(network, tmp_path / "none.cert")
