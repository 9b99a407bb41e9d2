"""Which networks are measured together, ordered by size within each suite."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from networks import CASES, Case, Layers, box, default, he, known_answers, load, without_biases

HERE = Path(__file__).parent
CACHE = Path(tempfile.gettempdir()) / "relucensus-benchmark-networks"


def planar(_: str) -> list[Case]:
    """Two inputs, He-initialised: 9,636 to about 245,000 regions."""
    return [
        box("planar_48x3", he(2, [48] * 3, seed=0)),
        box("planar_64x3", he(2, [64] * 3, seed=0)),
        box("planar_64x6", he(2, [64] * 6, seed=0)),
        box("planar_128x3", he(2, [128] * 3, seed=0)),
        box("planar_256x3", he(2, [256] * 3, seed=1)),
    ]


def volume(_: str) -> list[Case]:
    """Three to eight inputs, PyTorch's default initialisation: 8,000 to 22,722 regions."""
    return [
        box("four_20x2", default(4, [20] * 2, seed=0)),
        box("three_32x2", default(3, [32] * 2, seed=0)),
        box("seven_11x2", default(7, [11] * 2, seed=0)),
        box("eight_10x2", default(8, [10] * 2, seed=1)),
        box("six_12x2", default(6, [12] * 2, seed=0)),
        box("five_16x2", default(5, [16] * 2, seed=1)),
    ]


def digits(peers_python: str) -> list[Case]:
    """64 inputs, trained on scikit-learn's digits, on the box of all pictures."""
    return [trained(f"digits_{n}_{n}", 64, (n, n), peers_python) for n in (8, 9, 10, 11, 12)]


def mnist(peers_python: str) -> list[Case]:
    """784 inputs: the digits enlarged to 28x28, on the box of all pictures."""
    return [trained("mnist_11_11", 784, (11, 11), peers_python)]


def degenerate(peers_python: str) -> list[Case]:
    """Networks of real size without biases, each after its generic twin."""
    pairs: list[tuple[str, Layers]] = [
        ("planar_64x3", he(2, [64] * 3, seed=0)),
        ("three_32x2", default(3, [32] * 2, seed=0)),
        ("inputs64_8x2", default(64, [8] * 2, seed=0)),
    ]
    cases = []
    for name, layers in pairs:
        cases += [box(name, layers), box(f"{name}_zero_bias", without_biases(layers), twin=name)]
    weights, bias = pairs[1][1][0]
    rest = pairs[1][1][1:]
    doubled = [(np.vstack([weights, -weights]), np.concatenate([bias, -bias]))]
    doubled += [(np.hstack([rest[0][0], rest[0][0]]), rest[0][1]), *rest[1:]]
    half_doubled = [(doubled[0][0][:48], doubled[0][1][:48]), (doubled[1][0][:, :48], doubled[1][1]), *doubled[2:]]
    cases.append(box("three_48_32_pairs", half_doubled, twin="three_32x2"))
    return cases


def small(_: str) -> list[Case]:
    """Small degenerate networks with known counts, and slivers: strips between two parallel lines."""
    output = (np.ones((1, 2), np.float32), np.zeros(1, np.float32))
    slivers = []
    for exponent in (10, 16, 20, 24, 30, 40):
        weights = np.array([[1, 0.5], [1, 0.5]], np.float32)
        bias = np.array([0, -(2.0**-exponent)], np.float32)
        slivers.append(box(f"strip_2^-{exponent}", [(weights, bias), output], known=3))
    return known_answers() + slivers


def collection(_: str) -> list[Case]:
    """The random and trained networks of tests/cases."""
    from relucensus import read_model  # noqa: PLC0415  only this suite needs it in this process

    cases = []
    for entry in json.loads((CASES / "cases.json").read_text()):
        network = read_model((CASES / f"{entry['name']}.onnx").read_bytes()).network
        layers = [(layer.weights.astype(np.float32), layer.bias.astype(np.float32)) for layer in network.layers]
        lower, upper = (tuple(np.broadcast_to(entry[side], network.inputs).tolist()) for side in ("lower", "upper"))
        cases.append(Case(entry["name"], layers, lower, upper, known=entry["activation_regions"]))
    return sorted(cases, key=lambda case: case.known or 0)


def trained(name: str, inputs: int, hidden: tuple[int, ...], peers_python: str) -> Case:
    """A network trained by digits.py in the peers' environment, kept between runs."""
    path = CACHE / f"{name}.npz"
    if not path.exists():
        arguments = [str(path), str(inputs), "0", *map(str, hidden)]
        subprocess.run([peers_python, "digits.py", *arguments], cwd=HERE, check=True)
    layers, lower, upper = load(path)
    return Case(name, layers, tuple(lower.tolist()), tuple(upper.tolist()))


SUITES: dict[str, Callable[[str], list[Case]]] = {
    suite.__name__: suite for suite in (planar, volume, digits, mnist, degenerate, small, collection)
}
