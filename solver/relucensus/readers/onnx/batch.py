"""A fixed batch, of which one sample is read: nodes that do not treat the samples one by one are refused.

Throughout: a value stands for one sample, its first axis has one entry before and after each node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.tensors import Tensor, values_in

_ENTRY_BY_ENTRY: Final = frozenset(
    "Abs Cast CastLike Clip Dropout HardSigmoid Identity LeakyRelu Neg Not Relu Shrink Sigmoid Tanh ThresholdedRelu "
    "Conv ConvTranspose AveragePool MaxPool GlobalAveragePool GlobalMaxPool BatchNormalization Shape Scaler "
    "DepthToSpace SpaceToDepth".split()
)
_BROADCASTING: Final = frozenset(
    "Add Sub Mul Div Sum Mean Max Min PRelu Greater GreaterOrEqual Less LessOrEqual Where".split()
)
_ALONG_AN_AXIS: Final = {"Concat": 0, "Gather": 0, "Split": 0, "Softmax": 1, "LogSoftmax": 1, "ArgMax": 0}
_ALONG_AXES: Final = frozenset("ReduceSum ReduceMean ReduceMax ReduceMin ReduceL1 Squeeze Unsqueeze Slice".split())


def check_samples_apart(call: Call) -> None:
    """Refuse a node of which it is not certain that it treats the samples of the batch one by one."""
    values = [entry for entry in call.inputs if entry is not None and values_in(entry)]
    if not _apart(call, len(values[0].shape), values):
        refuse_batch(call)


def _apart(call: Call, rank: int, values: list[Tensor]) -> bool:
    kind = call.op_type
    if kind in _OWN_RULES:
        return _OWN_RULES[kind](call, rank)
    if kind in _ALONG_AN_AXIS:
        return rank > 1 and call.whole("axis", _ALONG_AN_AXIS[kind]) not in (0, -rank)
    if kind in _ALONG_AXES:
        axes = call.integers("axes")
        inner = all(axis not in (0, -rank) for axis in axes or ())
        return bool(axes) and inner and (kind != "Unsqueeze" or _after(axes))
    if kind in _BROADCASTING:
        small = all(len(entry.shape) <= rank for entry in call.inputs if entry is not None)
        return small and len({len(value.shape) for value in values}) == 1
    return kind in _ENTRY_BY_ENTRY


def _after(axes: list[int] | None) -> bool:
    return all(axis > 0 for axis in axes or ())


def _flatten(call: Call, rank: int) -> bool:
    return call.whole("axis", 1) in (1, 1 - rank)


def _reshape(call: Call, _rank: int) -> bool:
    return (call.integers("shape") or [])[:1] in ([call.batch], [0], [-1])


def _transpose(call: Call, rank: int) -> bool:
    return (call.numbers("perm") or [rank])[:1] == [0]


def _matmul(call: Call, rank: int) -> bool:
    ranks = [len(entry.shape) for entry in call.inputs if entry is not None]
    return max(ranks) == rank and (isinstance(call.inputs[0], AffineValue) or rank >= 3)


def _gemm(call: Call, rank: int) -> bool:
    offset = call.given("C")
    apart = not isinstance(offset, AffineValue) or len(offset.shape) == rank
    return apart and isinstance(call.inputs[0], AffineValue) and not call.whole("transA", 0)


def _resize(call: Call, rank: int) -> bool:
    """Whether the first axis keeps its length."""
    axes = call.axes(rank)
    if axes is not None:
        return 0 not in axes
    if "scales" in call.form.attributes:
        return (call.decimals("scales") or [])[:1] == [1.0]
    return call.given("sizes") is None and bool((call.floats("scales").ravel()[:1] == 1).all())


def _pad(call: Call, rank: int) -> bool:
    pads = call.integers("pads") or []
    return call.given("axes") is None and len(pads) == 2 * rank and not pads[0] and not pads[rank]


def _tile(call: Call, _rank: int) -> bool:
    return (call.integers("repeats") or [])[:1] == [1]


def _cumsum(call: Call, rank: int) -> bool:
    return call.constant("axis").entries.ravel().tolist() not in ([0], [-rank])


def _trilu(_call: Call, rank: int) -> bool:
    return rank > 2


_OWN_RULES: Final[dict[str, Callable[[Call, int], bool]]] = {
    "CumSum": _cumsum,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Pad": _pad,
    "Reshape": _reshape,
    "Resize": _resize,
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Upsample": _resize,
}


def refuse_batch(call: Call) -> NoReturn:
    """Raise `UnsupportedModel`: the node may mix samples."""
    call.refuse(
        f"does not treat the {call.batch} samples of the fixed batch one by one, or is not known to; export the model "
        "with a batch of one or a dynamic batch dimension, or read the whole batch as one input (batch_axis none)"
    )
