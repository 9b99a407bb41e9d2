"""ONNX files that were once read as another network than the one that onnxruntime runs, or that crashed the reader."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from relucensus.errors import CensusError, UnsupportedModel
from relucensus.readers import read_model
from relucensus.values.network import Network

node = helper.make_node
NUMBERS = np.random.default_rng(5)
POINTS = NUMBERS.normal(size=(8, 3)).astype(np.float32)


def model(
    nodes: Sequence[NodeProto],
    shape: Sequence[int],
    tensors: Mapping[str, Any],
    functions: Sequence[FunctionProto] = (),
    opset: int = 18,
) -> ModelProto:
    """The graph from x, of this shape, to y."""
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in (("x", shape), ("y", None))]
    graph = helper.make_graph(nodes, "graph", infos[:1], infos[1:], constants(tensors))
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=imports, functions=functions, ir_version=9)


def constants(tensors: Mapping[str, Any]) -> list[TensorProto]:
    """Initializers of these names: floats become float32, other types stay."""
    arrays = {name: np.asarray(one) for name, one in tensors.items()}
    return [
        numpy_helper.from_array(one.astype(np.float32) if one.dtype == np.float64 else one, name)
        for name, one in arrays.items()
    ]


def branch(nodes: Sequence[NodeProto], output: str, tensors: Mapping[str, Any] | None = None) -> GraphProto:
    """A branch of an If."""
    info = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    return helper.make_graph(nodes, "branch", [], [info], constants(tensors or {}))


def network_of(made: ModelProto, **choices: Any) -> Network:
    """The network that is read."""
    return read_model(made.SerializeToString(), **choices).network


def assert_same(made: ModelProto, points: np.ndarray = POINTS, **choices: Any) -> None:
    """What is read computes what onnxruntime computes at these points."""
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    shape = [entry.dim_value for entry in made.graph.input[0].type.tensor_type.shape.dim]
    theirs = [session.run(None, {"x": point.reshape(shape)})[0].ravel() for point in points]
    found = network_of(made, **choices).forward(points.astype(np.float64).reshape(len(points), -1))
    np.testing.assert_allclose(found, theirs, rtol=1e-5, atol=1e-5)


def assert_refused_as_a_batch(made: ModelProto) -> None:
    """Refused, because its samples are not treated one by one."""
    with pytest.raises(UnsupportedModel, match="one by one"):
        network_of(made, batch_axis="first")


IDENTITY_BRANCH = branch([node("Identity", ["x"], ["same"])], "same")


def test_a_tensor_named_as_the_reader_names_those_of_branches_stays_itself() -> None:
    doubled = branch([node("Mul", ["x", "w"], ["r"])], "r", {"w": [2.0]})
    nodes = [
        node("If", ["c"], ["q"], then_branch=doubled, else_branch=IDENTITY_BRANCH),
        node("Mul", ["q", "w of branch 1"], ["y"]),
    ]
    assert_same(model(nodes, [1, 3], {"c": True, "w of branch 1": [5.0]}))


def test_an_initializer_of_an_inner_branch_hides_one_of_the_outer_branch() -> None:
    inner = branch([node("Mul", ["x", "w"], ["s"])], "s", {"w": [7.0]})
    other = branch([node("Identity", ["x"], ["t"])], "t")
    choice = node("If", ["c"], ["q"], then_branch=inner, else_branch=other)
    outer = branch([choice, node("Mul", ["q", "w"], ["r"])], "r", {"w": [2.0]})
    assert_same(
        model([node("If", ["c"], ["y"], then_branch=outer, else_branch=IDENTITY_BRANCH)], [1, 3], {"c": np.bool_(True)})
    )


@pytest.mark.parametrize("relation", ["Greater", "GreaterOrEqual", "Less", "LessOrEqual"])
def test_a_comparison_of_equal_values_is_decided_as_the_operator_says(relation: str) -> None:
    nodes = [
        node("Mul", ["x", "none"], ["z"]),
        node(relation, ["z", "zero"], ["c"]),
        node("Not", ["c"], ["d"]),
        node("Where", ["c", "a", "b"], ["p"]),
        node("Where", ["d", "k", "b"], ["q"]),
        node("Add", ["p", "q"], ["r"]),
        node("Add", ["r", "x"], ["y"]),
    ]
    tensors = {"none": [0.0] * 3, "zero": [0.0], "a": [2.0], "b": [3.0], "k": [10.0]}
    assert_same(model(nodes, [1, 3], tensors))


@pytest.mark.parametrize("relation", ["Greater", "GreaterOrEqual", "Less", "LessOrEqual"])
@pytest.mark.parametrize("as_number", [False, True])
def test_truth_values_outside_of_a_triangle_are_false(relation: str, as_number: bool) -> None:
    use = (
        [node("Cast", ["c"], ["i"], to=1), node("Trilu", ["i"], ["t"]), node("Mul", ["t", "x"], ["y"])]
        if as_number
        else [node("Trilu", ["c"], ["t"]), node("Where", ["t", "x", "zero"], ["y"])]
    )
    made = model([node(relation, ["x", "zero"], ["c"]), *use], [3, 3], {"zero": [0.0]})
    assert_same(made, NUMBERS.normal(size=(5, 9)).astype(np.float32), batch_axis="none")


def test_a_sigmoid_times_a_truth_value_is_refused() -> None:
    nodes = [
        node("Sigmoid", ["x"], ["s"]),
        node("Less", ["x", "zero"], ["c"]),
        node("Cast", ["c"], ["i"], to=1),
        node("Mul", ["s", "i"], ["y"]),
    ]
    with pytest.raises(UnsupportedModel, match="result of Sigmoid"):
        network_of(model(nodes, [1, 3], {"zero": [0.0]}))


def test_a_part_of_a_last_sigmoid_is_a_part_of_the_network() -> None:
    nodes = [
        node("Sigmoid", ["x"], ["s"]),
        node("Sub", ["one", "s"], ["d"]),
        node("Flatten", ["d"], ["f"]),
        node("Gather", ["f", "i"], ["y"], axis=1),
    ]
    found = network_of(model(nodes, [1, 3], {"one": [1.0], "i": np.array([2])}))
    np.testing.assert_array_equal(found.forward(np.array([[1.0, 2.0, 3.0]])), [[3.0]])


def test_a_part_of_several_softmaxes_is_refused() -> None:
    nodes = [node("Softmax", ["x"], ["s"], axis=2), node("Gather", ["s", "i"], ["y"], axis=1)]
    with pytest.raises(UnsupportedModel, match="takes a part"):
        network_of(model(nodes, [1, 3, 2], {"i": np.array([0])}))


def test_the_default_attribute_of_a_function_is_used() -> None:
    inner = node("LeakyRelu", ["a"], ["b"])
    inner.attribute.append(AttributeProto(name="alpha", ref_attr_name="slope", type=AttributeProto.FLOAT))
    default = [helper.make_attribute("slope", 0.3)]
    opsets = [helper.make_opsetid("", 18)]
    bent = helper.make_function("own", "Bent", ["a"], ["b"], [inner], opsets, [], default)
    nodes = [node("Bent", ["x"], ["q"], domain="own"), node("Bent", ["q"], ["y"], domain="own", slope=0.5)]
    assert_same(model(nodes, [1, 3], {}, [bent]))


def test_an_attribute_that_a_function_passes_on_to_one_with_a_default_is_refused() -> None:
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    inner = node("LeakyRelu", ["a"], ["b"])
    inner.attribute.append(AttributeProto(name="alpha", ref_attr_name="slope", type=AttributeProto.FLOAT))
    bent = helper.make_function("own", "Bent", ["a"], ["b"], [inner], opsets, [], [helper.make_attribute("slope", 0.3)])
    call = node("Bent", ["a"], ["b"], domain="own")
    call.attribute.append(AttributeProto(name="slope", ref_attr_name="given", type=AttributeProto.FLOAT))
    outer = helper.make_function("own", "Outer", ["a"], ["b"], [call], opsets, ["given"])
    with pytest.raises(UnsupportedModel, match="default"):
        network_of(model([node("Outer", ["x"], ["y"], domain="own")], [1, 3], {}, [bent, outer]))


def test_a_shape_that_a_branch_declares_is_not_believed() -> None:
    branches = [branch([node("Exp", ["x"], [name])], name) for name in ("p", "q")]
    for one in branches:
        one.output[0].CopyFrom(helper.make_tensor_value_info(one.output[0].name, TensorProto.FLOAT, [7, 3]))
    nodes = [
        node("If", ["c"], ["e"], then_branch=branches[0], else_branch=branches[1]),
        node("Shape", ["e"], ["s"]),
        node("Cast", ["s"], ["f"], to=1),
        node("ReduceSum", ["f"], ["n"], keepdims=0),
        node("Mul", ["x", "n"], ["y"]),
    ]
    assert_same(model(nodes, [1, 3], {"c": np.bool_(True)}))


def test_a_constant_that_becomes_like_a_double_stays_a_double() -> None:
    made = model([node("CastLike", ["k", "x"], ["l"]), node("Mul", ["x", "l"], ["y"])], [1, 2], {})
    made.graph.initializer.append(numpy_helper.from_array(np.array([0.1]), "k"))
    for entry in (made.graph.input[0], made.graph.output[0]):
        entry.type.tensor_type.elem_type = TensorProto.DOUBLE
    assert network_of(made).forward(np.ones((1, 2))).tolist() == [[0.1, 0.1]]


def test_an_end_of_an_old_clip_on_the_other_side_is_no_open_end() -> None:
    largest = float(np.finfo(np.float32).max)
    found = network_of(model([node("Clip", ["x"], ["y"], min=largest)], [1, 2], {}, opset=6))
    assert found.forward(np.ones((1, 2))).tolist() == [[largest, largest]]


BATCHES = {
    "a truth value of the first sample": (
        [
            node("Greater", ["x", "zero"], ["c"]),
            node("Gather", ["c", "i"], ["d"], axis=0),
            node("Where", ["d", "x", "zero"], ["y"]),
        ],
        {"zero": [0.0], "i": np.array([0])},
    ),
    "the number of truth values": (
        [
            node("Greater", ["x", "zero"], ["c"]),
            node("Size", ["c"], ["n"]),
            node("Cast", ["n"], ["f"], to=1),
            node("Mul", ["x", "f"], ["y"]),
        ],
        {"zero": [0.0]},
    ),
    "a number of each sample as a bias": (
        [
            node("MatMul", ["x", "v"], ["p"]),
            node("Squeeze", ["p", "one"], ["b"]),
            node("Gemm", ["x", "w", "b"], ["y"]),
        ],
        {"v": np.ones((3, 1)), "one": np.array([1]), "w": np.ones((3, 2))},
    ),
    "a product that moves the batch behind": (
        [node("MatMul", ["x", "w"], ["p"]), node("ReduceSum", ["p", "one"], ["y"], keepdims=0)],
        {"w": np.ones((1, 3, 2)), "one": np.array([1])},
    ),
    "a batch that is resized": (
        [node("Resize", ["x", "", "", "sizes"], ["y"], coordinate_transformation_mode="asymmetric")],
        {"sizes": np.array([1, 3])},
    ),
    "a softmax over the batch": (
        [node("ReduceSum", ["x", "one"], ["p"], keepdims=0), node("Softmax", ["p"], ["y"])],
        {"one": np.array([1])},
    ),
}


@pytest.mark.parametrize("name", BATCHES)
def test_samples_of_a_fixed_batch_that_meet_are_refused(name: str) -> None:
    nodes, tensors = BATCHES[name]
    assert_refused_as_a_batch(model(nodes, [2, 3], tensors))


@pytest.mark.parametrize(
    "broken",
    [node("Identity", [], ["q"]), node("EyeLike", [], ["q"]), node("Trilu", ["x", "empty"], ["q"])],
    ids=lambda one: one.op_type,
)
def test_a_node_without_what_it_needs_is_refused(broken: NodeProto) -> None:
    made = model([broken, node("Add", ["x", "q"], ["y"])], [1, 3], {"empty": np.zeros(0, np.int64)})
    with pytest.raises(CensusError):
        network_of(made)


@pytest.mark.parametrize(
    "first",
    [
        node("MatMul", ["endless", "third"], ["c"]),
        node("ReduceSum", ["endless"], ["c"]),
        node("Concat", ["quotient", "endless"], ["c"], axis=0),
    ],
    ids=lambda one: one.op_type,
)
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_constant_that_is_not_finite_never_becomes_a_rational(first: NodeProto, number: float) -> None:
    nodes = [
        node("Div", ["one", "three"], ["quotient"]),
        first,
        node("ReduceMax", ["c"], ["d"], keepdims=0),
        node("Max", ["x", "d"], ["y"]),
    ]
    tensors = {"endless": [number], "third": [0.5], "one": [1.0], "three": [3.0]}
    with pytest.raises(CensusError, match=r"finite|NaN|nan|inf"):
        network_of(model(nodes, [1, 3], tensors))


@pytest.mark.parametrize("operator", ["Exp", "Sqrt", "Sigmoid", "Round", "ReduceL2"])
def test_a_constant_beyond_the_range_of_floats_is_refused(operator: str) -> None:
    nodes = [node("Mul", ["a", "a"], ["b"]), node(operator, ["b"], ["c"]), node("Mul", ["x", "c"], ["y"])]
    made = model(nodes, [1, 3], {})
    made.graph.initializer.append(numpy_helper.from_array(np.array([1e300, 1e300, 1e300]), "a"))
    with pytest.raises(CensusError):
        network_of(made)


def test_a_slope_with_more_axes_than_its_input_is_refused() -> None:
    nodes = [node("PRelu", ["x", "slope"], ["p"]), node("CumSum", ["p", "axis"], ["y"])]
    with pytest.raises(CensusError, match="slopes"):
        network_of(model(nodes, [1, 3], {"slope": [[[2.0]]], "axis": np.array(1)}))


def test_a_transposed_convolution_with_two_statements_of_its_size_is_refused() -> None:
    nodes = [node("ConvTranspose", ["x", "w"], ["y"], auto_pad="VALID", output_shape=[3])]
    with pytest.raises(UnsupportedModel, match="VALID"):
        network_of(model(nodes, [1, 1, 3], {"w": np.ones((1, 1, 3))}))


def test_a_constant_that_is_squared_again_and_again_is_refused_in_time() -> None:
    squares = [node("Mul", [f"p{i}"] * 2, [f"p{i + 1}"]) for i in range(60)]
    with pytest.raises(UnsupportedModel, match="bits"):
        network_of(model([*squares, node("Mul", ["x", "p60"], ["y"])], [1, 3], {"p0": [1.1]}))


def test_a_graph_with_many_constants_alive_and_many_branches_is_read_in_time() -> None:
    count = 900
    nodes = [node("Neg", ["a"], [f"c{i}"]) for i in range(count)]
    for i in range(count):
        taken = branch([node("Neg", [f"s{i - 1}" if i else "x"], ["r"])], "r")
        nodes.append(node("If", ["c"], [f"s{i}"], then_branch=taken, else_branch=IDENTITY_BRANCH))
    nodes.append(node("Sum", [f"c{i}" for i in range(count)], ["t"]))
    nodes.append(node("Add", [f"s{count - 1}", "t"], ["y"]))
    made = model(nodes, [1, 3], {"a": [1.0], "c": np.bool_(True)})
    start = time.process_time()
    found = network_of(made)
    assert time.process_time() - start < 5
    np.testing.assert_array_equal(found.forward(np.zeros((1, 3))), [[-count] * 3])


@pytest.mark.parametrize(
    "broken",
    [
        node("Trilu", ["x", "nan"], ["q"]),
        node("CumSum", ["x", "nan"], ["q"]),
        node("Ceil", [], ["q"]),
        node("Resize", ["empty", "", "scales"], ["q"]),
        node("Resize", ["x", "", "large"], ["q"]),
        node("CumSum", ["empty", "axis"], ["q"]),
        node("Div", ["axis", "nan"], ["q"]),
    ],
    ids=lambda one: one.op_type,
)
def test_a_node_with_broken_inputs_is_refused(broken: NodeProto) -> None:
    tensors = {
        "nan": np.nan,
        "empty": np.zeros((1, 0)),
        "scales": [1.0, 2.0],
        "large": [1.0, 1e6],
        "axis": np.array(1),
    }
    with pytest.raises(CensusError):
        network_of(model([broken, node("Add", ["x", "q"], ["y"])], [1, 3], tensors))


def test_a_fixed_input_with_the_axis_of_the_batch_is_refused() -> None:
    nodes = [
        node("Mul", ["x", "w"], ["q"]),
        node("ReduceSum", ["w"], ["s"], keepdims=0),
        node("Mul", ["q", "s"], ["y"]),
    ]
    made = model(nodes, [2, 3], {})
    made.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [2, 3]))
    with pytest.raises(UnsupportedModel, match="fixed"):
        network_of(made, batch_axis="first", model_input={"w": 1.0})
