"""The branches of an If whose condition is a constant: their nodes take its place, under names of their own."""

from __future__ import annotations

from typing import Any

from relucensus.errors import UnreadableModel
from relucensus.readers.onnx.call import label_of


def branch_of(node: Any, taken: bool, suffix: str) -> tuple[list[Any], dict[str, Any]]:
    """The nodes of a branch, the last of which give the outputs of the If, and the branch's initializers by name.

    `suffix`, which no name of the file ends with, keeps the branch's own names apart from all others.

    Raises:
        UnreadableModel: the branch is not there, or has other outputs than the If.
    """
    import onnx  # noqa: PLC0415 - only an ONNX file needs it

    wanted = "then_branch" if taken else "else_branch"
    graphs = [attribute.g for attribute in node.attribute if attribute.name == wanted and attribute.HasField("g")]
    if len(graphs) != 1 or len(graphs[0].output) != len(node.output) or len(graphs[0].input):
        raise UnreadableModel(f"{label_of(node)} has no {wanted} with {len(node.output)} outputs and no inputs")
    (graph,) = graphs
    if len({tensor.name for tensor in graph.initializer}) < len(graph.initializer) or len(graph.sparse_initializer):
        raise UnreadableModel(f"{label_of(node)} has a {wanted} with sparse initializers, or with two of one name")
    renamed = {name: name + suffix for name in _own_names(graph)}
    nodes = []
    for inner in graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(inner)
        _rename(copy, renamed)
        nodes.append(copy)
    for name, source in zip(node.output, graph.output, strict=True):
        passing = onnx.NodeProto(op_type="Identity", input=[renamed.get(source.name, source.name)], output=[name])
        nodes.append(passing)
    return nodes, {renamed[tensor.name]: tensor for tensor in graph.initializer}


def _own_names(graph: Any) -> set[str]:
    """The names that a branch defines itself, whatever they mean outside of it."""
    computed = {name for inner in graph.node for name in inner.output if name}
    return computed | {tensor.name for tensor in graph.initializer}


def _rename(node: Any, renamed: dict[str, str]) -> None:
    """Give the names their new form, also in branches within, which may use them."""
    for names in (node.input, node.output):
        for i, name in enumerate(names):
            names[i] = renamed.get(name, name)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            own = _own_names(attribute.g)
            outside = {old: new for old, new in renamed.items() if old not in own}
            for inner in attribute.g.node:
                _rename(inner, outside)
            for entry in attribute.g.output:
                entry.name = outside.get(entry.name, entry.name)
