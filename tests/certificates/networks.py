"""The networks of the committed certificates, by the name that their files begin with."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from known_cases import KNOWN_ANSWERS, problem_of
from relucensus import Box, Network, Problem, Slice
from relucensus.values.activation import HARD_TANH, IDENTITY, RELU6, leaky_relu
from relucensus.values.network import Layer

HERE = Path(__file__).parent
RESIDUAL_ROWS = (leaky_relu(0), IDENTITY, leaky_relu(0.01))


def small() -> Network:
    """x -> relu(x) + relu(x - 1/2): the network of the worked example in docs/certificate-format.md."""
    return Network.from_arrays([([[1], [1]], [0, -0.5]), ([[1, 1]], [0])])


def folded() -> Network:
    """x -> relu(x) - 2 relu(x - 1/4) + relu(x - 1/2) + 0 relu(x - 3/4): a tent with the map 0 on both of its sides."""
    return Network.from_arrays([([[1], [1], [1], [1]], [0, -0.25, -0.5, -0.75]), ([[1, -2, 1, 0]], [0])])


def mirrored() -> Network:
    """x -> relu(x) - relu(-x), which is x: two regions and one linear region, whose facet lies on two rows."""
    return Network.from_arrays([([[1], [-1]], [0, 0]), ([[1, -1]], [0])])


def plane() -> Network:
    """Two layers of two inputs, with an identically zero row and a neuron that is nowhere active."""
    layers = [
        ([[1, 0.5], [-0.5, 1], [0, 0]], [0.125, 0.25, 0]),
        ([[1, -1, 0], [-1, -1, 1], [0.5, 2, 0]], [-0.25, -0.125, -0.5]),
        ([[1, 1, 2]], [0]),
    ]
    return Network.from_arrays(layers)


def residual() -> Network:
    """A layer with a ReLU, a linear row and a leaky ReLU, then one of ReLUs."""
    weights = [([[1, 0.5], [0.5, -1], [-0.25, 1]], [0.25, 0, 0.5]), ([[1, -1, 0.5], [-1, 1, 1]], [0, 0.25])]
    first, second = (Layer.from_arrays(w, b) for w, b in weights)
    mixed = Layer.from_exact(first.exact, activations=RESIDUAL_ROWS)
    return Network((mixed, second), Layer.from_arrays([[1, 1]], [0]))


def concurrent() -> Network:
    """Zero biases: three lines through the origin, and a second layer that is zero there."""
    return Network.from_arrays([([[1, 0], [0, 1], [1, 1]], [0, 0, 0]), ([[1, -1, 0.5]], [0]), ([[1]], [0])])


def dead_end() -> Network:
    """Outputs that depend on one side only: regions with equal maps, joined and not."""
    return Network.from_arrays([([[1, 0], [0, 1], [1, 1]], [0, 0, 0.5]), ([[1, 1, -2]], [-0.25]), ([[1]], [0])])


@cache
def problems() -> dict[str, Problem]:
    """The problem of every name."""
    square = Box.from_bounds(-1, 1, 2)
    clipped = Network.from_arrays([([[1, 0.5], [0.5, -1]], [0, 0.25]), ([[2, 1]], [0]), ([[1]], [0])], HARD_TANH)
    made = {
        "small": Problem(small(), Box.from_bounds(-1, 1, 1)),
        "folded": Problem(folded(), Box.from_bounds(-1, 1, 1)),
        "mirrored": Problem(mirrored(), Box.from_bounds(-1, 1, 1)),
        "plane": Problem(plane(), square),
        "residual": Problem(residual(), square),
        "concurrent": Problem(concurrent(), square),
        "dead_end": Problem(dead_end(), square),
        "clipped": Problem(clipped, square),
        "relu6": Problem(Network.from_arrays([([[8.0]], [1]), ([[1]], [0])], RELU6), Box.from_bounds(-1, 1, 1)),
        "slice": Problem(plane(), Slice.from_bounds([0.1, 0.2], [[1, -0.5]], -1, 1)),
        "fixed": Problem(plane(), Box.from_bounds([-1, 0.3], [1, 0.3], 2)),
        "point": Problem(plane(), Box.from_bounds(0.25, 0.25, 2)),
        "affine": Problem(Network.from_arrays([([[1, 2]], [0])]), square),
    }
    return made | {case["name"]: problem_of(case) for case in KNOWN_ANSWERS}


def files(folder: str) -> list[Path]:
    """The certificates of a folder."""
    return sorted((HERE / folder).glob("*.cert"))


def problem_of_file(path: Path) -> Problem:
    """The problem that a committed certificate is said to be of: its name up to the first point."""
    return problems()[path.name.partition(".")[0]]
