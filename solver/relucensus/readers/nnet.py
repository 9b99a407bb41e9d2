"""A `.nnet` file, the text format of ACAS Xu's networks: layers of numbers with ReLU between, and a normalisation.

Lines: comments ``//``; number of layers, inputs, outputs, largest layer; all sizes; a flag that is no longer used;
least and greatest inputs; means and ranges of the inputs, and of the outputs a last one each; then for each layer the
rows of its weights and the rows of its bias. Each line ends with a comma.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.arithmetic import AffineMap
from relucensus.errors import UnreadableModel, UnsupportedModel
from relucensus.readers.limits import ReaderLimits, shown
from relucensus.values.network import Layer, Network

_NUMBER: Final = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,6})?")
_SIZES: Final = re.compile(r"[0-9]{1,9}")
_BEGINNING: Final = re.compile(rb"(\xef\xbb\xbf)?\s*(//|([0-9]{1,9}[ \t]*,[ \t]*){3}[0-9]{1,9}[ \t]*,?[ \t\r]*\n)")
_SNIFFED: Final = 2**16
_LONGEST_NUMBER: Final = 400
_MOST_BITS: Final = 10_000

Arrays = tuple[NDArray[np.float64], NDArray[np.float64]]
Table = tuple[list[list[Fraction]], list[Fraction]]


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What training did to inputs and outputs: ``(x - mean) / range``; the last entries are those of all outputs."""

    means: tuple[float, ...]
    ranges: tuple[float, ...]

    @property
    def is_none(self) -> bool:
        """Whether it changes nothing."""
        return not any(self.means) and all(n == 1 for n in self.ranges)


def looks_like_nnet(data: bytes) -> bool:
    """Whether the bytes begin as a `.nnet` file does: with a comment, or with four whole numbers and commas."""
    return _BEGINNING.match(data[:_SNIFFED]) is not None


def read_nnet(data: bytes, limits: ReaderLimits, normalises: bool = False) -> tuple[Network, list[str]]:
    """The network of the file, and notes; its numbers are the float64 nearest to the decimals.

    Its inputs and outputs are the normalised ones, as the weights are stored; if it `normalises`, they are the physical
    ones, the first and last layer scaled exactly.

    Raises:
        UnreadableModel: a damaged file; the message names the line.
        UnsupportedModel: a network beyond the limits.
    """
    lines = _Lines(data)
    sizes = _sizes(lines, limits)
    flag = lines.numbers(None, "the flag")
    for word in ("least", "greatest"):
        lines.numbers(sizes[0], f"the {word} inputs")
    means, ranges = (
        lines.numbers(sizes[0] + 1, f"{word} of each input and of all outputs") for word in ("the mean", "the range")
    )
    if 0.0 in ranges:
        raise lines.damaged("has a range of 0", "ranges that one can divide by")
    by = Normalisation(tuple(means), tuple(ranges))
    layers = [lines.layer(rows, columns) for columns, rows in pairwise(sizes)]
    lines.check_end()
    is_applied = normalises and not by.is_none
    built = _normalised(layers, by) if is_applied else [Layer.from_arrays(*layer) for layer in layers]
    return Network(tuple(built[:-1]), built[-1]), _notes(any(flag), by, is_applied)


def _notes(has_flag: bool, by: Normalisation, is_applied: bool) -> list[str]:
    notes = ["the decimals of the .nnet file are taken as the nearest float64"]
    if has_flag:
        notes.append("the flag of the .nnet file, which the format no longer uses, is passed over")
    if is_applied:
        notes.append(
            "the normalisation of the .nnet file is applied: inputs and outputs are the physical ones, and inputs are "
            "not clipped to their least and greatest values"
        )
    elif not by.is_none:
        notes.append(
            "the normalisation of the .nnet file is not applied: inputs are the normalised ones, "
            "(x - mean) / range, and so are outputs"
        )
    return notes


