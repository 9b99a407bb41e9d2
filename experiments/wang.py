"""Wang 2022: random architectures, the band of Theorem 2.1, two spirals by accuracy, inputs of dimension 1.

Throughout: K is the sum of the theorem, whose band is from K + 1 to K + 2^n for a first layer of n neurons.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod, sqrt
from typing import Final

import numpy as np

from experiments import published
from experiments.command import main
from experiments.counting import regions, whole_space
from experiments.data import SPIRAL_FEATURES, spirals
from experiments.networks import drawn, perceptron, shape, uniform
from experiments.plots import COLOURS, figure
from experiments.report import Report
from experiments.statistics import Mean
from experiments.training import Plan, snapshots
from relucensus import Definition
from relucensus.theory import serra_2018, wang_2022_band

LINEAR: Final = Definition.LINEAR_REGIONS
NEURONS: Final = 10
DEEPEST: Final = 5
RANGES: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.001)
Widths = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of networks: a row of Table 1, random architectures, a row of the band, a shape of each other part."""

    table_networks: int
    architectures: int
    band_shapes: tuple[Widths, ...]
    band_networks: int
    spiral_shapes: tuple[Widths, ...]
    spiral_networks: int
    spiral_epochs: tuple[float, ...]
    line_shapes: tuple[Widths, ...]
    line_networks: int


ONE_INPUT: Final = ((10,), (5, 5), (4, 3, 3), (20,), (10, 10), (10, 10, 10), (10,) * 5)
TWO_LAYERS: Final = (*((n, m) for n in (2, 3, 4, 5) for m in (2, 3, 5)), (2, 8), (6, 4))
SMALL: Final = Sizes(
    table_networks=4,
    architectures=12,
    band_shapes=((2, 2), (3, 3), (4, 2)),
    band_networks=20,
    spiral_shapes=((5, 5), (4, 3, 3)),
    spiral_networks=1,
    spiral_epochs=(0, 20),
    line_shapes=ONE_INPUT[:4],
    line_networks=20,
)
FULL: Final = Sizes(
    table_networks=25,
    architectures=60,
    band_shapes=TWO_LAYERS,
    band_networks=40,
    spiral_shapes=tuple(published.RANDOM_ARCHITECTURES),
    spiral_networks=2,
    spiral_epochs=(0, 5, 20, 50, 100),
    line_shapes=ONE_INPUT,
    line_networks=100,
)


def run(sizes: Sizes) -> Report:
    """Linear regions of the whole space: Table 1, random architectures, Theorem 2.1, two spirals, one input."""
    report = Report("Wang 2022: shallow networks have more regions than deep ones")
    report.say("Counted are linear regions of the whole space, that is, of a box with a half-width of 2³⁰.")
    _table_1(report, sizes)
    _architectures(report, sizes)
    _band(report, sizes)
    _spirals(report, sizes)
    _one_input(report, sizes)
    return report


def _random(inputs: int, widths: Widths, seed: tuple[int, ...]) -> int:
    return regions(drawn(inputs, widths, seed, uniform), whole_space(inputs), LINEAR)


def _table_1(report: Report, sizes: Sizes) -> None:
    rows = []
    for widths, printed in published.RANDOM_ARCHITECTURES.items():
        found = Mean.of([_random(7, widths, (7, seed)) for seed in range(sizes.table_networks)])
        apart = found.distance(printed.mean, printed.deviation / sqrt(printed.networks))
        rows.append((shape(widths), printed.mean, printed.deviation, found.value, found.error, found.deviation, apart))
        verdict = "agrees" if abs(apart) < 3 else "does not agree"
        what = f"{shape(widths)}: mean number of linear regions"
        text = f"{printed.mean} ± {printed.deviation} (of one network)"
        report.compare(what, text, published.WANG_TABLE, f"{found} (of the mean)", f"{verdict}: z = {apart:+.1f}")
    columns = ("hidden", "published", "deviation", "ours", "± of the mean", "deviation, ours", "z")
    report.add_table("table_1", f"Table 1, {sizes.table_networks} networks a row (the paper: 5,000)", columns, rows)


