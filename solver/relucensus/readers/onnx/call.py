"""One node of an ONNX graph with its inputs resolved, and the words in which it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, UnreadableModel, UnsupportedModel
from relucensus.readers.affine.value import AffineValue
from relucensus.readers.limits import ReaderLimits, shown
from relucensus.readers.onnx.tensors import Constant, tensor_constant

_ATTRIBUTE_FIELDS: Final = {1: "f", 2: "i", 3: "s", 6: "floats", 7: "ints"}
_LITERALS: Final = ("value", "value_float", "value_floats", "value_int", "value_ints")
_LONGEST_LIST: Final = 1000
_TENSOR: Final = 4


def label_of(node: Any) -> str:
    """How a node is named in messages: its type, and its name or, without one, its first output."""
    name = f"node {shown(node.name)}" if node.name else f"the node that computes {shown((*node.output, '')[0])}"
    domain = f"{node.domain}." if node.domain not in ("", "ai.onnx") else ""
    return f"{name} ({shown(domain + node.op_type)[1:-1]})"


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A node whose inputs are constants, absent (None) or values that depend on the network's input.

    `batch` is the fixed batch size that the file declares, of which one sample is read; 1 if there is none.
    """

    node: Any
    inputs: tuple[Constant | AffineValue | None, ...]
    opset: int
    batch: int
    limits: ReaderLimits

    @property
    def op_type(self) -> str:
        """The operator."""
        return str(self.node.op_type)

    @property
    def values(self) -> list[AffineValue]:
        """The inputs that depend on the network's input."""
        return [entry for entry in self.inputs if isinstance(entry, AffineValue)]

    @property
    def value_position(self) -> int:
        """Which input is a value; there is exactly one."""
        positions = [i for i, entry in enumerate(self.inputs) if isinstance(entry, AffineValue)]
        if len(positions) != 1:
            self.refuse(
                "computes with several values that depend on the network's input; operators for that are Add, Sub "
                "and Concat"
            )
        return positions[0]

    def only_value_first(self) -> None:
        """Refuse a node that takes a parameter, not its first input, from the network's input."""
        if self.value_position != 0:
            self.refuse("takes a parameter from the network's input; supported is a constant")

    def has_input(self, position: int) -> bool:
        """Whether the input is given."""
        return position < len(self.inputs) and self.inputs[position] is not None

    def constant(self, position: int, what: str) -> Constant:
        """The constant input at this position.

        Raises:
            UnsupportedModel: the input is computed from the network's input.
            InvalidNetwork: there is no such input.
        """
        if not self.has_input(position):
            self.fail(f"has no input {position} ({what})")
        entry = self.inputs[position]
        if isinstance(entry, AffineValue) or entry is None:
            self.refuse(f"takes its {what} from the network's input; supported is a constant")
        return entry

    def floats(self, position: int, what: str) -> NDArray[np.float64]:
        """The constant float input at this position, all entries finite."""
        entries = self.constant(position, what)
        if entries.dtype != np.float64:
            self.fail(f"has a {what} that is not of a float type")
        bad = np.argwhere(~np.isfinite(entries))
        if len(bad):
            where = tuple(int(i) for i in bad[0])
            name = shown(self.node.input[position])
            raise InvalidNetwork(
                f"tensor {name} holds {entries[where]} at {list(where)}; every weight must be a finite number"
            )
        return entries.astype(np.float64)

    def integers(self, position: int, what: str) -> list[int]:
        """The constant integer input at this position, flattened."""
        entries = self.constant(position, what)
        if entries.dtype != np.int64 or entries.ndim > 1 or entries.size > _LONGEST_LIST:
            self.fail(f"has a {what} that is not a list of at most {_LONGEST_LIST} integers")
        return [int(n) for n in entries.ravel()]

    def number(self, name: str, default: float) -> float:
        """The attribute, a whole number or a float, or the default."""
        found = self._attribute(name)
        if found is None:
            return default
        if not isinstance(found, int | float):
            self.fail(f"has an attribute {name} that is not a number")
        return found

    def whole(self, name: str, default: int) -> int:
        """The attribute, a whole number, or the default."""
        found = self.number(name, default)
        if not isinstance(found, int):
            self.fail(f"has {name} = {found}; needed is a whole number")
        return found

    def numbers(self, name: str) -> list[int] | None:
        """The attribute, a list of whole numbers, or None if it is not given."""
        found = self._attribute(name)
        if found is not None and not (isinstance(found, list) and all(isinstance(n, int) for n in found)):
            self.fail(f"has an attribute {name} that is not a list of whole numbers")
        return found

    def word(self, name: str, default: str) -> str:
        """The attribute, a text, or the default."""
        found = self._attribute(name)
        if found is None:
            return default
        if not isinstance(found, bytes):
            self.fail(f"has an attribute {name} that is not a text")
        return found.decode(errors="replace")

    def literal(self) -> Constant:
        """What a Constant node holds: a tensor, a number or a list of numbers."""
        for name in _LITERALS:
            found = self._attribute(name)
            if isinstance(found, np.ndarray):
                return found
            if isinstance(found, int | float | list):
                whole = name.startswith("value_int")
                return np.array(found, dtype=np.int64) if whole else np.array(found, dtype=np.float64)
        self.refuse("holds neither a number nor a tensor of numbers")

    def axes(self) -> list[int] | None:
        """The axes of Squeeze and Unsqueeze: an attribute before opset 13, an input from then on."""
        if self.opset < 13:
            return self.numbers("axes")
        return self.integers(1, "axes") if self.has_input(1) else None

    def refuse(self, reason: str) -> NoReturn:
        """Raise `UnsupportedModel` about this node."""
        raise UnsupportedModel(f"{label_of(self.node)} {reason}")

    def fail(self, reason: str) -> NoReturn:
        """Raise `InvalidNetwork` about this node."""
        raise InvalidNetwork(f"{label_of(self.node)} {reason}")

    def _attribute(self, name: str) -> Any:
        for entry in self.node.attribute:
            if entry.name == name:
                return self._decoded(entry)
        return None

    def _decoded(self, entry: Any) -> Any:
        if entry.type == _TENSOR:
            return tensor_constant(entry.t, self.limits)
        field = _ATTRIBUTE_FIELDS.get(entry.type)
        if field is None:
            raise UnreadableModel(f"{label_of(self.node)} has the attribute {shown(entry.name)} of an unknown type")
        found = getattr(entry, field)
        return list(found) if field in ("floats", "ints") else found
