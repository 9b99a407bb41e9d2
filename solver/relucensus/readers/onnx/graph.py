"""An ONNX file whose graph is made of affine and piecewise-linear operators.

The file is only parsed, never run or handed to a runtime. Everything it declares (opsets, domains, shapes, where a
tensor lies) is checked here, so that what is accepted is exactly what the operators understand.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from relucensus.errors import AmbiguousModel, CensusError, InvalidRequest, UnreadableModel, UnsupportedModel
from relucensus.readers.affine.value import AffineValue
from relucensus.readers.choices import Choices
from relucensus.readers.data_files import DataFiles
from relucensus.readers.limits import ReaderLimits, shown
from relucensus.readers.onnx.functions import without_functions
from relucensus.readers.onnx.inputs import are_columns, inputs_of, listed
from relucensus.readers.onnx.known_shapes import with_known_shapes
from relucensus.readers.onnx.operators.registry import STANDARD, SUPPORTED
from relucensus.readers.onnx.stored_tensors import StoredTensors
from relucensus.readers.onnx.tensors import Comparison, Constant, Indicator, LeftOff, Tensor
from relucensus.readers.onnx.walk import Walk
from relucensus.values.network import Network

_OLDEST_OPSET: Final = 6
_MOST_OUTPUTS: Final = 100
_TRAINING: Final = "Dropout"


def read_onnx(
    data: bytes, files: DataFiles, limits: ReaderLimits, choices: Choices
) -> tuple[Network, tuple[int, ...], list[str]]:
    """The network, the shape of one input (a batch of one), and notes on how the file was understood.

    Raises:
        UnreadableModel: not an ONNX file, or one that contradicts itself.
        AmbiguousModel: a first axis of the input that is fixed and longer than 1.
        UnsupportedModel: an operator, or a part of one, that is not read (it is named), an opset that is not known, a
            limit passed.
        InvalidNetwork: shapes that do not fit, or weights that are not finite.
        InvalidRequest: a choice about an input or output that does not exist.
    """
    model = _parsed(data)
    _check_names(model.graph)
    _refuse_foreign_parts(model, limits)
    model = without_functions(model, limits)
    try:
        return _read(model, files, limits, choices)
    except AmbiguousModel:
        if not are_columns(model.graph):
            raise
        return _read_column(model, files, limits, choices)
    except UnsupportedModel:
        simpler = with_known_shapes(model) if choices.batch_axis != "first" else None
        if simpler is None:
            raise
        try:
            return _read(simpler, files, limits, choices)
        except CensusError:
            pass
        raise


def _read_column(
    model: Any, files: DataFiles, limits: ReaderLimits, choices: Choices
) -> tuple[Network, tuple[int, ...], list[str]]:
    """As `read_onnx`, of an input with one entry along all axes but the first, if its nodes treat it as no batch."""
    try:
        _read(model, files, limits, replace(choices, batch_axis="first"))
    except CensusError:
        network, shape, notes = _read(model, files, limits, replace(choices, batch_axis="none"))
        return network, shape, [*notes, "the input is a column of values, which its nodes do not treat as a batch"]
    return _read(model, files, limits, choices)


def _read(
    model: Any, files: DataFiles, limits: ReaderLimits, choices: Choices
) -> tuple[Network, tuple[int, ...], list[str]]:
    graph = model.graph
    outputs = _outputs(graph, choices)
    walk = Walk(graph, _opsets(model), StoredTensors(files, limits))
    inputs = inputs_of(graph, walk.needed_names(outputs), choices, limits)
    found = walk.run(inputs.tensors, outputs, inputs.batch)
    whole, notes = _joined(found, outputs, graph)
    if walk.left_out:
        notes.append(f"nodes left out because the output does not depend on them: {walk.left_out}")
    dropouts = sum(node.op_type == _TRAINING for node in graph.node)
    if dropouts:
        notes.append(f"Dropout is the identity outside of training ({dropouts})")
    return whole.network(), inputs.shape, [*inputs.notes, *walk.notes, *notes]


def _parsed(data: bytes) -> Any:
    import onnx  # noqa: PLC0415 - only an ONNX file needs it
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415

    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise UnreadableModel(
            f"the file is neither ONNX (damaged or cut off: {error}) nor a PyTorch, safetensors or .nnet file"
        ) from None
    if not model.ir_version or not model.HasField("graph"):
        raise UnreadableModel("the file is neither ONNX (it has no graph) nor a PyTorch, safetensors or .nnet file")
    return model


def _opsets(model: Any) -> Mapping[str, int]:
    """The version of the operators of each domain; the standard one is named ''."""
    import onnx  # noqa: PLC0415

    found: dict[str, int] = {}
    for entry in model.opset_import:
        domain = "" if entry.domain in STANDARD else str(entry.domain)
        if found.setdefault(domain, int(entry.version)) != entry.version:
            raise UnreadableModel(
                f"the file names two versions of the operators of {shown(domain or 'ai.onnx')}: {found[domain]} and "
                f"{entry.version}"
            )
    newest = int(onnx.defs.onnx_opset_version())
    if "" in found and not _OLDEST_OPSET <= found[""] <= newest:
        raise UnsupportedModel(
            f"the file uses opset {found['']}; supported are {_OLDEST_OPSET} to {newest} "
            "(onnx.version_converter.convert_version can change it)"
        )
    if not found:
        raise UnreadableModel("the file does not say which version of the operators it means")
    return found


def _refuse_foreign_parts(model: Any, limits: ReaderLimits) -> None:
    graph = model.graph
    twice = [name for name, times in Counter(tensor.name for tensor in graph.initializer).items() if times > 1]
    if twice:
        raise UnreadableModel(f"the file has two initializers named {shown(twice[0])}; it is damaged")
    if len(graph.node) > limits.nodes:
        raise UnsupportedModel(f"the graph has {len(graph.node)} nodes; accepted are at most {limits.nodes}")
    parts = {
        "training information": model.training_info,
        "sparse initializers": graph.sparse_initializer,
        "quantization annotations": graph.quantization_annotation,
    }
    for part, entries in parts.items():
        if len(entries):
            raise UnsupportedModel(f"the file has {part}, which are not supported; {SUPPORTED}")


def _check_names(graph: Any) -> None:
    """Refuse a file with a name that is not UTF-8; protobuf gives such a name as bytes."""
    names = [entry.name for entry in (*graph.initializer, *graph.input, *graph.output)]
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
    for name in names:
        if not isinstance(name, str):
            raise UnreadableModel(f"the file has the name {shown(name)}, which is not UTF-8; it is damaged")


def _outputs(graph: Any, choices: Choices) -> list[str]:
    """The names of the outputs that are read: all, or the one that was chosen."""
    names = [str(entry.name) for entry in graph.output]
    if choices.model_output is not None:
        if choices.model_output not in names:
            raise InvalidRequest(
                f"model_output names {shown(choices.model_output)}; the graph has the outputs {listed(names)}"
            )
        return [choices.model_output]
    if not 1 <= len(names) <= _MOST_OUTPUTS:
        raise UnsupportedModel(f"the graph has {len(names)} outputs; accepted are 1 to {_MOST_OUTPUTS}")
    return names


def _joined(found: Sequence[Tensor], names: Sequence[str], graph: Any) -> tuple[AffineValue, list[str]]:
    """All outputs side by side, what labels and scores are made of once; and what was left off or out."""
    notes = [f"the last {operator} was left off" for operator in _operators_left_off(found)]
    parts: dict[object, AffineValue] = {}
    told = []
    for tensor, name in zip(found, names, strict=True):
        match tensor:
            case AffineValue():
                parts[name] = tensor
            case LeftOff():
                parts.setdefault(id(tensor.value.rows), tensor.value)
            case Constant():
                told.append(f"output {shown(name)} does not depend on the input and is left out")
                continue
            case Comparison() | Indicator():
                raise UnsupportedModel(
                    f"the output {shown(name)} is a truth value, which is not continuous; choose the output before it"
                )
    if not parts:
        raise UnsupportedModel(f"the output {listed(names)} does not depend on the input; {SUPPORTED}")
    if len(graph.output) > 1:
        which = "taken" if len(names) < len(graph.output) else "side by side"
        told.append(f"outputs {which}: {listed(names)} of {len(graph.output)}")
    flat = []
    for value in parts.values():
        part = value.fork()
        part.reshape((math.prod(part.shape),))
        flat.append(part)
    whole = flat[0]
    if len(flat) > 1:
        whole.concatenate(flat, 0)
    return whole, [*notes, *told]


def _operators_left_off(found: Sequence[Tensor]) -> list[str]:
    return list(dict.fromkeys(tensor.operator for tensor in found if isinstance(tensor, LeftOff)))
