"""Affine operators of a graph: products, sums, means, windows. Each adds nodes after x and returns the new value."""

from __future__ import annotations

from typing import Any

import numpy as np

from differential.builder import Builder, Rejected, Tensor
from differential.constants import constant, scalar, whole
from differential.draws_forms import some_axes


def gemm(b: Builder, x: Tensor) -> Tensor:
    if x.rank != 2:
        raise Rejected("no matrix")
    out, columns = b.rng.randint(1, 6), x.shape[1]
    factors = {name: round(b.rng.uniform(-2, 2), 1) for name in ("alpha", "beta") if b.chance(0.4)}
    bias = b.rng.choice(((out,), (1, out), (1,), (), (1, 1), None if b.opset >= 11 else (out,)))
    added = None if bias is None else constant(b, b.numbers(*bias))
    if b.batch or b.chance(0.6):
        trans = b.rng.randint(0, 1)
        weights = constant(b, b.numbers(*((out, columns) if trans else (columns, out))))
        return b.one("Gemm", x, weights, added, transB=trans, **factors)
    trans_a, trans_b = b.rng.randint(0, 1), b.rng.randint(0, 1)
    if b.chance(0.5):  # weights on the left
        inner = x.shape[1] if trans_b else x.shape[0]
        weights = constant(b, b.numbers(*((inner, out) if trans_a else (out, inner))))
        kept = x.shape[0] if trans_b else x.shape[1]
        added = constant(b, b.numbers(*b.rng.choice(((out, kept), (kept,), (out, 1), ()))))
        return b.one("Gemm", weights, x, added, transA=trans_a, transB=trans_b, **factors)
    inner = x.shape[0] if trans_a else x.shape[1]
    weights = constant(b, b.numbers(*((out, inner) if trans_b else (inner, out))))
    return b.one("Gemm", x, weights, added, transA=trans_a, transB=trans_b, **factors)


def matmul(b: Builder, x: Tensor) -> Tensor:
    if x.rank < 1 + b.first_axis:
        raise Rejected("no vector")
    out = b.rng.randint(1, 6)
    if x.rank >= 2 + b.first_axis and b.chance(0.4):
        lead = x.shape[b.first_axis : -2] if b.chance(0.3) else ()
        return b.one("MatMul", constant(b, b.numbers(*lead, out, x.shape[-2])), x)
    if b.chance(0.15) and x.rank > 1:
        return b.one("MatMul", x, constant(b, b.numbers(x.shape[-1])))
    lead = x.shape[b.first_axis : -2] if x.rank >= 2 + b.first_axis and b.chance(0.3) else ()
    return b.one("MatMul", x, constant(b, b.numbers(*lead, x.shape[-1], out)))


def fused(b: Builder, x: Tensor) -> Tensor:
    """What onnxruntime writes when it saves an optimised model."""
    domain: dict[str, Any] = {"domain": "com.microsoft"}
    bend = b.rng.choice(({"activation": "Relu"}, {"activation": "LeakyRelu", "activation_params": [0.25]}))
    out = b.rng.randint(1, 5)
    if x.rank == 4:
        weights = constant(b, b.numbers(out, x.shape[1], 2, 1))
        return b.one("FusedConv", x, weights, constant(b, b.numbers(out)), strides=[1, 2], **bend, **domain)
    if x.rank != 2:
        raise Rejected("no matrix")
    trans = b.rng.randint(0, 1)
    weights = constant(b, b.numbers(*((out, x.shape[1]) if trans else (x.shape[1], out))))
    if b.chance(0.5):
        return b.one("FusedMatMul", x, weights, transB=trans, alpha=0.5, **domain)
    bias = constant(b, b.numbers(out))
    bend = {"activation": "Relu"} if len(bend) == 1 else {"activation": "LeakyRelu", "activation_alpha": 0.25}
    return b.one("FusedGemm", x, weights, bias, transB=trans, beta=2.0, **bend, **domain)


def einsum(b: Builder, x: Tensor) -> Tensor:
    shape, k = x.shape, b.rng.randint(1, 4)
    if x.rank == 2:
        forms = [
            ("ab,bc->ac", (shape[1], k)),
            ("...b,cb->...c", (k, shape[1])),
            ("ab,b->ab", (shape[1],)),
            ("ab,bc", (shape[1], k)),
        ]
        forms += [("ab->a", None)] + (
            [] if b.batch else [("ij,ij->", shape), ("ij->ji", None), ("xy,zx->yz", (k, shape[0]))]
        )
    elif x.rank == 3:
        forms = [
            ("bij,jk->bik", (shape[2], k)),
            ("bij,ki->bkj", (k, shape[1])),
            ("bij->bji", None),
            ("b i j, i j -> b", shape[1:]),
        ]
        forms += [("bij->bi", None), ("bij,jk->bk", (shape[2], k)), ("...ij->...ji", None)]
    elif x.rank == 4:
        forms = [
            ("bchw,kc->bkhw", (k, shape[1])),
            ("bchw,chw->b", shape[1:]),
            ("bchw->bc", None),
            ("nchw,w->nch", (shape[3],)),
        ]
    else:
        raise Rejected("no equation")
    equation, other = b.rng.choice(forms)
    if other is None:
        return b.one("Einsum", x, equation=equation)
    return b.one("Einsum", x, constant(b, b.numbers(*other)), equation=equation)


