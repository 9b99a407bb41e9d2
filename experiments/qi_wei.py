"""Qi & Wei 2023: how many regions planar networks have, epoch by epoch, and how their decision boundaries change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.figure import Figure

from experiments import published
from experiments.command import main
from experiments.counting import regions
from experiments.data import Data, gaussian_quantiles, moons, random_labels
from experiments.networks import perceptron, shape
from experiments.plots import COLOURS, by_epoch, draw_regions, figure
from experiments.report import Report, Table
from experiments.statistics import Mean
from experiments.training import Plan, Snapshot, snapshots
from relucensus import Box, Network, Problem
from relucensus.geometry.planar import polygons_of
from relucensus.readers import network_from_module

SQUARE: Final = Box.from_bounds(-1, 1, 2)
SEED: Final = 5
"""The seed with which the published counts of untrained networks come out."""

DATA: Final[dict[str, Callable[[int, int], Data]]] = {
    "random labels": random_labels,
    "make_moons": moons,
    "make_gaussian_quantiles": gaussian_quantiles,
}
Widths = tuple[int, ...]
Counts = dict[tuple[str, Widths, int], dict[float, tuple[int, float]]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much to train: `long_epochs` with the seed of the paper only."""

    shapes: tuple[Widths, ...]
    epochs: tuple[float, ...]
    long_epochs: tuple[float, ...]
    seeds: tuple[int, ...]
    points: int
    untrained: int
    pictured: tuple[float, ...]


EPOCHS: Final = (0, 0.1, 0.5, 1, 2, 4, 6, 8, 10, 15, 20, 30, 50, 80, 100)
SMALL: Final = Sizes(((16, 16, 16), (32, 32, 32)), (0, 0.5, 1, 4), (), (SEED,), 1000, 10, (0, 4))
FULL: Final = Sizes(
    tuple(published.UNTRAINED), EPOCHS, (200, 500, 1000), (5, 6, 7, 8, 9), 1000, 100, (0, 1, 10, 100, 1000)
)


def run(sizes: Sizes) -> Report:
    """Counts of regions on [-1, 1]^2 by epoch, for three data sets and networks of three hidden layers."""
    report = Report("Qi & Wei 2023: regions of planar networks in training")
    report.say(
        f"{sizes.points} points, batches of 32, Adam with learning rate 10⁻³ and weight decay 10⁻⁴, cross-entropy, "
        f"PyTorch's default initialisation, seeds {', '.join(map(str, sizes.seeds))}. Counted are activation regions "
        '("linear convex regions" in the paper) on [-1, 1]².'
    )
    _compare_untrained(report, sizes.untrained)
    pictured: dict[tuple[str, Widths], list[tuple[Snapshot, Data]]] = {}
    counts = _counted(sizes, pictured)
    for name in DATA:
        _add_table(report, name, sizes, counts)
    caption = f"Regions by epoch: seed {SEED} thin, the mean of all seeds thick"
    report.add_figure("counts", caption, curves(sizes, report.tables))
    for name in DATA:
        some = pictured[name, sizes.shapes[min(1, len(sizes.shapes) - 1)]]
        caption = f"Regions and decision boundary on {name}, hidden layers {some[0][0].network.widths}"
        report.add_figure(f"boundary_{name.replace(' ', '_')}", caption, _boundaries(name, some))
    _compare_inputs(report, sizes, counts)
    return report


def _compare_untrained(report: Report, seeds: int) -> None:
    """The untrained networks of the paper's seed, and of others beside it."""
    rows = []
    for widths, printed in published.UNTRAINED.items():
        network = _untrained(widths, SEED)
        count = regions(network, SQUARE)
        thinnest = min(polygons_of(Problem(network, SQUARE)).areas.tolist())
        others = [regions(_untrained(widths, seed), SQUARE) for seed in range(seeds)]
        rows.append((shape(widths), printed, count, thinnest, Mean.of(others).value, Mean.of(others).deviation))
        verdict = (
            "the same"
            if count == printed
            else f"other by {count - printed}; our smallest region has an area of {thinnest:.0e}"
        )
        report.compare(f"untrained {shape(widths)}", f"about {printed:,}", published.QI_WEI, f"{count:,}", verdict)
    columns = ("hidden", "published", f"ours, seed {SEED}", "smallest area", f"mean of {seeds} seeds", "deviation")
    report.add_table("untrained", "Regions of untrained networks on [-1, 1]²", columns, rows)


def _untrained(widths: Widths, seed: int) -> Network:
    return network_from_module(perceptron(2, widths, 2, seed))


