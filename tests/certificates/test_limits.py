"""What is too long or too large is refused before it costs anything, and nothing loops."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest

from certificates.make_files import PART, header
from certificates.networks import problems
from relucensus import Box, Network, verify
from relucensus.errors import InvalidCertificate, UnreadableCertificate
from relucensus.proof import certificate

NETWORK = problems()["small"].network


def refusal(stream: bytes, network: Network = NETWORK) -> str:
    """Why the stream is refused, within some seconds."""
    started = time.process_time()
    with pytest.raises(InvalidCertificate) as caught:
        verify(network, io.BytesIO(certificate.member(stream)))
    assert time.process_time() - started < 10
    return str(caught.value)


def test_a_line_without_an_end_is_not_read_to_the_end() -> None:
    assert "a line is longer than 16,777,216 bytes" in refusal(b" " * (3 << 24))


def test_common_denominators_have_a_limit() -> None:
    inputs = 12
    network = Network.from_arrays([([[1.0] * inputs], [0.0])])
    box = Box.from_bounds(-1, 1, inputs)
    start = header(
        network=network.digest,
        domain=box.to_json(),
        counts={"activation_regions": 1},
        reference=[0] * inputs,
        widths=[0] * inputs,
        exponents=[],
    )
    fitting = [certificate.rational(1, (1 << 4 * 100_000) - k) for k in range(inputs)]
    assert "denominator of one record has more than 4,194,304 bits" in refusal(
        start + PART + b"Q" + b"".join(fitting), network
    )


def test_a_tower_of_parts_that_are_left_open_is_no_recursion() -> None:
    rows = 1500
    network = Network.from_arrays([([[1.0]] * rows, [float(k) for k in range(rows)]), ([[1.0] * rows], [0.0])])
    start = header(
        network=network.digest,
        counts={"activation_regions": 1},
        exponents=[0] * rows,
        domain=Box.from_bounds(-1, 1, 1).to_json(),
    )
    assert "stands where a region should be" in refusal(
        start + PART + b"L\x00" + b"?" * rows + b"D" * rows + b"X", network
    )


def test_a_slice_that_takes_weights_beyond_float64_is_refused_as_a_header() -> None:
    network = Network.from_arrays([([[4.0]], [0.0]), ([[1.0]], [0.0])])
    huge = {"kind": "slice", "origin": [0.0], "directions": [[1e308]], "lower": [-1.0], "upper": [1.0]}
    start = header(network=network.digest, domain=huge, counts={"activation_regions": 2}, exponents=[0])
    with pytest.raises(UnreadableCertificate, match=r"header: .* exceeds the range of float64"):
        verify(network, io.BytesIO(certificate.member(start + PART)))


def test_numbers_that_a_varint_cannot_hold_are_not_written() -> None:
    for number in (-1, 1 << 63):
        with pytest.raises(ValueError, match="has no varint"):
            certificate.varint(number)
    largest = (1 << 63) - 1
    reader = certificate.Reader(io.BytesIO(certificate.member(certificate.varint(largest) + certificate.varint(128))))
    assert [reader.varint(), reader.varint()] == [largest, 128]
    assert reader.at_end()


def changed_header(**changed: object) -> bytes:
    return header(
        **{
            "network": NETWORK.digest,
            "counts": {"activation_regions": 3},
            "domain": Box.from_bounds(-1, 1, 1).to_json(),
            "exponents": [0, 0],
        }
        | changed
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"version": "1" * 100_000},
        {"k" * 100_000: 1},
        {str(k): 1 for k in range(10_000)},
        {"counts": {"activation_regions": 3, "k" * 100_000: 1}},
        {"domain": {"kind": "k" * 100_000}},
        {"domain": {"k" * 100_000: 1}},
    ],
)
def test_what_a_header_says_is_not_repeated_at_length(changed: dict[str, object]) -> None:
    assert len(refusal(changed_header(**changed))) < 600


@pytest.mark.parametrize("bounds", [("-1", "1"), (["-1"], [1]), (False, True), ([False], [True])])
def test_bounds_of_a_domain_are_numbers(bounds: tuple[object, object]) -> None:
    domain = dict(zip(("kind", "lower", "upper"), ("box", *bounds), strict=True))
    assert "is not a number" in refusal(changed_header(domain=domain))


def test_a_slice_beyond_the_range_of_float64_is_no_certificates_domain() -> None:
    domain = {"kind": "slice", "origin": [1e308], "directions": [[1e308]], "lower": -1e308, "upper": 1e308}
    network = Network.from_arrays([([[8.0]], [0.0]), ([[1.0]], [0.0])])
    start = changed_header(network=network.digest, domain=domain, exponents=[0])
    assert "range of float64" in refusal(start, network)


def test_large_exponents_cost_little() -> None:
    rows = 96
    network = Network.from_arrays(
        [([[1.0]] * rows, [0.0] * rows), (np.ones((rows, rows)), [0.0] * rows), ([[1.0] * rows], [0.0])]
    )
    exponents = [certificate.LARGEST_EXPONENT, -certificate.LARGEST_EXPONENT] * rows
    start = changed_header(network=network.digest, exponents=exponents)
    assert "the data ends" in refusal(start + PART, network)


def test_a_node_has_few_bounds() -> None:
    one = certificate.varint(1) + np.float64(1.0).tobytes() + bytes((certificate.KIND_FLOAT32, 0))
    problem = problems()["small"]
    limit = certificate.MOST_BOUNDS * problem.network.inputs
    for number in (limit + 1, 10**6):
        stream = header(network=problem.network.digest) + PART + b"L" + certificate.varint(number) + number * one
        assert f"{number} bounds in one node" in refusal(stream)
