"""Serra, Tjandraatmadja & Ramalingam 2018: two hidden layers of 22 neurons together, counts beside upper bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from experiments import published
from experiments.command import main
from experiments.data import digits
from experiments.hanin_rolnick.slices import TESTED
from experiments.networks import perceptron, shape
from experiments.plots import COLOURS, figure
from experiments.report import Report
from experiments.training import Plan, snapshots
from relucensus import Box, Budget, CountResult, Definition, Problem, Status, count_regions
from relucensus.theory import montufar_2017, serra_2018

REGIONS: Final = Definition.ACTIVATION_REGIONS
PIXELS: Final = 64


@dataclass(frozen=True, slots=True)
class Sizes:
    """The number of neurons in both layers together, widths of the first, epochs of training, seconds for a count."""

    neurons: int
    first: tuple[int, ...]
    seeds: tuple[int, ...]
    epochs: float
    seconds: float


SMALL: Final = Sizes(12, (1, 3, 6, 9, 11), (0,), 5, 60)
FULL: Final = Sizes(22, tuple(range(1, 22)), (0,), 20, 15)


@dataclass(frozen=True, slots=True)
class _Counted:
    widths: tuple[int, int]
    tested: float
    result: CountResult

    @property
    def value(self) -> int:
        """The regions that were found."""
        return self.result.counts[REGIONS].value

    @property
    def exact(self) -> bool:
        """Whether these are all."""
        return self.result.status is Status.EXACT


def run(sizes: Sizes) -> Report:
    """Regions on the box of all pictures, for all ways to share neurons between two hidden layers."""
    report = Report(f"Serra et al. 2018: {sizes.neurons} neurons in two hidden layers")
    report.say(
        "Classifiers of scikit-learn's digits (64 inputs) instead of MNIST (784), PyTorch's default initialisation, "
        f"Adam with learning rate 10⁻³ and batches of 32, {sizes.epochs:g} epochs. Counted are activation regions on "
        f"[0, 1]⁶⁴, for at most {sizes.seconds:g} seconds: a count with a + is a lower bound."
    )
    for widths, printed in published.TWO_LAYER_BOUNDS.items():
        ours = serra_2018(widths, 784)
        verdict = "the same" if ours == printed else "other"
        report.compare(
            f"upper bound, {shape(widths)}, 784 inputs", f"{printed:,}", published.SERRA, f"{ours:,}", verdict
        )
    shapes = [(width, sizes.neurons - width) for width in sizes.first]
    found = [_count(widths, sizes, seed) for widths in shapes for seed in sizes.seeds]
    _tabulate(report, found)
    _draw(report, found)
    _compare(report, found)
    return report


def _count(widths: tuple[int, int], sizes: Sizes, seed: int) -> _Counted:
    train, test = digits().split(TESTED, seed)
    module = perceptron(PIXELS, widths, train.count, seed)
    look = list(snapshots(module, train, Plan((sizes.epochs,)), seed, test))[-1]
    problem = Problem(look.network, Box.from_bounds(0, 1, PIXELS), (REGIONS,))
    return _Counted(widths, look.tested or 0.0, count_regions(problem, budget=Budget(seconds=sizes.seconds)))


def _tabulate(report: Report, found: list[_Counted]) -> None:
    rows = []
    for one in found:
        bound = serra_2018(one.widths, PIXELS)
        if one.value > bound:
            raise RuntimeError(f"{one.value} regions of {one.widths} are above the bound {bound}")
        unstable = one.result.bounds["on_unstable_neurons"]["serra_2018"]
        count = f"{one.value:,}{'' if one.exact else '+'}"
        share = f"{one.value / bound:.1%}{'' if one.exact else '+'}"
        rows.append((shape(one.widths), count, unstable, bound, montufar_2017(one.widths, PIXELS), share, one.tested))
    columns = (
        "hidden",
        "regions",
        "bound on unstable neurons",
        "Serra 2018",
        "Montúfar 2017",
        "share",
        "test accuracy",
    )
    report.add_table("two_layers", "Regions and upper bounds", columns, rows)


def _draw(report: Report, found: list[_Counted]) -> None:
    drawing, (axes,) = figure(1, 1, each=6, height=3.6)
    first = [one.widths[0] for one in found]
    axes.plot(first, [montufar_2017(one.widths, PIXELS) for one in found], ":", color=COLOURS[6], label="Montúfar 2017")
    axes.plot(first, [serra_2018(one.widths, PIXELS) for one in found], "-", color=COLOURS[1], label="Serra 2018")
    for exact, marker, label in ((True, "o", "regions, exact"), (False, "^", "regions, at least")):
        some = [one for one in found if one.exact == exact]
        if some:
            axes.plot(
                [one.widths[0] for one in some],
                [one.value for one in some],
                marker,
                ms=5,
                color=COLOURS[0],
                label=label,
            )
    total = sum(found[0].widths)
    axes.set(yscale="log", xlabel=f"width of the first layer; the second has {total} less it", ylabel="regions")
    axes.legend(fontsize=8, frameon=False)
    report.add_figure("two_layers", "Regions of trained classifiers of digits, and upper bounds", drawing)


def _compare(report: Report, found: list[_Counted]) -> None:
    shares = {one.value / serra_2018(one.widths, PIXELS): one for one in found if one.exact}
    ours = [
        f"{shares[share].value:,} for {shape(shares[share].widths)} ({share:.1%} of the bound)"
        for share in (min(shares), max(shares))
    ]
    report.compare(
        "regions of trained networks beside the bound",
        "plots of counts on MNIST below the bound; the counts are not known here",
        published.SERRA.partition(", Theorem")[0],
        " to ".join(ours),
        "no count above its bound",
    )


if __name__ == "__main__":
    main("serra", run, (SMALL, FULL))
