"""Which network of a file of tensors is meant: all of it, one that was named, or a question with the candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from relucensus.errors import AmbiguousModel, InvalidNetwork, InvalidRequest, UnsupportedModel
from relucensus.readers.choices import Choices
from relucensus.readers.limits import ReaderLimits, shown
from relucensus.readers.torch.chain import Chain, chain_of, check_sizes
from relucensus.readers.torch.layers import EPSILON, network_of_chain
from relucensus.readers.torch.named_tensor import NamedTensor
from relucensus.readers.torch.parts import USE_ONNX, Kind, Part, parts_of
from relucensus.readers.torch.series import NotAChain, listed, offered, stem
from relucensus.readers.torch.stable_baselines import ENDED_BY, SHARED
from relucensus.values.network import Network

_MAX_PARTS: Final = 5_000
_MAX_DEPTH: Final = 16


def network_of_tensors(
    tensors: Sequence[NamedTensor], limits: ReaderLimits, chosen: Choices, *, stored_in_order: bool
) -> tuple[Network, list[str]]:
    """The network of these tensors, or of those under the prefix that was chosen, and notes on what was assumed.

    Several prefixes with commas between are chained in that order, with an activation between.

    Raises:
        AmbiguousModel: names that are not those of one chain, with the prefixes that are.
        UnsupportedModel: no such prefix either, tensors that are not read, a limit passed.
        InvalidNetwork: shapes that do not chain, or weights that are not finite.
        InvalidRequest: a prefix that no tensor has.
    """
    parts = parts_of(tensors)
    if len(parts) > _MAX_PARTS:
        raise UnsupportedModel(f"the file has tensors of {len(parts)} modules; accepted are at most {_MAX_PARTS}")
    if not parts:
        raise InvalidNetwork("no tensor named '<name>.weight' among 0 tensors; needed is at least one linear layer")
    if chosen.submodel is None:
        chain = _chain_or_question(parts, "", stored_in_order)
        return network_of_chain(chain, limits, chosen.between), _notes(chain, parts)
    prefixes = [prefix.strip() for prefix in chosen.submodel.split(",")]
    selections = [_selected(parts, prefix, stored_in_order) for prefix in prefixes]
    chains = [_chain_or_question(s, p, stored_in_order) for s, p in zip(selections, prefixes, strict=True)]
    whole = Chain(tuple(slot for chain in chains for slot in chain.slots), tuple(n for c in chains for n in c.notes))
    taken = f"only the tensors under {listed(prefixes)} are read, as asked"
    between = ["an activation is taken to stand between the parts, too"] if len(prefixes) > 1 else []
    used = [part for selection in selections for part in selection]
    return network_of_chain(whole, limits, chosen.between), [taken, *between, *_notes(whole, used)]


def candidates(parts: Sequence[Part], *, stored_in_order: bool) -> list[str]:
    """The shortest prefixes under which lies a chain of at least two layers whose sizes fit."""
    under: dict[str, list[Part]] = {}
    for part in parts:
        for prefix in _prefixes(part.path):
            under.setdefault(prefix, []).append(part)
    found: list[str] = []
    for prefix in sorted(under, key=lambda prefix: (prefix.count("."), len(prefix))):
        inside = any(prefix.startswith(f"{known}.") for known in found)
        least = 1 if _end_of(prefix, parts) else 2
        if not inside and _is_chain(under[prefix], stored_in_order, least):
            found.append(prefix)
    order = {prefix: place for place, prefix in enumerate(under)}
    return [
        ",".join(filter(None, (prefix, _end_of(prefix, parts))))
        for prefix in sorted(found, key=lambda prefix: order[prefix])
    ]


def _end_of(prefix: str, parts: Sequence[Part]) -> str:
    """The layer that is known to end the network of this prefix, "" if none is."""
    end = ENDED_BY.get(prefix, "")
    if not end or any(part.path.startswith(SHARED) for part in parts):
        return ""
    return end if any(part.path == end and part.kind is Kind.LINEAR for part in parts) else ""


def _prefixes(path: str) -> list[str]:
    """The names of the modules that hold this one, and its own without the number at its end."""
    words = path.split(".")[:_MAX_DEPTH]
    found = [".".join(words[:i]) for i in range(1, len(words))]
    own = stem(path)
    return [*found, own] if own and own not in found and path[len(own) :].lstrip("._").isdigit() else found


def _is_chain(parts: Sequence[Part], stored_in_order: bool, least: int) -> bool:
    try:
        chain = chain_of(parts, stored_in_order=stored_in_order)
        if not any(tensor.problem for part in parts for tensor in part.tensors.values()):
            check_sizes(chain)  # the shapes of tensors that cannot be read are not known
    except (NotAChain, InvalidNetwork):
        return False
    return len(chain.slots) >= least


def _chain_or_question(parts: Sequence[Part], prefix: str, stored_in_order: bool) -> Chain:
    try:
        return chain_of(parts, stored_in_order=stored_in_order)
    except NotAChain as error:
        reason = str(error)
    where = f" under {shown(prefix)}" if prefix else ""
    found = candidates(parts, stored_in_order=stored_in_order)
    choices = offered([choice for choice in found if choice != prefix])
    others = [part for part in parts if part.kind is Kind.OTHER]
    if not choices:
        raise UnsupportedModel(reason if others else f"{_certain(where)}: {reason}; {_hint(reason)}".rstrip("; "))
    raise AmbiguousModel(
        f"{_certain(where)} ({reason}); prefixes with commas between are chained", option="submodel", choices=choices
    )


def _certain(where: str) -> str:
    return f"the names of the tensors{where} are not those of the layers of one network"


def _hint(reason: str) -> str:
    return "" if USE_ONNX in reason else f"{USE_ONNX}, or name the parts in their order with submodel, commas between"


def _selected(parts: Sequence[Part], prefix: str, stored_in_order: bool) -> list[Part]:
    """The parts under a prefix: the module of that name and those in it, or else those numbered behind it."""
    if not prefix:
        return list(parts)
    inside = [part for part in parts if part.path == prefix or part.path.startswith(f"{prefix}.")]
    inside = inside or [part for part in parts if stem(part.path) == prefix]
    inside = inside or [part for part in parts if _is_named(part, f"{prefix}.")]
    if inside:
        return inside
    known = candidates(parts, stored_in_order=stored_in_order) or sorted({p.path.partition(".")[0] for p in parts})
    raise InvalidRequest(
        f"submodel {shown(prefix)} is not the beginning of the name of a tensor; the file has {listed(known)}"
    )


def _is_named(part: Part, prefix: str) -> bool:
    """Whether the file's own names of all tensors of the part begin so."""
    return all(tensor.name.startswith(prefix) for tensor in part.tensors.values())


def _notes(chain: Chain, parts: Sequence[Part]) -> list[str]:
    used = [part for slot in chain.slots for part in (*slot.before, slot.linear, *slot.after)]
    notes = [*chain.notes, *(part.note for part in used if part.note)]
    norms = [part for slot in chain.slots for part in (*slot.before, *slot.after)]
    if norms:
        notes.append(f"normalisations folded in once in float64, with torch's usual epsilon of {EPSILON:g}")
    counters = [tensor.name for part in parts for tensor in part.counters]
    if counters:
        notes.append(f"left out, used in training only: {listed(counters)}")
    halves = sorted({t.dtype for part in used for t in part.tensors.values()} & {"float16", "bfloat16"})
    if halves:
        notes.append(f"{' and '.join(halves)} weights taken as the exact numbers they are")
    without = [slot.linear.path for slot in chain.slots if slot.linear.bias is None and not slot.after]
    if without:
        notes.append(f"layers without a bias: {listed(without)}")
    if any(part.path.startswith("mlp_extractor.") for part in used):
        notes.append("stable-baselines3 uses tanh in PPO and A2C unless told otherwise, which is not piecewise linear")
    return notes
