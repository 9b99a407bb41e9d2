"""ONNX graphs with branches: values that are needed later are carried through the layers exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from onnx_models import assert_agrees_with_onnxruntime, f32, graph
from relucensus.errors import UnsupportedModel
from relucensus.readers import ReaderLimits, read_model
from relucensus.values.activation import IDENTITY, RELU

WEIGHTS = {"w": f32(3, 4), "bias": f32(4), "v": f32(4, 4), "u": f32(4, 3), "p": f32(3, 2), "q": f32(4, 2)}

GRAPHS = {
    "residual block": [
        ("Gemm", "x w bias", "a"),
        ("Relu", "a", "r"),
        ("MatMul", "r v", "c"),
        ("Relu", "c", "s"),
        ("Add", "s r", "t"),
        ("MatMul", "t q", "y"),
    ],
    "across an activation of the input": [
        ("Gemm", "x w bias", "a"),
        ("Relu", "a", "r"),
        ("MatMul", "r u", "c"),
        ("Sub", "c x", "d"),
        ("Abs", "d", "y"),
    ],
    "an activation plus its preactivation": [("Gemm", "x w bias", "a"), ("Relu", "a", "r"), ("Add", "r a", "y")],
    "two branches": [
        ("Gemm", "x w bias", "a"),
        ("Relu", "a", "r"),
        ("MatMul", "x w", "c"),
        ("LeakyRelu", "c", "s", {"alpha": 0.3}),
        ("Sub", "r s", "t"),
        ("MatMul", "t v", "y"),
    ],
    "a narrow branch is carried by its own values": [
        ("MatMul", "x w", "a"),
        ("Relu", "a", "r"),
        ("MatMul", "r q", "short"),
        ("MatMul", "r v", "c"),
        ("Relu", "c", "s"),
        ("MatMul", "s q", "d"),
        ("Add", "d short", "y"),
    ],
    "a wide branch is carried by its basis": [
        ("MatMul", "x w", "wide"),
        ("MatMul", "x p", "a"),
        ("Relu", "a", "r"),
        ("MatMul", "r h", "c"),
        ("Add", "wide c", "t"),
        ("Relu", "t", "y"),
    ],
    "a wide rational branch is carried by its basis": [
        ("MatMul", "x w", "raw"),
        ("Div", "raw bias", "wide"),
        ("MatMul", "x p", "a"),
        ("Relu", "a", "r"),
        ("MatMul", "r h", "c"),
        ("Sub", "wide c", "t"),
        ("Relu", "t", "y"),
    ],
    "a rational branch is carried by its own values": [
        ("MatMul", "x w", "raw"),
        ("Div", "raw bias", "a"),
        ("Relu", "a", "r"),
        ("MatMul", "r q", "s"),
        ("Mul", "s third", "short"),
        ("Relu", "r", "same"),
        ("MatMul", "same v", "c"),
        ("LeakyRelu", "c", "d", {"alpha": 0.5}),
        ("MatMul", "d q", "e"),
        ("Concat", "short e", "y", {"axis": 1}),
    ],
    "twice the same": [("Relu", "x", "r"), ("Add", "r r", "s"), ("Sub", "s x", "t"), ("Relu", "t", "y")],
    "a value less itself": [("Relu", "x", "r"), ("Sub", "r r", "s"), ("Add", "s x", "y")],
    "broadcast": [("MatMul", "x p1", "one"), ("Relu", "x", "r"), ("Add", "r one", "s"), ("Relu", "s", "y")],
    "joined": [
        ("MatMul", "x w", "a"),
        ("Relu", "a", "r"),
        ("Concat", "x r three", "c", {"axis": 1}),
        ("Relu", "c", "d"),
        ("MatMul", "d ten", "y"),
    ],
    "joined in front": [
        ("Concat", "x three x", "c", {"axis": -1}),
        ("Abs", "c", "d"),
        ("Concat", "d x", "y", {"axis": 1}),
    ],
    "dense block": [
        ("Relu", "x", "r"),
        ("Concat", "x r", "c", {"axis": 1}),
        ("MatMul", "c six", "a"),
        ("Relu", "a", "s"),
        ("Concat", "s c", "y", {"axis": 1}),
    ],
    "a difference in front of all": [
        ("Identity", "x", "i"),
        ("Div", "x three", "a"),
        ("Sub", "a i", "b"),
        ("Relu", "b", "y"),
    ],
    "a chain of residual blocks": [
        ("Relu", "x", "r0"),
        *[
            entry
            for i in range(5)
            for entry in (
                ("MatMul", f"r{i} square", f"a{i}"),
                ("Relu", f"a{i}", f"s{i}"),
                ("MatMul", f"s{i} square", f"b{i}"),
                ("Add", f"b{i} r{i}", f"c{i}"),
                ("Relu", f"c{i}", f"r{i + 1}"),
            )
        ],
        ("MatMul", "r5 p", "y"),
    ],
}
MORE = {
    "h": f32(2, 4),
    "three": np.float32([[1, -2, 3]]),
    "p1": f32(3, 1),
    "ten": f32(10, 2),
    "six": f32(6, 2),
    "third": np.float32(1 / 3),
    "square": f32(3, 3),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_is_read_as_the_function_onnxruntime_computes(name: str) -> None:
    assert_agrees_with_onnxruntime(graph(GRAPHS[name], WEIGHTS | MORE))


def test_a_residual_block_is_a_layer_with_linear_rows() -> None:
    network = read_model(graph(GRAPHS["residual block"], WEIGHTS)).network
    first, second = network.hidden
    assert first.activations == (RELU,)
    assert second.activations == (RELU,) * 4 + (IDENTITY,) * 4
    assert second.bent == (True,) * 4 + (False,) * 4
    np.testing.assert_array_equal(second.weights[4:], np.eye(4))
    assert not second.bias[4:].any()


def test_parallel_activations_become_successive_layers() -> None:
    network = read_model(graph(GRAPHS["two branches"], WEIGHTS)).network
    assert network.widths == (4 + 3, 4 + 4)


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("a narrow branch is carried by its own values", (4, 4 + 2)),
        ("a wide branch is carried by its basis", (2 + 3, 4)),
        ("an activation plus its preactivation", (4 + 3,)),
        ("a chain of residual blocks", (3, *(6, 3) * 5)),
    ],
)
def test_no_more_is_carried_than_is_needed(name: str, widths: tuple[int, ...]) -> None:
    assert read_model(graph(GRAPHS[name], WEIGHTS | MORE)).network.widths == widths


def test_what_is_carried_is_exact() -> None:
    nodes = [("Div", "x three", "a"), ("Relu", "x", "r"), ("Add", "r a", "b"), ("Relu", "b", "y")]
    first, second = read_model(graph(nodes, {"three": np.float32([3, 7, 0.1])})).network.hidden
    thirds = [Fraction(1, 3), Fraction(1, 7), 1 / Fraction(float(np.float32(0.1)))]
    exact = second.exact.after(first.exact)
    for row, factor in enumerate(thirds):
        assert Fraction(int(exact.coefficients[row, row]), exact.denominator) == 1 + factor


def test_nodes_that_the_output_does_not_need_are_left_out_and_noted() -> None:
    nodes = [("MatMul", "x w", "a"), ("Relu", "a", "r"), ("Identity", "a", "y"), ("Relu", "r", "unused")]
    read = read_model(graph(nodes, WEIGHTS))
    assert read.network.hidden == ()
    assert read.notes == ["nodes left out because the output does not depend on them: 2"]


def test_the_shape_of_a_value_that_is_gone_is_still_known() -> None:
    nodes = [
        ("MatMul", "x w", "a"),
        ("Relu", "a", "r"),
        ("MatMul", "r u", "b"),
        ("Shape", "a", "s"),
        ("Gather", "s zero", "n", {"axis": 0}),
        ("Unsqueeze", "n axes", "n1"),
        ("Concat", "n1 minus", "to", {"axis": 0}),
        ("Reshape", "b to", "y"),
    ]
    constants = {"zero": np.array(0), "axes": np.array([0]), "minus": np.array([-1])}
    assert_agrees_with_onnxruntime(graph(nodes, WEIGHTS | constants))


def test_a_residual_connection_in_a_fixed_batch_is_read_for_one_sample() -> None:
    data = graph(GRAPHS["across an activation of the input"], WEIGHTS, shape=(5, 3))
    assert_agrees_with_onnxruntime(data, batch=5)
    joined = [("Concat", "x x", "y", {"axis": 0})]
    with pytest.raises(UnsupportedModel, match="samples of the fixed batch"):
        read_model(graph(joined, {}, shape=(5, 3)), batch_axis="first")


def test_carried_rows_count_as_neurons_and_weights() -> None:
    data = graph(GRAPHS["residual block"], WEIGHTS)
    read_model(data, limits=ReaderLimits(neurons=12))
    with pytest.raises(UnsupportedModel, match="12 hidden neurons; accepted are at most 11"):
        read_model(data, limits=ReaderLimits(neurons=11))
    with pytest.raises(UnsupportedModel, match="weights; accepted are at most 40"):
        read_model(data, limits=ReaderLimits(weights=40))


def test_values_that_double_at_every_node_are_refused_in_time() -> None:
    nodes = [("Add", f"{'a' * i or 'x'} {'a' * i or 'x'}", "a" * (i + 1)) for i in range(150)]
    with pytest.raises(UnsupportedModel, match="more than 100 affine operations"):
        read_model(graph([*nodes, ("Relu", "a" * 150, "y")], {}))
    dense = [("MatMul", "x w", f"v{i}") for i in range(30)]
    joined = [("Concat", " ".join(f"v{i}" for i in range(30)), "c", {"axis": 1}), ("Relu", "c", "y")]
    with pytest.raises(UnsupportedModel, match="weights; accepted are at most 100000"):
        read_model(graph([*dense, *joined], {"w": f32(100, 100)}, shape=("N", 100)), limits=ReaderLimits(weights=10**5))


def test_a_sum_of_values_that_do_not_broadcast_is_refused() -> None:
    nodes = [("MatMul", "x w", "a"), ("Relu", "a", "r"), ("Add", "r x", "y")]
    with pytest.raises(ValueError, match=r"node 'n2' \(Add\): shapes 1x4 and 1x3 do not broadcast with each other"):
        read_model(graph(nodes, WEIGHTS))
