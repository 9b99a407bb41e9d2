"""A torch module as a self-contained ONNX file in memory, by PyTorch's exporters. Loads torch.

The library and the client, which do not know each other, have this file each; a test compares them. The current
exporter needs the package onnxscript and half a second or more; the older one needs neither, but takes whatever path
the example takes. A chain of torch's own layers has one path: for it the older one is asked first, else the current.
"""

from __future__ import annotations

import importlib.util
import inspect
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch

from relucensus.readers.torch.evaluation import ExportFailed, check_values, evaluated, short

_OPSET: Final = 17  # of the older exporter
_CHAINED: Final = frozenset(
    "Linear Conv1d Conv2d Conv3d BatchNorm1d BatchNorm2d BatchNorm3d AvgPool1d AvgPool2d AvgPool3d Flatten Dropout "
    "Identity ReLU ReLU6 LeakyReLU PReLU Hardtanh".split()
)
_CLOSE: Final = {"rtol": 1e-2, "atol": 1e-3}


def onnx_of_module(module: Any, example_input: Any = None, *, quick: bool = False) -> bytes:
    """One ONNX file that computes, for a batch of one, what the module computes in evaluation mode.

    The module is left as it was, and nothing is printed on stdout. The input size is that of the first
    `torch.nn.Linear`, unless `example_input` is given: a tensor or array, or a tuple of them for several inputs, with
    or without a batch. `quick` asks the older exporter first. Warnings that a traced computation may depend on the
    data are passed on where the current exporter is not there to tell.

    Raises:
        ExportFailed: weights without values, no linear layer to tell the input size from, an example that does not
            fit, or no exporter that can write the module.
    """
    check_values(module)
    with evaluated(module) as plain:
        examples, outputs = _batch_of_one(plain, _examples(plain, example_input))
        return _exported(plain, examples, _names_of_outputs(outputs), quick or _is_chain(plain))


def values_of_module(module: Any, inputs: Sequence[Any]) -> list[Any]:
    """What the module computes of these inputs in evaluation mode, all its tensors flattened; it is left as it was."""
    with evaluated(module) as plain:
        found = _tensors(plain(*_examples(plain, tuple(inputs))))
    return [tensor.detach().double().cpu().flatten().numpy() for _, tensor in found or ()]


def input_shapes(module: Any, example_input: Any) -> list[tuple[int, ...]]:
    """The shapes of a batch of one of each of the module's inputs; `example_input` as of `onnx_of_module`."""
    with evaluated(module) as plain:
        shapes = [tuple(example.shape) for example in _examples(plain, example_input)]
    return [(1, *shape[1:]) if len(shape) > 1 else (1, *shape) for shape in shapes]


def _exported(module: Any, examples: tuple[Any, ...], outputs: list[str] | None, older_first: bool) -> bytes:
    """The file of the first exporter that can, of the two in their order."""
    current = "dynamo" in inspect.signature(torch.onnx.export).parameters and _installed("onnxscript")
    exporters: list[tuple[str, Callable[..., bytes]]] = [("the older exporter", _by_older_exporter)]
    if current:
        exporters.insert(1 if older_first else 0, ("the current exporter", _by_current_exporter))
    names = {"input_names": _names_of_inputs(module, len(examples)), "output_names": outputs}
    reasons: list[str] = []
    for title, export in exporters:
        try:
            with _exporter_silent(), warnings.catch_warnings():
                if current:  # a path that depends on the data is not one to take by example
                    warnings.simplefilter("error", torch.jit.TracerWarning)
                return export(module, examples, {key: value for key, value in names.items() if value})
        except Exception as error:
            reasons.append(f"{title} says {short(error)}")
    needed = "" if current else "; the current exporter, which can more, needs: pip install 'relucensus[torch]'"
    raise ExportFailed(
        f"the module {type(module).__name__} could not be exported to ONNX with {_shapes(examples)}: "
        f"{'; '.join(reasons)}{needed}. If its input has another shape, pass example_input"
    )


def _by_current_exporter(module: Any, examples: tuple[Any, ...], names: Mapping[str, Any]) -> bytes:
    program = torch.onnx.export(module, examples, dynamo=True, verbose=False, external_data=False, **names)
    data: bytes = program.model_proto.SerializeToString()
    return data


