"""Both papers' experiments, one after the other."""

from __future__ import annotations

from experiments.command import main
from experiments.hanin_rolnick.distance import to_boundary
from experiments.hanin_rolnick.memorisation import corrupted_labels, random_points
from experiments.hanin_rolnick.scale import initial_scale
from experiments.hanin_rolnick.sizes import FULL, SMALL, Sizes
from experiments.hanin_rolnick.slices import at_initialisation, in_training
from experiments.report import Report


def run(sizes: Sizes) -> Report:
    """Regions on lines and in planes, memorisation, the scale of the initialisation, distances to boundaries."""
    report = Report("Hanin & Rolnick 2019: regions on lines and planes, memorisation, distances")
    report.say(
        "He-initialised networks with biases N(0, 10⁻⁶), Adam with learning rate 10⁻³ and batches of 32, on "
        "scikit-learn's digits (1,797 pictures, 64 inputs) where the papers have MNIST (784 inputs). Lines go through "
        "two digits, planes through the origin and two digits; both are counted whole, not only near the data."
    )
    for part in (at_initialisation, in_training, corrupted_labels, random_points, initial_scale, to_boundary):
        part(report, sizes)
    return report


if __name__ == "__main__":
    main("hanin_rolnick", run, (SMALL, FULL))
