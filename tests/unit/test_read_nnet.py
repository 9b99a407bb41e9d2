"""`.nnet` files: the network that was written, with and without its normalisation, or the line that is damaged."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from relucensus import Box, Problem, count_regions
from relucensus.arithmetic import AffineMap
from relucensus.errors import InvalidRequest, UnreadableModel, UnsupportedModel
from relucensus.readers import ReaderLimits, read_model
from relucensus.values.network import Network

CASES = Path(__file__).parents[1] / "cases"
Arrays = tuple[NDArray[np.float64], NDArray[np.float64]]

SMALL: list[Arrays] = [
    (np.array([[1.0, -2.0], [0.1, 0.25], [3.0, 0.5]]), np.array([0.5, -1.0, 1 / 3])),
    (np.array([[1.0, -1.0, 2.0]]), np.array([0.125])),
]
MEANS, RANGES = [19791.091, -0.5, 7.5188840201], [60261.0, 0.3, 373.94992]


def nnet(layers: list[Arrays], means: list[float] | None = None, ranges: list[float] | None = None) -> str:
    """The text of a file, after the description in Stanford's NNet repository, with every digit of the numbers."""
    inputs, outputs = layers[0][0].shape[1], len(layers[-1][1])
    sizes = [inputs, *(len(bias) for _, bias in layers)]
    rows: list[list[float]] = [
        [len(layers), inputs, outputs, max(sizes)],
        [*sizes],
        [0],
        [-10.0] * inputs,
        [10.0] * inputs,
        [0.0] * (inputs + 1) if means is None else means,
        [1.0] * (inputs + 1) if ranges is None else ranges,
    ]
    for weights, bias in layers:
        rows += [*weights.tolist(), *([entry] for entry in bias.tolist())]
    return "// a network\n// of tests\n" + "".join(",".join(map(repr, row)) + ",\n" for row in rows)


def arrays_of(network: Network) -> list[Arrays]:
    return [(layer.weights, layer.bias) for layer in network.layers]


@pytest.mark.parametrize("name", ["planar_8x3", "seven_7_3", "line_32x3"])
def test_a_network_that_was_written_is_read_again(name: str) -> None:
    network = read_model((CASES / f"{name}.onnx").read_bytes()).network
    read = read_model(nnet(arrays_of(network)).encode())
    assert read.network.digest == network.digest
    assert (read.format, read.input_shape) == ("nnet", None)
    assert read.network.notes == ("the decimals of the .nnet file are taken as the nearest float64",)


