"""The tensors that a pickle of `torch.save` describes, found without running the pickle.

A pickle is a program for a small stack machine. This module is such a machine with two dozen instructions, none of
which imports, calls or sets anything: names stay names, and the three functions that torch writes into a state_dict
are understood as descriptions. Everything else in the program is a reason to refuse the file.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from relucensus.errors import CensusError, RefusedFormat, UnreadableModel, UnsupportedModel
from relucensus.readers.limits import shown

SAVE_STATE_DICT: Final = "save the weights alone: torch.save(model.state_dict(), path)"

_MAX_BYTES: Final = 4 * 2**20
_MAX_AXES: Final = 64
_STORAGE_TYPES: Final = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A strided view of a storage, as the pickle declares it; nothing of it is checked against the storage yet."""

    dtype: str
    key: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Name:
    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}.{self.attribute}"


@dataclass(frozen=True, slots=True)
class _Storage:
    dtype: str
    key: str


_ORDERED_DICT: Final = _Name("collections", "OrderedDict")
_REBUILD_TENSOR: Final = _Name("torch._utils", "_rebuild_tensor_v2")
_REBUILD_PARAMETER: Final = _Name("torch._utils", "_rebuild_parameter")
_MARK: Final = object()


def described_object(program: bytes) -> Any:
    """What the pickle describes: dicts, lists, tuples and scalars as themselves, tensors as `StoredTensor`.

    Raises:
        UnsupportedModel: a class or function beyond those of a state_dict, or an instruction that needs one.
        UnreadableModel: not a pickle, or one that its own instructions contradict.
    """
    if len(program) > _MAX_BYTES:
        raise UnsupportedModel(f"data.pkl has {len(program)} bytes; accepted are at most {_MAX_BYTES}")
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(program):
            machine.step(opcode.name, argument)
    except CensusError:
        raise
    except Exception as error:
        raise UnreadableModel(f"data.pkl is not a valid pickle ({type(error).__name__}: {shown(error)})") from None
    return machine.result()


