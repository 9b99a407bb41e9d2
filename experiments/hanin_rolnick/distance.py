"""The distance of a digit to the nearest boundary, which is to shrink like 1 / N."""

from __future__ import annotations

from typing import Final

import numpy as np

from experiments import published
from experiments.data import digits
from experiments.hanin_rolnick.sizes import Sizes
from experiments.hanin_rolnick.slices import digit_snapshots
from experiments.networks import he_network, shape
from experiments.plots import COLOURS, by_epoch, figure
from experiments.report import Report
from experiments.statistics import Mean
from relucensus import Network
from relucensus.geometry.distances import distances_to_boundary

POINTS: Final = 200


def to_boundary(report: Report, sizes: Sizes) -> None:
    """Mean distances by the number of neurons at initialisation, and by epoch in training."""
    drawing, panels = figure(1, 2)
    rows = []
    for depth, colour in zip((1, 2, 3), COLOURS, strict=False):
        means = []
        for width in sizes.distance_widths:
            widths = (width,) * depth
            found = [mean_distance(he_network(64, widths, seed)) for seed in range(sizes.distance_networks)]
            mean = Mean.of(found)
            means.append(mean.value)
            rows.append((shape(widths), width * depth, mean.value, mean.error, mean.value * width * depth))
        neurons = np.array(sizes.distance_widths) * depth
        slope = float(np.polyfit(np.log(neurons), np.log(means), 1)[0])
        panels[0].loglog(neurons, means, "o-", ms=3, color=colour, label=f"depth {depth}: N^{slope:.2f}")
        what = f"exponent of N in the distance to a boundary, depth {depth}"
        verdict = "agrees" if abs(slope + 1) < 0.15 else "does not agree"
        report.compare(what, "-1", published.HANIN_COMPLEXITY, f"{slope:.3f}", verdict)
    columns = ("hidden", "N", "distance", "±", "distance · N")
    title = f"Mean distance to the nearest boundary at initialisation, {sizes.distance_networks} networks a row"
    report.add_table("distance", title, columns, rows)
    trained = []
    for widths, colour in zip(sizes.trained_shapes, COLOURS, strict=False):
        looks = list(digit_snapshots(widths, sizes.epochs, 0))
        scaled = [mean_distance(look.network) * sum(widths) for look in looks]
        trained += [(shape(widths), f"{look.epoch:g}", one) for look, one in zip(looks, scaled, strict=True)]
        panels[1].plot(sizes.epochs, scaled, "o-", ms=3, color=colour, label=shape(widths))
    panels[0].set(title="at initialisation", xlabel="neurons N", ylabel="mean distance")
    panels[1].set(title="while learning digits", ylabel="mean distance · N", ylim=(0, None))
    by_epoch(panels[1])
    for axes in panels:
        axes.legend(fontsize=8, frameon=False)
    report.add_table(
        "distance_training", "Mean distance · N while learning digits", ("hidden", "epoch", "distance · N"), trained
    )
    report.add_figure("distance", "Distances of digits to the nearest boundary", drawing)


def mean_distance(network: Network) -> float:
    """The mean distance of some digits to the nearest boundary."""
    return float(distances_to_boundary(network, digits().points[:POINTS]).mean())
