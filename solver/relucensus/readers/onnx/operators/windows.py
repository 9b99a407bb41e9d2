"""The ONNX operators that move a window over a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.affine.window import (
    Window,
    averages,
    convolution,
    groups_of_windows,
    same_padding,
    transposed_convolution,
)
from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.forms import Operator, operator
from relucensus.readers.onnx.operators.activations import fused
from relucensus.readers.onnx.operators.elementwise import added
from relucensus.readers.onnx.operators.maxima import greatest
from relucensus.readers.onnx.tensors import Constant, Tensor, broadcast, combined, rearranged
from relucensus.values.exact_numbers import Numbers

Plain = Constant | AffineValue


def _weights(call: Call) -> Numbers:
    weights = call.floats("W")
    if weights.ndim < 3 or 0 in weights.shape:
        call.fail(f"has weights of shape {weights.shape}; needed are channels out, channels in and a window")
    return weights


def _conv(call: Call) -> Plain:
    value, weights = call.tensor("X"), _weights(call)
    kernel = tuple(call.numbers("kernel_shape") or weights.shape[2:])
    window = _window(call, value.shape, kernel)
    found = combined(value, *convolution(value.shape, weights, call.whole("group", 1), window, call.limits))
    return _with_bias(call, found, weights.shape[0])


def _with_bias(call: Call, found: Plain, channels: int) -> Plain:
    if call.given("B") is None:
        return found
    bias = call.floats("B")
    if bias.shape != (channels,):
        call.fail(f"has a bias of shape {bias.shape}; needed is ({channels},), one for each channel")
    column = call.constant("B").with_entries(bias.reshape(-1, *(1,) * (len(found.shape) - 2)))
    return added(call, found, call.plain(broadcast(column, found.shape, call.limits)))


def _conv_transpose(call: Call) -> Tensor:
    value, weights = call.tensor("X"), _weights(call)
    kernel = tuple(call.numbers("kernel_shape") or weights.shape[2:])
    rank = len(kernel)
    if len(value.shape) != rank + 2:
        call.fail(f"has a window with {rank} axes for an input of shape {value.shape}")
    strides = tuple(call.numbers("strides") or (1,) * rank)
    dilations = tuple(call.numbers("dilations") or (1,) * rank)
    extra = call.numbers("output_padding") or [0] * rank
    if not len(strides) == len(dilations) == len(extra) == rank or min(extra) < 0:
        call.fail(f"has strides {strides}, dilations {dilations} and output_padding {extra} for {rank} axes")
    full = [
        s * (n - 1) + e + d * (k - 1) + 1
        for n, k, s, d, e in zip(value.shape[2:], kernel, strides, dilations, extra, strict=True)
    ]
    before, axes = _cut(call, full, value.shape[2:], strides)
    if min(axes) < 1:
        call.fail(f"has an output of {axes} entries")
    window = Window(kernel, strides, dilations, before, (0,) * rank)
    groups = call.whole("group", 1)
    outer, shape = transposed_convolution(value.shape, weights, groups, window, axes, call.limits)
    return _with_bias(call, combined(value, outer, shape), weights.shape[1] * groups)


def _cut(
    call: Call, full: Sequence[int], axes: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What is cut off before each axis of the full output, and what is left of it."""
    rank, way, asked = len(full), call.word("auto_pad", "NOTSET"), call.numbers("output_shape")
    pads = call.numbers("pads") or [0] * (2 * rank)
    if way == "VALID":
        if asked is not None:
            call.refuse("has auto_pad = VALID and an output_shape, of which runtimes follow one or the other")
        pads, asked = [0] * (2 * rank), None
    elif way in ("SAME_UPPER", "SAME_LOWER") and asked is None:
        asked = [n * s for n, s in zip(axes, strides, strict=True)]
    elif way not in ("NOTSET", "SAME_UPPER", "SAME_LOWER"):
        call.fail(f"has auto_pad = {way[:20]!r}; known are NOTSET, VALID, SAME_UPPER and SAME_LOWER")
    if asked is None:
        if len(pads) != 2 * rank or min(pads) < 0:
            call.fail(f"has the pads {pads[:16]}; needed are {2 * rank} numbers of at least 0")
        kept = [n - b - a for n, b, a in zip(full, pads[:rank], pads[rank:], strict=True)]
        return tuple(pads[:rank]), tuple(kept)
    totals = [n - m for n, m in zip(full, asked[-rank:], strict=False)]
    if len(totals) != rank or min(totals) < 0:
        call.refuse(f"has the output shape {asked[:16]}, larger than the {full} that its windows reach")
    halves = [n // 2 for n in totals]
    first = halves if way == "SAME_UPPER" else [n - half for n, half in zip(totals, halves, strict=True)]
    return tuple(first), tuple(asked[-rank:])


def _average_pool(call: Call) -> Tensor:
    value = call.tensor("X")
    window = _pool_window(call, value.shape)
    counted = bool(call.whole("count_include_pad", 0))
    if call.whole("ceil_mode", 0) and any(window.rests(value.shape[2:])):
        if counted:
            call.refuse("has ceil_mode = 1, count_include_pad = 1 and windows that do not fit evenly")
        window = _reaching(call, window, value.shape[2:])
    return combined(value, *averages(value.shape, window, call.limits, count_padding=counted))


def _max_pool(call: Call) -> Tensor:
    value = call.tensor("X")
    window = _pool_window(call, value.shape)
    if call.whole("ceil_mode", 0) and any(window.rests(value.shape[2:])):
        window = _reaching(call, window, value.shape[2:])
    groups, shape = groups_of_windows(value.shape, window, call.limits)
    return greatest(call, value, groups, shape)


def _reaching(call: Call, window: Window, axes: Sequence[int]) -> Window:
    """The window with as much more padding at the end as the windows need that are rounded up."""
    more = tuple((s - r) % s if r else 0 for s, r in zip(window.strides, window.rests(axes), strict=True))
    after = tuple(a + m for a, m in zip(window.after, more, strict=True))
    found = Window(window.kernel, window.strides, window.dilations, window.before, after)
    last = [(p - 1) * s - b for p, s, b in zip(found.positions(axes), window.strides, window.before, strict=True)]
    if any(start >= n for start, n in zip(last, axes, strict=True)):
        call.refuse("has ceil_mode = 1 and a last window in the padding, which versions of ONNX treat differently")
    return found


def _pool_window(call: Call, shape: Sequence[int]) -> Window:
    if call.word("auto_pad", "NOTSET").startswith("SAME") and any(n != 1 for n in call.numbers("dilations") or ()):
        call.refuse("has auto_pad = SAME with dilations, which runtimes pad differently; supported are explicit pads")
    return _window(call, shape, tuple(call.numbers("kernel_shape") or ()))


def _over_all(call: Call) -> tuple[Plain, Window]:
    value = call.tensor("X")
    rank = len(value.shape) - 2
    if rank < 1:
        call.fail(f"needs an input with at least 3 axes and gets {len(value.shape)}")
    ones, zeros = (1,) * rank, (0,) * rank
    return value, Window(tuple(value.shape[2:]), ones, ones, zeros, zeros)


def _global_average_pool(call: Call) -> Tensor:
    value, window = _over_all(call)
    return combined(value, *averages(value.shape, window, call.limits, count_padding=False))


def _global_max_pool(call: Call) -> Tensor:
    value, window = _over_all(call)
    return greatest(call, value, *groups_of_windows(value.shape, window, call.limits))


def _fused_conv(call: Call) -> Tensor:
    found = _conv(call)
    if call.given("Z") is not None:
        found = added(call, found, call.tensor("Z"))
    return fused(call, found)


def _window(call: Call, shape: Sequence[int], kernel: tuple[int, ...]) -> Window:
    ones = (1,) * len(kernel)
    if not kernel or len(shape) != len(kernel) + 2:
        call.fail(f"has a window with {len(kernel)} axes for an input of shape {tuple(shape)}")
    strides = tuple(call.numbers("strides") or ones)
    dilations = tuple(call.numbers("dilations") or ones)
    before, after = _padding(call, shape[2:], kernel, strides, dilations)
    return Window(kernel, strides, dilations, before, after)


def _padding(
    call: Call, axes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    way = call.word("auto_pad", "NOTSET")
    pads = call.numbers("pads") or [0] * (2 * len(kernel))
    match way:
        case "NOTSET":
            if len(pads) != 2 * len(kernel):
                call.fail(f"has {len(pads)} pads; needed are {2 * len(kernel)}")
            return tuple(pads[: len(kernel)]), tuple(pads[len(kernel) :])
        case "VALID":
            return (0,) * len(kernel), (0,) * len(kernel)
        case "SAME_UPPER" | "SAME_LOWER":
            return same_padding(axes, kernel, strides, dilations, upper=way == "SAME_UPPER")
        case _:
            call.fail(f"has auto_pad = {way[:20]!r}; known are NOTSET, VALID, SAME_UPPER and SAME_LOWER")


def _pad(call: Call) -> Tensor:
    tensor = call.plain(call.inputs[0] if call.inputs else None)
    rank = len(tensor.shape)
    pads = call.integers("pads")
    axes = call.axes(rank) if call.given("axes") is not None else list(range(rank))
    if pads is None or axes is None or len(pads) != 2 * len(axes):
        call.fail(f"has the pads {pads} for {rank} axes; needed are two an axis")
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = pads[i], pads[i + len(axes)]
    positions = _padded(call, np.arange(tensor.size).reshape(tensor.shape), before, after)
    found = call.plain(rearranged(tensor, positions))
    fill = _fill(call)
    if not fill or (positions >= 0).all():
        return found
    frame = np.where(positions < 0, fill, 0.0)
    if isinstance(found, Constant) and not found.is_float:
        return found.with_entries(found.entries + frame.astype(np.int64))
    return added(call, found, Constant(frame, "float64"))


def _fill(call: Call) -> float:
    if "value" in call.form.attributes:
        return float(call.number("value", 0.0))
    if call.given("constant_value") is None:
        return 0.0
    numbers = call.finite(call.constant("constant_value"), "constant_value")
    return float(numbers.ravel()[0]) if numbers.size else 0.0


def _padded(call: Call, entries: np.ndarray, before: list[int], after: list[int]) -> np.ndarray:
    """The numbers of the entries with more around them, or fewer where a pad is negative; -1 is a constant."""
    mode = call.word("mode", "constant")
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        size = entries.shape[axis]
        if b < -size or a < -size or size + min(b, 0) + min(a, 0) < 0:
            call.fail(f"cuts {-min(b, 0)} and {-min(a, 0)} entries off an axis of {size}")
        entries = entries[(slice(None),) * axis + (slice(max(-b, 0), size - max(-a, 0)),)]
    widths = [(max(b, 0), max(a, 0)) for b, a in zip(before, after, strict=True)]
    shape = [n + b + a for n, (b, a) in zip(entries.shape, widths, strict=True)]
    call.limits.check_tensor("a padded value", shape)
    most = {"reflect": 1, "wrap": 0}
    if mode in most and any(max(w) > n - most[mode] for n, w in zip(entries.shape, widths, strict=True) if max(w)):
        call.refuse(f"pads by more than an axis has, in mode {mode!r}")
    match mode:
        case "constant":
            return np.pad(entries, widths, constant_values=-1)
        case "edge" | "reflect" | "wrap":
            if any(max(w) and not n for n, w in zip(entries.shape, widths, strict=True)):
                call.fail("pads an axis without entries")
            return np.pad(entries, widths, mode=mode)
        case _:
            call.refuse(f"has the mode {mode[:20]!r}; supported are constant, edge, reflect and wrap")


_AVERAGE: Final = "auto_pad kernel_shape pads strides"

OPERATORS: Final[dict[str, Operator]] = {
    "AveragePool": operator(
        _average_pool,
        {
            (1,): f"X ; {_AVERAGE}",
            (7,): f"X ; {_AVERAGE} count_include_pad",
            (10, 11): f"X ; {_AVERAGE} count_include_pad ceil_mode",
            (19, 22): f"X ; {_AVERAGE} count_include_pad ceil_mode dilations",
        },
    ),
    "Conv": operator(_conv, {(1, 11, 22): "X W B ; auto_pad dilations group kernel_shape pads strides"}),
    "ConvTranspose": operator(
        _conv_transpose,
        {(1, 11, 22): "X W B ; auto_pad dilations group kernel_shape output_padding output_shape pads strides"},
    ),
    "FusedConv": operator(
        _fused_conv,
        {(1,): "X W B Z ; activation activation_params auto_pad dilations group kernel_shape pads strides"},
        "com.microsoft",
    ),
    "GlobalAveragePool": operator(_global_average_pool, {(1, 22): "X ;"}),
    "GlobalMaxPool": operator(_global_max_pool, {(1, 22): "X ;"}),
    "MaxPool": operator(
        _max_pool,
        {
            (1,): f"X ; {_AVERAGE}",
            (8,): f"X ; {_AVERAGE} storage_order",
            (10, 11, 12, 22): f"X ; {_AVERAGE} storage_order ceil_mode dilations",
        },
    ),
    "Pad": operator(
        _pad,
        {
            (2,): "data ; mode pads value",
            (11, 13): "data pads constant_value ; mode",
            (18, 19, 21, 23, 24, 25): "data pads constant_value axes ; mode",
        },
    ),
}
