"""Averages over random networks, beside the published ones, with standard errors.

    python benchmarks/published_averages.py --networks 500 --output benchmarks/results/published_averages.md

Wang (IJCAI 2022, Table 1): seven inputs, weights and biases uniform on [-1, 1], linear regions of the whole space:
here of a box so large that a larger one changes nothing, which is checked on the first networks of each shape.

Qi & Wei (2023, Tables 1 to 3): two inputs on [-1, 1]^2, convex regions of untrained networks, taken here to be in
PyTorch's default initialisation. They give no spread, so a difference is measured by the spread of single networks.

Hanin & Rolnick (ICML and NeurIPS 2019): about N regions on a line, and N^2 / 2 on a plane through the origin and two
points, for N neurons and He initialisation. Here of 784 inputs, and the points are random pictures.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import sqrt
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from networks import Layers, default, he, uniform
from relucensus import Box, Definition, Network, Problem, count_regions

LARGE = 2.0**30  # half-width of the box that stands for the whole space
LARGER = (2.0, 1024.0)  # what it is multiplied by to see whether anything changes


@dataclass(frozen=True)
class Average:
    """A published average: of which networks, on what box, counted how."""

    source: str
    shape: tuple[int, ...]
    make: Callable[[int], Layers]  # the network of a seed
    published: float
    deviation: float | None  # the published standard deviation of one network
    networks: int | None  # over how many networks
    half_width: float
    definition: Definition

    @property
    def whole_space(self) -> bool:
        """Whether the box stands for the whole space."""
        return self.half_width == LARGE


WANG = {
    (8, 2): (647.69, 72.24),
    (7, 3): (616.80, 94.02),
    (5, 5): (297.32, 66.52),
    (5, 3, 2): (181.69, 68.06),
    (4, 3, 3): (108.60, 39.90),
    (3, 3, 2, 2): (31.35, 18.60),
    (2, 2, 2, 2, 2): (8.0, 6.07),
}
QI_WEI = {(16, 16, 16): 206.0, (32, 32, 32): 1151.0, (64, 64, 64): 4112.0}
HANIN = ((32,), (16, 16), (32, 32), (16, 16, 16), (32, 32, 32))


def sliced(hidden: tuple[int, ...], dimensions: int, seed: int) -> Layers:
    """A He-initialised network of 784 inputs, restricted to the line through two random pictures, or to their plane.

    The first layer is composed with x = p + t (q - p) or x = s p + t q, rounded to float64: a random network still.
    """
    layers = he(784, hidden, seed)
    first, second = np.random.default_rng((seed, 1)).uniform(0, 1, (2, 784))
    weights, bias = layers[0][0].astype(float), layers[0][1].astype(float)
    if dimensions == 1:
        directions, origin = (second - first)[:, None], first
    else:
        directions, origin = np.stack([first, second], axis=1), np.zeros(784)
    composed = (weights @ directions, bias + weights @ origin)
    return [composed, *layers[1:]]  # type: ignore[list-item]


def averages() -> list[Average]:
    """Everything to reproduce."""
    linear, activation = Definition.LINEAR_REGIONS, Definition.ACTIVATION_REGIONS
    found = [
        Average("wang", shape, partial(uniform, 7, shape), mean, deviation, 5000, LARGE, linear)
        for shape, (mean, deviation) in WANG.items()
    ]
    found += [
        Average("qi_wei", shape, partial(default, 2, shape), mean, None, None, 1.0, activation)
        for shape, mean in QI_WEI.items()
    ]
    for shape in HANIN:
        neurons = sum(shape)
        for dimensions, mean in ((1, float(neurons)), (2, neurons**2 / 2)):
            make = partial(sliced, shape, dimensions)
            name = "hanin_line" if dimensions == 1 else "hanin_plane"
            found.append(Average(name, shape, make, mean, None, None, LARGE, activation))
    return found


def regions(average: Average, engine: str, task: tuple[int, float]) -> int:
    """The count of the network of one seed on the box, enlarged by a factor."""
    seed, factor = task
    layers = average.make(seed)
    network = Network.from_arrays([(weights.astype(float), bias.astype(float)) for weights, bias in layers])
    half_width = average.half_width * factor
    problem = Problem(network, Box.from_bounds(-half_width, half_width, network.inputs), (average.definition,))
    return count_regions(problem, engine=engine).counts[average.definition].value


def row(average: Average, pool: ProcessPoolExecutor, chosen: argparse.Namespace) -> str:
    """One row of the table."""
    counted = partial(regions, average, chosen.engine)
    found = list(pool.map(counted, [(seed, 1.0) for seed in range(chosen.networks)], chunksize=4))
    mean, deviation = statistics.fmean(found), statistics.stdev(found)
    error = deviation / sqrt(len(found))
    changed = changed_on_larger_boxes(found, counted, pool, chosen.checked) if average.whole_space else ""
    published = f"{average.published:,.2f}"
    if average.deviation is not None and average.networks is not None:
        published += f" ± {average.deviation / sqrt(average.networks):.2f}"
    difference = against(average, mean, deviation, error)
    cells = (average.source, "-".join(map(str, average.shape)), average.definition.value, len(found), published)
    ours = f"{mean:,.2f} ± {error:.2f}"
    return f"| {' | '.join(map(str, cells))} | {ours} | {deviation:.2f} | {difference} | {changed} |"


def changed_on_larger_boxes(
    found: list[int], counted: Callable[[tuple[int, float]], int], pool: ProcessPoolExecutor, checked: int
) -> str:
    """How many of the first counts are others on larger boxes."""
    tasks = [(seed, factor) for seed in range(min(checked, len(found))) for factor in LARGER]
    larger = list(pool.map(counted, tasks, chunksize=2))
    changed = sum(count != found[seed] for count, (seed, _) in zip(larger, tasks, strict=True))
    return f"{changed} of {len(tasks)}"


def against(average: Average, mean: float, deviation: float, error: float) -> str:
    """How far our mean is from the published one, in the unit that the source allows."""
    if average.deviation is not None and average.networks is not None:
        z = (mean - average.published) / sqrt(error**2 + average.deviation**2 / average.networks)
        return f"z = {z:+.2f}"
    if average.source.startswith("hanin"):
        return f"{mean / average.published:.3f} of it"
    return f"{(mean - average.published) / deviation:+.2f} of a network's deviation"


def table(chosen: argparse.Namespace) -> Iterator[str]:
    """The rows, one by one."""
    yield "| source | hidden | counted | networks | published | ours | deviation | difference | larger box: changed |"
    yield "|---|---|---|--:|--:|--:|--:|--:|--:|"
    with ProcessPoolExecutor(chosen.processes, mp_context=get_context("spawn")) as pool:
        for average in averages():
            if average.source.startswith(chosen.only) and sum(average.shape) <= chosen.most_neurons:
                yield row(average, pool, chosen)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=500, help="of each shape")
    parser.add_argument("--checked", type=int, default=25, help="how many of these on larger boxes too")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="wang, qi_wei, hanin, hanin_line or hanin_plane")
    parser.add_argument("--most-neurons", type=int, default=10**6, help="leave out larger networks")
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def main() -> None:
    """Count and write."""
    chosen = options()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = ["# Published averages", "", f"Measured on {machine}; ± is the standard error of a mean.", ""]
    for line in table(chosen):
        print(line, flush=True)
        lines.append(line)
    if chosen.output:
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
