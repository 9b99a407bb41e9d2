"""Whatever stands for a network in a Python program becomes one: a file, a module, a fitted model, arrays.

Libraries are recognised by the names of their classes and never loaded to find out: whoever holds a torch module has
loaded torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, Unpack

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, InvalidRequest, UnreadableModel, UnsupportedModel
from relucensus.readers.choices import Choices, ReadingOptions
from relucensus.readers.data_files import FolderFiles
from relucensus.readers.limits import ReaderLimits, shown
from relucensus.readers.model import DEFAULT_LIMITS, ReadModel, read_model
from relucensus.readers.sklearn import is_sklearn, network_from_sklearn
from relucensus.readers.torch.module import UnreadModule, is_module, network_from_module
from relucensus.values.network import Network

Model = str | os.PathLike[str] | bytes | IO[bytes] | Mapping[str, Any] | Sequence[tuple[Any, Any]] | Network | Any

FloatArray = NDArray[np.float64]

_POINTS: Final = 16
_AGREEING: Final = {"rtol": 1e-2, "atol": 1e-2}
_PRECISE: Final = ("torch.float32", "torch.float64")
_ADVICE: Final = {
    "keras": "export it as ONNX: model.export('model.onnx', format='onnx'), or tf2onnx",
    "tensorflow": "export it as ONNX with tf2onnx",
    "jax": "give its weights as (weights, bias) pairs",
    "flax": "give its weights as (weights, bias) pairs",
    "stable_baselines3": "give a network of it: model.q_net of DQN, and of PPO "
    "torch.nn.Sequential(model.policy.mlp_extractor.policy_net, model.policy.action_net)",
    "numpy": "give (weights, bias) pairs, the last of which is the output",
    "torch": "give a torch.nn.Module, its state_dict, or (weights, bias) pairs",
}


def network_of(
    model: Model, *, example_input: Any = None, limits: ReaderLimits = DEFAULT_LIMITS, **choices: Unpack[ReadingOptions]
) -> Network:
    """The network that the model stands for; `Network.notes` says what was assumed or left off.

    Args:
        model: the path of a file of any format that `read_model` reads, whose weights may be in files in the same
            folder; its bytes, or the file open for reading bytes; a `torch.nn.Module` or its `state_dict`; a fitted
            `MLPClassifier` or `MLPRegressor` of scikit-learn, alone or in a `Pipeline` behind scalers; (weights, bias)
            pairs, the last of which is the output; an ONNX `ModelProto`; or a `Network`.
        example_input: for a module, an input or a tuple of inputs, where the first linear layer does not tell the size.
        limits: the most that is accepted.
        choices: what the model leaves open; see `relucensus.readers.Choices`.

    Raises:
        CensusError: of the kinds that `read_model` raises.
    """
    said = {name: choice for name, choice in choices.items() if choice is not None}
    Choices.of(said)
    if is_module(model):
        return _of_module(model, example_input, limits, choices)
    if example_input is not None:
        raise InvalidRequest(f"example_input is for torch modules; the model is a {_kind(model)}")
    data = _bytes_of(model)
    if data is not None:
        files = FolderFiles(Path(model).parent) if isinstance(model, str | os.PathLike) else {}
        return read_model(data, files=files, limits=limits, **choices).network
    if _is_pairs(model):
        return _of_pairs(model, choices)
    if said:
        raise InvalidRequest(f"{next(iter(said))} is for models that leave it open; the model is a {_kind(model)}")
    return _of_object(model, limits)


def _of_object(model: Any, limits: ReaderLimits) -> Network:
    if isinstance(model, Network | ReadModel):
        return model if isinstance(model, Network) else model.network
    if is_sklearn(model):
        return network_from_sklearn(model, limits=limits)
    family = next((kind.__module__.partition(".")[0] for kind in type(model).__mro__ if _is_advised(kind)), "")
    advice = f"; {_ADVICE[family]}" if family else ""
    raise UnsupportedModel(
        f"the model is a {_kind(model)}{advice}. Needed is a path, bytes, a file open for reading bytes, a "
        "torch.nn.Module or its state_dict, a fitted MLP of scikit-learn, (weights, bias) pairs, or a Network"
    )


def _is_advised(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in _ADVICE


def _kind(model: Any) -> str:
    kind = type(model)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _bytes_of(model: Any) -> bytes | None:
    """The bytes of a file, or of what can be written as one; None for everything else."""
    match model:
        case str() | os.PathLike():
            return _from_path(Path(model))
        case bytes() | bytearray() | memoryview():
            return bytes(model)
        case Mapping():
            return _from_tensors(model)
        case _ if hasattr(model, "read"):
            data = model.read()
            if not isinstance(data, bytes):
                raise UnreadableModel("the model file is open in text mode; open it with mode 'rb'")
            return data
        case _ if type(model).__name__ == "ModelProto" and hasattr(model, "SerializeToString"):
            return bytes(model.SerializeToString())
        case _:
            return None


def _from_path(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnreadableModel(f"model file {shown(os.fspath(path))} cannot be read: {reason}") from None


def _from_tensors(tensors: Mapping[Any, Any]) -> bytes:
    """A `state_dict` as the file that would hold it: in its order if the tensors are torch's, sorted if numpy's."""
    if tensors and all(isinstance(name, str) for name in tensors):
        if "torch" in sys.modules and all(type(one).__module__.startswith("torch") for one in tensors.values()):
            from relucensus.readers.torch.evaluation import ExportFailed, saved  # noqa: PLC0415 - loads torch

            try:
                return saved(tensors)
            except ExportFailed as error:
                raise InvalidNetwork(str(error)) from None
        if all(isinstance(one, np.ndarray) for one in tensors.values()):
            from safetensors.numpy import save  # noqa: PLC0415 - loaded on first use

            return bytes(save({name: np.ascontiguousarray(one) for name, one in tensors.items()}))
    found = sorted({_kind(one) for one in tensors.values()})
    inner = [shown(str(key)) for key, one in tensors.items() if isinstance(one, Mapping)]
    advice = f", perhaps what lies under {' or '.join(inner[:3])}" if inner else ""
    raise UnsupportedModel(
        f"the mapping holds {', '.join(found) or 'nothing'}; needed is a state_dict: names to tensors{advice}"
    )


def _is_pairs(model: Any) -> bool:
    return isinstance(model, list | tuple) and all(isinstance(one, list | tuple) and len(one) == 2 for one in model)


def _of_pairs(pairs: Any, choices: ReadingOptions) -> Network:
    other = next((name for name, said in choices.items() if said is not None and name != "activation"), None)
    if other:
        raise InvalidRequest(f"{other} is for files that leave it open; the model is a list of (weights, bias) pairs")
    layers = [_plain_pair(pair, f"layer {number}") for number, pair in enumerate(pairs, start=1)]
    return Network.from_arrays(layers, Choices.of(choices).between)


def _plain_pair(pair: Sequence[Any], where: str) -> tuple[FloatArray, FloatArray]:
    """Weights and bias as numpy takes them, a torch tensor without its gradient; no bias is one of zeros.

    Numbers in the place of weights are refused: what is given may be one matrix instead of pairs.
    """
    try:
        weights, bias = (
            np.array(part.detach().cpu().double().numpy() if hasattr(part, "detach") else part, dtype=np.float64)
            for part in (pair[0], [] if pair[1] is None else pair[1])
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidNetwork(f"{where}: weights and bias must be arrays of numbers ({error})") from None
    if weights.ndim != 2 or bias.ndim != 1:
        raise InvalidNetwork(
            f"{where}: weights have {weights.ndim} axes and bias {bias.ndim}; needed are pairs of 2 and 1, the last of "
            "which is the output"
        )
    return weights, np.zeros(len(weights)) if pair[1] is None else bias


def _of_module(module: Any, example_input: Any, limits: ReaderLimits, choices: ReadingOptions) -> Network:
    """Directly if it is a chain of torch's own layers, as ONNX otherwise, compared with the module then."""
    from relucensus.readers.torch import exporter  # noqa: PLC0415 - loads torch
    from relucensus.readers.torch.evaluation import ExportFailed  # noqa: PLC0415

    chosen = any(said is not None for said in choices.values())
    try:
        if not chosen and not isinstance(example_input, tuple):
            shape = None if example_input is None else exporter.input_shapes(module, example_input)[0][1:]
            return network_from_module(module, input_shape=shape, limits=limits)
    except UnreadModule:
        pass
    except ExportFailed as error:
        raise InvalidNetwork(str(error)) from None
    try:
        data = exporter.onnx_of_module(module, example_input)
        shapes = exporter.input_shapes(module, example_input)
    except ExportFailed as error:
        raise UnsupportedModel(str(error)) from None
    network = read_model(data, limits=limits, **choices).network
    if not chosen and not network.notes:
        _check_values(network, module, shapes)
    return network


