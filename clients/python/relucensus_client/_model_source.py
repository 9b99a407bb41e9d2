"""What a caller may give as a model, and the bytes that stand for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final

from relucensus_client._answers import UploadedModel
from relucensus_client._data_files import files_beside
from relucensus_client._errors import InvalidArgument

_DIGEST_PREFIX: Final = "sha256:"

Model = str | os.PathLike[str] | bytes | IO[bytes] | UploadedModel | Mapping[str, Any] | Any


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model to send: a file's name and bytes, or the digest of one the service keeps.

    `files` are those beside it that hold its weights, by the names it has for them.
    """

    name: str = "model"
    data: bytes = b""
    digest: str | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)


def model_file(model: Model, example_input: Any = None) -> ModelFile:
    """The file that stands for a path, bytes, an open file, a torch module, a `state_dict` or an uploaded model.

    Of a path, also the files in its folder that an ONNX model keeps its weights in.
    `example_input` is only for a torch module whose input size cannot be told from its first linear layer.

    Raises:
        InvalidArgument: the file cannot be read, the module cannot be exported, or it is none of these.
    """
    match model:
        case UploadedModel():
            return ModelFile(digest=model.digest)
        case str() if model.startswith(_DIGEST_PREFIX):
            return ModelFile(digest=model)
        case str() | os.PathLike():
            return _from_path(Path(model))
        case bytes() | bytearray() | memoryview():
            return ModelFile(data=bytes(model))
        case _ if hasattr(model, "read"):
            return _from_open_file(model)
        case _:
            return _from_torch(model, example_input)


def prepare_for_modules() -> None:
    """Load what reads torch modules, where there are any, so that the first one takes no longer than others."""
    if "torch" in sys.modules:
        import_module("relucensus_client._torch_module")


def snapshot_file(model: Model, example_input: Any = None) -> tuple[ModelFile, str | None]:
    """As `model_file`, and the activation if the file does not name its own; quicker, and most for a stack of layers.

    What is taken are the weights as they are now: nothing that is done to the model later changes the file.

    Raises:
        InvalidArgument: as `model_file`; also for an uploaded model, which has no weights here.
    """
    if "torch" in sys.modules:
        from relucensus_client import _torch_module  # noqa: PLC0415 - loads torch

        stack = _torch_module.stack_bytes(model) if example_input is None else None
        if stack is not None:
            return ModelFile("stack.safetensors", stack[0]), stack[1]
        if _torch_module.is_module(model):
            return ModelFile("model.onnx", _torch_module.onnx_bytes(model, example_input, quick=True)), None
    file = model_file(model, example_input)
    if file.digest:
        raise InvalidArgument(f"{file.digest} names an uploaded model; needed is one whose weights are here")
    return file, None


def _from_path(path: Path) -> ModelFile:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidArgument(f"model file {path} cannot be read: {error.strerror or error}") from None
    return ModelFile(path.name, data, files=files_beside(path, data))


def _from_open_file(file: Any) -> ModelFile:
    data = file.read()
    if not isinstance(data, bytes):
        raise InvalidArgument("the model file is open in text mode; open it with mode 'rb'")
    name = getattr(file, "name", None)
    return ModelFile(os.path.basename(name) if isinstance(name, str) and name else "model", data)


def _from_torch(model: Any, example_input: Any) -> ModelFile:
    """A module or `state_dict` as a file. Whoever holds one has loaded torch: without it, it is something else."""
    if "torch" in sys.modules:
        from relucensus_client import _torch_module  # noqa: PLC0415 - loads torch

        if _torch_module.is_module(model):
            return ModelFile("model.onnx", _torch_module.onnx_bytes(model, example_input))
        if _torch_module.is_state_dict(model):
            return ModelFile("state_dict.pt", _torch_module.state_dict_bytes(model))
    raise InvalidArgument(
        f"the model is a {type(model).__module__}.{type(model).__qualname__}; needed is a path, bytes, a file open "
        "for reading bytes, a torch.nn.Module or its state_dict"
    )
