"""An in-process `torch.nn.Module`: nested Sequentials of linear layers and ReLUs.

Modules are recognised by the names of their classes, so that this file does not import torch. A module counts as one
of torch's own only if nothing of its own can change what it computes: no hooks, no forward that was replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers.affine_chain import AffineChain
from relucensus.readers.affine_steps import exact_array
from relucensus.readers.limits import ReaderLimits
from relucensus.readers.normalisation import folded_normalisation
from relucensus.values.network import Network

_DEFAULT_LIMITS: Final = ReaderLimits()
_FLOAT_TYPES: Final = ("torch.float32", "torch.float64", "torch.float16", "torch.bfloat16")
_HOOKS: Final = ("_forward_hooks", "_forward_pre_hooks")
_USE_ONNX: Final = "write the model as nn.Sequential, or export it as ONNX"


def network_from_module(module: Any, *, limits: ReaderLimits = _DEFAULT_LIMITS) -> Network:
    """The network that the module computes in evaluation mode, on inputs of shape (batch, features).

    Raises:
        UnsupportedModel: a module that is not supported, named by its path, or a network beyond the limits.
        InvalidNetwork: layers that do not fit each other, or weights that are not finite.
    """
    leaves = list(_leaves(module, "module"))
    chain = AffineChain((_features(leaves),), limits)
    for path, kind, leaf in leaves:
        try:
            _SUPPORTED[kind](path, leaf, chain)
        except InvalidNetwork as error:
            text = str(error)
            raise InvalidNetwork(text if text.startswith(path) else f"{path} ({kind}): {text}") from None
    return chain.network()


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
    for _, kind, leaf in leaves:
        if kind in ("Linear", "BatchNorm1d"):
            return int(leaf.in_features if kind == "Linear" else leaf.num_features)
    raise InvalidNetwork("the module has no Linear layer, so the number of its inputs is not known")


def _linear(path: str, module: Any, chain: AffineChain) -> None:
    weight = _array(f"{path}.weight", module.weight)
    if weight.shape[1:] != chain.shape:
        raise InvalidNetwork(f"{path} takes {weight.shape[-1]} values and gets {chain.size}")
    chain.multiply_right(weight.T)
    if module.bias is not None:
        chain.shift(_array(f"{path}.bias", module.bias))


def _batch_norm(path: str, module: Any, chain: AffineChain) -> None:
    if module.running_mean is None or module.running_var is None:
        _refuse(path, module, "without running statistics it depends on the whole batch; set track_running_stats=True")
    mean, variance = (_array(f"{path}.{n}", getattr(module, n)) for n in ("running_mean", "running_var"))
    if mean.shape != chain.shape:
        raise InvalidNetwork(f"{path} normalises {mean.size} values and gets {chain.size}")
    scale = np.ones(mean.shape) if module.weight is None else _array(f"{path}.weight", module.weight)
    bias = np.zeros(mean.shape) if module.bias is None else _array(f"{path}.bias", module.bias)

    def fail(reason: str) -> NoReturn:
        raise InvalidNetwork(f"{path} {reason}")

    factors, offsets = folded_normalisation((scale, bias), (mean, variance), float(module.eps), fail)
    chain.scale(exact_array(factors))
    chain.shift(offsets)


def _flatten(path: str, module: Any, _chain: AffineChain) -> None:
    if module.start_dim != 1 or module.end_dim not in (-1, 1):
        _refuse(path, module, "supported is Flatten(start_dim=1, end_dim=-1)")


def _relu(_path: str, _module: Any, chain: AffineChain) -> None:
    chain.relu()


def _nothing(_path: str, _module: Any, _chain: AffineChain) -> None:
    """Leave the value as it is: Identity, and Dropout in evaluation mode."""


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


_SUPPORTED: Final[dict[str, Callable[[str, Any, AffineChain], None]]] = {
    "Linear": _linear,
    "ReLU": _relu,
    "BatchNorm1d": _batch_norm,
    "Flatten": _flatten,
    "Dropout": _nothing,
    "Identity": _nothing,
}
