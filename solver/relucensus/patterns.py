"""The activation patterns attained anywhere in the closed box: active means z > 0, inactive z <= 0.

Lower-dimensional cells count (MATH §2, `activation_patterns`). Depth first over neurons in layer order: every point
has a pattern, so every prefix that is attained can be completed and no branch is searched in vain. Neurons without a
breakpoint are inactive everywhere.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from relucensus.affine import Preactivations
from relucensus.feasibility import Inhabited, Rows, System
from relucensus.lp import LpCounter, LpSolver
from relucensus.values.pattern import ACTIVE, INACTIVE
from relucensus.values.problem import Budget

MOST_BREAKPOINTS: Final = 48


@dataclass(frozen=True, slots=True)
class AttainedPatterns:
    """How many patterns were found, and whether the search was completed."""

    found: int
    complete: bool


def count_activation_patterns(
    preactivations: Preactivations, counter: LpCounter, budget: Budget | None = None, prefix: bytes = b""
) -> AttainedPatterns:
    """Count the attained patterns that begin with the prefix, exactly.

    Cost: two mixed strict and weak linear programs a node.
    """
    budget = budget or Budget()
    solver = LpSolver(preactivations.box, counter)
    started = time.monotonic()
    bent = [one for layer in preactivations.network.hidden for one in layer.bent]
    found = 0
    stack = [prefix] if is_attained(preactivations, solver, prefix) else []
    while stack:
        symbols = stack.pop()
        if len(symbols) == preactivations.neurons:
            found += 1
            if budget.regions is not None and found >= budget.regions:
                return AttainedPatterns(found, complete=not stack)
            continue
        if budget.seconds is not None and time.monotonic() - started >= budget.seconds:
            return AttainedPatterns(found, complete=False)
        for symbol in (INACTIVE, ACTIVE) if bent[len(symbols)] else (INACTIVE,):
            longer = symbols + bytes((symbol,))
            if is_attained(preactivations, solver, longer):
                stack.append(longer)
    return AttainedPatterns(found, complete=True)


def is_attained(preactivations: Preactivations, solver: LpSolver, symbols: bytes) -> bool:
    """Whether some point of the closed box has these symbols; exact."""
    parts: list[Rows] = []
    signs: list[tuple[int, ...]] = []
    weak: list[tuple[bool, ...]] = []
    for layer, start in enumerate(preactivations.starts[:-1]):
        if start >= len(symbols):
            break
        forms = preactivations.forms(layer, symbols)
        own = symbols[start : preactivations.starts[layer + 1]]
        for symbol, constant in zip(own, forms.constant_sign, strict=False):
            if constant is not None and (constant > 0) != (symbol == ACTIVE):
                return False
        oriented = [
            (1 if symbol == ACTIVE else -1) if constant is None else 0
            for symbol, constant in zip(own, forms.constant_sign, strict=False)
        ]
        oriented += [0] * (forms.exact.rows - len(own))
        parts.append(forms.rows)
        signs.append(tuple(oriented))
        weak.append(tuple(sign < 0 for sign in oriented))
    return isinstance(solver.decide(System(tuple(parts), tuple(signs), tuple(weak))), Inhabited)