def _check_values(network: Network, module: Any, shapes: Sequence[tuple[int, ...]]) -> None:
    """Check at random points that the network computes what the module computes, as far as rounding lets one tell.

    An exporter that follows one path of several writes something else.
    """
    from relucensus.readers.torch.exporter import values_of_module  # noqa: PLC0415 - loads torch

    if any(str(tensor.dtype) not in _PRECISE for tensor in module.parameters()):
        return
    random = np.random.default_rng(0)
    for number in range(_POINTS):
        inputs = [random.normal(size=shape) * 10 ** (number % 3 - 1) for shape in shapes]
        try:
            wanted = np.concatenate(values_of_module(module, inputs) or [np.zeros(0)])
        except Exception:  # it has no value there, so that there is nothing to compare
            return
        point = np.concatenate([one.ravel() for one in inputs])
        if network.inputs != point.size or network.outputs != wanted.size or not np.isfinite(wanted).all():
            return
        got = network.forward(point)[0]
        if np.abs(got - wanted).max() > _AGREEING["atol"] + _AGREEING["rtol"] * np.abs(wanted).max():
            raise UnsupportedModel(
                f"the module {type(module).__name__} computes something else than the ONNX file that PyTorch makes of "
                f"it: at one input {wanted[0]:.6g} is {got[0]:.6g} there. Its path may depend on the input"
            )
