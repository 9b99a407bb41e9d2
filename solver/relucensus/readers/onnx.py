"""An ONNX file whose graph is one chain of affine operators and ReLUs.

The file is only parsed, never run or handed to a runtime. Everything it declares (opset, domains, shapes, where a
tensor lies) is checked here, so that what is accepted is exactly what `onnx_operators` understands.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from relucensus.errors import CensusError, UnreadableModel, UnsupportedModel
from relucensus.readers.affine_chain import AffineChain
from relucensus.readers.limits import ReaderLimits, shape_text, shown
from relucensus.readers.onnx_constants import FOLDABLE, folded
from relucensus.readers.onnx_nodes import Call, Value, label_of
from relucensus.readers.onnx_operators import OPERATORS, apply
from relucensus.readers.onnx_tensors import FLOAT_TYPES, Constant, refuse_external_data, tensor_constant
from relucensus.values.network import Network

_OLDEST_OPSET: Final = 8
_NODES_PER_LAYER: Final = 20
_STANDARD: Final = ("", "ai.onnx")
_SHAPE: Final = "Shape"
_SUPPORTED: Final = (
    f"supported are chains of {', '.join(OPERATORS)} and constants, with weights that do not depend on the input"
)


def read_onnx(data: bytes, limits: ReaderLimits) -> tuple[Network, tuple[int, ...], list[str]]:
    """The network, the declared shape of one input (a batch of one), and notes on how the file was understood.

    Raises:
        UnreadableModel: not an ONNX file, or one that contradicts itself.
        UnsupportedModel: an operator that is not supported (the first in graph order is named), a graph that is not a
            chain, external data, an opset that is not known, a limit passed.
        InvalidNetwork: shapes that do not fit, or weights that are not finite.
    """
    model = _parsed(data)
    opset = _opset(model)
    graph = model.graph
    _refuse_foreign_parts(model, opset, limits)
    name, shape, batch = _input(graph)
    chain = AffineChain(shape, limits)
    _Walk(graph, Call(None, (), opset, batch, limits), chain, name).run()
    notes = []
    if batch > 1:
        notes.append(f"the fixed batch of {batch} is read as a batch; one sample has {shape_text(shape[1:])} values")
    return chain.network(), shape, notes


def _parsed(data: bytes) -> Any:
    import onnx  # noqa: PLC0415 - only an ONNX file needs it
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415

    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise UnreadableModel(
            f"the file is neither ONNX (damaged or cut off: {error}) nor safetensors nor a PyTorch state_dict"
        ) from None
    if not model.ir_version or not model.HasField("graph"):
        raise UnreadableModel("the file is neither ONNX (it has no graph) nor safetensors nor a PyTorch state_dict")
    return model


def _opset(model: Any) -> int:
    import onnx  # noqa: PLC0415

    versions = [int(entry.version) for entry in model.opset_import if entry.domain in _STANDARD]
    newest = int(onnx.defs.onnx_opset_version())
    if len(versions) != 1:
        raise UnreadableModel(f"the file names {len(versions)} versions of the standard operators; needed is one")
    if not _OLDEST_OPSET <= versions[0] <= newest:
        raise UnsupportedModel(
            f"the file uses opset {versions[0]}; supported are {_OLDEST_OPSET} to {newest} "
            "(onnx.version_converter.convert_version can change it)"
        )
    return versions[0]


def _refuse_foreign_parts(model: Any, opset: int, limits: ReaderLimits) -> None:
    graph = model.graph
    _check_names(graph)
    for tensor in graph.initializer:
        refuse_external_data(tensor)
    if len(graph.node) > _NODES_PER_LAYER * limits.layers:
        raise UnsupportedModel(
            f"the graph has {len(graph.node)} nodes; accepted are at most {_NODES_PER_LAYER * limits.layers}"
        )
    for node in graph.node:
        if node.domain not in _STANDARD or node.op_type not in {*OPERATORS, *FOLDABLE, _SHAPE}:
            raise UnsupportedModel(f"{label_of(node)} is not supported; {_SUPPORTED}")
        _check_form(node, opset)
    parts = {
        "local functions": model.functions,
        "training information": model.training_info,
        "sparse initializers": graph.sparse_initializer,
        "quantization annotations": graph.quantization_annotation,
    }
    for part, entries in parts.items():
        if len(entries):
            raise UnsupportedModel(f"the file has {part}, which are not supported; {_SUPPORTED}")


def _check_form(node: Any, opset: int) -> None:
    """Refuse a node with inputs or attributes that its operator does not have in this opset."""
    import onnx  # noqa: PLC0415

    schema = onnx.defs.get_schema(node.op_type, opset)
    names = [attribute.name for attribute in node.attribute]
    foreign = [name for name in names if name not in schema.attributes or names.count(name) > 1]
    if foreign:
        raise UnreadableModel(
            f"{label_of(node)} has the attribute {shown(foreign[0])}, unknown to opset {opset} or twice"
        )
    if len(node.input) > schema.max_input:
        raise UnreadableModel(f"{label_of(node)} has {len(node.input)} inputs; opset {opset} has {schema.max_input}")


def _check_names(graph: Any) -> None:
    """Refuse a file with a name that is not UTF-8; protobuf gives such a name as bytes."""
    names = [entry.name for entry in (*graph.initializer, *graph.input, *graph.output)]
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
    for name in names:
        if not isinstance(name, str):
            raise UnreadableModel(f"the file has the name {shown(name)}, which is not UTF-8; it is damaged")


def _input(graph: Any) -> tuple[str, tuple[int, ...], int]:
    """Name of the input, shape of one sample with a batch of one, and the fixed batch size (1 without)."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise UnsupportedModel(
            f"the graph has {len(inputs)} inputs ({_names(inputs)}) and {len(graph.output)} outputs "
            f"({_names(graph.output)}); supported is one of each"
        )
    name = inputs[0].name
    kind = inputs[0].type.tensor_type
    if kind.elem_type not in FLOAT_TYPES:
        raise UnsupportedModel(f"input {shown(name)} is not a tensor of floats; {', '.join(FLOAT_TYPES.values())}")
    if not kind.HasField("shape") or not kind.shape.dim:
        raise UnsupportedModel(f"input {shown(name)} has no shape; export the model with the shape of its input")
    dims = kind.shape.dim
    sizes = [dim.dim_value if dim.dim_value > 0 else None for dim in dims]
    if None in sizes[1:] or sizes == [None]:
        text = ", ".join(shown(dim.dim_param or "?") if dim.dim_value <= 0 else str(dim.dim_value) for dim in dims)
        raise UnsupportedModel(
            f"input {shown(name)} has the shape [{text}]; supported is at most one open dimension, the batch, in front"
        )
    first, *rest = sizes
    batch = first if first is not None and rest else 1
    shape = (1, *rest) if rest else (first,)
    return name, tuple(int(n or 1) for n in shape), batch


