"""Version 2 of VNN-LIB: tensors with their shapes. And the files of both versions: gzip, byte order marks, sizes."""

from __future__ import annotations

import gzip
import time
import tracemalloc

import numpy as np
import pytest

from relucensus import read_vnnlib
from relucensus.errors import InvalidDomain
from relucensus.readers.vnnlib import read_property

HEAD = "(vnnlib-version <2.0>)\n; a network of two inputs\n"
NETWORK = "(declare-network N (declare-input X float32 [1,2]) (declare-output Y float32 [1,3]))\n"
BOUNDS = "(assert (and (>= X[0,0] -1.0) (<= X[0,0] 1.0) (>= X[0,1] 0) (<= X[0,1] 0.5)))"
OLD = "(declare-const X_0 Real) (assert (<= X_0 0.5)) (assert (>= X_0 -1))"


def test_entries_of_a_tensor_are_counted_with_the_last_axis_fastest() -> None:
    network = "(declare-network image (declare-input X real [2, 1, 3]) (declare-output Y real []))"
    bounds = "".join(f"(assert (== X[{i},0,{j}] {3 * i + j}.0))" for j in range(3) for i in range(2))
    box = read_vnnlib(f"{HEAD}{network}{bounds}(assert (<= Y 0.5))", 6)
    np.testing.assert_array_equal(box.lower, np.arange(6))


@pytest.mark.parametrize(
    "text",
    [
        HEAD + NETWORK + BOUNDS,
        NETWORK + BOUNDS,
        HEAD + NETWORK.replace("[1,2]", " [ 1, 2 ]") + BOUNDS.replace("X[0,0]", "X [0 , 0]"),
        HEAD + NETWORK + BOUNDS + "(assert (or (<= Y[0,2] Y[0,1]) (!= Y[0,0] (* Y[0,0] 2.0))))",
        HEAD.replace("2.0", "2.1")
        + NETWORK.replace("(declare-output", '(declare-hidden Z float32 [1,7] "a;(b)[c]\\"") (declare-output')
        + BOUNDS
        + "(assert (<= (+ Z[0,6] X[0,1]) 0.0))",
    ],
)
def test_the_same_property_may_be_written_in_many_ways(text: str) -> None:
    box = read_vnnlib(text, 2)
    np.testing.assert_array_equal([box.lower, box.upper], [[-1, 0], [1, 0.5]])


def test_several_inputs_stand_side_by_side_in_their_order() -> None:
    network = "(declare-network N (declare-input b Real [2]) (declare-input a Real []) (declare-output y Real [1]))"
    box = read_vnnlib(f"{network}(assert (<= 5 a 6)) (assert (<= 1 b[0] 2)) (assert (<= 3 b[1] 4))")
    np.testing.assert_array_equal([box.lower, box.upper], [[1, 3, 5], [2, 4, 6]])


def test_boxes_are_listed_with_the_names_of_the_file() -> None:
    either = "(assert (or (and (>= X[0,1] 0) (<= X[0,1] 1)) (and (>= X[0,1] 2) (<= X[0,1] 3))))"
    with pytest.raises(InvalidDomain, match=r"0: X\[0,1\] in \[0.0, 1.0\]\n  1: X\[0,1\] in \[2.0, 3.0\]"):
        read_vnnlib(f"{HEAD}{NETWORK}(assert (<= 0 X[0,0] 1)){either}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD, "declares no input"),
        (HEAD + NETWORK + NETWORK.replace("network N", "network M"), "about the networks 'N' and 'M'"),
        (HEAD + "(declare-network N (equal-to M))", "known are declare-input, declare-hidden and declare-output"),
        (HEAD + NETWORK.replace("]) (", "] initialized) (", 1), "the value that the model file holds"),
        (HEAD + NETWORK.replace("float32 [1,2]", "int8 [1,2]"), "input 'X' of type 'int8'"),
        (HEAD + NETWORK.replace("[1,2]", "[1 2]"), "needed are a name, a type and a shape [1,2]"),
        (HEAD + NETWORK.replace("[1,2]", "[0,2]"), "needed are a name, a type and a shape [1,2]"),
        (HEAD + NETWORK.replace("[1,2]", "[-1,2]"), "needed are a name, a type and a shape [1,2]"),
        (HEAD + NETWORK.replace("[1,2]", "[99999,99999]"), "accepted are at most 1000000 entries"),
        (HEAD + NETWORK.replace("Y", "X"), "declares 'X' twice"),
        (HEAD + NETWORK + "(assert (<= X[0,2] 1.0))", "uses 'X[0,2]', but X has the shape [1, 2]"),
        (HEAD + NETWORK + "(assert (<= X[0] 1.0))", "uses 'X[0]', but X has the shape [1, 2]"),
        (HEAD + NETWORK + "(assert (<= X 1.0))", "uses 'X', but X has the shape [1, 2]"),
        (HEAD + NETWORK + "(assert (<= X[0,1,] 1.0))", "but X has the shape [1, 2]"),
        (HEAD + NETWORK + "(assert (<= X_0 1.0))", "uses 'X_0', neither a declared tensor nor a number"),
        (HEAD + NETWORK + "(assert (<= (- X[0,0] X[0,1]) 1.0))", "is about X[0,0] and X[0,1] together"),
        (HEAD + OLD, "beside declarations of the other version"),
    ],
)
def test_what_is_not_a_property_of_one_network_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidDomain) as caught:
        read_vnnlib(text)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "data",
    [
        OLD.encode(),
        b"\xef\xbb\xbf" + OLD.encode(),
        gzip.compress(OLD.encode()),
        gzip.compress(b"\xef\xbb\xbf" + OLD.encode()),
        gzip.compress(OLD[:30].encode()) + gzip.compress(OLD[30:].encode()) + b"\0\0",
        OLD.replace(" ", "\r\n").encode(),
    ],
)
def test_a_file_may_be_gzip_and_may_have_a_byte_order_mark(data: bytes) -> None:
    assert read_vnnlib(data).upper[0] == 0.5


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (OLD.encode("utf-16"), "is UTF-16; needed is UTF-8"),
        (b"\xff" + OLD.encode(), "byte 0 is 0xff; needed is UTF-8"),
        (gzip.compress(OLD.encode())[:-12], "cut off"),
        (b"\x1f\x8b" + OLD.encode(), "damaged gzip file"),
        (gzip.compress(b"") * 1000, "more than 100 parts"),
        (gzip.compress(gzip.compress(OLD.encode())), "is not text"),
    ],
)
def test_bytes_that_are_not_text_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(InvalidDomain, match=words):
        read_vnnlib(data)


def test_a_small_file_that_unpacks_to_gigabytes_is_refused_in_little_memory() -> None:
    megabytes = gzip.compress(b" " * 2**20)
    bomb = megabytes * 4096
    assert len(bomb) < 5_000_000
    tracemalloc.start()
    try:
        with pytest.raises(InvalidDomain, match="has more than 67108864 bytes"):
            read_vnnlib(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**26
    finally:
        tracemalloc.stop()


def test_a_property_of_nine_megabytes_is_read_in_two_seconds() -> None:
    rows = [f"(declare-const X_{i} Real)\n" for i in range(97_000)]
    rows += [f"(assert (<= X_{i} 0.{i:06}5))\n(assert (>= X_{i} -0.{i:06}5))\n" for i in range(97_000)]
    data = "".join(rows).encode()
    assert len(data) > 9_000_000
    start = time.process_time()
    assert read_property(data).inputs == 97_000
    assert time.process_time() - start < 2 * SLACK


SLACK = 3  # for a machine that does other things; alone it takes half of the two seconds
