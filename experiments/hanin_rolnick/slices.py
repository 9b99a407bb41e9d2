"""Regions on whole lines through two digits, and on whole planes through the origin and two digits.

Throughout: N is the number of neurons; on a line about N regions are expected, in a plane about N^2 / 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from experiments import published
from experiments.counting import WHOLE, line_through, plane_through_origin, regions
from experiments.data import Data, digits
from experiments.hanin_rolnick.sizes import Sizes, Widths
from experiments.networks import he_initialised, he_network, perceptron, shape
from experiments.plots import COLOURS, by_epoch, figure
from experiments.report import Report
from experiments.statistics import Mean
from experiments.training import Plan, Snapshot, snapshots
from relucensus import Network

TESTED: Final = 450


@dataclass(frozen=True, slots=True)
class Counts:
    """Regions on a number of lines and of planes, as shares of N and of N^2 / 2."""

    lines: Mean
    planes: Mean


def counted(network: Network, data: Data, looks: int, seed: int) -> Counts:
    """Count on `looks` lines and planes through random points of the data."""
    neurons = network.neurons
    lines, planes = [], []
    for first, second in pairs(data, looks, seed):
        lines.append(regions(network, line_through(first, second)) / neurons)
        planes.append(regions(network, plane_through_origin(first, second, -WHOLE, WHOLE)) / (neurons**2 / 2))
    return Counts(Mean.of(lines), Mean.of(planes))


def pairs(data: Data, looks: int, seed: int) -> Iterator[np.ndarray]:
    """Pairs of different points, (2, inputs) each."""
    generator = np.random.default_rng((seed, 6))
    for _ in range(looks):
        yield data.points[generator.choice(len(data), 2, replace=False)]


def digit_snapshots(widths: Widths, epochs: tuple[float, ...], seed: int) -> Iterator[Snapshot]:
    """A He-initialised network that learns the digits, as the papers train: Adam with learning rate 10^-3."""
    train, test = digits().split(TESTED, seed)
    module = he_initialised(perceptron(train.inputs, widths, train.count, seed), seed)
    return snapshots(module, train, Plan(epochs), seed, test)


def at_initialisation(report: Report, sizes: Sizes) -> None:
    """N on a line, N^2 / 2 in a plane, for untrained networks."""
    data, rows, close = digits(), [], [True, True]
    for widths in sizes.initial_shapes:
        found = [counted(he_network(64, widths, seed), data, 1, seed) for seed in range(sizes.initial_networks)]
        lines, planes = (Mean.of([getattr(one, kind).value for one in found]) for kind in ("lines", "planes"))
        row: list[str | float] = [shape(widths)]
        for mean, predicted in ((lines, sum(widths)), (planes, sum(widths) ** 2 / 2)):
            row += [predicted, mean.value * predicted, mean.error * predicted, mean.value]
            close[predicted != sum(widths)] &= abs(mean.value - 1) < 0.1 + 3 * mean.error
        rows.append(tuple(row))
    columns = (
        *("hidden", "N: published for lines", "lines", "±", "lines / N"),
        *("N²/2: published for planes", "planes", "±", "planes / (N²/2)"),
    )
    title = f"Regions at initialisation, {sizes.initial_networks} networks a row"
    table = report.add_table("initialisation", title, columns, rows)
    kinds = (("lines / N", published.HANIN_COMPLEXITY), ("planes / (N²/2)", published.HANIN_PATTERNS))
    for (kind, source), agrees in zip(kinds, close, strict=True):
        shares = [float(cell or 0) for cell in table.column(kind)]
        ours = f"{min(shares):.3f} to {max(shares):.3f}"
        verdict = "agrees" if agrees else "does not agree"
        report.compare(f"{kind} at initialisation", "about 1", source, ours, verdict)


def in_training(report: Report, sizes: Sizes) -> None:
    """The same while networks learn the digits."""
    drawing, panels = figure(1, 3, each=3.6)
    rows, ranges = [], []
    for widths, colour in zip(sizes.trained_shapes, COLOURS, strict=False):
        found = [_trained(widths, sizes, seed) for seed in sizes.seeds]
        lines, planes, tested = [], [], []
        for place, epoch in enumerate(sizes.epochs):
            looks = [run[place] for run in found]
            lines.append(Mean.of([counts.lines.value for counts, _ in looks]).value)
            planes.append(Mean.of([counts.planes.value for counts, _ in looks]).value)
            tested.append(Mean.of([look.tested or 0.0 for _, look in looks]).value)
            rows.append((shape(widths), f"{epoch:g}", lines[-1], planes[-1], tested[-1]))
        ranges += lines + planes
        for axes, values in zip(panels, (lines, planes, tested), strict=True):
            axes.plot(sizes.epochs, values, color=colour, marker="o", ms=3, label=shape(widths))
    _name_panels(drawing, ("regions on a line / N", "regions in a plane / (N²/2)", "test accuracy"))
    columns = ("hidden", "epoch", "lines / N", "planes / (N²/2)", "test accuracy")
    title = f"Regions while learning digits, {len(sizes.seeds)} networks with {sizes.looks} lines and planes each"
    report.add_table("training", title, columns, rows)
    report.add_figure("training", "Regions on lines and planes through digits while networks learn them", drawing)
    report.compare(
        "regions / prediction while learning",
        "the bound stays tight in training (abstract)",
        published.HANIN_PATTERNS,
        f"{min(ranges):.2f} to {max(ranges):.2f} of N or N²/2 (digits, not MNIST)",
        "agrees within a factor of 2" if 0.5 < min(ranges) and max(ranges) < 2 else "beyond a factor of 2",
    )


def _trained(widths: Widths, sizes: Sizes, seed: int) -> list[tuple[Counts, Snapshot]]:
    data = digits()
    looks = digit_snapshots(widths, sizes.epochs, seed)
    return [(counted(look.network, data, sizes.looks, seed), look) for look in looks]


def _name_panels(drawing: Figure, titles: tuple[str, ...]) -> None:
    for axes, title in zip(drawing.axes, titles, strict=True):
        axes.set_title(title)
        by_epoch(axes)
        axes.grid(alpha=0.3)
    for axes in drawing.axes[:2]:
        axes.axhline(1, color="black", lw=0.8, ls=":")
        axes.set_ylim(bottom=0)
    drawing.axes[0].legend(fontsize=8, frameon=False)
