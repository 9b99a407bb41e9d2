"""Weights are the rationals that their bits are, also where the processor flushes subnormal numbers to zero."""

from __future__ import annotations

import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from relucensus.readers.number_formats import as_float64

PROGRAM = """
import sys
import numpy as np, torch
from onnx_models import chain, node, X
from relucensus.readers import read_model
from relucensus.values.exact_numbers import fraction
if sys.argv[1] == "flushed":
    assert torch.set_flush_denormal(True)
weights = np.array([[0x116C2]], dtype=np.uint32).view(np.float32)  # 1e-40
network = read_model(chain([node("MatMul", X, weights)], shape=("N", 1))).network
layer = network.output.sparse
print(layer.size, fraction(layer.coefficients[0]), network.digest)
"""


def read_when(switch: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, switch], capture_output=True, text=True, check=False, cwd="tests"
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_subnormal_weight_is_read_in_a_process_that_flushes_them() -> None:
    assert read_when("flushed") == read_when("as it is")


@pytest.mark.parametrize("number_format", ["float16", "float32", "bfloat16"])
def test_every_subnormal_and_some_other_numbers_are_what_numpy_makes_of_them(number_format: str) -> None:
    kind = {"float16": np.float16, "float32": np.float32, "bfloat16": ml_dtypes.bfloat16}[number_format]
    word = np.uint32 if number_format == "float32" else np.uint16
    top = 0x7F0000 if number_format == "float32" else 0x3FF
    bits = np.array([0, 1, 2, 77, top, top + 1, 0x3C00], dtype=word)
    bits = np.concatenate([bits, bits | word(1 << (8 * bits.itemsize - 1))])
    stored = bits if number_format == "bfloat16" else bits.view(kind)
    np.testing.assert_array_equal(as_float64(stored, number_format), bits.view(kind).astype(np.float64))


@pytest.mark.parametrize("number_format", ["float16", "float32", "bfloat16"])
def test_a_number_without_axes_is_read_too(number_format: str) -> None:
    word = np.uint32 if number_format == "float32" else np.uint16
    stored = np.array(1, dtype=word)
    kinds = {"float16": np.float16, "float32": np.float32}
    found = as_float64(stored.view(kinds[number_format]) if number_format in kinds else stored, number_format)
    assert found.shape == ()
    assert found > 0