def _names(entries: Any) -> str:
    return ", ".join(shown(entry.name) for entry in list(entries)[:4]) or "none"


class _Walk:
    """Follows the value through the graph, node by node in stored order."""

    def __init__(self, graph: Any, template: Call, chain: AffineChain, start: str) -> None:
        self._graph = graph
        self._template = template
        self._chain = chain
        self._current: str = start
        self._spent: set[str] = set()
        self._stored = {tensor.name: tensor for tensor in graph.initializer}
        self._constants: dict[str, Constant] = {}
        self._computed = 0

    def run(self) -> None:
        """Apply every node; afterwards the chain's value is the output."""
        for node in self._graph.node:
            try:
                self._visit(node)
            except CensusError as error:
                label = label_of(node)
                text = str(error)
                raise type(error)(text if text.startswith(label) else f"{label}: {text}") from None
        output = self._graph.output[0].name
        if output != self._current:
            raise UnsupportedModel(
                f"the output {shown(output)} is not the end of the chain, which is {shown(self._current)}; {_SUPPORTED}"
            )

    def _visit(self, node: Any) -> None:
        if node.op_type == _SHAPE and list(node.input) == [self._current]:
            self._define(node, np.array(self._declared_shape(), dtype=np.int64))
            return
        inputs = tuple(self._resolved(node, name) for name in node.input)
        template = self._template
        call = Call(node, inputs, template.opset, template.batch, template.limits)
        if Value.CURRENT not in [entry for entry in inputs if isinstance(entry, Value)]:
            self._define(node, folded(call))
            return
        if node.op_type not in OPERATORS:
            call.refuse(f"computes with the network's value; {_SUPPORTED}")
        apply(call, self._chain)
        self._advance(node)

    def _declared_shape(self) -> list[int]:
        first, *rest = self._chain.shape or (1,)
        return [self._template.batch if self._template.batch > 1 else first, *rest]

    def _resolved(self, node: Any, name: str) -> Constant | Value | None:
        if not name:
            return None
        if name == self._current:
            return Value.CURRENT
        if name in self._spent:
            raise UnsupportedModel(
                f"{label_of(node)} uses {shown(name)}, which another node uses already; supported are networks that "
                "are one chain of operations, without branches or residual connections"
            )
        if name in self._stored and name not in self._constants:
            self._constants[name] = tensor_constant(self._stored[name], self._template.limits)
        if name not in self._constants:
            raise UnreadableModel(f"{label_of(node)} uses {shown(name)}, which no node before it computes")
        return self._constants[name]

    def _define(self, node: Any, entries: Constant) -> None:
        name = self._new_output(node)
        self._computed += entries.size
        self._template.limits.check_weights(self._computed)
        self._constants[name] = entries

    def _advance(self, node: Any) -> None:
        name = self._new_output(node)
        self._spent.add(self._current)
        self._current = name

    def _new_output(self, node: Any) -> str:
        name = node.output[0] if node.output else ""
        if not name or name == self._current or name in self._spent or self._is_constant(name):
            raise UnreadableModel(f"{label_of(node)} computes {shown(name)}, which is no new name")
        return str(name)

    def _is_constant(self, name: str) -> bool:
        return name in self._stored or name in self._constants
