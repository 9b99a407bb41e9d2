"""Jobs with known counts of all definitions: what chaos must not change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from relucensus import Box, Definition, Network, Problem, count_regions, read_model
from relucensus.values.problem import CERTIFIED

CASES = Path(__file__).parents[1] / "cases"
KNOWN: list[dict[str, Any]] = json.loads((CASES / "known_answers.json").read_text())
DEFINITIONS = ("activation_regions", "linear_regions", "affine_pieces", "closed_linear_regions")


@dataclass(frozen=True)
class Workload:
    """A model file, a request, and the counts that have to come out."""

    name: str
    file: bytes
    request: Mapping[str, Any]
    counts: Mapping[str, int]


def small() -> Iterator[Workload]:
    """The hand-made networks, most of them degenerate, by engines tree and milp in turn."""
    for number, case in enumerate(KNOWN):
        layers = [*case["hidden"], case["output"]]
        weights = {f"{2 * i}.weight": np.array(layer["weight"], dtype=np.float64) for i, layer in enumerate(layers)}
        biases = {f"{2 * i}.bias": np.array(layer["bias"], dtype=np.float64) for i, layer in enumerate(layers)}
        lower, upper = (list(bounds) for bounds in zip(*case["box"], strict=True))
        request = {
            "domain": {"lower": lower, "upper": upper},
            "definitions": list(case["counts"]),
            "engine": ("tree", "milp")[number % 2],
            "fresh": True,
        }
        yield Workload(case["name"], save(weights | biases), request, case["counts"])


def merging() -> Workload:
    """Small integer weights, most of them zero: many regions are parts of a larger linear region."""
    random = np.random.default_rng(4)
    layers = []
    for inputs, outputs in ((2, 9), (9, 9), (9, 2)):
        sparse = random.integers(-2, 3, (outputs, inputs)) * (random.random((outputs, inputs)) < 0.5)
        layers.append((sparse.astype(np.float64), random.integers(-2, 3, outputs) / 2))
    arrays = {}
    for i, (weights, bias) in enumerate(layers):
        arrays |= {f"{2 * i}.weight": weights, f"{2 * i}.bias": bias}
    file = save(arrays)
    request = {"domain": {"lower": -2, "upper": 2}, "definitions": list(DEFINITIONS), "engine": "tree", "fresh": True}
    counts = _counts_of(read_model(file).network, 2)
    assert counts["linear_regions"] < counts["activation_regions"]
    return Workload("merging", file, request, counts)


def long(name: str, engine: str) -> Workload:
    """A network of the collection, which takes many slices; the counts are those of the library in this process."""
    request = {"domain": {"lower": -1, "upper": 1}, "definitions": list(DEFINITIONS), "engine": engine, "fresh": True}
    return Workload(f"{name}/{engine}", (CASES / f"{name}.onnx").read_bytes(), request, _counted(name))


def certified(workload: Workload) -> Workload:
    """The same with a certificate, for the definitions that have one."""
    names = [name for name in workload.request["definitions"] if name in CERTIFIED]
    request = {**workload.request, "definitions": names, "engine": "tree", "certificate": True}
    counts = {name: workload.counts[name] for name in names}
    return Workload(f"{workload.name}, certified", workload.file, request, counts)


@cache
def _counted(name: str) -> Mapping[str, int]:
    return _counts_of(read_model((CASES / f"{name}.onnx").read_bytes()).network, 1)


def _counts_of(network: Network, bound: float) -> Mapping[str, int]:
    definitions = tuple(Definition(definition) for definition in DEFINITIONS)
    result = count_regions(Problem(network, Box.from_bounds(-bound, bound, network.inputs), definitions), engine="tree")
    return {definition.value: count.value for definition, count in result.counts.items()}
