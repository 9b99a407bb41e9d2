"""Local functions of an ONNX file: those that are called take the place of their calls, others are passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from relucensus.errors import UnreadableModel, UnsupportedModel
from relucensus.readers.limits import ReaderLimits, shown
from relucensus.readers.onnx.operators.registry import operator_named

_MOST_FUNCTIONS: Final = 200  # each that calls the next one is a call within a call


def without_functions(model: Any, limits: ReaderLimits) -> Any:
    """The model with its local functions inlined by the onnx package.

    Raises:
        UnreadableModel: a function that calls itself, or has the name of an operator or of another function.
        UnsupportedModel: more nodes than the limits accept.
    """
    if not len(model.functions):
        return model
    bodies = {(f.domain, f.name): f for f in model.functions}
    if len(bodies) < len(model.functions):
        raise UnreadableModel("the file has two local functions of one name")
    for domain, name in bodies:
        if domain in ("", "ai.onnx") or operator_named(domain, name) is not None:
            raise UnreadableModel(f"the file has a local function with the name of an operator, {shown(name)}")
    if len(bodies) > _MOST_FUNCTIONS:
        raise UnsupportedModel(f"the file has {len(bodies)} local functions; accepted are at most {_MOST_FUNCTIONS}")
    size = _size(bodies, model.graph.node)
    if size > limits.nodes:
        raise UnsupportedModel(
            f"the graph has {size} nodes with its functions in their places; accepted are at most {limits.nodes}"
        )
    import onnx.inliner  # noqa: PLC0415 - only an ONNX file with functions needs it

    return onnx.inliner.inline_local_functions(_with_defaults(model))


def _with_defaults(model: Any) -> Any:
    """The model with the default attributes of its functions written into their calls; the inliner overlooks them.

    Raises:
        UnsupportedModel: a function passes an attribute on that it may not have, where the next one has a default.
    """
    defaults = {(f.domain, f.name): f.attribute_proto for f in model.functions if len(f.attribute_proto)}
    if not defaults:
        return model
    copy = type(model)()
    copy.CopyFrom(model)
    bodies = [(copy.graph.node, ()), *((f.node, tuple(f.attribute)) for f in copy.functions)]
    for node, perhaps in ((node, perhaps) for body, perhaps in bodies for node in _with_inner(body)):
        given = {attribute.name: attribute.ref_attr_name for attribute in node.attribute}
        known = defaults.get((node.domain, node.op_type), ())
        for attribute in known:
            if given.get(attribute.name) in perhaps:
                raise UnsupportedModel(
                    f"a local function passes its attribute {shown(given[attribute.name])} on to "
                    f"{shown(node.op_type)}, which has a default for it; inline the functions before "
                    "(onnx.inliner)"
                )
        node.attribute.extend(attribute for attribute in known if attribute.name not in given)
    return copy


def _size(bodies: Mapping[tuple[str, str], Any], nodes: Iterable[Any]) -> int:
    """How many nodes these become."""
    open_calls: set[tuple[str, str]] = set()

    @cache
    def of_function(key: tuple[str, str]) -> int:
        if key in open_calls:
            raise UnreadableModel(f"the local function {shown(key[1])} calls itself")
        open_calls.add(key)
        found = sum(of_node(node) for node in _with_inner(bodies[key].node))
        open_calls.discard(key)
        return found

    def of_node(node: Any) -> int:
        key = (node.domain, node.op_type)
        return of_function(key) if key in bodies else 1

    return sum(of_node(node) for node in _with_inner(nodes))


def _with_inner(nodes: Iterable[Any]) -> Iterator[Any]:
    """The nodes, and those of the graphs within them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _with_inner(attribute.g.node)