def _reference(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The physical outputs for physical inputs, by the description of the format."""
    values = (points - np.array(MEANS[:-1])) / np.array(RANGES[:-1])
    for number, (weights, bias) in enumerate(SMALL):
        values = values @ weights.T + bias
        values = values if number + 1 == len(SMALL) else np.maximum(values, 0)
    return values * RANGES[-1] + MEANS[-1]


def test_the_normalisation_is_applied_exactly_where_it_is_asked_for() -> None:
    read = read_model(nnet(SMALL, MEANS, RANGES).encode(), nnet_normalisation="apply")
    points = np.random.default_rng(3).uniform([-50_000, -2], [90_000, 1], (100, 2))
    np.testing.assert_allclose(read.network.forward(points), _reference(points), rtol=1e-12)
    assert any("outputs are the physical ones, and inputs are not clipped" in note for note in read.notes)
    (weights, bias), (m, r) = SMALL[0], ([Fraction(n) for n in numbers] for numbers in (MEANS, RANGES))
    scaled = [[Fraction(w) / r[j] for j, w in enumerate(row)] for row in weights.tolist()]
    offsets = [Fraction(b) - row[0] * m[0] - row[1] * m[1] for b, row in zip(bias.tolist(), scaled, strict=True)]
    assert read.network.hidden[0].exact.equals(AffineMap.from_fractions(scaled, offsets))


def test_physical_and_normalised_inputs_have_the_same_regions() -> None:
    network = read_model((CASES / "planar_8x3.onnx").read_bytes()).network
    means, ranges = [3.0, -0.25, 1.0], [8.0, 0.5, 2.0]
    data = nnet(arrays_of(network), means, ranges).encode()
    stored, applied = read_model(data), read_model(data, nnet_normalisation="apply")
    assert any("is not applied: inputs are the normalised ones" in note for note in stored.notes)
    lower, upper = ([side * r + m for m, r in zip(means[:2], ranges, strict=False)] for side in (-1, 1))
    there = count_regions(Problem(applied.network, Box.from_bounds(lower, upper, 2))).counts
    here = count_regions(Problem(stored.network, Box.from_bounds(-1, 1, 2))).counts
    assert {name: count.value for name, count in there.items()} == {name: count.value for name, count in here.items()}
    assert {count.value for count in here.values()} == {40}


def test_one_layer_alone_is_normalised_on_both_sides() -> None:
    layer = (np.array([[2.0]]), np.array([1.0]))
    network = read_model(nnet([layer], [1.0, 5.0], [4.0, 3.0]).encode(), nnet_normalisation="apply").network
    assert network.forward(np.array([[3.0]])).tolist() == [[(2 * (3 - 1) / 4 + 1) * 3 + 5]]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",\n", "\n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.partition("tests\n")[2],
        lambda text: text + "\n  \n",
        lambda text: text.replace(",", ", "),
        lambda text: text.replace("0.125", "1.25E-01"),
    ],
)
def test_the_same_network_may_be_written_in_many_ways(change: Callable[[str], str]) -> None:
    text = nnet(SMALL)
    assert read_model(change(text).encode()).network.digest == read_model(text.encode()).network.digest


def test_a_flag_is_passed_over_and_this_is_said() -> None:
    read = read_model(nnet(SMALL).replace("\n0,\n", "\n1,\n").encode())
    assert any("flag of the .nnet file, which the format no longer uses" in note for note in read.notes)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2,2,1,3", "2,2,1", "line 3 of the .nnet file has 3 numbers; needed are 4"),
        ("2,2,1,3", "2,0,1,3", "line 3 of the .nnet file has '0'; needed are layers, inputs, outputs"),
        ("2,3,1,", "2,3,3,1,", "line 4 of the .nnet file has 4 sizes, 2 first and 1 last; needed are 3"),
        ("2,3,1,", "2,3,2,", "line 4 of the .nnet file has 3 sizes, 2 first and 2 last"),
        ("\n0,\n", "\nx,\n", "line 5 of the .nnet file has 'x'; needed are the flag"),
        ("\n0,\n", "\n\n", "of the .nnet file has"),
        ("-10.0,-10.0", "-10.0", "line 6 of the .nnet file has 1 numbers; needed are 2, the least inputs"),
        ("0.0,0.0,0.0", "0.0,0.0", "line 8 of the .nnet file has 2 numbers; needed are 3, the mean of each input"),
        ("1.0,1.0,1.0", "1.0,0.0,1.0", "line 9 of the .nnet file has a range of 0"),
        ("0.1,0.25", "0.1,nan", "line 11 of the .nnet file has 'nan'; needed are a row of weights, finite decimals"),
        ("0.1,0.25", "0.1,1_0", "line 11 of the .nnet file has '1_0'"),
        ("0.1,0.25", "0.1,1e999", "line 11 of the .nnet file has '1e999'"),
        ("0.1,0.25", "0.1,,0.25", "line 11 of the .nnet file has 3 numbers; needed are 2, a row of weights"),
        ("0.1,0.25", "0.1,\x00", "line 11 of the .nnet file has '\\x00'"),
        ("0.125,\n", "", "the .nnet file ends before an entry of a bias; it is cut off"),
        ("0.125,\n", "0.125,\n0.5,\n", "line 18 of the .nnet file goes on with '0.5,'"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(old: str, new: str, said: str) -> None:
    with pytest.raises(UnreadableModel) as caught:
        read_model(nnet(SMALL).replace(old, new, 1).encode())
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


def test_bytes_that_are_not_text_are_refused_with_their_line() -> None:
    with pytest.raises(UnreadableModel, match=r"line 3 of the \.nnet file is not text"):
        read_model(nnet(SMALL).encode().replace(b"2,2,1,3", b"2,2,\xff,3"))


def test_declared_sizes_beyond_the_limits_are_refused_before_anything_is_read() -> None:
    head = "//\n2,99999,1,99999,\n99999,99999,1,\n0,\n"
    with pytest.raises(UnsupportedModel, match="weights; accepted are at most"):
        read_model(head.encode())
    with pytest.raises(UnsupportedModel, match="3 hidden neurons; accepted are at most 2"):
        read_model(nnet(SMALL).encode(), limits=ReaderLimits(neurons=2))


def test_an_unknown_normalisation_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="nnet_normalisation is 'yes'; known are apply, ignore"):
        read_model(nnet(SMALL).encode(), nnet_normalisation="yes")
