"""An ONNX file whose graph is made of affine operators and piecewise-linear activations.

The file is only parsed, never run or handed to a runtime. Everything it declares (opset, domains, shapes, where a
tensor lies) is checked here, so that what is accepted is exactly what `onnx_operators` understands.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from relucensus.errors import UnreadableModel, UnsupportedModel
from relucensus.readers.affine.value import AffineValue
from relucensus.readers.limits import ReaderLimits, shape_text, shown
from relucensus.readers.onnx.call import Call, label_of
from relucensus.readers.onnx.constants import FOLDABLE
from relucensus.readers.onnx.operators import OPERATORS
from relucensus.readers.onnx.tensors import FLOAT_TYPES, refuse_external_data
from relucensus.readers.onnx.walk import SHAPE, SUPPORTED, Walk
from relucensus.values.network import Network

_OLDEST_OPSET: Final = 8
_NODES_PER_LAYER: Final = 20
_STANDARD: Final = ("", "ai.onnx")
_MAXIMA: Final = ("MaxPool", "GlobalMaxPool")


def read_onnx(data: bytes, limits: ReaderLimits) -> tuple[Network, tuple[int, ...], list[str]]:
    """The network, the declared shape of one input (a batch of one), and notes on how the file was understood.

    Raises:
        UnreadableModel: not an ONNX file, or one that contradicts itself.
        UnsupportedModel: an operator that is not supported (the first in graph order is named), external data, an
            opset that is not known, a limit passed.
        InvalidNetwork: shapes that do not fit, or weights that are not finite.
    """
    model = _parsed(data)
    opset = _opset(model)
    graph = model.graph
    _refuse_foreign_parts(model, opset, limits)
    name, shape, batch = _input(graph)
    walk = Walk(graph, Call(None, (), opset, batch, limits))
    value = walk.run(name, AffineValue(shape, limits))
    notes = []
    if walk.left_out:
        notes.append(f"nodes left out because the output does not depend on them: {walk.left_out}")
    if batch > 1:
        notes.append(f"the fixed batch of {batch} is read as a batch; one sample has {shape_text(shape[1:])} values")
    return value.network(), shape, notes


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
    twice = [name for name, times in Counter(tensor.name for tensor in graph.initializer).items() if times > 1]
    if twice:
        raise UnreadableModel(f"the file has two initializers named {shown(twice[0])}; it is damaged")
    if len(graph.node) > _NODES_PER_LAYER * limits.layers:
        raise UnsupportedModel(
            f"the graph has {len(graph.node)} nodes; accepted are at most {_NODES_PER_LAYER * limits.layers}"
        )
    for node in graph.node:
        if node.domain not in _STANDARD or node.op_type not in {*OPERATORS, *FOLDABLE, SHAPE}:
            reason = " yet: it is a maximum of several values" if node.op_type in _MAXIMA else ""
            raise UnsupportedModel(f"{label_of(node)} is not supported{reason}; {SUPPORTED}")
        _check_form(node, opset)
    parts = {
        "local functions": model.functions,
        "training information": model.training_info,
        "sparse initializers": graph.sparse_initializer,
        "quantization annotations": graph.quantization_annotation,
    }
    for part, entries in parts.items():
        if len(entries):
            raise UnsupportedModel(f"the file has {part}, which are not supported; {SUPPORTED}")


def _check_form(node: Any, opset: int) -> None:
    """Refuse a node with inputs or attributes that its operator does not have in this opset."""
    import onnx  # noqa: PLC0415

    schema = onnx.defs.get_schema(node.op_type, opset)
    names = Counter(attribute.name for attribute in node.attribute)
    foreign = [name for name, times in names.items() if name not in schema.attributes or times > 1]
    if foreign:
        raise UnreadableModel(
            f"{label_of(node)} has the attribute {shown(foreign[0])}, unknown to opset {opset} or twice"
        )
    if any(attribute.ref_attr_name for attribute in node.attribute):
        raise UnreadableModel(f"{label_of(node)} has an attribute that refers to one of a function, and is in none")
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
