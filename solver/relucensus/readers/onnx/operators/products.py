"""Products with constant matrices: MatMul, Gemm and Einsum are sums over labelled axes of products of entries.

Throughout: an operand has a label for each of its axes; axes with one label have one length, or length 1, which is
repeated. A label that the result does not have is summed over.
"""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Final, NoReturn

import numpy as np

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.limits import shape_text
from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.forms import Operator, operator
from relucensus.readers.onnx.operators.activations import fused
from relucensus.readers.onnx.operators.elementwise import added, multiplied
from relucensus.readers.onnx.tensors import Constant, Tensor, broadcast, combined
from relucensus.values import exact_numbers
from relucensus.values.exact_numbers import Ints, Numbers
from relucensus.values.exact_rows import ExactRows

Plain = Constant | AffineValue

_LETTERS: Final = string.ascii_letters
_MOST_LABELS: Final = 32


def contracted(call: Call, operands: Sequence[Plain], labels: Sequence[str], result: str) -> Plain:
    """The tensor with the axes `result`: sums over all other labels of the products of the operands' entries."""
    sizes = _sizes(call, operands, labels)
    values = [i for i, one in enumerate(operands) if isinstance(one, AffineValue)]
    if len(values) > 1:
        call.refuse(
            "multiplies two values that depend on the network's input, which is not piecewise linear; only weights "
            "that are constants are supported"
        )
    leading = values[0] if values else 0
    summed = [label for label in sizes if label not in result]
    order = [*result, *summed]
    if len(order) > _MOST_LABELS:
        call.refuse(f"has {len(order)} different axes; accepted are at most {_MOST_LABELS}")
    count = math.prod(sizes.values())
    call.limits.check_weights(count)
    shape = tuple(sizes[label] for label in result)
    if not count:
        call.fail(f"is a product without entries ({shape_text([sizes[label] for label in order])})")
    grid = {label: np.arange(sizes[label]).reshape([-1 if one == label else 1 for one in order]) for label in order}
    full = tuple(sizes[label] for label in order) or (1,)
    others = [(operands[i], labels[i]) for i in range(len(operands)) if i != leading]
    coefficients: Numbers = np.ones(1)
    for operand, own in others:
        assert isinstance(operand, Constant)
        numbers = call.finite(operand, "B").ravel()[_places(operand.shape, own, grid)]
        coefficients = exact_numbers.product(coefficients, numbers)
    spread = np.broadcast_to(coefficients, full).reshape(-1)
    places = np.broadcast_to(_places(operands[leading].shape, labels[leading], grid), full).reshape(-1)
    present = np.flatnonzero(exact_numbers.nonzero(spread))
    rows = present // math.prod(sizes[label] for label in summed)
    outer = ExactRows.from_entries((math.prod(shape), operands[leading].size), rows, places[present], spread[present])
    return combined(operands[leading], outer, shape)