def _architectures(report: Report, sizes: Sizes) -> None:
    """Ten neurons in one to five layers, all divisions of a depth equally likely."""
    generator = np.random.default_rng(22)
    found: dict[int, list[int]] = {}
    for number in range(sizes.architectures):
        cuts = np.sort(generator.permutation(NEURONS - 1)[: generator.integers(0, DEEPEST)] + 1)
        widths = tuple(np.diff([0, *cuts, NEURONS]).tolist())
        found.setdefault(len(widths), []).append(_random(7, widths, (8, number)))
    drawing, (axes,) = figure(1, 1, each=5)
    for depth, counts in found.items():
        axes.scatter([depth] * len(counts), counts, s=8, color=COLOURS[0], alpha=0.6)
    for widths, printed in published.RANDOM_ARCHITECTURES.items():
        axes.scatter([len(widths)], [printed.mean], marker="_", s=140, color=COLOURS[1])
    axes.set(
        yscale="log", xlabel="hidden layers", ylabel="linear regions", title="ten neurons; dashes: published means"
    )
    rows = []
    for depth in sorted(found):
        mean = Mean.of(found[depth])
        rows.append((depth, mean.count, mean.value, mean.deviation, min(found[depth]), max(found[depth])))
    columns = ("hidden layers", "networks", "mean", "deviation", "least", "most")
    report.add_table("architectures", "Ten neurons in random architectures, seven inputs", columns, rows)
    report.add_figure("architectures", "Linear regions of ten neurons by the number of layers", drawing)
    depths = [depth for depth, counts in found.items() for _ in counts]
    rank = float(np.corrcoef(depths, np.log([count for counts in found.values() for count in counts]))[0, 1])
    report.compare(
        "ten neurons, depth against the logarithm of the regions",
        "shallow networks tend to have more regions than deep ones (abstract)",
        published.WANG_TABLE.partition(",")[0] + " 2022",
        f"correlation {rank:.2f} over {sizes.architectures} random architectures",
        "agrees" if rank < -0.5 else "does not agree",
    )


def _band(report: Report, sizes: Sizes) -> None:
    """The theorem's band for two hidden layers, and the mean of random networks."""
    rows, inside = [], 0
    for widths in sizes.band_shapes:
        band = wang_2022_band(widths, max(widths))
        if band is None:
            raise RuntimeError(f"no band for {widths}")
        counts = [_random(max(widths), widths, (9, seed)) for seed in range(sizes.band_networks)]
        mean = Mean.of(counts)
        within = band[0] - 3 * mean.error <= mean.value <= band[1] + 3 * mean.error
        inside += within
        rows.append((shape(widths), max(widths), band[0], mean.value, mean.error, band[1], "yes" if within else "no"))
    columns = ("hidden", "inputs", "K + 1", "mean", "± of the mean", "K + 2^n", "within three ±")
    report.add_table("band", f"Theorem 2.1, {sizes.band_networks} networks a row", columns, rows)
    drawing, (axes,) = figure(1, 1, each=6.5)
    for place, row in enumerate(rows):
        low, mean_value, error, high = (float(row[i]) for i in (2, 3, 4, 5))
        axes.plot([place, place], [1, high / low], lw=8, color=COLOURS[4], alpha=0.6, solid_capstyle="butt")
        axes.errorbar([place], [mean_value / low], yerr=[3 * error / low], fmt="o", ms=4, color="black", capsize=2)
    axes.set_xticks(range(len(rows)), [str(row[0]) for row in rows], rotation=60, fontsize=7)
    axes.set(title="mean with three standard errors; bars: the theorem's band", ylabel="regions / (K + 1)")
    report.add_figure("band", "The band of Theorem 2.1 and means of random networks, divided by K + 1", drawing)
    verdict = "agrees" if inside == len(rows) else "does not agree"
    ours = f"{inside} of {len(rows)} means within the band, give or take three standard errors"
    report.compare("expected regions, two hidden layers", "K + 1 to K + 2^n", published.WANG_THEOREM, ours, verdict)


