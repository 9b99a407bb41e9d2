"""Constants as exporters write them: initialisers, Constant nodes, and subgraphs that compute them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from differential.builder import Builder, Tensor


def constant(b: Builder, array: np.ndarray) -> Tensor:
    """A constant of the shape and type of the array; its numbers are about those."""
    if b.chance(0.6) or not array.size:
        return b.raw(array)
    if not array.ndim:
        return _node(b, array)
    known = [make for since, make in _FORMS if b.opset >= since]
    return b.rng.choice(known)(b, array)


def whole(b: Builder, *numbers: int) -> Tensor:
    """A constant list of integers (64 bits), stored or computed."""
    array = np.array(numbers, dtype=np.int64)
    match b.rng.randrange(8):
        case 1:
            return b.one("Cast", b.raw(array.astype(np.int32)), to=TensorProto.INT64)
        case 2 if len(numbers) > 1:
            at = b.rng.randrange(1, len(numbers))
            return b.one("Concat", b.raw(array[:at]), b.raw(array[at:]), axis=0)
        case 3 if b.opset >= 11:
            return b.one("Gather", b.raw(array[::-1].copy()), b.raw(np.arange(-1, -len(array) - 1, -1)), axis=0)
        case 4:
            return b.one("Add", b.raw(array - 3), b.ints(3))
        case 5 if b.opset >= 9 and numbers:
            return b.one("Shape", b.one("ConstantOfShape", b.raw(array))) if 0 < array.prod() < 500 else b.raw(array)
        case _:
            return _node(b, array) if numbers and b.chance(0.3) else b.raw(array)


def scalar(b: Builder, number: float) -> Tensor:
    """A constant without axes."""
    return constant(b, np.array(number, dtype=b.dtype))


def _node(b: Builder, array: np.ndarray) -> Tensor:
    """A Constant node, in one of the forms that its opset has."""
    if b.opset >= 12 and array.ndim < 2 and b.chance(0.6):
        kind = {"f": "float", "i": "int"}[array.dtype.kind]
        if array.dtype in (np.float32, np.int64):
            plural = {"value_" + kind + "s": array.tolist()} if array.ndim else {"value_" + kind: array.item()}
            return b.one("Constant", **plural)
    return b.one("Constant", value=numpy_helper.from_array(array, "value"))


def _transposed(b: Builder, array: np.ndarray) -> Tensor:
    order = list(range(array.ndim))
    b.rng.shuffle(order)
    back = [order.index(k) for k in range(array.ndim)]
    given = b.raw(np.ascontiguousarray(array.transpose(order)))
    return b.one("Transpose", given, perm=back)


def _product(b: Builder, array: np.ndarray) -> Tensor:
    return b.one("Mul", b.raw(array * 2), b.raw(np.array(0.5, dtype=array.dtype)))


def _sum(b: Builder, array: np.ndarray) -> Tensor:
    return b.one("Sub", b.one("Add", b.raw(array), b.raw(array)), b.raw(array))


def _quotient(b: Builder, array: np.ndarray) -> Tensor:
    return b.one("Div", b.raw(array), b.raw(np.array(3.0, dtype=array.dtype)))


def _cast(b: Builder, array: np.ndarray) -> Tensor:
    kind = b.rng.choice((np.float64, np.float16, np.float32))
    return b.one("Cast", b.raw(array.astype(kind)), to=helper.np_dtype_to_tensor_dtype(array.dtype))


def _cast_whole(b: Builder, array: np.ndarray) -> Tensor:
    kind = b.rng.choice((np.int8, np.int32, np.int64))
    return b.one("Cast", b.raw(np.round(array * 2).astype(kind)), to=helper.np_dtype_to_tensor_dtype(array.dtype))


def _root(b: Builder, array: np.ndarray) -> Tensor:
    return b.one("Sqrt", b.raw(np.abs(array)))


def _stretched(b: Builder, array: np.ndarray) -> Tensor:
    shape = b.raw(np.array(array.shape, dtype=np.int64))
    return b.one("Add", b.raw(array), b.one("ConstantOfShape", shape, value=numpy_helper.from_array(array.ravel()[:1])))


def _reshaped(b: Builder, array: np.ndarray) -> Tensor:
    return b.one("Reshape", b.raw(array.ravel()), b.raw(np.array(array.shape, dtype=np.int64)))


def _dequantized(b: Builder, array: np.ndarray) -> Tensor:
    """Weights stored in 8 bits, by one scale or one a channel."""
    if array.dtype != np.float32:
        return b.raw(array)
    unsigned = b.chance(0.4)
    stored = np.clip(np.round(array / 0.02) + (100 if unsigned else 0), -128 + 128 * unsigned, 127 + 128 * unsigned)
    whole8 = b.raw(stored.astype(np.uint8 if unsigned else np.int8))
    zero = np.uint8(100) if unsigned else np.int8(-3)
    if b.opset >= 13 and array.ndim and b.chance(0.5):
        axis = b.rng.randrange(array.ndim)
        scale = b.numbers(array.shape[axis], low=0.01, high=0.05) + np.float32(0.01)
        zeros = b.raw(np.full(array.shape[axis], zero)) if unsigned or b.chance(0.5) else None
        return b.one("DequantizeLinear", whole8, b.raw(scale), zeros, axis=axis - array.ndim * b.chance(0.5))
    return b.one("DequantizeLinear", whole8, b.raw(np.float32(0.02)), b.raw(zero))


_FORMS: Final[list[tuple[int, Callable[[Builder, np.ndarray], Tensor]]]] = [
    (7, _node),
    (7, _transposed),
    (7, _product),
    (7, _sum),
    (7, _quotient),
    (7, _cast),
    (7, _cast_whole),
    (7, _root),
    (9, _stretched),
    (7, _reshaped),
    (10, _dequantized),
]
