"""A torch module put into evaluation mode for a while, without wrappers, and left as it was. Loads torch.

The library and the client, which do not know each other, have this file each; a test compares them.
"""

from __future__ import annotations

import copy
import io
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any, Final

import torch
from torch.nn.utils import parametrize

_REGISTRIES: Final = ("_modules", "_parameters", "_buffers")
_WRAPPERS: Final = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}
_LONGEST_REASON: Final = 200
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


class ExportFailed(ValueError):
    """A module that cannot be written as ONNX; the text says why and what is needed."""


def saved(tensors: Mapping[str, Any]) -> bytes:
    """The tensors as `torch.save` writes them, on the CPU and without the storage they may be views of.

    Raises:
        ExportFailed: a tensor without values.
    """
    for name, tensor in tensors.items():
        if tensor.is_meta:
            raise ExportFailed(f"the tensor {name} is on the meta device and has no values; needed are weights")
    buffer = io.BytesIO()
    torch.save({name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}, buffer)
    return buffer.getvalue()


@contextmanager
def evaluated(module: Any) -> Iterator[Any]:
    """The bare module in evaluation mode; afterwards it, random numbers and stdout are as they were."""
    module = bare(module)
    with (
        _left_as_it_was(module),
        torch.no_grad(),
        torch.random.fork_rng(devices=[]),
        _unvalidated(),
        _stdout_kept_clean(),
    ):
        yield _plain(module.eval(), {})


def short(error: BaseException) -> str:
    """The kind of the error that was at the beginning, and the first words of its text."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(_COLOURS.sub("", str(error)).split())
    text = text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def bare(module: Any) -> Any:
    """The module that torch.compile or DataParallel wraps."""
    while type(module).__name__ in _WRAPPERS and type(module).__module__.startswith("torch."):
        module = getattr(module, _WRAPPERS[type(module).__name__])
    return module


def _plain(module: Any, seen: dict[int, Any]) -> Any:
    """The module without wrappers and compiled calls, every parametrized tensor in its place as it is now.

    Changes the modules' registries of parts, which `_left_as_it_was` puts back.
    """
    if id(module) in seen or isinstance(module, torch.jit.ScriptModule):
        return seen.get(id(module), module)
    unwrapped = bare(module)
    if vars(unwrapped).get("_compiled_call_impl") is not None:
        vars(unwrapped)["_compiled_call_impl"] = None
    plain = _unparametrized(unwrapped) if parametrize.is_parametrized(unwrapped) else unwrapped
    seen[id(module)] = seen[id(unwrapped)] = plain
    for name, part in plain._modules.items():
        if part is not None:
            plain._modules[name] = _plain(part, seen)
    return plain


def _unparametrized(part: Any) -> Any:
    kind = parametrize.type_before_parametrizations(part)
    plain = kind.__new__(kind)
    vars(plain).update({name: copy.copy(value) if name in _REGISTRIES else value for name, value in vars(part).items()})
    del plain._modules["parametrizations"]
    for name in part.parametrizations:
        plain._parameters[name] = torch.nn.Parameter(getattr(part, name).detach(), requires_grad=False)
    return plain


def check_values(module: Any) -> None:
    """Check that all parameters and buffers have values.

    Raises:
        ExportFailed: one is on the meta device or has no shape yet.
    """
    tensors = [*module.named_parameters(), *module.named_buffers()]
    for name, tensor in tensors:
        if isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin):
            raise ExportFailed(
                f"{name} of the module {type(module).__name__} has no shape yet; evaluate it once before"
            )
        if tensor.is_meta:
            raise ExportFailed(
                f"{name} of the module {type(module).__name__} is on the meta device and has no values; needed are "
                "weights: module.to_empty(device='cpu'), then load_state_dict"
            )


@contextmanager
def _left_as_it_was(module: Any) -> Iterator[None]:
    """Puts back all attributes, registered parts and tensors of the modules, and what their buffers hold."""
    scripted = [part for part in module.modules() if isinstance(part, torch.jit.ScriptModule)]
    modes = [(part, part.training) for part in scripted]
    parts = [part for part in module.modules() if not isinstance(part, torch.jit.ScriptModule)]
    saved = [(part, dict(vars(part)), {name: dict(vars(part)[name]) for name in _REGISTRIES}) for part in parts]
    buffers = [(buffer, buffer.detach().clone()) for buffer in module.buffers()]
    try:
        yield
    finally:
        for part, attributes, registries in saved:
            for name, entries in registries.items():
                attributes[name].clear()
                attributes[name].update(entries)
            for name in set(vars(part)) - set(attributes):
                del vars(part)[name]
            vars(part).update(attributes)
        for part, training in modes:
            part.training = training
        for buffer, before in buffers:
            if not torch.equal(buffer, before):
                with torch.no_grad():
                    buffer.copy_(before)


@contextmanager
def _unvalidated() -> Iterator[None]:
    """Distributions do not check their parameters meanwhile, which no exporter can follow."""
    kind = torch.distributions.Distribution
    before = kind._validate_args
    kind.set_default_validate_args(False)
    try:
        yield
    finally:
        kind.set_default_validate_args(before)


@contextmanager
def _stdout_kept_clean() -> Iterator[None]:
    """Sends what Python prints meanwhile to stderr, and what compiled code prints nowhere."""
    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # there is no stdout
        kept = None
    try:
        if kept is not None:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)
