"""Whether names count the layers of one network: they differ in one number only, and in nothing that says otherwise.

A number may count layers (``fc1, fc2``; ``layers.0, layers.1``; ``actor.0, actor.2``) or networks side by side
(``q1, q2``; ``experts.0, experts.1``; ``heads.0``): the word before it tells.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Final

from relucensus.readers.limits import shown

_NUMBER: Final = re.compile(r"[0-9]+")
_CLOSING: Final = re.compile(r"((fc|linear|lin|dense)_)?(out|output|head|final|classifier)(_layer)?")
_LONE: Final = re.compile(r"(fc|hidden|linear|lin|dense|layer)(_layer)?")
_LONGEST_LIST: Final = 200
_LONGEST_OFFER: Final = 60
_MOST_OFFERS: Final = 12
_GATED: Final = 3  # w1, w2, w3 of a gated block
_SIDE_BY_SIDE: Final = frozenset(
    "q qf qnet critic actor value val v vf policy pi expert head branch target ensemble member model agent task tower "
    "twin mean mu var logvar sigma std gate up down key query k proj projection lora shortcut skip residual downsample "
    "adapter discriminator generator student teacher".split()
)
_SEVERAL: Final = frozenset({*(f"{word}s" for word in _SIDE_BY_SIDE), *"nets networks mlps policies branches".split()})
_LAYERS: Final = frozenset(
    "fc fcs lin linear linears l layer layers dense hidden hid h affine w net mlp d ff ffn full connected".split()
)
_BLOCKS: Final = frozenset("layer layers block blocks hidden stage stages fc lin linear dense".split())


class NotAChain(Exception):
    """These names, or these shapes, are not certainly those of one network; the text says why."""


def is_closing(path: str) -> bool:
    """Whether a layer of this name may end a chain: its last word is out, output, head, final or classifier.

    >>> is_closing("net.output_layer"), is_closing("out_proj")
    (True, False)
    """
    return _CLOSING.fullmatch(path.rpartition(".")[2].lower()) is not None


def is_lone(path: str) -> bool:
    """Whether one layer of this name, without a number, may stand before a closing one (``hidden``, ``out``)."""
    return _LONE.fullmatch(path.rpartition(".")[2].lower()) is not None


def template(path: str) -> str:
    """The path with every number written as #."""
    return _NUMBER.sub("#", path)


def numbers_in(path: str) -> list[int]:
    """The numbers of a path."""
    return [int(n) for n in _NUMBER.findall(path)]


def stem(path: str) -> str:
    """The path up to its last number, without what joins them.

    >>> stem("actor.fc1"), stem("net.10")
    ('actor.fc', 'net')
    """
    found = list(_NUMBER.finditer(path))
    return path[: found[-1].start()].rstrip("._") if found else path


def layer_numbers(paths: Sequence[str]) -> list[int]:
    """The number of each layer, if the paths are those of the layers of one network.

    >>> layer_numbers(["fc1", "fc3", "fc2"]), layer_numbers(["net.0", "net.2"])
    ([1, 3, 2], [0, 2])

    Raises:
        NotAChain: they differ in more than one number, or the number does not count layers.
    """
    kinds = sorted({template(path) for path in paths})
    if len(kinds) > 1:
        raise NotAChain(f"names of {len(kinds)} kinds: {listed(kinds)}")
    rows = [numbers_in(path) for path in paths]
    varying = [place for place, column in enumerate(zip(*rows, strict=True)) if len(set(column)) > 1]
    if len(paths) > 1 and len(varying) != 1:
        raise NotAChain(f"names that differ in {len(varying)} numbers: {listed(paths)}")
    place = varying[0] if varying else -1
    numbers = [row[place] if row else 0 for row in rows]
    if len(set(numbers)) < len(numbers):
        raise NotAChain(f"two names with one number: {listed(paths)}")
    if len(paths) > 1:
        _check_word(paths, place, sorted(numbers))
    return numbers


def _check_word(paths: Sequence[str], place: int, numbers: Sequence[int]) -> None:
    """Raises NotAChain if the word before the number, or the numbers themselves, do not speak of layers."""
    found = list(_NUMBER.finditer(paths[0]))[place]
    before, behind = paths[0][: found.start()], paths[0][found.end() :]
    steps = {after - number for number, after in itertools.pairwise(numbers)}
    word = re.split(r"[._]", before.rstrip("._").lower())[-1]
    if word == "w" and len(paths) >= _GATED:
        raise NotAChain(f"{listed(paths)} may be the weights of a gated block, which are no chain")
    if word in _SEVERAL or (word in _SIDE_BY_SIDE and steps == {1}):
        raise NotAChain(f"{listed(paths)} may be networks side by side, not the layers of one")
    if before and not before.endswith("."):
        if steps != {1} or numbers[0] > 1:
            raise NotAChain(f"the numbers of {listed(paths)} are not those of layers one behind the other")
        if word not in (_BLOCKS if behind else _LAYERS):
            raise NotAChain(f"{listed(paths)}: {shown(word)} with a number may be a network of its own, not a layer")
    elif 1 in steps and len(steps) > 1:
        raise NotAChain(
            f"the numbers of {listed(paths)} leave a place for an activation between some of the layers only"
        )


def listed(names: Sequence[str]) -> str:
    """The names for a message, quoted: as many of them as are short enough."""
    few: list[str] = []
    for name in names:
        if sum(map(len, few)) + len(shown(name)) > _LONGEST_LIST and few:
            return ", ".join(few) + f", … ({len(names)} in all)"
        few.append(shown(name))
    return ", ".join(few)


def offered(names: Sequence[str]) -> list[str]:
    """Those of the names that a question may offer: not too many, and none that is too long or cannot be typed."""
    return [name for name in names if name.isprintable() and len(name) <= _LONGEST_OFFER][:_MOST_OFFERS]
