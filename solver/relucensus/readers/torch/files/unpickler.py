"""The objects that a pickle describes, found without running the pickle.

A pickle is a program for a small stack machine. This module is such a machine with a closed set of instructions, none
of which imports, calls or sets anything: see `descriptions` for what becomes of names and calls. The work and the
memory are proportional to the length of the program.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from relucensus.errors import CensusError, RefusedFormat, UnreadableModel, UnsupportedModel
from relucensus.readers.limits import shown
from relucensus.readers.torch.files.descriptions import Inert, Name, Storage, described_call, described_storage

SAVE_STATE_DICT: Final = "save the weights alone: torch.save(model.state_dict(), path)"

_MAX_BYTES: Final = 64 * 2**20
_MAX_INSTRUCTIONS: Final = 1_000_000
_LONGEST_INTEGER: Final = 64
_MARK: Final = object()


class _OddKey:
    """Takes the place of a key that is neither text nor a number, which no state_dict has."""

    def __str__(self) -> str:
        return "a key of another kind"


def _is_plain(key: Any) -> bool:
    """Whether this is a key that takes no time to hash and to show."""
    return isinstance(key, str | float | None) or (isinstance(key, int) and key.bit_length() <= _LONGEST_INTEGER)


def described_object(program: bytes) -> Any:
    """What the pickle describes: dicts, lists, tuples and scalars as themselves, tensors and objects by description.

    Raises:
        UnsupportedModel: an instruction that no checkpoint needs, or more of them than are accepted.
        UnreadableModel: not a pickle, or one that its own instructions contradict.
    """
    if len(program) > _MAX_BYTES:
        raise UnsupportedModel(f"data.pkl has {len(program)} bytes; accepted are at most {_MAX_BYTES}")
    return next_object(io.BytesIO(program), "data.pkl")[0]


def next_object(stream: io.BytesIO, source: str) -> tuple[Any, dict[str, Storage]]:
    """What the pickle that begins here describes, and the storages it names; the stream is left at its end.

    Raises:
        UnsupportedModel, UnreadableModel: as `described_object`, which calls the pickle by the name `source`.
    """
    machine = _Machine(source)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count >= _MAX_INSTRUCTIONS:
                raise UnsupportedModel(f"{source} has more than {_MAX_INSTRUCTIONS} instructions")
            machine.step(opcode.name, argument)
    except CensusError:
        raise
    except Exception as error:
        raise UnreadableModel(f"{source} is not a valid pickle ({type(error).__name__}: {shown(error)})") from None
    return machine.result(), machine.storages


class _Machine:
    """The stack, the memo, and one method per kind of instruction."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.storages: dict[str, Storage] = {}
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
            raise UnreadableModel(f"{self._source} ends with {len(self._stack)} objects; needed is exactly one")
        return self._stack[0]

    def stop(self, _argument: Any) -> None:
        self._stopped = True

    def mark(self, _argument: Any) -> None:
        self._stack.append(_MARK)

    def empty_list(self, _argument: Any) -> None:
        self._stack.append([])

    def empty_dict(self, _argument: Any) -> None:
        self._stack.append({})

    def empty_set(self, _argument: Any) -> None:
        self._stack.append(Inert("set"))

    def list_to_mark(self, _argument: Any) -> None:
        self._stack.append(self._pop_to_mark())

    def dict_to_mark(self, _argument: Any) -> None:
        items = self._pop_to_mark()
        self._stack.append({})
        self._set_pairs(items)

    def set_to_mark(self, _argument: Any) -> None:
        self._pop_to_mark()
        self._stack.append(Inert("frozenset"))

    def tuple_to_mark(self, _argument: Any) -> None:
        self._stack.append(tuple(self._pop_to_mark()))

    def drop(self, _argument: Any) -> None:
        self._stack.pop()

    def drop_to_mark(self, _argument: Any) -> None:
        self._pop_to_mark()

    def double(self, _argument: Any) -> None:
        self._stack.append(self._top())

    def remember(self, index: Any) -> None:
        self._memo[index] = self._top()

    def remember_next(self, _argument: Any) -> None:
        self._memo[len(self._memo)] = self._top()

    def recall(self, index: Any) -> None:
        self._stack.append(self._memo[index])

    def append_one(self, _argument: Any) -> None:
        self._extend([self._pop()])

    def append_all(self, _argument: Any) -> None:
        self._extend(self._pop_to_mark())

    def add_all(self, _argument: Any) -> None:
        self._pop_to_mark()
        self._a(Inert)

    def set_one(self, _argument: Any) -> None:
        value, key = self._pop(), self._pop()
        self._set_pairs([key, value])

    def set_all(self, _argument: Any) -> None:
        self._set_pairs(self._pop_to_mark())

    def name(self, argument: str) -> None:
        module, _, attribute = argument.partition(" ")
        self._stack.append(Name(module, attribute))

    def name_from_stack(self, _argument: Any) -> None:
        attribute, module = self._pop(), self._pop()
        if not isinstance(module, str) or not isinstance(attribute, str):
            raise UnreadableModel(f"{self._source} refers to a name that is not text")
        self._stack.append(Name(module, attribute))

    def describe_storage(self, _argument: Any) -> None:
        described = described_storage(self._pop())
        if isinstance(described, Storage):
            root = replace(described, first=0, entries=0)
            if self.storages.setdefault(described.key, root).dtype != described.dtype:
                raise UnreadableModel(f"{self._source} gives the storage {shown(described.key)} two types")
        self._stack.append(described)

    def describe_call(self, _argument: Any) -> None:
        arguments, function = self._pop(), self._pop()
        self._stack.append(described_call(function, arguments))

    def describe_object(self, _argument: Any) -> None:
        _arguments, kind = self._pop(), self._pop()
        self._stack.append(self._inert(kind))

    def describe_object_with_keywords(self, _argument: Any) -> None:
        _keywords, _arguments, kind = self._pop(), self._pop(), self._pop()
        self._stack.append(self._inert(kind))

    def ignore_attributes(self, _argument: Any) -> None:
        self._pop()
        self._a(dict, Inert)

    def _inert(self, kind: Any) -> Inert:
        if isinstance(kind, Inert):  # a class that a file of before torch 1.6 names together with its source
            return kind
        if not isinstance(kind, Name):
            raise UnreadableModel(f"{self._source} makes an object of a {type(kind).__name__}, which is no class")
        return Inert(str(kind))

    def _extend(self, items: list[Any]) -> None:
        target = self._a(list, Inert)
        if isinstance(target, list):
            target.extend(items)

    def _set_pairs(self, items: list[Any]) -> None:
        target = self._a(dict, Inert)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(target, dict):
                target[key if _is_plain(key) else _OddKey()] = value

    def _top(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise UnreadableModel(f"{self._source} takes an object from an empty stack")
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

    def _a(self, *kinds: type) -> Any:
        top = self._top()
        if type(top) not in kinds:
            raise UnreadableModel(f"{self._source} treats a {type(top).__name__} as a {kinds[0].__name__}")
        return top


_LITERALS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_IMMEDIATES: Final = frozenset(
    "BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINSTRING SHORT_BINSTRING "
    "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split()
)
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED: Final = frozenset({"PROTO", "FRAME"})
_ACTIONS: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "STOP": _Machine.stop,
    "MARK": _Machine.mark,
    "EMPTY_LIST": _Machine.empty_list,
    "EMPTY_DICT": _Machine.empty_dict,
    "EMPTY_SET": _Machine.empty_set,
    "LIST": _Machine.list_to_mark,
    "DICT": _Machine.dict_to_mark,
    "FROZENSET": _Machine.set_to_mark,
    "TUPLE": _Machine.tuple_to_mark,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.drop_to_mark,
    "DUP": _Machine.double,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": _Machine.remember_next,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "APPEND": _Machine.append_one,
    "APPENDS": _Machine.append_all,
    "ADDITEMS": _Machine.add_all,
    "SETITEM": _Machine.set_one,
    "SETITEMS": _Machine.set_all,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_from_stack,
    "BINPERSID": _Machine.describe_storage,
    "REDUCE": _Machine.describe_call,
    "NEWOBJ": _Machine.describe_object,
    "NEWOBJ_EX": _Machine.describe_object_with_keywords,
    "BUILD": _Machine.ignore_attributes,
}
