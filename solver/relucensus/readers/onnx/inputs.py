"""The inputs of an ONNX graph: which become the network's coordinates, which are fixed, which are not used."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from relucensus.errors import AmbiguousModel, InvalidRequest, UnsupportedModel
from relucensus.readers.affine.value import AffineValue
from relucensus.readers.choices import Choices, Fixed
from relucensus.readers.limits import ReaderLimits, shape_text, shown
from relucensus.readers.onnx.stored_tensors import FLOAT_TYPES, KINDS
from relucensus.readers.onnx.tensors import FLOAT_KINDS, Constant, Tensor
from relucensus.values.names import BATCH_AXES

_MOST_INPUTS: Final = 100


@dataclass(frozen=True, slots=True)
class Inputs:
    """The tensors of the inputs by name, the shape of one sample of the free ones, and the fixed batch size or 1."""

    tensors: Mapping[str, Tensor]
    shape: tuple[int, ...]
    batch: int
    notes: tuple[str, ...]


def inputs_of(graph: Any, used: Collection[str], choices: Choices, limits: ReaderLimits) -> Inputs:
    """The inputs that the outputs depend on; several free ones lie side by side in the order of the file.

    Raises:
        AmbiguousModel: a first axis that is fixed and longer than 1, of which nothing was said.
        InvalidRequest: a choice about an input that does not exist.
        UnsupportedModel: an input that is not a tensor of floats and not fixed, or of which an axis is open.
    """
    constants = {tensor.name for tensor in graph.initializer}
    declared = [entry for entry in graph.input if entry.name not in constants]
    names = [entry.name for entry in declared]
    unknown = [name for name in choices.model_input if name not in names]
    if unknown:
        raise InvalidRequest(f"model_input names {shown(unknown[0])}; the graph has the inputs {listed(names)}")
    free = [entry for entry in declared if entry.name in used and entry.name not in choices.model_input]
    if not free:
        raise UnsupportedModel(f"the output does not depend on an input that is not fixed ({listed(names)})")
    if len(free) > _MOST_INPUTS:
        raise UnsupportedModel(
            f"the graph has {len(free)} inputs ({listed([entry.name for entry in free])}) that are used and not fixed; "
            f"accepted are at most {_MOST_INPUTS}"
        )
    shapes = [_shape(entry) for entry in free]
    batch = _batch([entry.name for entry in free], shapes, choices)
    samples = [_sample(entry.name, shape, batch) for entry, shape in zip(free, shapes, strict=True)]
    tensors = _side_by_side([entry.name for entry in free], samples, limits)
    for entry in declared:
        if entry.name in choices.model_input:
            tensors[entry.name] = _fixed(entry, choices.model_input[entry.name], batch, limits)
    whole = samples[0] if len(samples) == 1 else (1, sum(math.prod(shape) for shape in samples))
    return Inputs(tensors, whole, batch, tuple(_notes(free, samples, declared, used, choices, batch)))


def are_columns(graph: Any) -> bool:
    """Whether each input has one entry along all axes but the first: a column of values, or a batch of numbers."""
    shapes = [[dim.dim_value for dim in entry.type.tensor_type.shape.dim] for entry in graph.input]
    return all(n == 1 for shape in shapes for n in shape[1:])


def _notes(
    free: Sequence[Any],
    samples: Sequence[tuple[int, ...]],
    declared: Sequence[Any],
    used: Collection[str],
    choices: Choices,
    batch: int,
) -> list[str]:
    found = []
    if len(free) > 1:
        parts = [f"{shown(e.name)} ({math.prod(shape)})" for e, shape in zip(free, samples, strict=True)]
        found.append(f"inputs side by side, in this order: {', '.join(parts)}")
    unused = [e.name for e in declared if e.name not in used and e.name not in choices.model_input]
    if unused:
        found.append(f"inputs that the output does not depend on are left out: {listed(unused)}")
    found += [f"input {shown(name)} is fixed" for name in choices.model_input]
    if batch > 1:
        found.append(
            f"the first axis of {batch} is read as a batch; one sample has {shape_text(samples[0][1:])} values"
        )
    elif choices.batch_axis == "none":
        found.append("no axis of the input is read as a batch")
    half = [e.name for e in free if KINDS.get(e.type.tensor_type.elem_type) in ("float16", "bfloat16")]
    if half:
        found.append(f"half-precision input {listed(half)}: the weights are exact, nothing is rounded to 16 bits")
    return found


def listed(names: Sequence[str]) -> str:
    """The names, quoted, a few of them."""
    few = ", ".join(shown(name) for name in names[:8])
    return (few or "none") + (f", … ({len(names)} in all)" if len(names) > 8 else "")


def _shape(entry: Any) -> list[int | None]:
    """The declared shape; None is an open axis, which only the first may be."""
    name, kind = entry.name, entry.type.tensor_type
    if kind.elem_type not in FLOAT_TYPES:
        raise UnsupportedModel(
            f"input {shown(name)} is not a tensor of floats ({', '.join(FLOAT_TYPES.values())}); fix it with "
            f"model_input (--model-input {name}=VALUES)"
        )
    if not kind.HasField("shape"):
        raise UnsupportedModel(f"input {shown(name)} has no shape; export the model with the shape of its input")
    dims = kind.shape.dim
    sizes = [dim.dim_value if dim.dim_value > 0 else None for dim in dims]
    if None in sizes[1:] or sizes == [None]:
        text = ", ".join(shown(dim.dim_param or "?") if dim.dim_value <= 0 else str(dim.dim_value) for dim in dims)
        raise UnsupportedModel(
            f"input {shown(name)} has the shape [{text}]; supported is at most one open dimension, the batch, in front"
        )
    return sizes


def _batch(names: Sequence[str], shapes: Sequence[Sequence[int | None]], choices: Choices) -> int:
    """The fixed batch size that is to be read as a batch, or 1."""
    firsts = {shape[0] for shape in shapes if len(shape) > 1}
    fixed = sorted(first for first in firsts if first is not None and first > 1)
    if not fixed or choices.batch_axis == "none":
        return 1
    if choices.batch_axis is None:
        name, shape = next((n, s) for n, s in zip(names, shapes, strict=True) if len(s) > 1 and (s[0] or 1) > 1)
        sizes = [n or 1 for n in shape]
        raise AmbiguousModel(
            f"input {shown(name)} has the fixed shape {shape_text(sizes)}: a batch of {sizes[0]} inputs with "
            f"{math.prod(sizes[1:])} values each (first), or one input with {math.prod(sizes)} values (none)",
            option="batch_axis",
            choices=BATCH_AXES,
        )
    if len(firsts) > 1:
        raise UnsupportedModel(
            f"the inputs {listed(names)} have first axes of different lengths, so these are no batch"
        )
    return fixed[0]


def _sample(name: str, shape: Sequence[int | None], batch: int) -> tuple[int, ...]:
    """The shape with one sample in place of a batch."""
    if not shape:
        return ()
    first, *rest = shape
    if batch > 1 and len(shape) < 2:
        raise UnsupportedModel(f"input {shown(name)} has one axis, and so no batch beside the others' batch of {batch}")
    whole = (1 if batch > 1 or first is None else first, *rest)
    return tuple(n or 1 for n in whole)


def _side_by_side(names: Sequence[str], samples: Sequence[tuple[int, ...]], limits: ReaderLimits) -> dict[str, Tensor]:
    sizes = [math.prod(shape) for shape in samples]
    limits.check_inputs(sum(sizes))
    if len(names) == 1:
        return {names[0]: AffineValue(samples[0], limits)}
    whole = AffineValue((sum(sizes),), limits)
    found: dict[str, Tensor] = {}
    start = 0
    for name, shape, size in zip(names, samples, sizes, strict=True):
        part = whole.fork()
        part.rearrange(np.arange(start, start + size).reshape(shape))
        found[name] = part
        start += size
    return found


def _fixed(entry: Any, value: Fixed, batch: int, limits: ReaderLimits) -> Constant:
    """The constant that an input is fixed to."""
    tensor = entry.type.tensor_type
    kind = KINDS.get(tensor.elem_type)
    sizes = [dim.dim_value if dim.dim_value > 0 else 1 for dim in tensor.shape.dim]
    if batch > 1 and sizes[:1] == [batch]:
        raise UnsupportedModel(
            f"input {shown(entry.name)} is fixed and has the first axis of the batch, over which the graph may mix its "
            "values; read the whole batch as one input (batch_axis none)"
        )
    limits.check_tensor(entry.name, sizes)
    numbers = [value] if isinstance(value, int | float) else list(value)
    if kind is None or not all(math.isfinite(n) for n in numbers):
        raise InvalidRequest(f"model_input fixes {shown(entry.name)} to what its type does not hold")
    if len(numbers) not in (1, math.prod(sizes)):
        raise InvalidRequest(
            f"model_input gives {len(numbers)} values for {shown(entry.name)} of shape {shape_text(sizes)}; needed are "
            f"{math.prod(sizes)}, or one for all"
        )
    entries = np.broadcast_to(np.array(numbers, dtype=np.float64), (math.prod(sizes),)).reshape(sizes)
    if kind in FLOAT_KINDS:
        return Constant(entries.copy(), kind)
    if any(n != int(n) for n in numbers):
        raise InvalidRequest(f"model_input fixes {shown(entry.name)}, of {kind}, to a number that is not whole")
    whole = np.array([int(n) for n in entries.ravel().tolist()], dtype=np.int64).reshape(sizes)
    return Constant(whole.astype(np.bool_) if kind == "bool" else whole, kind)
