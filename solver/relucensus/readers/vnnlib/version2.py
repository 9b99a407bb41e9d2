"""Version 2 of VNN-LIB: ``declare-network`` names tensors with their shapes, ``X[0,1]`` is an entry of one.

The inputs stand side by side in the order in which they are declared, each flattened with its last axis fastest.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from relucensus.errors import InvalidDomain
from relucensus.readers.limits import shown
from relucensus.readers.vnnlib.expressions import Expression, excerpt
from relucensus.readers.vnnlib.variables import NO_INPUT

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,199}")
_INDEXED: Final = re.compile(r"([^\s\[\]]+)\s*(?:\[([\s0-9,]*)\])?")
_FLOATS: Final = ("real", "float16", "bfloat16", "float32", "float64")
_MOST_ENTRIES: Final = 1_000_000
_MOST_TENSORS: Final = 1000


@dataclass(frozen=True, slots=True)
class Tensor:
    """A declared value: its shape, and for an input the coordinate of its first entry."""

    name: str
    shape: tuple[int, ...]
    start: int | None

    @property
    def entries(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    def entry(self, indices: tuple[int, ...]) -> int | None:
        """The number of an entry, None if the shape has no such one."""
        if len(indices) != len(self.shape) or any(i >= n for i, n in zip(indices, self.shape, strict=True)):
            return None
        number = 0
        for i, n in zip(indices, self.shape, strict=True):
            number = number * n + i
        return number


class TensorVariables:
    """The tensors of the one network that a file of version 2 declares."""

    def __init__(self) -> None:
        self._network: str | None = None
        self._tensors: dict[str, Tensor] = {}
        self._places: dict[str, int] = {}
        self._inputs = 0

    @property
    def inputs(self) -> int:
        """How many entries the inputs have together."""
        return self._inputs

    def declare(self, statement: list[Expression]) -> None:
        """Take up a ``declare-network``.

        Raises:
            InvalidDomain: a second network, or something else than its inputs, hidden values and outputs.
        """
        match statement:
            case ["declare-network", str(name), *parts] if parts:
                pass
            case _:
                raise InvalidDomain(
                    f"the VNN-LIB file has {excerpt(statement)}; needed is (declare-network NAME (declare-input …) "
                    "(declare-output …))"
                )
        if self._network is not None:
            raise InvalidDomain(
                f"the VNN-LIB file is about the networks {shown(self._network)} and {shown(name)}; needed is a "
                "property of one network"
            )
        self._network = name
        for part in parts:
            self._declare_tensor(part)

    def check(self) -> None:
        """Accept what is declared once all is.

        Raises:
            InvalidDomain: no network, or one without inputs.
        """
        if not self._inputs:
            raise InvalidDomain("the VNN-LIB file declares no input; needed is (declare-input NAME TYPE [SHAPE])")

    def place(self, name: str) -> int:
        """The coordinate of an entry such as ``X[0,1]``, `NO_INPUT` for one of an output or hidden value."""
        found = self._places.get(name)
        if found is None:
            found = self._places[name] = self._found(name)
        return found

    def name(self, place: int) -> str:
        """The tensor and the indices of a coordinate."""
        for tensor in self._tensors.values():
            if tensor.start is not None and tensor.start <= place < tensor.start + tensor.entries:
                rest, indices = place - tensor.start, list[int]()
                for n in reversed(tensor.shape):
                    rest, i = divmod(rest, n)
                    indices.insert(0, i)
                return f"{tensor.name}[{','.join(map(str, indices))}]" if indices else tensor.name
        raise IndexError(place)

    def _found(self, name: str) -> int:
        match = _INDEXED.fullmatch(name)
        tensor = self._tensors.get(match[1]) if match else None
        if match is None or tensor is None:
            raise InvalidDomain(f"the VNN-LIB file uses {shown(name)}, neither a declared tensor nor a number")
        indices = _numbers(match[2] or "")
        number = None if indices is None else tensor.entry(indices)
        if number is None:
            raise InvalidDomain(
                f"the VNN-LIB file uses {shown(name)}, but {tensor.name} has the shape {list(tensor.shape)}"
            )
        return NO_INPUT if tensor.start is None else tensor.start + number

    def _declare_tensor(self, part: Expression) -> None:
        match part:
            case ["declare-input", str(name), str(typed)]:
                tensor = self._tensor(name, typed, part)
                if tensor.start is not None:
                    self._inputs += tensor.entries
            case ["declare-output", str(name), str(typed)] | ["declare-hidden", str(name), str(typed), str()]:
                tensor = self._tensor(name, typed, part)
            case ["declare-input", str(name), str(), "initialized"]:
                raise InvalidDomain(
                    f"the VNN-LIB file gives the input {shown(name)} the value that the model file holds for it; "
                    "needed are bounds in the property"
                )
            case _:
                raise InvalidDomain(
                    f"the VNN-LIB file has {excerpt(part)} in declare-network; known are declare-input, declare-hidden "
                    "and declare-output"
                )
        if name in self._tensors or len(self._tensors) >= _MOST_TENSORS:
            raise InvalidDomain(f"the VNN-LIB file declares {shown(name)} twice, or more than {_MOST_TENSORS} tensors")
        self._tensors[name] = tensor

    def _tensor(self, name: str, typed: str, part: list[Expression]) -> Tensor:
        """The tensor of a name and a type with its shape, ``float32 [1,2]``."""
        match = _INDEXED.fullmatch(typed)
        shape = _numbers(match[2]) if match and match[2] is not None else None
        if match is None or shape is None or _NAME.fullmatch(name) is None or 0 in shape:
            raise InvalidDomain(f"the VNN-LIB file has {excerpt(part)}; needed are a name, a type and a shape [1,2]")
        if math.prod(shape) > _MOST_ENTRIES - self._inputs or len(shape) > 16:
            raise InvalidDomain(
                f"the VNN-LIB file declares {excerpt(part)}; accepted are at most {_MOST_ENTRIES} entries"
            )
        is_input = part[0] == "declare-input"
        if is_input and match[1].lower() not in _FLOATS:
            raise InvalidDomain(
                f"the VNN-LIB file declares the input {shown(name)} of type {shown(match[1])}; needed is one of "
                f"{', '.join(_FLOATS)}, for regions are of real inputs"
            )
        return Tensor(name, shape, self._inputs if is_input else None)


def _numbers(text: str) -> tuple[int, ...] | None:
    """The whole numbers between the commas; None if something else is there.

    >>> _numbers("1, 28,28"), _numbers(""), _numbers("1 2"), _numbers("1,")
    ((1, 28, 28), (), None, None)
    """
    if not text.strip():
        return ()
    parts = [part.strip() for part in text.split(",")]
    return tuple(map(int, parts)) if all(part.isdecimal() and len(part) < 10 for part in parts) else None
