"""Shapes that follow from the graph alone: what is computed only to be asked for its shape need not be read.

Exporters of random policies, for example, leave a branch of exponentials in the file of which only the shape is used.
The shapes are inferred by the onnx package for a batch of one.
"""

from __future__ import annotations

from typing import Any, Final

_SHAPE: Final = "Shape"
_PLAIN_ATTRIBUTES: Final = frozenset({"start", "end"})


def with_known_shapes(model: Any) -> Any | None:
    """The model with a constant in the place of each Shape whose result is known; None if there is none."""
    import onnx  # noqa: PLC0415 - only an ONNX file needs it

    if not any(_is_shape(node) for node in model.graph.node):
        return None
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _close_batches(copy.graph)
    try:
        inferred = onnx.shape_inference.infer_shapes(copy, data_prop=True)
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, ValueError, RuntimeError):
        return None
    shapes = {entry.name: _static_shape(entry) for entry in (*inferred.graph.value_info, *inferred.graph.input)}
    found = 0
    for node in copy.graph.node:
        shape = shapes.get(node.input[0]) if _is_shape(node) and node.input else None
        if shape is None:
            continue
        said = {attribute.name: attribute.i for attribute in node.attribute}
        part = shape[said.get("start", 0) : said.get("end", len(shape))]
        value = onnx.helper.make_tensor("", onnx.TensorProto.INT64, [len(part)], part)
        name = node.output[0]
        node.CopyFrom(onnx.helper.make_node("Constant", [], [name], name=node.name, value=value))
        found += 1
    return copy if found else None


def _is_shape(node: Any) -> bool:
    names = {attribute.name for attribute in node.attribute}
    return bool(node.op_type == _SHAPE and node.domain in ("", "ai.onnx") and names <= _PLAIN_ATTRIBUTES)


def _close_batches(graph: Any) -> None:
    """Give inputs with an open first axis, and no other, a batch of one; forget what else the file says of shapes."""
    for entry in graph.input:
        dims = entry.type.tensor_type.shape.dim
        if len(dims) and dims[0].dim_value <= 0 and all(dim.dim_value > 0 for dim in dims[1:]):
            dims[0].Clear()
            dims[0].dim_value = 1
    _forget_shapes(graph)


def _forget_shapes(graph: Any) -> None:
    del graph.value_info[:]
    for entry in graph.output:
        entry.type.tensor_type.ClearField("shape")
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        if attribute.HasField("g"):
            _forget_shapes(attribute.g)


def _static_shape(entry: Any) -> list[int] | None:
    kind = entry.type.tensor_type
    sizes = [int(dim.dim_value) for dim in kind.shape.dim]
    return sizes if kind.HasField("shape") and all(n > 0 for n in sizes) else None
