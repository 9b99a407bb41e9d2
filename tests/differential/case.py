"""A model as a case: what is fed, what one point of its network is, and which answers a reading may give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from differential.runtime import Feeds
from relucensus.readers import FolderFiles

FLOATS: Final = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
# Operators that a reader may leave off at the end, with a note: what is counted is the network before.
LEFT_OFF: Final = ("Softmax", "LogSoftmax", "Sigmoid", "Tanh", "ArgMax", "TopK", "Hardmax", "LabelEncoder", "ZipMap")
_FORM_ONLY: Final = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "Transpose")


@dataclass(frozen=True)
class Case:
    """A model to be read.

    `points` are as long as all inputs together, in the order of the graph. Where `batch` is None, the inputs as they
    are declared are one point; else their first axis counts points, and as many are fed at once as `batch` says.
    `data` are the bytes to be read, with `files` beside them, if not those of the model; `answer` is the function that
    the model was made of, asked instead of a runtime. `dtype` is the least precise float type on the way.
    """

    name: str
    operator: str
    model: onnx.ModelProto
    points: Sequence[np.ndarray]
    batch: int | None = None
    dtype: type = np.float32
    options: dict[str, Any] = field(default_factory=dict)
    files: FolderFiles | None = None
    data: bytes | None = None
    answer: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The inputs with the shape that is fed."""
        shapes = {}
        for info in fed(self.model.graph):
            declared = [d.dim_value for d in info.type.tensor_type.shape.dim]
            shapes[info.name] = tuple(declared if self.batch is None else [self.batch, *declared[1:]])
        return shapes

    @property
    def groups(self) -> list[np.ndarray]:
        """The points that are fed together, (n, inputs) each."""
        count = self.batch or 1
        padded = [*self.points, *[self.points[0]] * (-len(self.points) % count)]
        return [np.stack(padded[k : k + count]) for k in range(0, len(padded), count)]

    def feeds(self, group: np.ndarray) -> Feeds:
        """What the points of a group are to a runtime."""
        given, start = {}, 0
        for info in fed(self.model.graph):
            shape = self.shapes[info.name]
            size = int(np.prod(shape)) // len(group)
            dtype = helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
            given[info.name] = group[:, start : start + size].reshape(shape).astype(dtype)
            start += size
        return given

    @property
    def inputs(self) -> int:
        """The number of coordinates of a point."""
        return len(self.points[0])


def fed(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs of a graph that have no initialiser."""
    known = {one.name for one in graph.initializer}
    return [info for info in graph.input if info.name not in known]


def dtype_of(model: onnx.ModelProto) -> type:
    """The least precise float type in the model: what a comparison can expect."""
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    kinds |= {info.type.tensor_type.elem_type for info in [*model.graph.input, *model.graph.output]}
    kinds |= {a.i for n in model.graph.node if n.op_type == "Cast" for a in n.attribute if a.name == "to"}
    if kinds & {TensorProto.FLOAT16, TensorProto.BFLOAT16}:
        return np.float16
    return np.float32 if TensorProto.FLOAT in kinds or TensorProto.DOUBLE not in kinds else np.float64


def without_last(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """The model whose outputs are the values before the operators that may be left off; None if there is none.

    Between such an operator and the output there may be operators that only change the form.
    """
    producers = {name: node for node in model.graph.node for name in node.output}
    before = [_before(info.name, producers) for info in model.graph.output]
    if all(name is None for name in before):
        return None
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    names = [name or info.name for name, info in zip(before, model.graph.output, strict=True)]
    del cut.graph.output[:]
    wanted = list(dict.fromkeys(names))
    for k, name in enumerate(wanted):
        # An input cannot be an output of its own name in every runtime.
        cut.graph.node.append(helper.make_node("Identity", [name], [f"before_{k}"]))
        cut.graph.output.append(onnx.ValueInfoProto(name=f"before_{k}"))
    return cut


def _before(name: str, producers: dict[str, onnx.NodeProto]) -> str | None:
    node = producers.get(name)
    while node is not None and node.op_type in _FORM_ONLY:
        node = producers.get(node.input[0])
    if node is None or node.op_type not in LEFT_OFF:
        return None
    return str(node.input[0])


def points_for(inputs: int, dtype: type, rng: np.random.Generator) -> list[np.ndarray]:
    """Points of every kind: zero, all alike, whole numbers with their ties, near zero, common, large."""
    large = 4.0 if dtype is np.float16 else 40.0
    kinds = [
        np.zeros(inputs),
        np.ones(inputs),
        -np.ones(inputs),
        rng.integers(-3, 4, inputs).astype(float),
        rng.integers(-1, 2, inputs) * 0.5,
        rng.normal(size=inputs) * 0.01,
        rng.normal(size=inputs),
        rng.normal(size=inputs),
        rng.uniform(-2, 2, inputs),
        rng.normal(size=inputs) * large,
    ]
    return [point.astype(dtype).astype(np.float64) for point in kinds]
