"""Builds a graph node by node, each run at once by a runtime: its shapes are known, what no runtime takes is left."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from differential.runtime import RUNTIMES

IR_VERSION = 8
_MOST_ENTRIES = 200
_LARGEST = 1e4


class Rejected(Exception):
    """A node that no runtime takes, or whose result is too large."""


@dataclass(frozen=True)
class Tensor:
    """A value of the graph at one input; `fixed` if it does not depend on the input."""

    name: str
    value: np.ndarray
    fixed: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    @property
    def rank(self) -> int:
        return int(self.value.ndim)


@dataclass
class Builder:
    """A graph that grows.

    Where `batch` is true the first axis of what depends on the input counts points; where it is `symbolic` there may be
    any number of them, and no node may say how many.
    """

    rng: random.Random
    opset: int
    batch: bool
    symbolic: bool = False
    dtype: type = np.float32
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: dict[str, np.ndarray] = field(default_factory=dict)
    pool: list[Tensor] = field(default_factory=list)
    made: int = 0

    @property
    def first_axis(self) -> int:
        """The first axis that an operator may touch."""
        return 1 if self.batch else 0

    def axes(self, x: Tensor) -> list[int]:
        return list(range(self.first_axis, x.rank))

    def an_axis(self, x: Tensor, *, signed: bool = True) -> int:
        """An axis that may be touched, sometimes counted from the end."""
        axes = self.axes(x)
        if not axes:
            raise Rejected("no axis to touch")
        axis = self.rng.choice(axes)
        return axis - x.rank if signed and self.rng.random() < 0.5 else axis

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def numbers(self, *shape: int, low: float = -1.5, high: float = 1.5) -> np.ndarray:
        """Numbers with few digits, so that ties happen."""
        drawn = [self.rng.uniform(low, high) for _ in range(int(np.prod(shape)))]
        digits = self.rng.choice((0, 1, 3, 8))
        return np.round(np.array(drawn).reshape(shape), digits).astype(self.dtype)

    def name(self) -> str:
        self.made += 1
        return f"t{self.made}"

    def partner(self, x: Tensor) -> Tensor | None:
        """Another value of the same shape, if there is one."""
        alike = [other for other in self.pool if other.shape == x.shape and other.name != x.name]
        return self.rng.choice(alike) if alike else None

    def raw(self, array: Any, dtype: Any = None) -> Tensor:
        """An initialiser."""
        value = np.asarray(array, dtype=dtype)
        name = self.name()
        self.initializers[name] = value
        return Tensor(name, value, fixed=True)

    def ints(self, *numbers: int) -> Tensor:
        return self.raw(np.array(numbers, dtype=np.int64))

    def node(self, op: str, *inputs: Tensor | None, outputs: int = 1, **attributes: Any) -> tuple[Tensor, ...]:
        """Add a node with these inputs, None for one that is left out, and run it.

        Raises:
            Rejected: no runtime runs it, or a result has more entries or larger ones than a test should have.
        """
        names = ["" if one is None else one.name for one in inputs]
        while names and not names[-1]:
            names.pop()
        made = [self.name() for _ in range(outputs)]
        node = helper.make_node(op, names, made, **attributes)
        given = {one.name: one.value for one in inputs if one is not None}
        fixed = all(one.fixed for one in inputs if one is not None)
        values = self._run(node, given)
        for value in values:
            if not value.size or value.size > _MOST_ENTRIES:
                raise Rejected("size of the result")
            if value.dtype.kind == "f" and not np.abs(value).max() < _LARGEST:
                raise Rejected("magnitude of the result")
        self.nodes.append(node)
        return tuple(Tensor(name, value, fixed) for name, value in zip(made, values, strict=True))

    def one(self, op: str, *inputs: Tensor | None, **attributes: Any) -> Tensor:
        """The only output of a new node."""
        return self.node(op, *inputs, **attributes)[0]

    def _run(self, node: onnx.NodeProto, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        model = model_of([node], self.opset, inputs=given, outputs=list(node.output))
        why = ""
        for runtime in RUNTIMES.values():
            try:
                return [np.asarray(one) for one in runtime(model)(given)]
            except Exception as error:  # runtimes raise what they like
                why = why or str(error).splitlines()[0]
            if "opset" not in why:  # the reference takes more than it should, and not all of it right
                break
        raise Rejected(f"{node.op_type}: {why}")


def model_of(
    nodes: list[onnx.NodeProto],
    opset: int,
    *,
    inputs: dict[str, np.ndarray],
    outputs: list[str],
    initializers: dict[str, np.ndarray] | None = None,
    first_axis: str | None = None,
) -> onnx.ModelProto:
    """A model with inputs of these types and shapes; `first_axis` is the name of the first, if it is symbolic."""
    infos = []
    for name, array in inputs.items():
        shape = list(array.shape) if first_axis is None else [first_axis, *array.shape[1:]]
        infos.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), shape))
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    constants = [numpy_helper.from_array(array, name) for name, array in (initializers or {}).items()]
    graph = helper.make_graph(nodes, "graph", infos, results, constants)
    imports = [helper.make_opsetid("", opset)]
    imports += [helper.make_opsetid(domain, 1) for domain in dict.fromkeys(node.domain for node in nodes) if domain]
    return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)
