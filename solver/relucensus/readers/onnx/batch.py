"""A fixed batch, of which one sample is read: nodes that do not treat the samples one by one are refused.

Throughout: a value stands for one sample, its first axis has one entry before and after each node.
"""

from __future__ import annotations

from typing import Final, NoReturn

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.onnx.call import Call

_ENTRY_BY_ENTRY: Final = frozenset(
    "Abs Cast CastLike Clip Dropout HardSigmoid Identity LeakyRelu Neg Not Relu Shrink Sigmoid Softmax LogSoftmax Tanh "
    "ThresholdedRelu Conv ConvTranspose AveragePool MaxPool GlobalAveragePool GlobalMaxPool BatchNormalization Shape "
    "Scaler".split()
)
_BROADCASTING: Final = frozenset("Add Sub Mul Div Sum Mean Max Min PRelu Greater Less Where".split())


def check_samples_apart(call: Call) -> None:
    """Refuse a node of which it is not certain that it treats the samples of the batch one by one."""
    values = [entry for entry in call.inputs if isinstance(entry, AffineValue)]
    rank = len(values[0].shape)
    match call.op_type:
        case "Flatten":
            apart = call.whole("axis", 1) in (1, 1 - rank)
        case "Reshape":
            apart = (call.integers("shape") or [])[:1] in ([call.batch], [0], [-1])
        case "Transpose":
            apart = (call.numbers("perm") or [rank])[:1] == [0]
        case "Squeeze" | "Unsqueeze":
            given = call.integers("axes")
            apart = given is not None and all(axis > 0 for axis in given)
        case "Concat":
            apart = call.whole("axis", 0) not in (0, -rank)
        case "MatMul":
            apart = isinstance(call.inputs[0], AffineValue) or rank >= 3
        case "Gemm":
            apart = isinstance(call.inputs[0], AffineValue) and not call.whole("transA", 0)
        case _ if call.op_type in _BROADCASTING:
            apart = all(len(entry.shape) <= rank for entry in call.inputs if entry is not None)
            apart = apart and len({len(value.shape) for value in values}) == 1
        case _:
            apart = call.op_type in _ENTRY_BY_ENTRY
    if not apart:
        refuse_batch(call)


def refuse_batch(call: Call) -> NoReturn:
    """Raise `UnsupportedModel`: the node may mix samples."""
    call.refuse(
        f"does not treat the {call.batch} samples of the fixed batch one by one, or is not known to; export the model "
        "with a batch of one or a dynamic batch dimension, or read the whole batch as one input (batch_axis none)"
    )
