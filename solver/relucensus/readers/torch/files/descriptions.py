"""What a pickle of `torch.save` describes, understood without making any of it.

Names stay names. The functions by which torch rebuilds a tensor are read as descriptions, every argument of them; an
object of any other kind is a marker that holds nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from relucensus.errors import UnreadableModel
from relucensus.readers.limits import shown

ITEM_BYTES: Final = {
    **{"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1},
    **{"uint8": 1, "bool": 1, "complex64": 8, "complex128": 16, "complex32": 4},
    **{"qint8": 1, "quint8": 1, "qint32": 4, "quint4x2": 1, "quint2x4": 1},
}
"""The bytes of one entry of each type."""

_MAX_AXES: Final = 64
_MORE_THAN_ANY: Final = 2**63
_TYPED: Final = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
    "UntypedStorage": "uint8",
}
_KINDS: Final = {
    "_rebuild_qtensor": "a quantised tensor",
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_sparse_csr_tensor": "a sparse tensor",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_meta_tensor_no_storage": "a tensor of the meta device, which has no entries",
    "_rebuild_wrapper_subclass": "a tensor of a subclass that keeps its entries elsewhere",
    "_rebuild_device_tensor_from_numpy": "a tensor of another device, kept as a numpy array",
    "_rebuild_device_tensor_from_cpu_tensor": "a tensor of another device",
    "_rebuild_xla_tensor": "a tensor of another device",
}


@dataclass(frozen=True, slots=True)
class Name:
    """A class or function that the pickle names; it is never looked up."""

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}.{self.attribute}"


@dataclass(frozen=True, slots=True, eq=False)
class Inert:
    """Stands for an object of some class; nothing of it was made."""

    kind: str


@dataclass(frozen=True, slots=True)
class Storage:
    """Numbers in the file: `entries` of this type, from the entry `first` on of those kept under `key`."""

    dtype: str
    key: str
    location: str
    entries: int
    first: int = 0


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A strided view of a storage, as the pickle declares it; nothing of it is checked against the bytes yet."""

    dtype: str
    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class OtherTensor:
    """A tensor whose entries are not read; `kind` says in words why."""

    kind: str


def described_storage(identity: Any) -> Storage | Inert:
    """The storage that a persistent id of `torch.save` names, in the format of either age.

    Raises:
        UnreadableModel: an id that torch does not write.
    """
    if isinstance(identity, tuple) and len(identity) == 4 and identity[0] == "module":
        return Inert(str(identity[1]) if isinstance(identity[1], Name) else "a module")
    if not (isinstance(identity, tuple) and len(identity) in (5, 6) and identity[0] == "storage"):
        raise UnreadableModel("data.pkl names a storage in a way that torch.save does not")
    _, kind, key, location, entries, *view = identity
    if not (isinstance(kind, Name) and isinstance(key, str) and isinstance(location, str) and _is_size(entries)):
        raise UnreadableModel("data.pkl names a storage in a way that torch.save does not")
    if kind.module not in ("torch", "torch.storage", "torch.cuda") or kind.attribute not in _TYPED:
        raise UnreadableModel(f"data.pkl names the storage type {shown(kind)}, which is none")
    storage = Storage(_TYPED[kind.attribute], key, location, entries)
    return storage if view in ([], [None]) else _viewed(storage, view[0])


def _viewed(root: Storage, view: Any) -> Storage:
    """The part of a storage that files of before torch 0.4 may name: (key of the view, first entry, entries)."""
    if not (isinstance(view, tuple) and len(view) == 3 and _is_size(view[1]) and _is_size(view[2])):
        raise UnreadableModel("data.pkl names a view of a storage in a way that torch.save does not")
    if view[1] + view[2] > root.entries:
        raise UnreadableModel("data.pkl names a view that reaches beyond its storage")
    return replace(root, first=view[1], entries=view[2])


def described_call(function: Any, arguments: Any) -> Any:
    """What calling this function with these arguments would make: a dict, a tensor's description, or a marker.

    Raises:
        UnreadableModel: arguments that torch never gives, or something called that is no name.
    """
    if not isinstance(function, Name | Inert) or not isinstance(arguments, tuple):
        raise UnreadableModel(f"data.pkl calls a {type(function).__name__}, which torch.save never does")
    if isinstance(function, Inert):
        return function
    if function in _DICTS and not (function == _DICTS[0] and arguments):
        return {}
    if function in _REBUILDS:
        return _REBUILDS[function](arguments)
    if function.module.startswith("torch") and function.attribute.startswith("_rebuild"):
        return OtherTensor(_KINDS.get(function.attribute, f"a tensor rebuilt by {shown(function)}"))
    return Inert(str(function))


def _plain(arguments: tuple[Any, ...]) -> StoredTensor | OtherTensor:
    if len(arguments) != 4:
        raise UnreadableModel(f"data.pkl describes a tensor by {len(arguments)} arguments; needed are 4")
    storage, offset, shape, strides = arguments
    if isinstance(storage, OtherTensor):
        return storage
    if not (isinstance(shape, tuple) and isinstance(strides, tuple)) or max(len(shape), len(strides)) > _MAX_AXES:
        raise UnreadableModel(f"data.pkl describes a tensor by other than tuples of at most {_MAX_AXES} numbers")
    if not isinstance(storage, Storage) or not all(_is_size(n) for n in (offset, *shape, *strides)):
        raise UnreadableModel("data.pkl describes a tensor by numbers that are not sizes")
    if len(shape) != len(strides):
        raise UnreadableModel(f"data.pkl describes a tensor of {len(shape)} axes with {len(strides)} strides")
    if storage.location == "meta":
        return OtherTensor(_KINDS["_rebuild_meta_tensor_no_storage"])
    return StoredTensor(storage.dtype, storage, offset, tuple(shape), tuple(strides))


