"""The prefixes that wrapping a network puts before every name: they are taken off, and said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from relucensus.readers.limits import shown
from relucensus.readers.torch.named_tensor import NamedTensor

_WRAPPERS: Final = ("module", "_orig_mod", "model", "net", "network")
_COMPILED: Final = "_orig_mod."
_COUNTER: Final = "n_averaged"


def unwrapped(tensors: Sequence[NamedTensor]) -> tuple[list[NamedTensor], list[str]]:
    """The tensors with the paths that the network itself gave them, and notes.

    Taken off are the prefix of DataParallel, AveragedModel or torch.compile, and the one name under which a Lightning
    module keeps all of its network, as often as all names begin with it.
    """
    notes = []
    rest = list(tensors)
    if any(tensor.path == _COUNTER for tensor in rest):
        averaged = [tensor for tensor in rest if tensor.path != _COUNTER]
        if averaged and all(tensor.path.startswith("module.") for tensor in averaged):
            rest = averaged
            notes.append(f"left out, used in training only: {shown(_COUNTER)}")
    taken = ""
    while word := next((w for w in _WRAPPERS if rest and all(_is_under(w, tensor.path) for tensor in rest)), ""):
        rest = [replace(tensor, path=tensor.path.removeprefix(f"{word}.")) for tensor in rest]
        taken += f"{word}."
    if taken:
        notes.append(f"names taken without the prefix {shown(taken)}")
    if any(_COMPILED in tensor.path for tensor in rest):
        rest = _without_compiled(rest)
        notes.append(f"names taken without {shown(_COMPILED)} of torch.compile")
    return rest, notes


def _is_under(word: str, path: str) -> bool:
    return path.startswith(f"{word}.")


def _without_compiled(tensors: Sequence[NamedTensor]) -> list[NamedTensor]:
    return [
        replace(tensor, path=".".join(word for word in tensor.path.split(".") if word != "_orig_mod"))
        for tensor in tensors
    ]
