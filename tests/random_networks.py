"""Random small networks of every kind that floating point gets wrong."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from relucensus import Box, Definition, Network, Problem
from relucensus.values.activation import RELU, Activation, leaky_relu

ALL = tuple(Definition)
SIZES = [(1, 4), (2, 4), (2, 2, 2), (3, 3, 1), (3, 4), (2, 1, 2, 1), (4, 3), (3, 1, 2), (2, 3, 2), (6, 2, 1)]
EPS = [1e-6, 1e-9, 1e-12, 1e-13, 1e-14, 1e-15, 2.0**-52, 1e-16, 1e-30]
Arrays = list[tuple[np.ndarray, np.ndarray]]
Bounds = tuple[np.ndarray, np.ndarray]


def whole(rng: np.random.Generator, sizes: tuple[int, ...]) -> Arrays:
    return [
        (rng.integers(-3, 4, (rows, columns)).astype(float), rng.integers(-3, 4, rows).astype(float))
        for columns, rows in pairwise((*sizes, 1))
    ]


def few(rng: np.random.Generator, sizes: tuple[int, ...]) -> Arrays:
    return [(np.clip(w, -1, 1), np.clip(b, -1, 1)) for w, b in whole(rng, sizes)]


def without_biases(rng: np.random.Generator, sizes: tuple[int, ...]) -> Arrays:
    return [(w, np.zeros(len(b))) for w, b in whole(rng, sizes)]


def with_duplicates(rng: np.random.Generator, sizes: tuple[int, ...]) -> Arrays:
    layers = whole(rng, sizes)
    for w, b in layers[:-1]:
        one, other = rng.integers(len(b), size=2)
        factor = rng.choice([1.0, -1.0, 2.0, -0.5])
        w[one], b[one] = factor * w[other], factor * b[other]
    return layers


def concurrent(rng: np.random.Generator, sizes: tuple[int, ...]) -> Arrays:
    layers = whole(rng, sizes)
    layers[0] = (layers[0][0], -(layers[0][0] @ rng.choice([-1.0, 0.0, 0.5, 0.3, 1.0], sizes[0])))
    return layers


def nearly_degenerate(rng: np.random.Generator, sizes: tuple[int, ...]) -> Arrays:
    layers = with_duplicates(rng, sizes)
    return [(w, b + rng.choice([-1, 0, 0, 1], b.shape) * rng.choice(EPS)) for w, b in layers]


def nearly_whole(rng: np.random.Generator, sizes: tuple[int, ...]) -> Arrays:
    layers = concurrent(rng, sizes)
    return [(w + rng.choice([-1, 0, 1], w.shape) * rng.choice(EPS), b) for w, b in layers]


def badly_scaled(rng: np.random.Generator, sizes: tuple[int, ...]) -> Arrays:
    size = 150 // len(sizes)
    layers = whole(rng, sizes)
    factors = [10.0 ** rng.integers(-size, size, len(b)) for _, b in layers]
    return [(w * f[:, None], b * f) for (w, b), f in zip(layers, factors, strict=True)]


def with_dead_neurons(rng: np.random.Generator, sizes: tuple[int, ...]) -> Arrays:
    layers = few(rng, sizes)
    for w, b in layers[:-1]:
        i = rng.integers(len(b))
        w[i], b[i] = (0 * w[i], b[i]) if rng.random() < 0.5 else (w[i], b[i] - 50)
    return layers


def generic(rng: np.random.Generator, sizes: tuple[int, ...]) -> Arrays:
    return [(rng.normal(size=w.shape), rng.normal(size=b.shape) / 3) for w, b in whole(rng, sizes)]


KINDS: list[Callable[[np.random.Generator, tuple[int, ...]], Arrays]] = [
    whole,
    few,
    without_biases,
    with_duplicates,
    concurrent,
    nearly_degenerate,
    nearly_whole,
    badly_scaled,
    with_dead_neurons,
    generic,
]


def around_the_origin(rng: np.random.Generator, inputs: int) -> Bounds:
    return -np.ones(inputs), np.ones(inputs)


def at_a_corner(rng: np.random.Generator, inputs: int) -> Bounds:
    lower = rng.choice([-1.0, 0.0], inputs)
    return lower, lower + 1


def elsewhere(rng: np.random.Generator, inputs: int) -> Bounds:
    lower = rng.integers(-3, 3, inputs) + rng.integers(0, 4, inputs) / 4
    return lower, lower + rng.choice([0.5, 1.0, 2.0])


def a_few_floats_wide(rng: np.random.Generator, inputs: int) -> Bounds:
    lower = rng.integers(-1, 2, inputs).astype(float)
    upper = np.nextafter(np.nextafter(lower, 9), 9) if rng.random() < 0.5 else np.nextafter(lower, 9)
    return lower, upper


def moved_a_little(rng: np.random.Generator, inputs: int) -> Bounds:
    eps = rng.choice(EPS)
    return rng.integers(-1, 1, inputs) - eps, rng.integers(1, 3, inputs) - eps


def of_different_sizes(rng: np.random.Generator, inputs: int) -> Bounds:
    sizes = 10.0 ** rng.integers(-300, 300, inputs)
    return -sizes * rng.choice([0, 1, 2], inputs), sizes


BOXES = [around_the_origin, at_a_corner, elsewhere, a_few_floats_wide, moved_a_little, of_different_sizes]
WEIGHTS = [0.4, 0.2, 0.15, 0.1, 0.1, 0.05]


def drawn(kind: Callable[[np.random.Generator, tuple[int, ...]], Arrays], seed: int) -> Problem:
    rng = np.random.default_rng([KINDS.index(kind), seed])
    sizes = SIZES[seed % len(SIZES)]
    activation: Activation = RELU if seed % 5 else leaky_relu(float(rng.choice([0.25, -0.5, 0.01])))
    lower, upper = BOXES[rng.choice(len(BOXES), p=WEIGHTS)](rng, sizes[0])
    return Problem(Network.from_arrays(kind(rng, sizes), activation), Box(lower, upper), ALL)
