"""The way through an ONNX graph, node by node in stored order, with the values that later nodes still need."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from relucensus.errors import CensusError, UnreadableModel, UnsupportedModel
from relucensus.readers.affine.value import AffineValue
from relucensus.readers.limits import shown
from relucensus.readers.onnx.call import Call, label_of
from relucensus.readers.onnx.constants import folded
from relucensus.readers.onnx.operators import OPERATORS, applied
from relucensus.readers.onnx.tensors import Constant, tensor_constant

SHAPE: Final = "Shape"
SUPPORTED: Final = f"supported are {', '.join(OPERATORS)} and constants, with weights that do not depend on the input"


class Walk:
    """Follows the values through the graph; each is dropped when no later node needs it."""

    def __init__(self, graph: Any, template: Call) -> None:
        """`template` says what is common to all nodes: opset, batch and limits."""
        self._graph = graph
        self._template = template
        self._stored = {tensor.name: tensor for tensor in graph.initializer}
        self._constants: dict[str, Constant] = {}
        self._computed = 0
        self._values: dict[str, AffineValue] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._output = str(graph.output[0].name)
        self._needed = _needed_nodes(graph, self._output)
        self._last_use = {self._output: len(graph.node)}
        for i in reversed(sorted(self._needed)):
            for name in graph.node[i].input if graph.node[i].op_type != SHAPE else ():
                self._last_use.setdefault(name, i)

    @property
    def left_out(self) -> int:
        """How many nodes the output does not depend on."""
        return len(self._graph.node) - len(self._needed)

    def run(self, name: str, value: AffineValue) -> AffineValue:
        """The value of the output, given the name and value of the input."""
        self._values[name], self._shapes[name] = value, value.shape
        for position, node in enumerate(self._graph.node):
            try:
                self._visit(position, node)
            except CensusError as error:
                label = label_of(node)
                text = str(error)
                raise type(error)(text if text.startswith(label) else f"{label}: {text}") from None
        if self._output not in self._values:
            computed = "does not depend on the input" if self._is_constant(self._output) else "is computed by no node"
            raise UnsupportedModel(f"the output {shown(self._output)} {computed}; {SUPPORTED}")
        return self._values[self._output]

    def _visit(self, position: int, node: Any) -> None:
        name = self._new_output(node)
        if position not in self._needed:
            self._shapes[name] = ()
            return
        if node.op_type == SHAPE and len(node.input) == 1 and node.input[0] in self._shapes:
            self._define(name, np.array(self._declared_shape(node.input[0]), dtype=np.int64))
            return
        inputs = tuple(self._resolved(node, entry) for entry in node.input)
        template = self._template
        call = Call(node, inputs, template.opset, template.batch, template.limits)
        if not call.values:
            self._define(name, folded(call))
            return
        if node.op_type not in OPERATORS:
            call.refuse(f"computes with the network's value; {SUPPORTED}")
        kept = [value for other, value in self._values.items() if self._last_use.get(other, -1) > position]
        found = applied(call, kept)
        self._values[name], self._shapes[name] = found, found.shape
        self._values = {other: one for other, one in self._values.items() if self._last_use.get(other, -1) > position}
        self._template.limits.check_weights(sum(one.weights for one in self._values.values()))

    def _declared_shape(self, name: str) -> list[int]:
        first, *rest = self._shapes[name] or (1,)
        return [self._template.batch if self._template.batch > 1 else first, *rest]

    def _resolved(self, node: Any, name: str) -> Constant | AffineValue | None:
        if not name:
            return None
        if name in self._values:
            return self._values[name]
        if name in self._stored and name not in self._constants:
            self._constants[name] = tensor_constant(self._stored[name], self._template.limits)
        if name not in self._constants:
            raise UnreadableModel(f"{label_of(node)} uses {shown(name)}, which no node before it computes")
        return self._constants[name]

    def _define(self, name: str, entries: Constant) -> None:
        self._computed += entries.size
        self._template.limits.check_weights(self._computed)
        self._constants[name] = entries

    def _new_output(self, node: Any) -> str:
        name = node.output[0] if node.output else ""
        if not name or name in self._shapes or self._is_constant(name):
            raise UnreadableModel(f"{label_of(node)} computes {shown(name)}, which is no new name")
        return str(name)

    def _is_constant(self, name: str) -> bool:
        return name in self._stored or name in self._constants


def _needed_nodes(graph: Any, output: str) -> set[int]:
    """The positions of the nodes that the output depends on."""
    names = {output}
    needed = set()
    for position in reversed(range(len(graph.node))):
        node = graph.node[position]
        if node.output and node.output[0] in names:
            needed.add(position)
            names.update(node.input)
    return needed