def _by_older_exporter(module: Any, examples: tuple[Any, ...], names: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    choice = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    torch.onnx.export(module, examples, buffer, opset_version=_OPSET, **choice, **names)
    return buffer.getvalue()


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _is_chain(module: Any) -> bool:
    """Whether the module evaluates layers of torch one after the other, and nothing of its own."""
    kind = type(module)
    own = kind.__module__.startswith("torch.nn.modules.") and "forward" not in vars(module)
    if not own or module._forward_hooks or module._forward_pre_hooks:
        return False
    if kind is torch.nn.Sequential:
        return all(_is_chain(part) for part in module)
    return kind.__name__ in _CHAINED


def _examples(module: Any, example_input: Any) -> tuple[Any, ...]:
    if example_input is None:
        return (_guessed_example(module),)
    given = tuple(example_input) if isinstance(example_input, tuple) else (example_input,)
    weight = next((tensor for tensor in module.parameters() if tensor.is_floating_point()), torch.zeros(()))
    return tuple(_example(one, weight) for one in given)


def _example(given: Any, weight: Any) -> Any:
    """The example as a tensor of the weights' device; numbers that are not whole by their type, of their precision."""
    try:
        tensor = torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ExportFailed(
            f"example_input has a {type(given).__name__} ({short(error)}); needed is a tensor or array of numbers, or "
            "a tuple of them for several inputs"
        ) from None
    whole = isinstance(given, torch.Tensor) and not tensor.is_floating_point()
    return tensor.to(device=weight.device, dtype=tensor.dtype if whole else weight.dtype)


def _guessed_example(module: Any) -> Any:
    for part in module.modules():
        if isinstance(part, torch.nn.Linear):
            return torch.zeros(1, part.in_features, dtype=part.weight.dtype, device=part.weight.device)
    raise ExportFailed(
        f"the module {type(module).__name__} has no torch.nn.Linear to tell the input size from; pass example_input"
    )


def _batch_of_one(module: Any, examples: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
    """The examples as a batch of one, and what the module makes of it: what it makes of that row in the whole."""
    rows = {example.shape[0] if example.dim() > 1 else example.dim() - 1 for example in examples}
    if -1 in rows or any(0 in example.shape for example in examples):
        raise ExportFailed(f"example_input has {_shapes(examples)}; needed is a batch of one, of at least one number")
    single = all(example.dim() == 1 for example in examples)
    if single:
        batch = tuple(example[None] for example in examples)
    else:
        batch = tuple(example[:1] for example in examples) if len(rows) == 1 else examples
    try:
        outputs = module(*batch)
    except Exception as error:
        raise ExportFailed(
            f"the module {type(module).__name__} could not be exported to ONNX: with {_shapes(batch)} it raises "
            f"{short(error)}. If its input has another shape, pass example_input"
        ) from error
    if not single and len(rows) == 1 and rows != {1}:
        _check_rows(module, examples, outputs)
    _check_alone(module, batch)
    return batch, outputs


def _check_rows(module: Any, examples: tuple[Any, ...], outputs: Any) -> None:
    """Check that the first row of what the module makes of the whole batch is what it makes of its first row."""
    try:
        whole = _tensors(module(*examples)) or []
    except Exception as error:
        raise ExportFailed(
            f"the module {type(module).__name__} could not be exported to ONNX: with {_shapes(examples)} it raises "
            f"{short(error)}"
        ) from error
    for (_, all_rows), (_, one) in zip(whole, _tensors(outputs) or [], strict=True):
        if all_rows.shape[:1] != examples[0].shape[:1] or not torch.allclose(all_rows[:1], one, **_CLOSE):
            raise ExportFailed(
                f"the module {type(module).__name__} makes something else of the first row of example_input than of "
                f"the whole, {_shapes(examples)}: its first axis is no batch; add one: example_input[None]"
            )


def _check_alone(module: Any, batch: tuple[Any, ...]) -> None:
    """Check that the module makes the same of an input alone as beside another one, where it takes two."""
    if not all(example.is_floating_point() and example.shape[0] == 1 for example in batch):
        return
    random = torch.Generator().manual_seed(0)
    pairs = [torch.randn((2, *example.shape[1:]), generator=random).to(example) for example in batch]
    try:
        both, alone = _tensors(module(*pairs)) or [], _tensors(module(*[pair[:1] for pair in pairs])) or []
    except Exception:  # it takes no batch of two, or not these numbers
        return
    for (_, two), (_, one) in zip(both, alone, strict=False):
        if two.shape == (2, *one.shape[1:]) and not torch.allclose(two[:1], one, equal_nan=True, **_CLOSE):
            raise ExportFailed(
                f"the module {type(module).__name__} makes something else of an input beside another one than of it "
                "alone, or at random; needed is a module that takes the inputs of a batch one by one"
            )


def _tensors(value: Any, name: str = "") -> list[tuple[str, Any]] | None:
    """The tensors in what a module returns, each with the key under which it stands; None if there is anything else."""
    if isinstance(value, torch.Tensor):
        return [(name, value)]
    if not isinstance(value, Mapping | tuple | list):
        return None
    items = value.items() if isinstance(value, Mapping) else [(name, part) for part in value]
    parts = [_tensors(part, str(key)) for key, part in items]
    return None if None in parts else [found for part in parts if part for found in part]


def _names_of_outputs(outputs: Any) -> list[str] | None:
    found = _tensors(outputs)
    if not found:
        return None
    return _distinct([name or "output" for name, _ in found])


def _names_of_inputs(module: Any, count: int) -> list[str]:
    """The names of the parameters of `forward` where there are several."""
    named = inspect.signature(module.forward).parameters.values()
    names = [one.name for one in named if one.kind is one.POSITIONAL_OR_KEYWORD]
    return names[:count] if 1 < count <= len(names) else _distinct(["input"] * count)


def _distinct(names: Sequence[str]) -> list[str]:
    earlier = [names[:position].count(name) for position, name in enumerate(names)]
    return [f"{name}_{before + 1}" if before else name for name, before in zip(names, earlier, strict=True)]


def _shapes(examples: Sequence[Any]) -> str:
    shapes = " and ".join(str(list(example.shape)) for example in examples)
    return f"an input of shape {shapes}" if len(examples) == 1 else f"inputs of the shapes {shapes}"


@contextmanager
def _exporter_silent() -> Iterator[None]:
    """Silences what the exporters say about themselves: that one is deprecated, that torchvision is not installed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="You are using the legacy TorchScript", category=DeprecationWarning
            )
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"torch\.onnx|onnxscript|onnx_ir")
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch|onnxscript|onnx_ir|copyreg")
            warnings.filterwarnings("ignore", message=".*was assigned during export")  # old weight_norm; is put back
            warnings.filterwarnings("ignore", message=".*feature will be removed", category=DeprecationWarning)
            yield
    finally:
        logger.setLevel(level)