class _Lines:
    """The lines of the file one after the other, comments and empty ones passed over."""

    def __init__(self, data: bytes) -> None:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise UnreadableModel(f"line {line} of the .nnet file is not text") from None
        self._lines = self._numbered(text)
        self._line = 0

    @staticmethod
    def _numbered(text: str) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip() and not line.lstrip().startswith("//"):
                yield number, line

    def numbers(self, count: int | None, what: str) -> list[float]:
        """The numbers of the next line; so many, if `count` is not None.

        Raises:
            UnreadableModel: no further line, something that is not a number, or another count.
        """
        words = self.words(what)
        if count is not None and len(words) != count:
            raise self.damaged(f"has {len(words)} numbers", f"{count}, {what}")
        return [self._number(word, what) for word in words]

    def words(self, what: str) -> list[str]:
        """What stands between the commas of the next line; the comma at its end may be missing.

        Raises:
            UnreadableModel: no further line.
        """
        self._line, line = next(self._lines, (0, ""))
        if not self._line:
            raise UnreadableModel(f"the .nnet file ends before {what}; it is cut off")
        words = [word.strip() for word in line.split(",")]
        return words[:-1] if not words[-1] else words

    def layer(self, rows: int, columns: int) -> Arrays:
        """The weights and the bias of the next layer."""
        weights = np.array([self.numbers(columns, "a row of weights") for _ in range(rows)])
        bias = np.array([self.numbers(1, "an entry of a bias")[0] for _ in range(rows)])
        return weights, bias

    def whole_numbers(self, what: str) -> list[int]:
        """The sizes of the next line.

        Raises:
            UnreadableModel: something that is not a positive whole number.
        """
        words = self.words(what)
        for word in words:
            if not _SIZES.fullmatch(word) or not int(word):
                raise self.damaged(f"has {shown(word)}", f"{what}, positive whole numbers")
        return [int(word) for word in words]

    def check_end(self) -> None:
        """Accept that no further line follows.

        Raises:
            UnreadableModel: one does.
        """
        self._line, line = next(self._lines, (0, ""))
        if self._line:
            raise self.damaged(f"goes on with {shown(line[:40])}", "no more lines, for all layers are there")

    def damaged(self, got: str, needed: str) -> UnreadableModel:
        """The error that names the line read last."""
        return UnreadableModel(f"line {self._line} of the .nnet file {got}; needed are {needed}")

    def _number(self, word: str, what: str) -> float:
        if len(word) > _LONGEST_NUMBER or not _NUMBER.fullmatch(word) or math.isinf(float(word)):
            raise self.damaged(f"has {shown(word)}", f"{what}, finite decimals")
        return float(word)


def _sizes(lines: _Lines, limits: ReaderLimits) -> list[int]:
    """The number of inputs and the rows of each layer, within the limits."""
    header = lines.whole_numbers("layers, inputs, outputs and largest layer")
    if len(header) != 4:
        raise lines.damaged(f"has {len(header)} numbers", "4: layers, inputs, outputs and largest layer")
    sizes = lines.whole_numbers("the sizes of the layers")
    count, inputs, outputs, _ = header
    if (len(sizes), sizes[0], sizes[-1]) != (count + 1, inputs, outputs):
        raise lines.damaged(
            f"has {len(sizes)} sizes, {sizes[0]} first and {sizes[-1]} last",
            f"{count + 1}, {inputs} inputs first and {outputs} outputs last",
        )
    limits.check_layers(count)
    limits.check_inputs(inputs)
    limits.check_neurons(sum(sizes[1:-1]))
    limits.check_weights(sum(rows * columns for columns, rows in pairwise(sizes)))
    return sizes


def _normalised(layers: list[Arrays], by: Normalisation) -> list[Layer]:
    """The layers behind ``(x - mean) / range`` and before ``y * range + mean``, exactly."""
    last = len(layers) - 1
    tables = {i: _fractions(layers[i]) for i in {0, last}}
    tables[0] = _behind_inputs(tables[0], by)
    tables[last] = _before_outputs(tables[last], by)
    return [
        Layer.from_exact(AffineMap.from_fractions(*tables[i]), name=f"layer {i + 1}")
        if i in tables
        else Layer.from_arrays(*layers[i])
        for i in range(len(layers))
    ]


def _fractions(layer: Arrays) -> Table:
    weights, bias = layer
    return [list(map(Fraction, row)) for row in weights.tolist()], list(map(Fraction, bias.tolist()))


def _behind_inputs(table: Table, by: Normalisation) -> Table:
    means, ranges = (list(map(Fraction, part[:-1])) for part in (by.means, by.ranges))
    if sum(r.numerator.bit_length() for r in set(ranges)) > _MOST_BITS:
        raise UnsupportedModel(
            f"the .nnet file has {len(set(ranges))} different ranges of inputs; with so many its normalisation cannot "
            "be applied exactly: needed is nnet_normalisation=ignore"
        )
    weights = [[w / r for w, r in zip(row, ranges, strict=True)] for row in table[0]]
    shifts = (sum((w * m for w, m in zip(row, means, strict=True)), Fraction(0)) for row in weights)
    return weights, [b - shift for b, shift in zip(table[1], shifts, strict=True)]


def _before_outputs(table: Table, by: Normalisation) -> Table:
    scale, shift = Fraction(by.ranges[-1]), Fraction(by.means[-1])
    return [[w * scale for w in row] for row in table[0]], [b * scale + shift for b in table[1]]
