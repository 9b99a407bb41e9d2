"""Parts of a file become a chain: linear layers one behind the other, normalisations between them.

A chain is what its names say: layers whose names differ in one number only, perhaps ended by one called out, output,
head, final or classifier, stored in that order where the format keeps an order. That sizes fit is needed, and never
enough.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from relucensus.errors import InvalidNetwork
from relucensus.readers.limits import shown
from relucensus.readers.torch.norms import norms_between, norms_of_their_own, numbered_together
from relucensus.readers.torch.parts import USE_ONNX, Kind, Part
from relucensus.readers.torch.series import (
    NotAChain,
    is_closing,
    is_lone,
    layer_numbers,
    listed,
    template,
)

_MAX_PARTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Slot:
    """A linear layer, the normalisations of its input, and those between it and its activation, in their order."""

    linear: Part
    before: tuple[Part, ...] = ()
    after: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """The layers of one network in order, and notes on what was assumed."""

    slots: tuple[Slot, ...]
    notes: tuple[str, ...] = ()

    @property
    def paths(self) -> list[str]:
        """The paths of the linear layers."""
        return [slot.linear.path for slot in self.slots]


def chain_of(parts: Sequence[Part], *, stored_in_order: bool) -> Chain:
    """The chain that these parts are by their names; a last normalisation stands before an activation, if any.

    Raises:
        NotAChain: names that do not say so, or a module that is neither linear nor a batch normalisation.
    """
    for part in parts:
        if part.kind is Kind.OTHER:
            raise NotAChain(part.reason)
    if len(parts) > _MAX_PARTS:
        raise NotAChain(f"{len(parts)} layers; accepted are at most {_MAX_PARTS}")
    linears = [part for part in parts if part.kind is Kind.LINEAR]
    if not linears:
        raise NotAChain(f"no linear layer among {listed([part.path for part in parts])}")
    ordered, closing = _in_order(linears)
    if stored_in_order and [part.path for part in linears] != [part.path for part in ordered]:
        raise NotAChain(
            f"the order of the layers is not certain: stored as {listed([part.path for part in linears])}, by name "
            f"{listed([part.path for part in ordered])}; rename the layers so that both agree, or {USE_ONNX}"
        )
    chain = Chain(tuple(Slot(part) for part in ordered))
    if len(linears) < len(parts):
        chain = _with_norms(chain, parts, has_closing=closing, stored_in_order=stored_in_order)
    _refuse_embedding(chain)
    notes = list(chain.notes)
    if not stored_in_order and len(ordered) > 1:
        ending = ", the closing one last" if closing else ""
        notes.append(f"layers taken in the order of their numbers{ending}: {listed(chain.paths)}")
    return replace(chain, notes=tuple(notes))


def _in_order(linears: Sequence[Part]) -> tuple[list[Part], bool]:
    """The layers in the order of their numbers, and whether one without a number closes them."""
    closing = [part for part in linears if is_closing(part.path)]
    rest = [part for part in linears if not is_closing(part.path)]
    if len(closing) > 1 and len(linears) > 1:
        raise NotAChain(f"several last layers: {listed([part.path for part in closing])}")
    if not closing or not rest:
        return _sorted(linears), False
    paths = [part.path for part in rest]
    parent = closing[0].path.rpartition(".")[0]
    if parent and not all(path.startswith(f"{parent}.") for path in paths):
        raise NotAChain(f"{shown(closing[0].path)} does not lie beside {listed(paths)}")
    if len(rest) == 1 and template(paths[0]) == paths[0] and not is_lone(paths[0]):
        raise NotAChain(f"{listed([*paths, closing[0].path])} are not numbered")
    return [*_sorted(rest), closing[0]], True


def _sorted(parts: Sequence[Part]) -> list[Part]:
    numbers = layer_numbers([part.path for part in parts])
    return [part for _, part in sorted(zip(numbers, parts, strict=True), key=lambda pair: pair[0])]


def _with_norms(chain: Chain, parts: Sequence[Part], *, has_closing: bool, stored_in_order: bool) -> Chain:
    norms = {part.path: part for part in parts if part.kind is Kind.NORM}
    paths = chain.paths[:-1] if has_closing else chain.paths
    if numbered_together(paths, list(norms)):
        places = norms_between(paths, list(norms), has_closing=has_closing)
        note = "normalisations placed by the numbers in their names"
    else:
        places = norms_of_their_own(paths, list(norms))
        note = "normalisations taken to stand between their layer and its activation"
    slots = tuple(
        Slot(
            slot.linear,
            tuple(norms[path] for path in places.before.get(i, [])),
            tuple(norms[path] for path in places.after.get(i, [])),
        )
        for i, slot in enumerate(chain.slots)
    )
    if stored_in_order:
        _check_stored([part.path for part in parts], slots)
    return Chain(slots, (f"{note}: {listed(list(norms))}",))


def _check_stored(stored: Sequence[str], slots: Sequence[Slot]) -> None:
    """A module registers its normalisation behind the layer that feeds it."""
    position = {path: i for i, path in enumerate(stored)}
    for slot in slots:
        for norm in slot.after:
            if position[norm.path] < position[slot.linear.path]:
                raise NotAChain(
                    f"the normalisation {shown(norm.path)} is stored before {shown(slot.linear.path)}, and may stand "
                    f"before it; {USE_ONNX}"
                )


def _refuse_embedding(chain: Chain) -> None:
    first, *others = chain.slots
    if first.linear.bias is None and not first.after and any(slot.linear.bias is not None for slot in others):
        raise NotAChain(
            f"{first.linear.weight.text} has no bias, unlike the layers behind it, and may be an embedding, which is "
            f"no linear layer; {USE_ONNX}"
        )


def check_sizes(chain: Chain) -> None:
    """Raises InvalidNetwork if a layer, a bias or a normalisation does not fit what stands before it."""
    for before, after in itertools.pairwise(chain.slots):
        if after.linear.weight.shape[1] != before.linear.size:
            raise InvalidNetwork(
                f"{after.linear.weight.text} does not fit behind {before.linear.weight.text}: it takes "
                f"{after.linear.weight.shape[1]} values and gets {before.linear.size}"
            )
    for slot in chain.slots:
        _check_slot(slot)


def _check_slot(slot: Slot) -> None:
    weight, bias = slot.linear.weight, slot.linear.bias
    if bias is not None and bias.shape != (slot.linear.size,):
        raise InvalidNetwork(
            f"{shown(bias.name)} has {bias.shape[0]} entries, {shown(weight.name)} has {slot.linear.size} rows"
        )
    if 0 in weight.shape:
        raise InvalidNetwork(f"{weight.text} has no entries; needed is at least one row and one column")
    for norms, size in ((slot.before, weight.shape[1]), (slot.after, slot.linear.size)):
        for norm in norms:
            if norm.size != size:
                raise InvalidNetwork(
                    f"the normalisation {shown(norm.path)} has {norm.size} channels; at its place needed are {size}"
                )
