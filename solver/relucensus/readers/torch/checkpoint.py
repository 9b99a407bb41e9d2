"""Which of the objects in a file of `torch.save` is the state_dict: the file itself, or what lies under some key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from relucensus.errors import AmbiguousModel, InvalidRequest, RefusedFormat
from relucensus.readers.choices import Choices
from relucensus.readers.limits import shown
from relucensus.readers.torch.files.descriptions import Inert, OtherTensor, StoredTensor
from relucensus.readers.torch.files.unpickler import SAVE_STATE_DICT
from relucensus.readers.torch.series import listed, offered

Tensor = StoredTensor | OtherTensor
_MAX_DEPTH: Final = 4
_MAX_DICTS: Final = 10_000
_WEIGHTS: Final = ("weight", "weight_v", "weight_orig", "original", "original0")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The tensors of each state_dict that is to be read, by its key ("" if the file has no other), and notes.

    `choices` are what the caller said, the key taken off if the file has only one state_dict.
    """

    tensors: Mapping[str, Mapping[str, Tensor]]
    choices: Choices
    notes: list[str]


def chosen_state_dicts(described: Any, choices: Choices) -> Chosen:
    """The one state_dict of the file, or those that the choice of a submodel names.

    Raises:
        RefusedFormat: no state_dict, or one that holds something else than tensors and plain numbers.
        AmbiguousModel: several of them, of which none was chosen.
        InvalidRequest: a choice that names none of several.
    """
    if not isinstance(described, dict):
        raise RefusedFormat(
            f"the file holds {_article(_kind(described))}, not a state_dict; {SAVE_STATE_DICT}{_module(described)}"
        )
    found = {"": described} if _is_state_dict(described, top=True) else _nested(described)
    if not found:
        raise RefusedFormat(_nothing_found(described))
    wanted = choices.submodel.split(",") if choices.submodel is not None else []
    several = len(found) > 1
    if several:
        found = _named_ones(found, [item.strip() for item in wanted])
    notes: list[str] = []
    for key, state_dict in found.items():
        found[key], ignored = _only_tensors(state_dict)
        notes += [_taken(key, described)] if key else []
        notes += [f"left out, no tensors: {listed(ignored)}"] if ignored else []
    if not several and wanted:
        key = next(iter(found))
        inner = [_without(item.strip(), key) for item in wanted]
        choices = replace(choices, submodel=",".join(inner) if any(inner) else None)
    return Chosen({key if several else "": tensors for key, tensors in found.items()}, choices, notes)


def _taken(key: str, described: dict[Any, Any]) -> str:
    beside = [str(other) for other in described if other != key and not key.startswith(f"{other}.")]
    return f"weights taken from the key {shown(key)}" + (f"; not looked at: {listed(beside)}" if beside else "")


def _without(item: str, key: str) -> str:
    return "" if item == key else item.removeprefix(f"{key}.") if key else item


def _named_ones(found: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    if not wanted:
        raise AmbiguousModel(
            f"the file holds {len(found)} state_dicts", option="submodel", choices=offered(list(found))
        )
    taken = {}
    for item in wanted:
        keys = [key for key in found if item == key or item.startswith(f"{key}.")]
        if not keys:
            raise InvalidRequest(
                f"submodel {shown(item)} is not in the file; its state_dicts are {listed(list(found))}"
            )
        taken[max(keys, key=len)] = found[max(keys, key=len)]
    return taken


def _nested(described: dict[Any, Any]) -> dict[str, Any]:
    """The state_dicts under keys that are text, and under keys of dicts under such, by their keys joined with dots."""
    found: dict[str, Any] = {}
    seen = {id(described)}
    level = [("", described)]
    for _ in range(_MAX_DEPTH):
        deeper = []
        for path, entries in level:
            for key, value in entries.items():
                if not isinstance(key, str) or not isinstance(value, dict):
                    continue
                if _is_state_dict(value):
                    found[f"{path}{key}"] = value
                elif id(value) not in seen:
                    seen.add(id(value))
                    deeper.append((f"{path}{key}.", value))
        level = deeper[:_MAX_DICTS]
    return found


def _is_state_dict(entries: dict[Any, Any], *, top: bool = False) -> bool:
    tensors = [key for key, value in entries.items() if isinstance(key, str) and isinstance(value, Tensor)]
    if top and len(tensors) == len(entries):
        return True
    return any(key.rpartition(".")[2] in _WEIGHTS for key in tensors)


def _only_tensors(state_dict: dict[Any, Any]) -> tuple[dict[str, Tensor], list[str]]:
    """Its tensors, and the names of what is none: plain numbers and text; other things are refused."""
    others = [key for key, value in state_dict.items() if not isinstance(value, Tensor)]
    odd = [key for key in state_dict if not isinstance(key, str)]
    odd += [key for key in others if not isinstance(state_dict[key], str | int | float | None)]
    if odd:
        named = ", ".join(f"{shown(key)} ({_kind(state_dict[key])})" for key in odd[:4])
        raise RefusedFormat(
            f"the file is not a plain state_dict: beside tensors it holds {named}, nothing of which was run; "
            f"{SAVE_STATE_DICT}"
        )
    return {key: value for key, value in state_dict.items() if isinstance(value, Tensor)}, [*map(str, others)]


def _nothing_found(described: dict[Any, Any]) -> str:
    named = ", ".join(f"{shown(key)} ({_kind(value)})" for key, value in list(described.items())[:8])
    module = next((_module(value) for value in described.values() if isinstance(value, Inert)), "")
    return f"the file holds no state_dict, but {named}; {SAVE_STATE_DICT}{module}"


def _kind(value: Any) -> str:
    if isinstance(value, Inert):
        return f"object of {shown(value.kind)}"
    return "tensor" if isinstance(value, Tensor) else type(value).__name__


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _module(value: Any) -> str:
    if not isinstance(value, Inert):
        return ""
    return " (whole pickled modules and other objects are refused, nothing of them was run)"