def _broadcast(b: Builder, x: Tensor) -> tuple[int, ...]:
    """A shape that is stretched to that of x."""
    axes = x.shape[b.first_axis :]
    shape = [d if b.chance(0.7) else 1 for d in axes]
    if not b.batch and not b.chance(0.8):
        return tuple(shape)
    return tuple(shape[b.rng.randint(0, len(shape)) :]) if b.chance(0.5) else tuple([1] * b.first_axis + shape)


def add(b: Builder, x: Tensor) -> Tensor:
    other = b.partner(x)
    if other is not None and b.chance(0.6):
        pair = [x, other]
        b.rng.shuffle(pair)
        return b.one(b.rng.choice(("Add", "Sub")), *pair)
    given = constant(b, b.numbers(*_broadcast(b, x)))
    pair = [x, given]
    b.rng.shuffle(pair)
    return b.one(b.rng.choice(("Add", "Sub")), *pair)


def multiply(b: Builder, x: Tensor) -> Tensor:
    numbers = b.numbers(*_broadcast(b, x), low=0.3, high=2.0) + np.asarray(0.5, b.dtype)
    if b.chance(0.4):
        return b.one("Div", x, constant(b, numbers * b.rng.choice((1, -1))))
    given = constant(b, b.numbers(*_broadcast(b, x)))
    return b.one("Mul", *((x, given) if b.chance(0.5) else (given, x)))


def negate(b: Builder, x: Tensor) -> Tensor:
    return b.one("Neg", x)


def several(b: Builder, x: Tensor) -> Tensor:
    """Sum or Mean of any number of operands."""
    others = [y for y in (b.partner(x) for _ in range(b.rng.randint(0, 2))) if y is not None]
    if b.opset >= 8 and b.chance(0.5):
        others.append(constant(b, b.numbers(*_broadcast(b, x))))
    operands = [x, *others]
    b.rng.shuffle(operands)
    return b.one(b.rng.choice(("Sum", "Mean")), *operands)


def reduce(b: Builder, x: Tensor, op: str | None = None) -> Tensor:
    """A reduction over some axes, which were an attribute before they were an input."""
    op = op or b.rng.choice(("ReduceSum", "ReduceMean"))
    axes = some_axes(b, x)
    keep = {"keepdims": b.rng.randint(0, 1)} if b.chance(0.8) else {}
    since = 13 if op == "ReduceSum" else 18
    if not b.batch and b.chance(0.15):
        return b.one(op, x, **keep)
    if b.opset >= since:
        if b.chance(0.1):
            return b.one(op, x, noop_with_empty_axes=1, **keep)
        return b.one(op, x, whole(b, *axes), **keep)
    return b.one(op, x, axes=axes, **keep)


def cumsum(b: Builder, x: Tensor) -> Tensor:
    axis = b.an_axis(x)
    flags = {name: 1 for name in ("exclusive", "reverse") if b.chance(0.4)}
    kind = b.rng.choice((np.int32, np.int64))
    return b.one("CumSum", x, b.raw(np.array(axis, dtype=kind)), **flags)


def batch_normalization(b: Builder, x: Tensor) -> Tensor:
    if x.rank < 2 or (x.rank == 2 and not b.batch and x.shape[0] != 1):
        raise Rejected("no channels")
    c = x.shape[1]
    scale, shift, mean = (constant(b, b.numbers(c)) for _ in range(3))
    variance = b.raw(np.abs(b.numbers(c)) + np.asarray(0.3, b.dtype))
    options: dict[str, Any] = {"epsilon": 0.01} if b.chance(0.5) else {}
    if b.opset >= 14 and b.chance(0.3):
        options["training_mode"] = 0
    if b.chance(0.3):
        options["momentum"] = 0.8
    return b.one("BatchNormalization", x, scale, shift, mean, variance, **options)


def _window(b: Builder, x: Tensor, *, dilated: bool) -> dict[str, Any]:
    """Attributes of a window that fits into the spatial axes."""
    spatial = x.shape[2:]
    kernel = [b.rng.randint(1, min(3, n)) for n in spatial]
    options: dict[str, Any] = {"kernel_shape": kernel}
    if b.chance(0.6):
        options["strides"] = [b.rng.randint(1, 2) for _ in spatial]
    if dilated and b.chance(0.4):
        options["dilations"] = [
            b.rng.randint(1, 2) if (k - 1) * 2 < n else 1 for k, n in zip(kernel, spatial, strict=True)
        ]
    if b.chance(0.3):
        options["auto_pad"] = b.rng.choice(("SAME_UPPER", "SAME_LOWER", "VALID"))
    elif b.chance(0.6):
        options["pads"] = [b.rng.randint(0, k - 1) if k > 1 else 0 for k in [*kernel, *kernel]]
    return options


