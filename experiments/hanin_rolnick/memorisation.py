"""Networks that learn by heart: digits with random labels, and random points of the plane."""

from __future__ import annotations

from typing import Final

import numpy as np

from experiments import published
from experiments.counting import regions, whole_space
from experiments.data import digits, random_labels
from experiments.hanin_rolnick.sizes import Sizes
from experiments.hanin_rolnick.slices import counted
from experiments.networks import he_initialised, perceptron
from experiments.plots import COLOURS, by_epoch, figure
from experiments.report import Report
from experiments.training import Plan, snapshots

WIDTHS: Final = (32, 32, 32)
PREDICTED: Final = sum(WIDTHS) ** 2 // 2
SEED: Final = 0


def corrupted_labels(report: Report, sizes: Sizes) -> None:
    """Regions in planes through digits, a share of whose labels are random."""
    data = digits()
    drawing, panels = figure(1, 2)
    rows, ranges = [], []
    for share, colour in zip(sizes.shares, COLOURS, strict=False):
        noisy = data.with_random_classes(share, SEED)
        module = he_initialised(perceptron(data.inputs, WIDTHS, data.count, SEED), SEED)
        planes, right = [], []
        for look in snapshots(module, noisy, Plan(sizes.corrupted_epochs), SEED):
            planes.append(counted(look.network, data, sizes.looks, SEED).planes.value * PREDICTED)
            right.append(look.accuracy)
            rows.append((f"{share:.0%}", f"{look.epoch:g}", planes[-1], planes[-1] / PREDICTED, look.accuracy))
        ranges += planes
        for axes, values in zip(panels, (planes, right), strict=True):
            axes.plot(sizes.corrupted_epochs, values, color=colour, marker="o", ms=3, label=f"{share:.0%} random")
            by_epoch(axes)
    panels[0].axhline(PREDICTED, color="black", lw=0.8, ls=":")
    panels[0].set(title="regions in a plane; dotted: published prediction", ylim=(0, None))
    panels[1].set(title="accuracy on the training labels")
    panels[0].legend(fontsize=8, frameon=False)
    columns = ("random labels", "epoch", "regions in a plane", "of 4,608", "accuracy")
    title = f"Learning digits with random labels by heart, 32-32-32, mean over {sizes.looks} planes"
    report.add_table("corrupted_labels", title, columns, rows)
    report.add_figure("corrupted_labels", "Regions in a plane while digits with random labels are learnt", drawing)
    report.compare(
        "32-32-32, digits with random labels: regions in a plane",
        f"predicted {PREDICTED:,}; no number for the trained networks known here",
        published.HANIN_PATTERNS,
        f"{min(ranges):,.0f} to {max(ranges):,.0f}",
        "agrees within a factor of 2" if PREDICTED / 2 < min(ranges) and max(ranges) < 2 * PREDICTED else "beyond it",
    )


def random_points(report: Report, sizes: Sizes) -> None:
    """Regions of the whole plane for networks that learn random points with random labels by heart."""
    drawing, panels = figure(1, 2)
    rows, last = [], []
    for number, colour in zip(sizes.point_numbers, COLOURS, strict=False):
        data = random_labels(number, SEED)
        per_epoch = -(-number // 32)
        steps = np.unique(np.concatenate([[0], np.geomspace(1, sizes.steps, 8).round()])).astype(int)
        epochs = tuple(float(step) / per_epoch for step in steps)
        module = he_initialised(perceptron(2, WIDTHS, 2, SEED), SEED)
        counts, right = [], []
        for look in snapshots(module, data, Plan(epochs), SEED):
            counts.append(regions(look.network, whole_space(2)))
            right.append(look.accuracy)
            rows.append((number, round(look.epoch * per_epoch), counts[-1], counts[-1] / PREDICTED, look.accuracy))
        last.append(f"{number:,} points {counts[-1]:,} ({right[-1]:.0%} right)")
        for axes, values in ((panels[0], np.array(counts)), (panels[1], np.array(right))):
            axes.plot(steps, values, color=colour, marker="o", ms=3, label=f"{number:,} points")
            by_epoch(axes, "step")
    panels[0].axhline(PREDICTED, color="black", lw=0.8, ls=":")
    panels[0].set(title="regions of the plane; dotted: published prediction", ylim=(0, None))
    panels[1].set(title="accuracy")
    panels[0].legend(fontsize=8, frameon=False)
    columns = ("points", "step", "regions", "of 4,608", "accuracy")
    report.add_table("random_points", "Learning random points of the plane by heart, 32-32-32", columns, rows)
    report.add_figure("random_points", "Regions of the whole plane while random points are learnt by heart", drawing)
    most = max(float(row[3]) for row in rows)
    report.compare(
        "32-32-32, random points of the plane: regions at the end",
        f"predicted {PREDICTED:,}; no number for the trained networks known here",
        published.HANIN_PATTERNS,
        "; ".join(last),
        f"at most {most:.2f} of the prediction at any step",
    )
