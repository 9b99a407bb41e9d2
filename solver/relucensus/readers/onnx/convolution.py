"""The ONNX operators that move a window over a value."""

from __future__ import annotations

from collections.abc import Sequence

from relucensus.readers.affine.value import AffineValue
from relucensus.readers.affine.window import Window, average, average_all, convolve, same_padding
from relucensus.readers.onnx.call import Call


def conv(call: Call, value: AffineValue) -> None:
    """Conv with constant weights and bias."""
    call.only_value_first()
    weights = call.floats(1, "weights")
    if weights.ndim < 3 or 0 in weights.shape:
        call.fail(f"has weights of shape {weights.shape}; needed are channels out, channels in and a window")
    kernel = tuple(call.numbers("kernel_shape") or weights.shape[2:])
    convolve(value, weights, call.whole("group", 1), _window(call, value, kernel))
    if call.has_input(2):
        bias = call.floats(2, "bias")
        if bias.shape != weights.shape[:1]:
            call.fail(f"has a bias of shape {bias.shape}; needed is {weights.shape[:1]}, one for each channel")
        value.shift(bias.reshape(-1, *(1,) * (weights.ndim - 2)))


def average_pool(call: Call, value: AffineValue) -> None:
    """AveragePool where the two ways of rounding the number of windows agree."""
    call.only_value_first()
    window = _window(call, value, tuple(call.numbers("kernel_shape") or ()))
    if call.whole("ceil_mode", 0) and any(window.rests(value.shape[2:])):
        call.refuse("has ceil_mode = 1 and windows that do not fit evenly; supported is ceil_mode = 0")
    average(value, window, count_padding=bool(call.whole("count_include_pad", 0)))


def global_average_pool(call: Call, value: AffineValue) -> None:
    """GlobalAveragePool."""
    call.only_value_first()
    average_all(value)


def _window(call: Call, value: AffineValue, kernel: tuple[int, ...]) -> Window:
    ones = (1,) * len(kernel)
    if not kernel or len(value.shape) != len(kernel) + 2:
        call.fail(f"has a window with {len(kernel)} axes for an input of shape {value.shape}")
    strides = tuple(call.numbers("strides") or ones)
    dilations = tuple(call.numbers("dilations") or ones)
    before, after = _padding(call, value.shape[2:], kernel, strides, dilations)
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
