"""Continuous piecewise-linear activation functions, exact.

Throughout: breakpoints ``t_1 < .. < t_T`` divide the line into T + 1 pieces with slopes ``s_0 .. s_T``; a neuron's
symbol is the number of breakpoints below its preactivation (MATH §1), so that a preactivation on a breakpoint has
the lower symbol. ReLU has ``T = 1``: symbol 0 inactive, symbol 1 active.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

from relucensus.errors import InvalidNetwork, UnsupportedModel

Number = Fraction | float | int

_SHOWN_CHARACTERS: Final = 80
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][-+]?[0-9]{1,4})?")


@dataclass(frozen=True, slots=True)
class Activation:
    """A continuous piecewise-linear function of one number.

    `value` is the function's value at the first breakpoint, or at 0 where there is none. A breakpoint at which the
    slope stays the same is none, and is left out.

    Raises:
        InvalidNetwork: breakpoints that do not ascend, or not one slope more than breakpoints.
    """

    breakpoints: tuple[Fraction, ...]
    slopes: tuple[Fraction, ...]
    value: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if len(self.slopes) != len(self.breakpoints) + 1:
            raise InvalidNetwork(
                f"an activation has {len(self.breakpoints)} breakpoints and {len(self.slopes)} slopes; "
                "needed is one slope more than breakpoints"
            )
        if any(a >= b for a, b in pairwise(self.breakpoints)):
            raise InvalidNetwork("the breakpoints of an activation must ascend")
        real = [k for k in range(len(self.breakpoints)) if self.slopes[k] != self.slopes[k + 1]]
        if len(real) < len(self.breakpoints):
            value = self(self.breakpoints[real[0]] if real else Fraction(0))
            object.__setattr__(self, "slopes", (self.slopes[0], *(self.slopes[k + 1] for k in real)))
            object.__setattr__(self, "breakpoints", tuple(self.breakpoints[k] for k in real))
            object.__setattr__(self, "value", value)

    @classmethod
    def of(cls, breakpoints: Sequence[Number], slopes: Sequence[Number], value: Number = 0) -> Activation:
        """The activation with these numbers, floats taken as the dyadic rationals they are."""
        return cls(tuple(Fraction(t) for t in breakpoints), tuple(Fraction(s) for s in slopes), Fraction(value))

    def __call__(self, z: Fraction) -> Fraction:
        """The function's value, exact.

        >>> [int(ABS(Fraction(z))) for z in (-2, 3)]
        [2, 3]
        """
        if not self.breakpoints:
            return self.value + self.slopes[0] * z
        first = self.breakpoints[0]
        if z <= first:
            return self.value + self.slopes[0] * (z - first)
        total = self.value
        ends = [*self.breakpoints[1:], z]
        for start, end, slope in zip(self.breakpoints, ends, self.slopes[1:], strict=True):
            if z <= start:
                break
            total += slope * (min(z, end) - start)
        return total

    @property
    def is_hinge(self) -> bool:
        """Whether the function is ``s_0 z`` for z <= 0 and ``s_1 z`` for z > 0, the slopes perhaps the same."""
        return self.breakpoints in ((), (Fraction(0),)) and self.value == 0

    def to_text(self) -> str:
        """One line that is equal exactly for equal functions; read back by `from_text`."""
        parts = (self.breakpoints, self.slopes, (self.value,))
        return ";".join(" ".join(str(number) for number in part) for part in parts)

    @classmethod
    def from_text(cls, text: str) -> Activation:
        """The activation that `to_text` wrote."""
        breakpoints, slopes, value = (tuple(Fraction(n) for n in part.split()) for part in text.split(";"))
        return cls(breakpoints, slopes, value[0])


def leaky_relu(slope: Number) -> Activation:
    """``z`` for positive z, ``slope * z`` elsewhere; PReLU is the same with a slope for each neuron."""
    return Activation.of([0], [slope, 1])


def clip(lowest: Number | None, highest: Number | None) -> Activation:
    """``min(max(z, lowest), highest)``; None leaves a side open.

    Raises:
        InvalidNetwork: lowest above highest.
    """
    if lowest is None:
        return IDENTITY if highest is None else Activation.of([highest], [1, 0], highest)
    if highest is None:
        return Activation.of([lowest], [0, 1], lowest)
    if lowest > highest:
        raise InvalidNetwork(f"a clip has its lower end {lowest} above its upper end {highest}")
    if lowest == highest:
        return Activation.of([], [0], lowest)
    return Activation.of([lowest, highest], [0, 1, 0], lowest)


RELU: Final = leaky_relu(0)
IDENTITY: Final = Activation.of([], [1])
ABS: Final = Activation.of([0], [-1, 1])
LEAKY_RELU: Final = leaky_relu(0.01)
RELU6: Final = clip(0, 6)
HARD_TANH: Final = clip(-1, 1)

ACTIVATIONS: Final = {
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "relu6": RELU6,
    "hard_tanh": HARD_TANH,
    "abs": ABS,
}


def activation_named(text: str) -> Activation:
    """The function of this name, one of `ACTIVATIONS`; ``leaky_relu:0.2`` is a leaky ReLU with the slope 0.2.

    A slope is taken as the float64 number nearest to it.

    Raises:
        UnsupportedModel: a name that is not known, or a slope that is not a finite number.

    >>> activation_named("leaky_relu:0.25") == leaky_relu(0.25)
    True
    """
    name, colon, parameter = text.partition(":")
    if not colon and name in ACTIVATIONS:
        return ACTIVATIONS[name]
    slope = float(parameter) if name == "leaky_relu" and _NUMBER.fullmatch(parameter) else math.nan
    if not math.isfinite(slope):
        known = ", ".join(ACTIVATIONS)
        shown = repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")
        raise UnsupportedModel(
            f"activation {shown} is not supported; known are {known}, and leaky_relu:SLOPE with a finite number"
        )
    return leaky_relu(slope)


def name_of(activations: Sequence[Activation]) -> str:
    """The name of the one function that these all are, "piecewise_linear" for another one, "mixed" for several.

    Functions without a breakpoint are passed over.
    """
    different = {activation for activation in activations if activation.breakpoints}
    if not different:
        return "relu" if not activations else "identity"
    if len(different) > 1:
        return "mixed"
    only = different.pop()
    return next((name for name, known in ACTIVATIONS.items() if known == only), "piecewise_linear")