def _with_flags(arguments: tuple[Any, ...]) -> StoredTensor | OtherTensor:
    """(storage, offset, shape, strides, requires_grad, backward_hooks[, metadata])."""
    if len(arguments) not in (6, 7):
        raise UnreadableModel(f"data.pkl describes a tensor by {len(arguments)} arguments; needed are 6 or 7")
    return _flagged(_plain(arguments[:4]), arguments[4:6], arguments[6] if len(arguments) == 7 else None)


def _with_type(arguments: tuple[Any, ...]) -> StoredTensor | OtherTensor:
    """(storage, offset, shape, strides, requires_grad, backward_hooks, dtype[, metadata])."""
    if len(arguments) not in (7, 8) or not isinstance(arguments[6], Name):
        raise UnreadableModel("data.pkl describes a tensor of an explicit type in a way that torch.save does not")
    tensor = _plain(arguments[:4])
    if isinstance(tensor, StoredTensor):
        dtype = arguments[6].attribute
        if arguments[6].module != "torch" or dtype not in ITEM_BYTES or tensor.storage.first:
            return OtherTensor(f"a tensor of the type {shown(arguments[6])}")
        tensor = replace(tensor, dtype=dtype)
    return _flagged(tensor, arguments[4:6], arguments[7] if len(arguments) == 8 else None)


def _flagged(
    tensor: StoredTensor | OtherTensor, about_gradients: tuple[Any, ...], metadata: Any
) -> StoredTensor | OtherTensor:
    """The tensor with what torch says about it beside its numbers; a flag that is not known is never passed over."""
    requires_grad, hooks = about_gradients
    if isinstance(tensor, OtherTensor):
        return tensor
    if not isinstance(requires_grad, bool):
        raise UnreadableModel("data.pkl describes a tensor whose requires_grad is neither true nor false")
    if hooks is not None and hooks != {}:
        return OtherTensor("a tensor with backward hooks")
    if metadata is None or metadata == {}:
        return tensor
    if not isinstance(metadata, dict) or not all(on is True for on in metadata.values()):
        return OtherTensor("a tensor with flags that are not known")  # torch writes no flag that is false
    unknown = [flag for flag in metadata if flag != "neg"]
    if unknown:
        return OtherTensor(f"a tensor with the flag {shown(unknown[0])}")
    return replace(tensor, negated=True)


def _parameter(arguments: tuple[Any, ...]) -> StoredTensor | OtherTensor:
    """(tensor, requires_grad, backward_hooks[, attributes of the Python object, which change no entry])."""
    if len(arguments) not in (3, 4) or not isinstance(arguments[0], StoredTensor | OtherTensor):
        raise UnreadableModel("data.pkl describes a parameter in a way that torch.save does not")
    return _flagged(arguments[0], arguments[1:3], None) if _is_read(arguments[0]) else arguments[0]


def _is_read(tensor: Any) -> bool:
    return isinstance(tensor, StoredTensor)


def _from_type(arguments: tuple[Any, ...]) -> StoredTensor | OtherTensor:
    """(function, class, its arguments, attributes): a tensor with attributes, or one of a subclass."""
    if len(arguments) != 4 or not isinstance(arguments[1], Name):
        raise UnreadableModel("data.pkl describes a tensor of a subclass in a way that torch.save does not")
    function, kind, inner, _attributes = arguments
    if kind not in _TENSOR_CLASSES or function == _FROM_TYPE:
        return OtherTensor(f"a tensor of the class {shown(kind)}")
    tensor = described_call(function, inner)
    if not isinstance(tensor, StoredTensor | OtherTensor):
        return OtherTensor(f"a tensor made by {shown(function)}")
    return tensor


def _size(arguments: tuple[Any, ...]) -> Any:
    return tuple(arguments[0]) if len(arguments) == 1 and isinstance(arguments[0], list | tuple) else Inert("a size")


def _is_size(number: Any) -> bool:
    return type(number) is int and 0 <= number < _MORE_THAN_ANY


_DICTS: Final = (Name("collections", "OrderedDict"), Name("collections", "defaultdict"))
_TENSOR_CLASSES: Final = (
    Name("torch", "Tensor"),
    Name("torch._tensor", "Tensor"),
    Name("torch.nn.parameter", "Parameter"),
    Name("torch.nn.parameter", "Buffer"),
)
_FROM_TYPE: Final = Name("torch._tensor", "_rebuild_from_type_v2")
_REBUILDS: Final[dict[Name, Callable[[tuple[Any, ...]], Any]]] = {
    Name("torch._utils", "_rebuild_tensor"): _plain,
    Name("torch._utils", "_rebuild_tensor_v2"): _with_flags,
    Name("torch._utils", "_rebuild_tensor_v3"): _with_type,
    Name("torch._utils", "_rebuild_parameter"): _parameter,
    Name("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    _FROM_TYPE: _from_type,
    Name("torch", "Size"): _size,
}
