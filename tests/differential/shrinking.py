"""Makes a case that fails as small as can be: cut off after a node, begun after one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper

from differential.case import Case, points_for
from differential.judge import Outcome, judge
from differential.random_graphs import check
from differential.runtime import outputs_of


def shrunk(case: Case) -> Case:
    """A case with few nodes that is judged as this one is."""
    outcome = judge(case).outcome
    smallest = case
    for candidates in (_ends, _beginnings):
        for candidate in candidates(smallest):
            if _size(candidate) < _size(smallest) and _same(candidate, outcome):
                smallest = candidate
    return smallest


def as_text(case: Case) -> str:
    """The graph to be read, with its options."""
    model = onnx.load_from_string(case.data) if case.data is not None and case.files is None else case.model
    return f"{case.name}, options {case.options}, batch {case.batch}\n{onnx.printer.to_text(model)}"


def _size(case: Case) -> tuple[int, int]:
    return len(case.model.graph.node), len(case.model.graph.output)


def _same(case: Case, outcome: Outcome) -> bool:
    try:
        check(case)
        return judge(case).outcome is outcome
    except Exception:  # a graph that is none
        return False


def _ends(case: Case) -> Iterator[Case]:
    """The case with each of its values as the only output."""
    for node in case.model.graph.node:
        for name in node.output:
            yield replace(case, model=_cut(case.model, name), data=None)


def _beginnings(case: Case) -> Iterator[Case]:
    """The case with each of its values as the input."""
    for node in case.model.graph.node:
        for name in node.output:
            begun = _begun(case, name)
            if begun is not None:
                yield begun


def _begun(case: Case, name: str) -> Case | None:
    """The case with this value, as long as it is at the first points, for its input."""
    try:
        (value,) = outputs_of("onnxruntime", _cut(case.model, name), [case.feeds(case.groups[0])])[0]
    except Exception:  # no value that stands alone
        return None
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    kept = [node for node in case.model.graph.node if name not in node.output]
    first = case.model.graph.input[0].type.tensor_type.shape.dim[0]
    shape: list[int | str] = list(value.shape)
    if shape and first.dim_param:
        shape[0] = first.dim_param
    model.graph.ClearField("input")
    model.graph.ClearField("node")
    model.graph.node.extend(kept)
    kind = helper.np_dtype_to_tensor_dtype(value.dtype)
    model.graph.input.append(helper.make_tensor_value_info(name, kind, shape))
    cut = _cut(model, model.graph.output[0].name)
    size = value.size // (case.batch or 1)
    return replace(case, model=cut, data=None, points=points_for(size, case.dtype, np.random.default_rng(0)))


def _cut(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """The part of a model that makes one of its values."""
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    needed, kept = {output}, []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    cut.graph.ClearField("node")
    cut.graph.node.extend(kept[::-1])
    cut.graph.ClearField("initializer")
    cut.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in needed)
    kinds = {info.name: info.type.tensor_type.elem_type for info in model.graph.output}
    cut.graph.ClearField("output")
    kind = kinds.get(output, model.graph.input[0].type.tensor_type.elem_type or TensorProto.FLOAT)
    cut.graph.output.append(helper.make_tensor_value_info(output, kind, None))
    return cut
