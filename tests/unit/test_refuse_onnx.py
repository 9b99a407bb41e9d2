"""ONNX files that are refused: each with the words that help, none with anything but a `CensusError`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from relucensus.errors import CensusError, InvalidNetwork, UnreadableModel, UnsupportedModel
from relucensus.readers import ReaderLimits, read_model

W34 = np.arange(12, dtype=np.float32).reshape(3, 4)
W42 = np.arange(8, dtype=np.float32).reshape(4, 2)


def model(
    nodes: Sequence[Any],
    constants: dict[str, np.ndarray] | None = None,
    shape: Sequence[Any] | None = ("N", 3),
    output: str = "y",
    opset: int = 17,
) -> ModelProto:
    """A model with input x; a node is (operator, inputs, outputs[, attributes]), names separated by spaces."""
    built = [
        helper.make_node(op_type, inputs.split(), outputs.split(), name=f"n{i}", **dict(*attributes))
        for i, (op_type, inputs, outputs, *attributes) in enumerate(nodes)
    ]
    graph = helper.make_graph(
        built,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in (constants or {"w": W34, "v": W42}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


MLP = [("MatMul", "x w", "a"), ("Relu", "a", "b"), ("MatMul", "b v", "y")]


def refusal(proto: ModelProto, kind: type[CensusError], **limits: int) -> str:
    with pytest.raises(kind) as caught:
        read_model(proto.SerializeToString(), limits=ReaderLimits(**limits))
    return str(caught.value)


@pytest.mark.parametrize(
    ("op_type", "words"),
    [
        ("Elu", "is not piecewise linear, so that there are no pieces to count; export the part of the network before"),
        ("LSTM", "is not piecewise linear"),
        ("Gelu", "is not piecewise linear"),
        ("HardSwish", "is not piecewise linear"),
        ("NonZero", "is not supported; supported are affine and piecewise-linear operators"),
        ("Sign", "applies Sign to a value that depends on the network's input, which is not piecewise linear"),
        ("Exp", "applies Exp to a value that depends on the network's input"),
        ("ThresholdedRelu", "jumps at alpha = 1: the network is not continuous"),
        ("Shrink", "jumps where it begins (lambd = 0.5, bias = 0)"),
    ],
)
def test_an_operator_that_is_not_piecewise_linear_is_named_with_the_reason(op_type: str, words: str) -> None:
    nodes = [("MatMul", "x w", "a"), (op_type, "a", "b"), ("Relu", "b", "y")]
    assert refusal(model(nodes, opset=20), UnsupportedModel).startswith(f"node 'n1' ({op_type}) {words}")


@pytest.mark.parametrize("op_type", ["Sigmoid", "Tanh", "Softmax", "LogSoftmax", "Hardmax"])
def test_what_is_left_off_as_the_last_operator_is_refused_before_others(op_type: str) -> None:
    text = refusal(model([(op_type, "x", "a"), ("MatMul", "a w", "b"), ("Relu", "b", "y")]), UnsupportedModel)
    assert f"computes with the result of {op_type}, which is not piecewise linear; it is left off only" in text


def test_a_product_with_its_own_sigmoid_is_refused() -> None:
    text = refusal(model([("Sigmoid", "x", "s"), ("Mul", "x s", "y")]), UnsupportedModel)
    assert text.startswith("node 'n1' (Mul) computes with the result of Sigmoid")


def test_an_unsupported_node_without_a_name_is_named_by_its_output() -> None:
    proto = model([("Elu", "x", "y")])
    proto.graph.node[0].name = ""
    assert refusal(proto, UnsupportedModel).startswith("the node that computes 'y' (Elu) is not piecewise linear")


@pytest.mark.parametrize("nodes", [[("Mul", "x x", "y")], [("Relu", "x", "a"), ("Div", "x a", "y")]])
def test_a_product_of_values_is_refused(nodes: Any) -> None:
    text = refusal(model(nodes), UnsupportedModel)
    assert "two values that depend on the network's input" in text or "divides by a value that depends" in text


def test_an_output_that_does_not_depend_on_the_input_is_refused() -> None:
    nodes = [("Relu", "x", "a"), ("Identity", "w", "y")]
    assert "the output does not depend on an input" in refusal(model(nodes), UnsupportedModel)
    assert "the output does not depend on an input" in refusal(model(nodes, output="z"), UnsupportedModel)
    two = model(nodes)
    two.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    two.graph.output.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, None))
    assert "the output 'z' is computed by no node" in refusal(two, UnreadableModel)


@pytest.mark.parametrize("shape", [("N", "M"), (1, None), ("N",), None])
def test_an_input_whose_size_is_open_is_refused(shape: Any) -> None:
    assert "shape" in refusal(model(MLP, shape=shape), UnsupportedModel)


def test_an_input_of_integers_is_refused() -> None:
    proto = model(MLP)
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    assert "input 'x' is not a tensor of floats" in refusal(proto, UnsupportedModel)


def test_external_data_is_refused_with_the_way_to_inline_it() -> None:
    proto = model(MLP)
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    text = refusal(proto, UnreadableModel)
    assert "tensor 'w' lies in another file, '../../etc/passwd', which is not here (external data)" in text
    assert "save_as_external_data=False" in text


@pytest.mark.parametrize("opset", [1, 5, 999])
def test_an_opset_that_is_not_known_is_refused(opset: int) -> None:
    assert f"opset {opset}; supported are 6 to" in refusal(model(MLP, opset=opset), UnsupportedModel)


def test_a_foreign_domain_is_refused() -> None:
    proto = model(MLP)
    proto.graph.node[1].domain = "com.example"
    assert refusal(proto, UnsupportedModel).startswith("node 'n1' (com.example.Relu) is not supported")


def test_functions_and_sparse_and_quantized_parts_are_refused() -> None:
    proto = model(MLP)
    proto.functions.add(name="Relu", domain="")
    assert "a local function with the name of an operator, 'Relu'" in refusal(proto, UnreadableModel)
    proto = model(MLP)
    proto.graph.sparse_initializer.add()
    assert "sparse initializers" in refusal(proto, UnsupportedModel)
    proto = model(MLP)
    proto.graph.quantization_annotation.add(tensor_name="a")
    assert "quantization annotations" in refusal(proto, UnsupportedModel)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_not_finite_is_named(number: float) -> None:
    weights = W34.copy()
    weights[2, 1] = number
    text = refusal(model(MLP, {"w": weights, "v": W42}), InvalidNetwork)
    assert text == f"node 'n0' (MatMul): tensor 'w' holds {number} at [2, 1]; every weight must be a finite number"


def test_shapes_that_do_not_fit_are_told_with_the_node() -> None:
    text = refusal(model(MLP, {"w": W34, "v": W34}), InvalidNetwork)
    assert text == "node 'n2' (MatMul) multiplies a value of shape 1x4 by a matrix of shape 3x4, which does not fit"


CONSTANTS = {"w": W34, "c": np.float32([1, 2, 3]), "z": np.float32([1, 0, 3]), "t": np.array(True)}
REFUSED_NODES = {
    "divides by a value that depends": ("Div", "c x", "y"),
    "divides by zero": ("Div", "x z", "y"),
    "by a matrix of shape 3x4, which does not fit": ("Gemm", "x w", "y", {"transA": 1}),
    "multiplies two values that depend": ("Mul", "x x", "y"),
    "is in training mode": ("Dropout", "x c t", "y"),
    "converts to int64, a type that is not a float": (
        "Cast",
        "x",
        "y",
        {"to": TensorProto.INT64},
    ),
    "has no input B": ("Add", "x", "y"),
    "which is computed by no node": ("Add", "x nothing", "y"),
    "flattens at axis 5": ("Flatten", "x", "y", {"axis": 5}),
    "do not permute": ("Transpose", "x", "y", {"perm": [0, 0]}),
    "shapes 1x3 and 4 do not broadcast with each other": ("Add", "x four", "y"),
    "has a shape that is not a list of at most": ("Reshape", "x c", "y"),
    "which does not settle every axis": ("Reshape", "x bad", "y"),
    "reshapes 3 values of shape 1x3": ("Reshape", "x four_i", "y"),
    "statistics of shape": ("BatchNormalization", "x four four four four", "y"),
    "no finite scale": ("BatchNormalization", "x c c c minus", "y"),
    "takes entries that an axis of 1 does not have": ("Gather", "x four_i", "y", {"axis": 0}),
    "takes its slope from the network's input": ("PRelu", "c x", "y"),
    "do not fit together along axis 0": ("Concat", "x w", "y", {"axis": 0}),
    "has axis 2 for inputs with 2 axes": ("Concat", "x x", "y", {"axis": 2}),
    "has alpha = nan": ("LeakyRelu", "x", "y", {"alpha": math.nan}),
    "holds nan at [0]": ("PRelu", "x nan", "y"),
    "slopes of shape 4, which do not broadcast": ("PRelu", "x slopes", "y"),
    "a min of shape 3; needed is one number": ("Clip", "x c", "y"),
    "has min = nan; needed is a number": ("Clip", "x nan", "y"),
    "has the input 'c', which is not read; read in opset 17 are 2 inputs": ("Add", "x c c", "y"),
    "has the attribute 'alpha', which is not read": ("Relu", "x", "y", {"alpha": 0.1}),
    "in training mode or not per channel": ("BatchNormalization", "x c c c c", "y m s", {"training_mode": 1}),
    "depends on its own result": ("Relu", "y", "y"),
}


@pytest.mark.parametrize("reason", REFUSED_NODES)
def test_a_node_that_cannot_be_folded_says_why(reason: str) -> None:
    more = {
        "four": np.ones(4, np.float32),
        "four_i": np.array([4]),
        "bad": np.array([-1, -1]),
        "minus": np.float32([-1, -1, -1]),
        "slopes": np.float32([2, 2, 2, 2]),
        "nan": np.float32([math.nan]),
        "first": np.float32(1),
        "third": np.float32(3),
    }
    text = refusal(model([REFUSED_NODES[reason]], CONSTANTS | more), CensusError)
    assert reason in text
    assert text.startswith("node 'n0'")


def test_a_node_that_mixes_the_samples_of_a_fixed_batch_is_refused() -> None:
    for node in [("Flatten", "x", "a", {"axis": 0}), ("Transpose", "x", "a"), ("Add", "x five", "a")]:
        proto = model([node, ("Relu", "a", "y")], {"five": np.ones((5, 1), np.float32)}, shape=(5, 3))
        with pytest.raises(UnsupportedModel, match="does not treat the 5 samples of the fixed batch one by one"):
            read_model(proto.SerializeToString(), batch_axis="first")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"bytes": 100}, "the file has"),
        ({"inputs": 2}, "3 inputs; accepted are at most 2"),
        ({"neurons": 3}, "4 hidden neurons; accepted are at most 3"),
        ({"layers": 1}, "2 layers; accepted are at most 1"),
        ({"weights": 17}, "18 weights; accepted are at most 17"),
        ({"weights": 11}, "declares the shape 3x4; accepted are at most 11"),
    ],
)
def test_a_network_beyond_a_limit_is_refused(limits: dict[str, int], words: str) -> None:
    assert words in refusal(model(MLP), UnsupportedModel, **limits)


@pytest.mark.parametrize("dims", [(2**40, 2**40), (-3, 4), (3, 5), (2**62,), (1,) * 100])
def test_declared_dimensions_are_never_trusted(dims: tuple[int, ...]) -> None:
    proto = model(MLP)
    proto.graph.initializer[0].dims[:] = dims
    assert "tensor 'w'" in refusal(proto, CensusError)


def test_a_small_file_cannot_ask_for_much_memory() -> None:
    big = np.array([1, 100_000])
    for nodes in (
        [("Reshape", "x one", "a"), *[("Add", f"a{i or ''} row", f"a{i + 1}") for i in range(3)]],
        [*[("Concat", f"{i} {i}", f"{i + 1}", {"axis": 0}) for i in range(64)], ("Reshape", "x 64", "a3")],
        [("Concat", f"{'a' * i or 'x'} {'a' * i or 'x'}", "a" * (i + 1), {"axis": 1}) for i in range(64)],
        [("Reshape", "x one", "a"), ("Add", "a row", "b"), ("Flatten", "b", "c"), ("Add", "c row", "a3")],
    ):
        end = nodes[-1][2]
        constants = {"row": np.ones((1000, 1), np.float32), "one": np.array([3, 1]), "0": big, "w": W34}
        refusal(model([*nodes, ("Identity", end, "y")], constants), CensusError)


def test_endless_affine_operations_are_refused() -> None:
    nodes = [("Mul", f"x{i or ''} c", f"x{i + 1}") for i in range(200)]
    proto = model(nodes, {"c": np.float32([0.1, 0.2, 0.3])}, output="x200")
    assert "more than 100 affine operations" in refusal(proto, UnsupportedModel)


def test_divisors_whose_exact_quotients_would_fill_the_memory_are_refused() -> None:
    divisors = np.random.default_rng(0).uniform(1, 2, 784).astype(np.float32)
    constants = {"d": divisors, "w": np.ones((784, 500), np.float32)}
    proto = model([("Div", "x d", "a"), ("MatMul", "a w", "y")], constants, shape=("N", 784))
    assert "common denominator" in refusal(proto, UnsupportedModel)


def test_every_truncation_of_a_file_is_refused() -> None:
    data = model(MLP).SerializeToString()
    for length in range(len(data)):
        with pytest.raises(CensusError):
            read_model(data[:length])


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x08\x08", b"<html>", bytes(100)])
def test_what_is_no_model_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableModel):
        read_model(data)


def test_an_activation_that_is_not_known_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="activation 'sigmoid' is not supported; known are relu"):
        read_model(model(MLP).SerializeToString(), activation="sigmoid")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_a_census_error(data: bytes) -> None:
    with pytest.raises(CensusError):
        read_model(data)


RICH = model(
    [
        ("Sub", "x c", "p"),
        ("Reshape", "p s", "q"),
        ("Transpose", "q", "r", {"perm": [0, 2, 1]}),
        ("Flatten", "r", "t"),
        ("Gemm", "t w b", "a", {"alpha": 2.0}),
        ("BatchNormalization", "a b b b b", "n"),
        ("Relu", "n", "d"),
        ("Unsqueeze", "d one", "e"),
        ("Squeeze", "e one", "f"),
        ("MatMul", "f v", "y"),
    ],
    {
        "c": np.float32([1, 2, 3]),
        "s": np.array([-1, 3, 1]),
        "w": W34,
        "b": np.float32([1, 2, 3, 4]),
        "v": W42,
        "one": np.array([1]),
    },
).SerializeToString()


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(RICH) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_mutated_file_is_read_or_refused_but_never_crashes(changes: list[tuple[int, int]]) -> None:
    data = bytearray(RICH)
    for position, byte in changes:
        data[position] = byte
    with contextlib.suppress(CensusError):
        read_model(bytes(data))
