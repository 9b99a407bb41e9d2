"""Which reader a file is for, what is said to those who bring another file, and choices that do not matter."""

from __future__ import annotations

from pathlib import Path

import pytest

from relucensus.errors import RefusedFormat
from relucensus.readers import read_model

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x89HDF\r\n\x1a\n", r"an HDF5 \(Keras .h5\) file; export the model as ONNX: .*; accepted are ONNX"),
        (b"\x93NUMPY\x01\x00", r"a numpy array; give the library \(weights, bias\) pairs; accepted are ONNX"),
        (b"\x1f\x8b\x08\x00", r"a gzip archive; unpack it first; accepted are ONNX"),
        (b"MATLAB 5.0 MAT-file", r"a MATLAB file; export the network as ONNX: .*; accepted are ONNX"),
    ],
)
def test_a_file_of_another_format_is_named_with_what_to_do(data: bytes, words: str) -> None:
    with pytest.raises(RefusedFormat, match=words):
        read_model(data)


def test_a_choice_that_a_file_settles_itself_is_said_to_be_unused() -> None:
    data = (EXAMPLES / "moons.onnx").read_bytes()
    read = read_model(data, activation="leaky_relu", submodel="actor")
    assert read.notes == [f"{name} was given, but is not used for a model of this kind" for name in _BOTH]
    assert read.network.notes == tuple(read.notes)
    assert read.network.digest == read_model(data).network.digest


def test_relu_is_what_is_taken_anyway_and_needs_no_note() -> None:
    assert not read_model((EXAMPLES / "moons.onnx").read_bytes(), activation="relu").notes


def test_a_choice_that_matters_has_no_note_that_it_does_not() -> None:
    read = read_model((EXAMPLES / "moons.pt").read_bytes(), activation="leaky_relu", batch_axis="first")
    assert [note for note in read.notes if "not used" in note] == [
        "batch_axis was given, but is not used for a model of this kind"
    ]


_BOTH = ("activation", "submodel")
