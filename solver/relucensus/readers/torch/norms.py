"""Where a batch normalisation stands among linear layers, if its name settles it.

Throughout: a place is the number in the name of a module of a `Sequential`; a place that no tensor names is free, and
an activation (or a dropout, which does nothing) stands there.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from relucensus.readers.limits import shown
from relucensus.readers.torch.parts import USE_ONNX
from relucensus.readers.torch.series import NotAChain, listed, numbers_in, template

_NORM: Final = re.compile(r"(bn|norm|batch_?norm)")


@dataclass(slots=True)
class Places:
    """By the index of a linear layer: the normalisations of its input, and those before its activation."""

    before: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    after: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))


def numbered_together(linears: Sequence[str], norms: Sequence[str]) -> bool:
    """Whether the names of the layers and the normalisations differ in one number only."""
    paths = [*linears, *norms]
    if len({template(path) for path in paths}) > 1:
        return False
    return sum(len(set(column)) > 1 for column in zip(*map(numbers_in, paths), strict=True)) == 1


def norms_between(linears: Sequence[str], norms: Sequence[str], *, has_closing: bool) -> Places:
    """The places of normalisations numbered together with the layers (0 linear, 1 normalisation, 3 linear).

    Behind a layer with nothing free between, and a free place behind it, one stands before the activation; right
    before the next layer, with a free place before it, it stands after the activation.

    Raises:
        NotAChain: the numbers leave it open.
    """
    rows = [numbers_in(path) for path in [*linears, *norms]]
    place = next(i for i, column in enumerate(zip(*rows, strict=True)) if len(set(column)) > 1)
    numbers = [row[place] for row in rows]
    own, occupied = numbers[: len(linears)], set(numbers)
    places = Places()
    if not all(_free(low, high, occupied) for low, high in itertools.pairwise(own)):
        raise NotAChain(f"the numbers of {listed(linears)} leave no place for an activation between them; {USE_ONNX}")
    for number, path in sorted(zip(numbers[len(linears) :], norms, strict=True)):
        earlier = [n for n in own if n < number]
        later = [n for n in own if n > number]
        free_before = bool(earlier) and _free(earlier[-1], number, occupied)
        free_after = _free(number, later[0], occupied) if later else True
        if earlier and not free_before and free_after:
            places.after[len(earlier) - 1].append(path)
        elif later and not free_after and (free_before or not earlier):
            places.before[len(earlier)].append(path)
        else:
            raise NotAChain(
                f"the numbers do not settle whether the normalisation {shown(path)} stands before or after an "
                f"activation; {USE_ONNX}"
            )
    if has_closing and places.before.get(len(linears)):
        raise NotAChain(f"the normalisations {listed(norms)} do not stand among {listed(linears)}; {USE_ONNX}")
    return places


def norms_of_their_own(linears: Sequence[str], norms: Sequence[str]) -> Places:
    """The places of normalisations with names of their own (fc1, bn1, fc2, bn2): behind the layer of their number.

    Raises:
        NotAChain: names that do not pair them with the layers.
    """
    alike = {tuple(numbers_in(path)): i for i, path in enumerate(linears) if numbers_in(path)}
    kind = template(linears[0])
    places = Places()
    for path in norms:
        numbers = numbers_in(path)
        if template(path) == kind:  # block.0.0 and block.0.1
            wanted = (*numbers[:-1], numbers[-1] - 1) if len(numbers) > 1 and path[-1].isdigit() else ()
        else:
            wanted = tuple(numbers) if _NORM.search(path.lower()) else ()
        if wanted not in alike or places.after.get(alike[wanted]):
            raise NotAChain(
                f"names do not say where the normalisation {shown(path)} stands among {listed(linears)}; {USE_ONNX}"
            )
        places.after[alike[wanted]].append(path)
    return places


def _free(low: int, high: int, occupied: set[int]) -> bool:
    """Whether a place between these two is free, in time proportional to the occupied ones."""
    return high - low - 1 > sum(low < n < high for n in occupied)
