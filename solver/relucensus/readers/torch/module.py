"""An in-process `torch.nn.Module`: nested Sequentials of affine layers and piecewise-linear activations.

Modules are recognised by the names of their classes, so that this file does not import torch. A module counts as one
of torch's own only if nothing of its own can change what it computes: no hooks, no forward that was replaced.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers.affine.normalisation import folded_normalisation
from relucensus.readers.affine.value import AffineValue
from relucensus.readers.affine.window import Window, averages, convolution, same_padding
from relucensus.readers.limits import ReaderLimits
from relucensus.values.activation import RELU, clip, leaky_relu
from relucensus.values.network import Network

_DEFAULT_LIMITS: Final = ReaderLimits()
_FLOAT_TYPES: Final = ("torch.float32", "torch.float64", "torch.float16", "torch.bfloat16")
_HOOKS: Final = ("_forward_hooks", "_forward_pre_hooks")
_USE_ONNX: Final = "write the model as nn.Sequential, or export it as ONNX"


def network_from_module(
    module: Any, *, input_shape: Sequence[int] | None = None, limits: ReaderLimits = _DEFAULT_LIMITS
) -> Network:
    """The network that the module computes in evaluation mode.

    `input_shape` is the shape of one input without the batch, needed where a convolution comes first; without it,
    inputs are of the size that the first Linear takes.

    Raises:
        UnsupportedModel: a module that is not supported, named by its path, or a network beyond the limits.
        InvalidNetwork: layers that do not fit each other, or weights that are not finite.
    """
    leaves = list(_leaves(module, "module"))
    shape = tuple(input_shape) if input_shape is not None else (_features(leaves),)
    value = AffineValue((1, *shape), limits)
    for path, kind, leaf in leaves:
        try:
            _SUPPORTED[kind](path, leaf, value)
        except InvalidNetwork as error:
            text = str(error)
            raise InvalidNetwork(text if text.startswith(path) else f"{path} ({kind}): {text}") from None
    return value.network()


def _leaves(module: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    """Path, kind and module of everything but the Sequentials, in the order of evaluation."""
    kind = _kind(module)
    if kind not in (*_SUPPORTED, "Sequential"):
        _refuse(path, module, f"supported are Sequential, {', '.join(_SUPPORTED)}; {_USE_ONNX}")
    if any(getattr(module, hooks, None) for hooks in _HOOKS) or "forward" in vars(module):
        _refuse(path, module, f"with hooks or a forward of its own, which could change what it computes; {_USE_ONNX}")
    if kind != "Sequential":
        yield path, kind, module
        return
    for name, child in module._modules.items():
        yield from _leaves(child, f"{path}.{name}")


def _kind(module: Any) -> str | None:
    """The name of the class of torch.nn whose forward this module runs, if it is one."""
    for kind in type(module).__mro__:
        if kind.__module__.startswith("torch.nn.modules."):
            name: str = kind.__name__
            inherited = name == "Sequential" and vars(kind).get("forward") is type(module).forward
            return name if kind is type(module) or inherited else None
    return None


def _refuse(path: str, module: Any, reason: str) -> NoReturn:
    raise UnsupportedModel(f"{path} is {type(module).__name__}; {reason}")


def _features(leaves: list[tuple[str, str, Any]]) -> int:
    for path, kind, leaf in leaves:
        if kind in ("Linear", "BatchNorm1d"):
            return int(leaf.in_features if kind == "Linear" else leaf.num_features)
        if kind in _SPATIAL:
            raise InvalidNetwork(f"{path} ({kind}) takes inputs of any size; needed is input_shape, without the batch")
    raise InvalidNetwork("the module has no Linear layer, so the number of its inputs is not known")


def _linear(path: str, module: Any, value: AffineValue) -> None:
    weight = _array(f"{path}.weight", module.weight)
    if weight.shape[1] != value.shape[-1]:
        raise InvalidNetwork(f"{path} takes {weight.shape[-1]} values and gets {value.shape[-1]}")
    value.multiply_right(weight.T)
    if module.bias is not None:
        value.shift(_array(f"{path}.bias", module.bias))


def _convolution(path: str, module: Any, value: AffineValue) -> None:
    if module.padding_mode != "zeros":
        _refuse(path, module, f"with padding_mode = {module.padding_mode!r}; supported is 'zeros'")
    rank = len(module.kernel_size)
    kernel, strides, dilations = module.kernel_size, module.stride, module.dilation
    if module.padding == "same":
        before, after = same_padding(value.shape[2:], kernel, strides, dilations, upper=True)
    else:
        before = after = (0,) * rank if module.padding == "valid" else tuple(module.padding)
    weight = _array(f"{path}.weight", module.weight)
    window = Window(kernel, strides, dilations, before, after)
    value.combine(*convolution(value.shape, weight, module.groups, window, value.limits))
    if module.bias is not None:
        value.shift(_array(f"{path}.bias", module.bias).reshape(-1, *(1,) * rank))


def _average_pool(path: str, module: Any, value: AffineValue) -> None:
    rank = int(type(module).__name__[-2])
    if getattr(module, "divisor_override", None) is not None:
        _refuse(path, module, "with a divisor of its own; supported is the mean")

    def spread(number: Any) -> tuple[int, ...]:
        return tuple(number) if isinstance(number, tuple | list) else (int(number),) * rank

    kernel, padding = spread(module.kernel_size), spread(module.padding)
    window = Window(kernel, spread(module.stride), (1,) * rank, padding, padding)
    if module.ceil_mode and any(window.rests(value.shape[2:])):
        _refuse(path, module, "with ceil_mode=True and windows that do not fit evenly; supported is ceil_mode=False")
    counted = bool(module.count_include_pad)
    value.combine(*averages(value.shape, window, value.limits, count_padding=counted))


def _batch_norm(path: str, module: Any, value: AffineValue) -> None:
    if module.running_mean is None or module.running_var is None:
        _refuse(path, module, "without running statistics it depends on the whole batch; set track_running_stats=True")
    mean, variance = (_array(f"{path}.{n}", getattr(module, n)) for n in ("running_mean", "running_var"))
    if mean.shape != value.shape[1:2]:
        raise InvalidNetwork(f"{path} normalises {mean.size} values and gets {value.shape[1]}")
    scale = np.ones(mean.shape) if module.weight is None else _array(f"{path}.weight", module.weight)
    bias = np.zeros(mean.shape) if module.bias is None else _array(f"{path}.bias", module.bias)

    def fail(reason: str) -> NoReturn:
        raise InvalidNetwork(f"{path} {reason}")

    factors, offsets = folded_normalisation((scale, bias), (mean, variance), float(module.eps), fail)
    axes = (-1, *(1,) * (len(value.shape) - 2))
    value.scale(factors.reshape(axes))
    value.shift(offsets.reshape(axes))


def _flatten(path: str, module: Any, value: AffineValue) -> None:
    rank = len(value.shape)
    start, end = (axis + rank if axis < 0 else axis for axis in (module.start_dim, module.end_dim))
    if not 1 <= start <= end < rank:
        _refuse(path, module, f"supported is Flatten with 1 <= start_dim <= end_dim < {rank}, its input's axes")
    flat = math.prod(value.shape[start : end + 1])
    value.reshape((*value.shape[:start], flat, *value.shape[end + 1 :]))


def _relu(_path: str, _module: Any, value: AffineValue) -> None:
    value.activate((RELU,))


def _leaky_relu(path: str, module: Any, value: AffineValue) -> None:
    value.activate((leaky_relu(_finite(f"{path}.negative_slope", module.negative_slope)),))


def _prelu(path: str, module: Any, value: AffineValue) -> None:
    slopes = _array(f"{path}.weight", module.weight).tolist()
    if len(slopes) == 1:
        value.activate((leaky_relu(slopes[0]),))
        return
    if len(value.shape) < 2 or value.shape[1] != len(slopes):
        raise InvalidNetwork(f"{path} has {len(slopes)} slopes and gets {value.shape[1]} channels")
    inner = math.prod(value.shape[2:])
    value.activate([activation for slope in slopes for activation in (leaky_relu(slope),) * inner])


def _hard_tanh(path: str, module: Any, value: AffineValue) -> None:
    ends = (_finite(f"{path}.{name}", getattr(module, name)) for name in ("min_val", "max_val"))
    value.activate((clip(*ends),))


def _nothing(_path: str, _module: Any, _value: AffineValue) -> None:
    """Leave the value as it is: Identity, and Dropout in evaluation mode."""


def _finite(path: str, number: Any) -> float:
    if not math.isfinite(number):
        raise InvalidNetwork(f"{path} is {number}; needed is a finite number")
    return float(number)


def _array(path: str, tensor: Any) -> NDArray[np.float64]:
    if str(tensor.dtype) not in _FLOAT_TYPES:
        raise UnsupportedModel(f"{path} has the type {tensor.dtype}; supported are {', '.join(_FLOAT_TYPES)}")
    if str(tensor.device) == "meta":
        raise InvalidNetwork(f"{path} is on the meta device and has no values")
    values = np.array(tensor.detach().cpu().double().numpy(), dtype=np.float64)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        raise InvalidNetwork(f"{path} holds {values[where]} at {list(where)}; every weight must be a finite number")
    return values


_SPATIAL: Final = {
    **dict.fromkeys(("Conv1d", "Conv2d", "Conv3d"), _convolution),
    **dict.fromkeys(("AvgPool1d", "AvgPool2d", "AvgPool3d"), _average_pool),
    **dict.fromkeys(("BatchNorm2d", "BatchNorm3d"), _batch_norm),
}
_SUPPORTED: Final[dict[str, Callable[[str, Any, AffineValue], None]]] = {
    "Linear": _linear,
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "PReLU": _prelu,
    "ReLU6": _hard_tanh,
    "Hardtanh": _hard_tanh,
    "BatchNorm1d": _batch_norm,
    "Flatten": _flatten,
    "Dropout": _nothing,
    "Identity": _nothing,
    **_SPATIAL,
}
