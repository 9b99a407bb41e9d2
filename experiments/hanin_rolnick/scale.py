"""The scale of the initial weights and biases."""

from __future__ import annotations

from typing import Final

import numpy as np

from experiments import published
from experiments.counting import WHOLE, plane_through_origin, regions
from experiments.data import digits
from experiments.hanin_rolnick.sizes import Sizes
from experiments.hanin_rolnick.slices import TESTED, pairs
from experiments.networks import he_initialised, perceptron
from experiments.plots import COLOURS, by_epoch, figure
from experiments.report import Report
from experiments.statistics import Mean
from experiments.training import Plan, Snapshot, snapshots

WIDTHS: Final = (32, 32, 32)
PREDICTED: Final = sum(WIDTHS) ** 2 // 2
SEED: Final = 0


def initial_scale(report: Report, sizes: Sizes) -> None:
    """Regions in planes while networks learn digits that began with larger or smaller weights and biases."""
    train, test = digits().split(TESTED, SEED)
    drawing, panels = figure(1, 3, each=3.6)
    rows = []
    for (gain, deviation), colour in zip(sizes.scales, COLOURS, strict=False):
        module = he_initialised(perceptron(64, WIDTHS, 10, SEED), SEED, gain=gain, bias_deviation=deviation)
        looks = list(snapshots(module, train, Plan(sizes.scale_epochs), SEED, test))
        whole = [_mean(look, sizes.looks, -WHOLE, WHOLE) for look in looks]
        near = [_mean(look, sizes.looks, 0, 1) for look in looks]
        tested = [look.tested or 0.0 for look in looks]
        for look, one, other in zip(looks, whole, near, strict=True):
            rows.append((f"{gain:g}", f"{deviation:g}", f"{look.epoch:g}", one, one / PREDICTED, other, look.tested))
        for axes, values in zip(panels, (whole, near, tested), strict=True):
            label = f"weights by {gain:g}, biases {deviation:g}"
            axes.plot(sizes.scale_epochs, values, color=colour, marker="o", ms=3, label=label)
    titles = ("whole plane; dotted: prediction", "parallelogram of the two digits", "test accuracy")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title)
        by_epoch(axes)
    panels[0].axhline(PREDICTED, color="black", lw=0.8, ls=":")
    panels[2].legend(fontsize=7, frameon=False)
    columns = (
        "weights by",
        "deviation of biases",
        "epoch",
        "whole plane",
        "of 4,608",
        "between the digits",
        "test accuracy",
    )
    report.add_table("scale", f"Scale of the initialisation, 32-32-32, mean over {sizes.looks} planes", columns, rows)
    report.add_figure("scale", "Regions by scale of the initial weights and biases", drawing)
    initial = [float(row[3] or 0) for row in rows if row[2] == "0"]
    report.compare(
        "32-32-32: regions of the whole plane at initialisation, by scale",
        f"about {PREDICTED:,}, whatever the scale of biases (homogeneity)",
        published.HANIN_PATTERNS,
        f"{min(initial):,.0f} to {max(initial):,.0f}",
        "agrees within a factor of 2" if PREDICTED / 2 < min(initial) and max(initial) < 2 * PREDICTED else "beyond it",
    )


def _mean(look: Snapshot, looks: int, lower: float, upper: float) -> float:
    """The mean number of regions with s and t between the bounds."""
    found = [
        regions(look.network, plane_through_origin(np.asarray(first), np.asarray(second), lower, upper))
        for first, second in pairs(digits(), looks, SEED)
    ]
    return Mean.of(found).value
