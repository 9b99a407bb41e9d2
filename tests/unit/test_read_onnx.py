"""ONNX files of every supported form: the network read is the function that onnxruntime computes."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from known_cases import ACAS_XU, NO_ACAS_XU
from onnx_models import RNG, X, assert_agrees_with_onnxruntime, chain, f32, i64, node
from relucensus.readers import read_model

CASES = Path(__file__).parents[1] / "cases"


HEAD = [node("Relu"), node("Gemm", X, f32(4, 2), f32(2))]

CHAINS = {
    "gemm": [node("Gemm", X, f32(3, 4), f32(4)), *HEAD],
    "gemm without bias": [node("Gemm", X, f32(3, 4)), *HEAD],
    "gemm transposed": [node("Gemm", X, f32(4, 3), f32(1, 4), transB=1), *HEAD],
    "gemm alpha beta": [node("Gemm", X, f32(3, 4), f32(4), alpha=0.3, beta=-1.7), *HEAD],
    "gemm scalar bias": [node("Gemm", X, f32(3, 4), f32(1)), *HEAD],
    "matmul add": [node("MatMul", X, f32(3, 4)), node("Add", X, f32(4)), *HEAD],
    "matmul add row": [node("MatMul", X, f32(3, 4)), node("Add", f32(1, 4), X), *HEAD],
    "matmul add twice": [node("MatMul", X, f32(3, 4)), node("Add", X, f32(4)), node("Add", X, f32(1)), *HEAD],
    "normalised": [node("Sub", X, f32(1, 3)), node("Div", X, f32(3)), node("MatMul", X, f32(3, 4)), *HEAD],
    "scaled by scalar": [node("Mul", X, np.float32(0.0039)), node("Gemm", X, f32(3, 4), f32(4)), *HEAD],
    "divided by a scalar": [node("Div", X, np.float32(0.31)), node("Gemm", X, f32(3, 4), f32(4)), *HEAD],
    "gemm scalar bias and beta": [node("Gemm", X, f32(3, 4), np.float32(0.3), beta=0.7), *HEAD],
    "constant first": [node("Sub", f32(3), X), node("Mul", f32(3), X), node("Gemm", X, f32(3, 4), f32(4)), *HEAD],
    "two affine layers": [node("Gemm", X, f32(3, 5), f32(5)), node("Gemm", X, f32(5, 4), f32(4)), *HEAD],
    "no hidden layer": [node("Gemm", X, f32(3, 4), f32(4))],
    "ends with relu": [node("Gemm", X, f32(3, 4), f32(4)), node("Relu")],
    "relu of the input": [*HEAD[:1], node("Gemm", X, f32(3, 4), f32(4)), *HEAD],
    "relu twice": [node("Gemm", X, f32(3, 4), f32(4)), node("Relu"), *HEAD],
    "affine after the last layer": [node("Gemm", X, f32(3, 4), f32(4)), *HEAD, node("Mul", X, f32(2))],
    "batch normalisation": [
        node("Gemm", X, f32(3, 4), f32(4)),
        node("BatchNormalization", X, f32(4), f32(4), f32(4), np.abs(f32(4)), epsilon=1e-3),
        *HEAD,
    ],
    "identity dropout cast": [
        node("Identity"),
        node("Dropout"),
        node("Cast", to=TensorProto.FLOAT),
        node("Gemm", X, f32(3, 4), f32(4)),
        *HEAD,
    ],
    "broadcast to more values": [
        node("Reshape", X, i64(-1, 3, 1)),
        node("Add", X, f32(1, 2)),
        node("Mul", X, f32(3, 2)),
        node("Flatten"),
        node("MatMul", X, f32(6, 4)),
        *HEAD,
    ],
    "column times rows": [
        node("Reshape", X, i64(3, 1)),
        node("MatMul", f32(4, 3), X),
        node("Add", X, f32(4, 1)),
        node("Relu"),
        node("MatMul", f32(2, 4), X),
    ],
    "matmul with vectors": [
        node("MatMul", X, f32(3)),
        node("Unsqueeze", X, i64(1)),
        node("MatMul", X, f32(1, 4)),
        *HEAD,
    ],
    "matmul of a matrix value": [
        node("Reshape", X, i64(1, 3, 1)),
        node("MatMul", X, f32(1, 2)),
        node("Relu"),
        node("MatMul", f32(2, 3), X),
        node("Relu"),
        node("Flatten"),
        node("MatMul", X, f32(4, 4)),
        *HEAD,
    ],
    "unsqueeze squeeze": [
        node("Unsqueeze", X, i64(0, -1)),
        node("Squeeze", X, i64(0, 3)),
        node("Gemm", X, f32(3, 4), f32(4)),
        *HEAD,
    ],
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_is_read_as_the_function_onnxruntime_computes(name: str) -> None:
    assert_agrees_with_onnxruntime(chain(CHAINS[name]))


@pytest.mark.parametrize("opset", [8, 9, 11, 13, 14, 18, 21])
def test_every_opset_from_8_is_read(opset: int) -> None:
    axes = {"axes": [2]} if opset < 13 else {}
    inputs = (X,) if opset < 13 else (X, i64(2))
    nodes = [node("Unsqueeze", *inputs, **axes), node("Squeeze", *inputs, **axes), node("Flatten", axis=1)]
    nodes += [node("Gemm", X, f32(3, 4), f32(4)), *HEAD]
    assert_agrees_with_onnxruntime(chain(nodes, opset=opset))


@pytest.mark.parametrize("shape", [("N", 2, 3), (1, 2, 3), (None, 2, 3), (1, 1, 1, 6), (6,), ("N", 1, 6)])
def test_an_input_of_any_shape_is_flattened(shape: tuple[Any, ...]) -> None:
    nodes = [node("Reshape", X, i64(-1, 6)), node("Gemm", X, f32(6, 4), f32(4)), *HEAD]
    read = read_model(chain(nodes, shape))
    assert read.network.inputs == 6
    assert read.input_shape == (*([1] if len(shape) > 1 else []), *(shape[1:] or shape))
    assert_agrees_with_onnxruntime(chain(nodes, shape))


def test_a_transpose_is_a_permutation() -> None:
    nodes = [node("Transpose", perm=[0, 2, 1]), node("Flatten"), node("Gemm", X, f32(6, 4), f32(4)), node("Relu")]
    nodes += [node("Reshape", X, i64(1, 2, 2)), node("Transpose", perm=[0, 2, 1]), node("Mul", X, f32(2, 1))]
    assert_agrees_with_onnxruntime(chain([*nodes, node("Flatten"), node("MatMul", X, f32(4, 2))], ("N", 2, 3)))


def test_double_precision_weights_are_kept() -> None:
    nodes = [node("Sub", X, RNG.normal(size=3)), node("Gemm", X, RNG.normal(size=(3, 4)), RNG.normal(size=4))]
    nodes += [node("Relu"), node("Gemm", X, RNG.normal(size=(4, 2)))]
    data = chain(nodes, kind=TensorProto.DOUBLE)
    assert_agrees_with_onnxruntime(data, np.float64)


def test_a_fixed_batch_is_read_as_a_batch_and_noted() -> None:
    nodes = [node("Reshape", X, i64(5, 3)), node("Gemm", X, f32(3, 4), f32(4)), node("Flatten"), *HEAD]
    data = chain(nodes, (5, 3))
    read = read_model(data, batch_axis="first")
    assert read.network.inputs == 3
    assert read.notes == ["the first axis of 5 is read as a batch; one sample has 3 values"]
    assert_agrees_with_onnxruntime(data, batch=5)


@pytest.mark.parametrize("storage", ["raw_data", "float_data", "float16", "bfloat16", "constant node"])
def test_weights_are_read_from_every_kind_of_storage(storage: str) -> None:
    values = [0.5, -1.25, 3.0, 0.0, 2.0, -8.0]
    if storage == "raw_data":
        tensor = helper.make_tensor("w", TensorProto.FLOAT, (3, 2), np.array(values, "<f4").tobytes(), raw=True)
    else:
        kind = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}.get(storage, TensorProto.FLOAT)
        tensor = helper.make_tensor("w", kind, (3, 2), values)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    if storage == "constant node":
        nodes.insert(0, helper.make_node("Constant", [], ["w"], value=tensor))
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph(nodes, "g", [x], [y], [] if storage == "constant node" else [tensor])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    np.testing.assert_array_equal(read_model(data).network.output.weights, np.reshape(values, (3, 2)).T)


def test_shapes_computed_from_the_batch_are_resolved() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Constant", [], ["zero"], value_int=0),
        helper.make_node("Gather", ["shape", "zero"], ["n"], axis=0),
        helper.make_node("Constant", [], ["axes"], value_ints=[0]),
        helper.make_node("Unsqueeze", ["n", "axes"], ["ns"]),
        helper.make_node("Constant", [], ["rest"], value_ints=[-1]),
        helper.make_node("Concat", ["ns", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        helper.make_node("Transpose", ["w"], ["wt"]),
        helper.make_node("MatMul", ["flat", "wt"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(f32(4, 6), "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert_agrees_with_onnxruntime(model.SerializeToString())


def test_consecutive_affine_operations_are_composed_without_rounding() -> None:
    mean, weights = np.float32([0.1, 0.7, 1 / 3]), np.float32([[0.1], [1 / 3], [1e-7]])
    nodes = [node("Sub", X, mean), node("MatMul", X, weights), node("Add", X, np.float32([1 / 3]))]
    exact = read_model(chain(nodes)).network.output.exact
    m, w = ([Fraction(float(v)) for v in array.ravel()] for array in (mean, weights))
    bias = Fraction(float(np.float32(1 / 3))) - sum(a * b for a, b in zip(m, w, strict=True))
    assert Fraction(int(exact.constants[0, 0]), exact.denominator) == bias
    assert [Fraction(int(c), exact.denominator) for c in exact.coefficients.entries()] == w


def test_a_division_is_exact_even_when_no_float_is() -> None:
    exact = read_model(chain([node("Div", X, np.float32([3, 7, 1]))])).network.output.exact
    assert exact.denominator == 21
    assert [int(exact.coefficients[i, i]) for i in range(3)] == [7, 3, 21]


def test_a_large_plain_layer_is_read_in_seconds() -> None:
    data = chain([node("Gemm", X, f32(784, 1000), f32(1000)), node("Relu")], ("N", 784))
    read = read_model(data)
    assert read.network.widths == (1000,)


@pytest.mark.parametrize("path", sorted(CASES.glob("*.onnx")), ids=lambda p: p.stem)
def test_the_onnx_file_and_the_state_dict_of_a_case_are_the_same_network(path: Path) -> None:
    onnx_file, state_dict = read_model(path.read_bytes()), read_model(path.with_suffix(".pt").read_bytes())
    assert onnx_file.format == "onnx"
    assert state_dict.format == "state_dict"
    assert onnx_file.network.digest == state_dict.network.digest
    assert_agrees_with_onnxruntime(path.read_bytes())


@pytest.mark.acasxu
@pytest.mark.skipif(ACAS_XU is None, reason=NO_ACAS_XU)
def test_the_acas_xu_networks_are_read() -> None:
    assert ACAS_XU is not None
    for path in ACAS_XU.glob("*.onnx"):
        read = read_model(path.read_bytes())
        assert read.network.widths == (50,) * 6
        assert read.input_shape == (1, 1, 1, 5)
        session = onnxruntime.InferenceSession(path.read_bytes())
        for point in RNG.uniform(-0.5, 0.5, (10, 5)).astype(np.float32):
            (expected,) = session.run(None, {"input": point.reshape(1, 1, 1, 5)})
            np.testing.assert_allclose(read.network.forward(point)[0], expected[0], rtol=1e-4, atol=1e-5)


def test_importing_the_readers_loads_no_heavy_package() -> None:
    code = (
        "import sys, relucensus.readers; "
        "print(sorted({'torch', 'onnx', 'safetensors', 'highspy', 'pyomo'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
