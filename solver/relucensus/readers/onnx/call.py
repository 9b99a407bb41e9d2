"""One node of an ONNX graph with its inputs resolved, and the words in which it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import numpy as np

from relucensus.errors import InvalidNetwork, UnreadableModel, UnsupportedModel
from relucensus.readers.affine.value import AffineValue
from relucensus.readers.limits import ReaderLimits, shown
from relucensus.readers.onnx.forms import Form
from relucensus.readers.onnx.stored_tensors import StoredTensors
from relucensus.readers.onnx.tensors import Constant, Tensor
from relucensus.values import exact_numbers
from relucensus.values.exact_numbers import Numbers

_ATTRIBUTE_FIELDS: Final = {1: "f", 2: "i", 3: "s", 6: "floats", 7: "ints", 8: "strings"}
_LONGEST_LIST: Final = 1000
_TENSOR: Final = 4


def label_of(node: Any) -> str:
    """How a node is named in messages: its type, and its name or, without one, its first output."""
    name = f"node {shown(node.name)}" if node.name else f"the node that computes {shown((*node.output, '')[0])}"
    domain = f"{node.domain}." if node.domain not in ("", "ai.onnx") else ""
    return f"{name} ({shown(domain + node.op_type)[1:-1]})"


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A node whose inputs are tensors or absent (None), by the names that the form of its operator gives them.

    `kept` are the values that later nodes need, which an activation has to carry along; `batch` is the fixed batch
    size that the file declares, of which one sample is read; 1 if there is none.
    """

    node: Any
    form: Form
    version: int
    inputs: tuple[Tensor | None, ...]
    kept: tuple[AffineValue, ...]
    batch: int
    stored: StoredTensors

    @property
    def op_type(self) -> str:
        """The operator."""
        return str(self.node.op_type)

    @property
    def limits(self) -> ReaderLimits:
        """How large a network may be."""
        return self.stored.limits

    def given(self, name: str) -> Tensor | None:
        """The input of this name, None if it is absent or no input of this version."""
        if name not in self.form.inputs:
            return None
        position = self.form.inputs.index(name)
        return self.inputs[position] if position < len(self.inputs) else None

    def tensor(self, name: str) -> Constant | AffineValue:
        """The input of this name, which must be there.

        Raises:
            UnsupportedModel: it is the result of a comparison or of a last operator.
            InvalidNetwork: there is no such input.
        """
        found = self.given(name)
        if found is None:
            self.fail(f"has no input {name}")
        return self.plain(found)

    def plain(self, tensor: Tensor | None) -> Constant | AffineValue:
        """The tensor, if it is a constant or a value of the network.

        Raises:
            UnsupportedModel: it is something else.
            InvalidNetwork: it is absent.
        """
        match tensor:
            case Constant() | AffineValue():
                return tensor
            case None:
                self.fail("leaves out an input that it needs")
            case _:
                self.refuse(
                    "computes with truth values or with the result of an operator that is not piecewise linear; "
                    "that is read only where it is the last one, or chooses between two sides of a continuous function"
                )

    def all_plain(self) -> list[Constant | AffineValue]:
        """All inputs, each a constant or a value of the network."""
        return [self.plain(entry) for entry in self.inputs]

    def constant(self, name: str) -> Constant:
        """The constant input of this name.

        Raises:
            UnsupportedModel: it is computed from the network's input.
            InvalidNetwork: there is no such input.
        """
        found = self.given(name)
        if found is None:
            self.fail(f"has no input {name}")
        if not isinstance(found, Constant):
            self.refuse(f"takes its {name} from the network's input; supported is a constant")
        return found

    def floats(self, name: str) -> Numbers:
        """The constant input of this name, of a float type, all entries finite."""
        found = self.constant(name)
        if not found.is_float:
            self.fail(f"has a {name} that is not of a float type")
        return self.finite(found, name)

    def finite(self, constant: Constant, name: str) -> Numbers:
        """The entries as exact numbers.

        Raises:
            InvalidNetwork: one is NaN or infinite.
        """
        numbers = constant.numbers
        if exact_numbers.are_floats(numbers) and not np.isfinite(numbers).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(numbers))[0])
            named = self.form.inputs.index(name) if name in self.form.inputs else 0
            told = shown(self.node.input[named]) if named < len(self.node.input) else shown(name)
            raise InvalidNetwork(
                f"tensor {told} holds {numbers[where]} at {list(where)}; every weight must be a finite number"
            )
        return numbers

    def integers(self, name: str) -> list[int] | None:
        """Whole numbers that this version takes as an input or as an attribute; None if they are not given."""
        if name not in self.form.inputs:
            return self.numbers(name)
        if self.given(name) is None:
            return None
        entries = self.constant(name).entries
        if entries.dtype != np.int64 or entries.ndim > 1 or entries.size > _LONGEST_LIST:
            self.fail(f"has a {name} that is not a list of at most {_LONGEST_LIST} integers")
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

    def decimals(self, name: str) -> list[float] | None:
        """The attribute, a list of numbers, or None if it is not given."""
        found = self._attribute(name)
        if found is not None and not (isinstance(found, list) and all(isinstance(n, int | float) for n in found)):
            self.fail(f"has an attribute {name} that is not a list of numbers")
        return found

    def word(self, name: str, default: str) -> str:
        """The attribute, a text, or the default."""
        found = self._attribute(name)
        if found is None:
            return default
        if not isinstance(found, bytes):
            self.fail(f"has an attribute {name} that is not a text")
        return found.decode(errors="replace")

    def tensor_attribute(self, name: str) -> Constant | None:
        """The attribute, a tensor, or None if it is not given."""
        found = self._attribute(name)
        if found is not None and not isinstance(found, Constant):
            self.fail(f"has an attribute {name} that is not a tensor")
        return found

    def axes(self, rank: int, name: str = "axes") -> list[int] | None:
        """Different axes of a tensor of this rank, from 0, given as an input or an attribute; None if not given."""
        given = self.integers(name)
        if given is None:
            return None
        found = [axis + rank if axis < 0 else axis for axis in given]
        if len(set(found)) != len(found) or not all(0 <= axis < rank for axis in found):
            self.fail(f"has the axes {given[:16]}; needed are different axes of {rank}")
        return found

    def axis(self, rank: int, default: int) -> int:
        """The attribute `axis` for a tensor of this rank, from 0."""
        axis = self.whole("axis", default)
        if not -rank <= axis < rank:
            self.fail(f"has axis {axis} for inputs with {rank} axes")
        return axis % rank

    def refuse(self, reason: str) -> NoReturn:
        """Raise `UnsupportedModel` about this node."""
        raise UnsupportedModel(f"{label_of(self.node)} {reason}")

    def fail(self, reason: str) -> NoReturn:
        """Raise `InvalidNetwork` about this node."""
        raise InvalidNetwork(f"{label_of(self.node)} {reason}")

    def _attribute(self, name: str) -> Any:
        if name not in self.form.attributes:
            return None
        for entry in self.node.attribute:
            if entry.name == name:
                return self._decoded(entry)
        return None

    def _decoded(self, entry: Any) -> Any:
        if entry.type == _TENSOR:
            return self.stored.constant(entry.t)
        field = _ATTRIBUTE_FIELDS.get(entry.type)
        if field is None:
            raise UnreadableModel(f"{label_of(self.node)} has the attribute {shown(entry.name)} of an unknown type")
        found = getattr(entry, field)
        return list(found) if field in ("floats", "ints", "strings") else found


def as_values(call: Call, tensors: Sequence[Constant | AffineValue]) -> list[AffineValue]:
    """All of them as values of the network; at least one is one."""
    some = next((one for one in tensors if isinstance(one, AffineValue)), None)
    if some is None:
        call.fail("computes with a value without entries")
    return [one if isinstance(one, AffineValue) else some.constant(call.finite(one, "")) for one in tensors]
