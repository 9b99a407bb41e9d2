"""The form of an operator: which inputs and attributes of each of its versions are looked at.

An operator has versions, each from an opset on. What a file says in another version, or with an attribute or input
beyond those of the form, is refused by name: no operator is evaluated by guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from relucensus.readers.onnx.call import Call
    from relucensus.readers.onnx.tensors import Tensor

MANY: Final = "*"

Versions = Mapping[tuple[int, ...], str]
Apply = Callable[["Call"], "Tensor | tuple[Tensor | None, ...]"]


@dataclass(frozen=True, slots=True)
class Form:
    """The names of the inputs, in order, and of the attributes; a last input ``*`` stands for any number of them."""

    inputs: tuple[str, ...]
    attributes: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Form:
        """The form written as inputs, a semicolon, attributes.

        >>> Form.of("data axes ; keepdims").inputs
        ('data', 'axes')
        """
        inputs, _, attributes = text.partition(";")
        return cls(tuple(inputs.split()), frozenset(attributes.split()))

    def name_of_input(self, position: int) -> str | None:
        """The name of the input at this position; None if it is not looked at."""
        if position < len(self.inputs) and self.inputs[position] != MANY:
            return self.inputs[position]
        return f"{MANY}{position}" if self.inputs[-1:] == (MANY,) else None


@dataclass(frozen=True, slots=True)
class Operator:
    """How a node of this operator is evaluated, and the forms of the versions that are known."""

    apply: Apply
    forms: Mapping[int, Form]
    domain: str = ""


def operator(apply: Apply, forms: Versions, domain: str = "") -> Operator:
    """An operator whose versions have these forms."""
    return Operator(apply, {version: Form.of(text) for versions, text in forms.items() for version in versions}, domain)