class _Machine:
    """The stack, the memo, and one method per kind of instruction."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._stopped = False

    def step(self, name: str, argument: Any) -> None:
        """Do one instruction."""
        if name in _LITERALS:
            self._stack.append(_LITERALS[name])
        elif name in _IMMEDIATES:
            self._stack.append(argument)
        elif name in _TUPLES:
            count = _TUPLES[name]
            self._stack.append(tuple(self._pop() for _ in range(count))[::-1])
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in _IGNORED:
            raise RefusedFormat(f"the pickle uses the instruction {name}, which no state_dict needs; {SAVE_STATE_DICT}")

    def result(self) -> Any:
        """The one object that is left."""
        if not self._stopped or len(self._stack) != 1:
            raise UnreadableModel(f"data.pkl ends with {len(self._stack)} objects; needed is exactly one")
        return self._stack[0]

    def stop(self, _argument: Any) -> None:
        self._stopped = True

    def mark(self, _argument: Any) -> None:
        self._stack.append(_MARK)

    def empty_list(self, _argument: Any) -> None:
        self._stack.append([])

    def empty_dict(self, _argument: Any) -> None:
        self._stack.append({})

    def tuple_to_mark(self, _argument: Any) -> None:
        self._stack.append(tuple(self._pop_to_mark()))

    def remember(self, index: Any) -> None:
        self._memo[index] = self._top()

    def remember_next(self, _argument: Any) -> None:
        self._memo[len(self._memo)] = self._top()

    def recall(self, index: Any) -> None:
        self._stack.append(self._memo[index])

    def append_one(self, _argument: Any) -> None:
        item = self._pop()
        self._a(list).append(item)

    def append_all(self, _argument: Any) -> None:
        items = self._pop_to_mark()
        self._a(list).extend(items)

    def set_one(self, _argument: Any) -> None:
        value, key = self._pop(), self._pop()
        self._set(key, value)

    def set_all(self, _argument: Any) -> None:
        items = self._pop_to_mark()
        for key, value in zip(items[::2], items[1::2], strict=True):
            self._set(key, value)

    def name(self, argument: str) -> None:
        module, _, attribute = argument.partition(" ")
        self._stack.append(_checked_name(module, attribute))

    def name_from_stack(self, _argument: Any) -> None:
        attribute, module = self._pop(), self._pop()
        if not isinstance(module, str) or not isinstance(attribute, str):
            raise UnreadableModel("data.pkl refers to a name that is not text")
        self._stack.append(_checked_name(module, attribute))

    def describe_storage(self, _argument: Any) -> None:
        kind, storage_type, key, _location, _entries = self._pop()
        if kind != "storage" or not isinstance(storage_type, _Name) or not isinstance(key, str):
            raise UnreadableModel("data.pkl names a storage in a way that torch.save does not")
        if storage_type.module != "torch" or storage_type.attribute not in _STORAGE_TYPES:
            raise UnreadableModel(f"data.pkl names the storage type {shown(storage_type)}, which is none")
        self._stack.append(_Storage(_STORAGE_TYPES[storage_type.attribute], key))

    def describe_call(self, _argument: Any) -> None:
        arguments, function = self._pop(), self._pop()
        if function == _ORDERED_DICT and arguments == ():
            self._stack.append({})
        elif function == _REBUILD_TENSOR:
            self._stack.append(_tensor(*arguments))
        elif function == _REBUILD_PARAMETER and isinstance(arguments[0], StoredTensor):
            self._stack.append(arguments[0])
        else:
            called = shown(function) if isinstance(function, _Name) else f"a {type(function).__name__}"
            raise UnreadableModel(f"data.pkl calls {called} in a way that torch.save does not")

    def ignore_attributes(self, _argument: Any) -> None:
        self._pop()
        self._a(dict)

    def _set(self, key: Any, value: Any) -> None:
        if not isinstance(key, str | int):
            raise UnsupportedModel(f"a dict in data.pkl has a key of type {type(key).__name__}; {SAVE_STATE_DICT}")
        self._a(dict)[key] = value

    def _top(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise UnreadableModel("data.pkl takes an object from an empty stack")
        return self._stack[-1]

    def _pop(self) -> Any:
        self._top()
        return self._stack.pop()

    def _pop_to_mark(self) -> list[Any]:
        items = []
        while self._stack[-1] is not _MARK:
            items.append(self._stack.pop())
        self._stack.pop()
        return items[::-1]

    def _a(self, kind: type) -> Any:
        top = self._top()
        if type(top) is not kind:
            raise UnreadableModel(f"data.pkl treats a {type(top).__name__} as a {kind.__name__}")
        return top


def _checked_name(module: str, attribute: str) -> _Name:
    name = _Name(module, attribute)
    if name in (_ORDERED_DICT, _REBUILD_TENSOR, _REBUILD_PARAMETER):
        return name
    if module == "torch" and attribute in _STORAGE_TYPES:
        return name
    if module == "torch" and attribute.endswith("Storage"):
        raise UnsupportedModel(f"a tensor has the type {shown(name)}; supported are {', '.join(_STORAGE_TYPES)}")
    raise RefusedFormat(
        f"the file refers to {shown(name)}: whole pickled modules and other objects are refused, nothing of them was "
        f"run; {SAVE_STATE_DICT}"
    )


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_unused: Any) -> StoredTensor:
    if not (isinstance(shape, tuple) and isinstance(strides, tuple)) or max(len(shape), len(strides)) > _MAX_AXES:
        raise UnreadableModel(f"data.pkl describes a tensor by other than tuples of at most {_MAX_AXES} numbers")
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or not all(type(n) is int and n >= 0 for n in numbers):
        raise UnreadableModel("data.pkl describes a tensor by numbers that are not sizes")
    if len(shape) != len(strides):
        raise UnreadableModel(f"data.pkl describes a tensor of {len(shape)} axes with {len(strides)} strides")
    return StoredTensor(storage.dtype, storage.key, offset, tuple(shape), tuple(strides))


_LITERALS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_IMMEDIATES: Final = frozenset("BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8".split())
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED: Final = frozenset({"PROTO", "FRAME"})
_ACTIONS: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "STOP": _Machine.stop,
    "MARK": _Machine.mark,
    "EMPTY_LIST": _Machine.empty_list,
    "EMPTY_DICT": _Machine.empty_dict,
    "TUPLE": _Machine.tuple_to_mark,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": _Machine.remember_next,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "APPEND": _Machine.append_one,
    "APPENDS": _Machine.append_all,
    "SETITEM": _Machine.set_one,
    "SETITEMS": _Machine.set_all,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_from_stack,
    "BINPERSID": _Machine.describe_storage,
    "REDUCE": _Machine.describe_call,
    "BUILD": _Machine.ignore_attributes,
}