def _training(name: str, widths: Widths, seed: int, epochs: Sequence[float], points: int) -> Iterator[Snapshot]:
    data = DATA[name](points, seed)
    plan = Plan(tuple(epochs), batch=32, learning_rate=1e-3, weight_decay=1e-4)
    return snapshots(perceptron(2, widths, data.count, seed), data, plan, seed)


def _counted(sizes: Sizes, pictured: dict[tuple[str, Widths], list[tuple[Snapshot, Data]]]) -> Counts:
    """Count at every look, and keep those of the paper's seed that are drawn."""
    counts: Counts = {}
    for name in DATA:
        for widths in sizes.shapes:
            for seed in sizes.seeds:
                epochs = sizes.epochs + (sizes.long_epochs if seed == SEED else ())
                found = counts[name, widths, seed] = {}
                for look in _training(name, widths, seed, epochs, sizes.points):
                    found[look.epoch] = (regions(look.network, SQUARE), look.accuracy)
                    if seed == SEED and look.epoch in sizes.pictured:
                        data = DATA[name](sizes.points, seed)
                        pictured.setdefault((name, widths), []).append((look, data))
    return counts


def _add_table(report: Report, name: str, sizes: Sizes, counts: Counts) -> None:
    rows = []
    for epoch in sizes.epochs + sizes.long_epochs:
        row: list[str | float | None] = [f"{epoch:g}"]
        for widths in sizes.shapes:
            found = [counts[name, widths, seed][epoch] for seed in sizes.seeds if epoch in counts[name, widths, seed]]
            own = counts[name, widths, SEED][epoch]
            row += [own[0], Mean.of([count for count, _ in found]).value if len(found) > 1 else None, own[1]]
        rows.append(tuple(row))
    heads = [(f"{shape(w)}, seed {SEED}", f"mean of {len(sizes.seeds)} seeds", "accuracy") for w in sizes.shapes]
    title = f"Regions by epoch, {name}"
    report.add_table(name.replace(" ", "_"), title, ("epoch", *(head for three in heads for head in three)), rows)


def curves(sizes: Sizes, tables: dict[str, Table]) -> Figure:
    """Regions by epoch from the tables of the data sets: the paper's seed thin, the mean of all seeds thick."""
    drawing, panels = figure(1, len(sizes.shapes), height=3.2)
    for axes, widths in zip(panels, sizes.shapes, strict=True):
        for name, colour in zip(DATA, COLOURS, strict=False):
            table = tables[name.replace(" ", "_")]
            place = table.columns.index(f"{shape(widths)}, seed {SEED}")
            rows = [[float(str(row[column])) for column in (0, place)] for row in table.rows]
            axes.plot(*zip(*rows, strict=True), color=colour, lw=0.8, alpha=0.7)
            known = [row for row in table.rows if row[place + 1] not in (None, "")]
            means = [[float(str(row[column])) for column in (0, place + 1)] for row in known]
            if means:
                axes.plot(*zip(*means, strict=True), color=colour, lw=2.4)
            axes.plot([], [], color=colour, lw=2.4, label=name)
        axes.axhline(published.UNTRAINED[widths], color="black", lw=0.8, ls=":", label="published, untrained")
        axes.set(title=shape(widths), ylabel="regions")
        by_epoch(axes)
    panels[0].legend(fontsize=7, frameon=False)
    return drawing


def _boundaries(name: str, looks: list[tuple[Snapshot, Data]]) -> Figure:
    drawing, panels = figure(1, len(looks), height=2.6, each=2.5)
    for axes, (look, data) in zip(panels, looks, strict=True):
        count = draw_regions(axes, Problem(look.network, SQUARE), data)
        axes.set_title(f"epoch {look.epoch:g}: {count:,}\naccuracy {look.accuracy:.1%}", fontsize=8)
    drawing.suptitle(name, fontsize=9)
    return drawing


def _compare_inputs(report: Report, sizes: Sizes, counts: Counts) -> None:
    """The paper's observation that intricate inputs leave a network fewer regions, at the last common epoch."""
    last = sizes.epochs[-1]
    for widths in sizes.shapes:
        means = {name: Mean.of([counts[name, widths, s][last][0] for s in sizes.seeds]).value for name in DATA}
        order = sorted(means, key=lambda name: means[name])
        fewest = order[0] == "random labels"
        report.compare(
            f"{shape(widths)}, epoch {last:g}: which data leave the fewest regions",
            "the more intricate the inputs, the fewer regions (abstract)",
            published.QI_WEI,
            ", ".join(f"{name} {means[name]:,.0f}" for name in order),
            "agrees: random labels have the fewest"
            if fewest
            else "does not agree: random labels do not have the fewest",
        )


if __name__ == "__main__":
    main("qi_wei", run, (SMALL, FULL))