def _sizes(call: Call, operands: Sequence[Plain], labels: Sequence[str]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for operand, own in zip(operands, labels, strict=True):
        if len(own) != len(operand.shape):
            call.fail(f"names {len(own)} axes of an operand of shape {shape_text(operand.shape)}")
        for label, n in zip(own, operand.shape, strict=True):
            if 1 not in (n, sizes.get(label, n)) and sizes.get(label, n) != n:
                shapes = " and ".join(shape_text(one.shape) for one in operands)
                call.fail(f"multiplies operands of the shapes {shapes}, which do not fit")
            sizes[label] = max(n, sizes.get(label, n)) if n else 0
    return sizes


def _places(shape: Sequence[int], labels: str, grid: dict[str, Ints]) -> Ints:
    """The number of the operand's entry for every combination of the labels."""
    found: Ints = np.zeros(1, dtype=np.int64)
    stride = 1
    for label, n in zip(labels[::-1], tuple(shape)[::-1], strict=True):
        if n > 1:
            found = found + grid[label] * stride
        stride *= n
    return found


def _matmul(call: Call) -> Tensor:
    a, b = call.tensor("A"), call.tensor("B")
    return matrix_product(call, a, b)


def matrix_product(call: Call, a: Plain, b: Plain) -> Plain:
    """``a @ b`` as numpy has it."""
    ranks = len(a.shape), len(b.shape)
    if 0 in ranks:
        call.fail("multiplies by a number; needed are vectors, matrices or stacks of matrices")
    batch = max(*ranks, 2) - 2
    stack = _LETTERS[:batch]
    inner = a.shape[-1], b.shape[-2 if ranks[1] > 1 else 0]
    if inner[0] != inner[1]:
        _misfit(call, a, b)
    left = (stack[batch - (ranks[0] - 2) :] + "XZ") if ranks[0] > 1 else "Z"
    right = (stack[batch - (ranks[1] - 2) :] + "ZY") if ranks[1] > 1 else "Z"
    result = stack + ("X" if ranks[0] > 1 else "") + ("Y" if ranks[1] > 1 else "")
    return contracted(call, [a, b], [left, right], result)


def _misfit(call: Call, a: Plain, b: Plain) -> NoReturn:
    told = [
        f"a {'value' if isinstance(one, AffineValue) else 'matrix'} of shape {shape_text(one.shape)}" for one in (a, b)
    ]
    call.fail(f"multiplies {told[0]} by {told[1]}, which does not fit")


def _gemm(call: Call) -> Tensor:
    a, b = call.tensor("A"), call.tensor("B")
    if len(a.shape) != 2 or len(b.shape) != 2:
        call.fail(f"needs inputs with 2 axes and gets {len(a.shape)} and {len(b.shape)}")
    left, right = call.whole("transA", 0), call.whole("transB", 0)
    if a.shape[0 if left else 1] != b.shape[1 if right else 0]:
        _misfit(call, a, b)
    found = contracted(call, [a, b], ["ZX" if left else "XZ", "YZ" if right else "ZY"], "XY")
    found = _times(call, found, "alpha")
    if call.given("C") is None:
        return found
    offset = call.tensor("C")
    if call.version < 7 and not call.whole("broadcast", 0) and offset.shape != found.shape:
        call.fail("has a bias of another shape than its product and broadcast = 0")
    spread = _times(call, call.plain(broadcast(offset, found.shape, call.limits)), "beta")
    return added(call, found, spread)


def _times(call: Call, tensor: Plain, attribute: str) -> Plain:
    factor = float(call.number(attribute, 1.0))
    if not math.isfinite(factor):
        call.fail(f"has {attribute} = {factor}; needed is a finite number")
    if factor == 1:
        return tensor
    return multiplied(call, tensor, Constant(np.full(tensor.shape, factor), "float64"))


def _einsum(call: Call) -> Tensor:
    operands = call.all_plain()
    equation = call.word("equation", "").replace(" ", "")
    left, arrow, result = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        call.fail(f"has the equation {equation[:60]!r} for {len(operands)} operands")
    spread = [_without_ellipsis(call, term, len(one.shape)) for term, one in zip(terms, operands, strict=True)]
    longest = max((len(dots) for _, dots in spread), default=0)
    dots = _DOTS[:longest]
    labels = [text.replace(".", dots[longest - len(own) :]) for text, own in spread]
    if not arrow:
        letters = sorted({c for c in left if c in _LETTERS})
        result = dots + "".join(c for c in letters if left.count(c) == 1)
    else:
        result = result.replace("...", dots)
    known = set("".join(labels))
    if len(set(result)) != len(result) or not set(result) <= known:
        call.fail(f"has the equation {equation[:60]!r}, whose result is not made of its operands' axes")
    return contracted(call, operands, labels, result)


_DOTS: Final = "".join(chr(0x100 + i) for i in range(16))


def _without_ellipsis(call: Call, term: str, rank: int) -> tuple[str, str]:
    """The term with one dot for its ellipsis, and a place for each axis that stands for."""
    named = term.replace("...", ".")
    own = rank - (len(named) - named.count("."))
    if named.count(".") > 1 or own < 0 or (own and "." not in named) or not set(named) <= {*_LETTERS, "."}:
        call.fail(f"has the term {term[:40]!r} for an operand with {rank} axes")
    return named, _DOTS[:own]


def _fused_matmul(call: Call) -> Tensor:
    a, b = call.tensor("A"), call.tensor("B")
    if call.whole("transBatchA", 0) or call.whole("transBatchB", 0):
        call.refuse("transposes batches; supported are transA and transB")
    operands = [_transposed(call, one) if call.whole(name, 0) else one for one, name in ((a, "transA"), (b, "transB"))]
    return _times(call, matrix_product(call, *operands), "alpha")


def _transposed(call: Call, tensor: Plain) -> Plain:
    labels = _LETTERS[: len(tensor.shape)]
    if len(labels) < 2:
        return tensor
    return contracted(call, [tensor], [labels], labels[:-2] + labels[-1] + labels[-2])


def _fused_gemm(call: Call) -> Tensor:
    return fused(call, call.plain(_gemm(call)))


OPERATORS: Final[dict[str, Operator]] = {
    "Einsum": operator(_einsum, {(12, 28): "* ; equation"}),
    "FusedGemm": operator(
        _fused_gemm,
        {(1,): "A B C ; activation activation_alpha activation_beta activation_gamma alpha beta transA transB"},
        "com.microsoft",
    ),
    "FusedMatMul": operator(
        _fused_matmul, {(1,): "A B ; alpha transA transB transBatchA transBatchB"}, "com.microsoft"
    ),
    "Gemm": operator(
        _gemm, {(6,): "A B C ; alpha beta broadcast transA transB", (7, 9, 11, 13): "A B C ; alpha beta transA transB"}
    ),
    "MatMul": operator(_matmul, {(1, 9, 13): "A B ;"}),
}