def _images(x: Tensor) -> None:
    if x.rank not in (3, 4):
        raise Rejected("no image")


def conv(b: Builder, x: Tensor) -> Tensor:
    _images(x)
    options = _window(b, x, dilated=True)
    channels = x.shape[1]
    group = b.rng.choice([g for g in range(1, channels + 1) if channels % g == 0]) if b.chance(0.4) else 1
    out = group * b.rng.randint(1, 2)
    weights = constant(b, b.numbers(out, channels // group, *options["kernel_shape"]))
    bias = constant(b, b.numbers(out)) if b.chance(0.6) else None
    if b.chance(0.4):
        del options["kernel_shape"]
    return b.one("Conv", x, weights, bias, **options, **({"group": group} if group > 1 or b.chance(0.2) else {}))


def conv_transpose(b: Builder, x: Tensor) -> Tensor:
    _images(x)
    options = _window(b, x, dilated=True)
    channels = x.shape[1]
    group = b.rng.choice([g for g in range(1, channels + 1) if channels % g == 0]) if b.chance(0.4) else 1
    weights = constant(b, b.numbers(channels, b.rng.randint(1, 2), *options["kernel_shape"]))
    bias = constant(b, b.numbers(weights.shape[1] * group)) if b.chance(0.5) else None
    strides = options.get("strides")
    if strides and b.chance(0.3):
        options["output_padding"] = [s - 1 for s in strides]
    if b.chance(0.4):
        del options["kernel_shape"]
    return b.one("ConvTranspose", x, weights, bias, group=group, **options)


def average_pool(b: Builder, x: Tensor) -> Tensor:
    _images(x)
    options = _window(b, x, dilated=b.opset >= 19)
    if b.chance(0.4):
        options["count_include_pad"] = 1
    if b.opset >= 10 and b.chance(0.4):
        options["ceil_mode"] = 1
    return b.one("AveragePool", x, **options)


def global_average_pool(b: Builder, x: Tensor) -> Tensor:
    _images(x)
    return b.one("GlobalAveragePool", x)


def resize(b: Builder, x: Tensor) -> Tensor:
    _images(x)
    factor = [b.rng.choice((1.0, 2.0, 0.5, 1.5, 3.0, 0.6)) for _ in x.shape[2:]]
    mode = b.rng.choice(("nearest", "linear"))
    scales = np.array([1.0, 1.0, *factor], dtype=np.float32)
    if b.opset < 9:
        return b.one("Upsample", x, scales=[max(1.0, float(s)) for s in scales], mode=mode)
    if b.opset < 10:
        return b.one("Upsample", x, b.raw(np.maximum(scales, 1)), mode=mode)
    if b.opset < 11:
        return b.one("Resize", x, b.raw(scales), mode=mode)
    options: dict[str, Any] = {"mode": mode} if mode != "nearest" or b.chance(0.5) else {}
    if b.chance(0.7):
        ways = ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"]
        options["coordinate_transformation_mode"] = b.rng.choice(ways)
    if mode == "nearest" and b.chance(0.6):
        options["nearest_mode"] = b.rng.choice(("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"))
    roi = b.raw(np.zeros(0, dtype=np.float32)) if b.opset < 13 or b.chance(0.3) else None
    if b.chance(0.5):
        return b.one("Resize", x, roi, b.raw(scales), **options)
    return _resized(b, x, roi, factor, options)


def _resized(b: Builder, x: Tensor, roi: Tensor | None, factor: list[float], options: dict[str, Any]) -> Tensor:
    """Resize to given sizes."""
    target = [max(1, round(n * f)) for n, f in zip(x.shape[2:], factor, strict=True)]
    if b.opset >= 18 and b.chance(0.5):
        return b.one("Resize", x, roi, None, b.ints(*target), axes=list(range(2, x.rank)), **options)
    empty = b.raw(np.zeros(0, dtype=np.float32)) if b.opset < 13 else None
    if not b.symbolic:
        return b.one("Resize", x, roi, empty, b.ints(*x.shape[:2], *target), **options)
    kept = b.one("Slice", b.one("Shape", x), b.ints(0), b.ints(2), b.ints(0))
    return b.one("Resize", x, roi, empty, b.one("Concat", kept, b.ints(*target), axis=0), **options)


def constant_condition(b: Builder, x: Tensor) -> Tensor:
    """Where with a condition that is known."""
    shape = _broadcast(b, x)
    condition = b.raw(np.array([b.chance(0.5) for _ in range(int(np.prod(shape)))]).reshape(shape))
    other = b.partner(x) if b.chance(0.5) else None
    other = other or (
        constant(b, b.numbers(*_broadcast(b, x))) if b.chance(0.5) else scalar(b, b.rng.choice((0.0, 1.5)))
    )
    return b.one("Where", condition, *((x, other) if b.chance(0.5) else (other, x)))
