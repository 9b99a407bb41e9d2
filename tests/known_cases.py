"""The test networks with known counts, as problems."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from relucensus import Box, Definition, Network, Problem, read_model

ACAS_XU_PLACES = [os.environ.get("ACASXU_DIR", ""), Path(__file__).parents[2] / "shared" / "cases" / "acasxu"]
ACAS_XU = next((Path(place) for place in ACAS_XU_PLACES if place and Path(place).is_dir()), None)
NO_ACAS_XU = "the ACAS Xu networks are third-party data; set ACASXU_DIR to their folder"
CASES = Path(__file__).parent / "cases"
KNOWN_ANSWERS: list[dict[str, Any]] = json.loads((CASES / "known_answers.json").read_text())
NETWORKS: list[dict[str, Any]] = json.loads((CASES / "cases.json").read_text())


def problem_of(case: dict[str, Any]) -> Problem:
    """A case of known_answers.json, asked for every definition whose count is known."""
    layers = [(layer["weight"], layer["bias"]) for layer in [*case["hidden"], case["output"]]]
    network = Network.from_arrays(layers)
    lower, upper = zip(*case["box"], strict=True)
    definitions = tuple(Definition(name) for name in case["counts"])
    return Problem(network, Box.from_bounds(lower, upper, network.inputs), definitions)


@cache
def network_of(name: str, ending: str) -> Network:
    """A network of cases.json, read from its file."""
    return read_model((CASES / f"{name}.{ending}").read_bytes()).network


def network_problem(case: dict[str, Any], ending: str = "onnx") -> Problem:
    """A case of cases.json with the three default definitions."""
    network = network_of(case["name"], ending)
    return Problem(network, Box.from_bounds(case["lower"], case["upper"], network.inputs))
