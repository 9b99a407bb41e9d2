"""Small ONNX models for tests, and the comparison of what is read from them with onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from relucensus.readers import read_model

RNG = np.random.default_rng(7)
X = "the value"


def f32(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def i64(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def node(op_type: str, *inputs: Any, **attributes: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    return op_type, inputs or (X,), attributes


def chain(
    nodes: Sequence[Any], shape: Sequence[Any] = ("N", 3), opset: int = 17, kind: int = TensorProto.FLOAT
) -> bytes:
    """A model whose nodes follow each other; X stands for the value so far, arrays become initializers."""
    built, initializers, current = [], [], "x"
    for i, (op_type, inputs, attributes) in enumerate(nodes):
        names = []
        for j, entry in enumerate(inputs):
            if isinstance(entry, str):
                names.append(current if entry == X else entry)
                continue
            names.append(f"c{i}_{j}")
            initializers.append(numpy_helper.from_array(np.asarray(entry), names[-1]))
        built.append(helper.make_node(op_type, names, [f"v{i}"], name=f"n{i}", **attributes))
        current = f"v{i}"
    return _model(built, shape, current, initializers, opset, kind)


def graph(
    nodes: Sequence[Any],
    constants: Mapping[str, np.ndarray],
    shape: Sequence[Any] = ("N", 3),
    opset: int = 17,
    kind: int = TensorProto.FLOAT,
) -> bytes:
    """A model from x to y; a node is (operator, inputs, output[, attributes]), names separated by spaces."""
    built = [
        helper.make_node(op_type, inputs.split(), [output], name=f"n{i}", **dict(*attributes))
        for i, (op_type, inputs, output, *attributes) in enumerate(nodes)
    ]
    initializers = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    return _model(built, shape, "y", initializers, opset, kind)


def _model(nodes: Any, shape: Sequence[Any], output: str, initializers: Any, opset: int, kind: int) -> bytes:
    built = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(output, kind, None)],
        initializers,
    )
    model = helper.make_model(built, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return model.SerializeToString()


def assert_agrees_with_onnxruntime(data: bytes, dtype: type = np.float32, batch: int = 1) -> None:
    read = read_model(data, batch_axis="first" if batch > 1 else None)
    session = onnxruntime.InferenceSession(data)
    tolerance = 1e-4 if dtype is np.float32 else 1e-12
    for _ in range(10):
        points = RNG.uniform(-2, 2, (batch, read.network.inputs)).astype(dtype)
        shape = (batch, *read.input_shape[1:]) if batch > 1 else read.input_shape
        (expected,) = session.run(None, {"x": points.reshape(shape)})
        found = read.network.forward(points.astype(np.float64))
        np.testing.assert_allclose(found.ravel(), expected.ravel(), rtol=tolerance, atol=tolerance)