def _spirals(report: Report, sizes: Sizes) -> None:
    """Networks that learn to tell two spirals apart, by how well they do."""
    found: dict[Widths, list[tuple[float, int]]] = {widths: [] for widths in sizes.spiral_shapes}
    for widths, looks in found.items():
        for seed in range(sizes.spiral_networks):
            train, test = spirals(500, seed).split(100, seed)
            module = perceptron(SPIRAL_FEATURES, widths, 2, seed)
            for look in snapshots(module, train, Plan(sizes.spiral_epochs, 30, 1e-2), seed, test):
                looks.append((look.tested or 0.0, regions(look.network, whole_space(SPIRAL_FEATURES), LINEAR)))
    rows = []
    for low, high in zip((0.0, *RANGES), RANGES, strict=False):
        row: list[str | float | None] = [f"{low:.0%} to {min(high, 1):.0%}"]
        for looks in found.values():
            counts = [count for accuracy, count in looks if low <= accuracy < high]
            row += [Mean.of(counts).value if counts else None, len(counts)]
        rows.append(tuple(row))
    columns = ("test accuracy", *(head for widths in found for head in (shape(widths), "networks")))
    report.add_table("spirals", "Two spirals: mean number of linear regions by test accuracy", columns, rows)
    drawing, (axes,) = figure(1, 1, each=6)
    for (widths, looks), colour in zip(found.items(), COLOURS, strict=False):
        accuracies, counts = np.array(looks).T
        axes.scatter(accuracies, counts, s=8, alpha=0.6, color=colour, label=shape(widths))
    axes.set(yscale="log", xlabel="test accuracy", ylabel="linear regions", title="two spirals, seven inputs")
    axes.legend(fontsize=7, frameon=False)
    report.add_figure("spirals", "Two spirals: linear regions by test accuracy", drawing)
    means = {shape(widths): Mean.of([count for _, count in looks]).value for widths, looks in found.items()}
    falling = list(means.values()) == sorted(means.values(), reverse=True)
    report.compare(
        "two spirals: mean regions over all accuracies",
        "shallow networks have more in training, too; the table's numbers are not known here",
        published.WANG_TABLE.partition(",")[0] + " 2022",
        ", ".join(f"{name} {mean:,.0f}" for name, mean in means.items()),
        "agrees: in the order of Table 1" if falling else "not all in the order of Table 1",
    )


def _one_input(report: Report, sizes: Sizes) -> None:
    """One input: the bound grows with every layer, the counts do not."""
    rows = []
    for widths in sizes.line_shapes:
        counts = [_random(1, widths, (10, seed)) for seed in range(sizes.line_networks)]
        mean, bound = Mean.of(counts), serra_2018(widths, 1)
        rows.append((shape(widths), sum(widths) + 1, mean.value, mean.error, max(counts), bound))
        if max(counts) > min(bound, prod(width + 1 for width in widths)):
            raise RuntimeError(f"{max(counts)} regions of {widths} are above the bound {bound}")
    columns = ("hidden", "N + 1", "mean", "± of the mean", "most", "bound")
    report.add_table("one_input", f"One input, {sizes.line_networks} networks a row", columns, rows)
    bound = serra_2018(sizes.line_shapes[-1], 1)
    report.compare(
        f"one input, {shape(sizes.line_shapes[-1])}: linear regions",
        f"at most {bound:,}; the mean is not known here",
        published.SERRA,
        f"mean {rows[-1][2]:.2f}, most {rows[-1][4]}",
        "within the bound",
    )


if __name__ == "__main__":
    main("wang", run, (SMALL, FULL))
