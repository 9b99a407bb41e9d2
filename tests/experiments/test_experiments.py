"""The small forms of the experiments, and what is known of their results."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import qi_wei, serra, wang
from experiments.hanin_rolnick.__main__ import run as run_hanin_rolnick
from experiments.hanin_rolnick.sizes import SMALL as SMALL_HANIN_ROLNICK
from experiments.report import Report, Table

ROOT = Path(__file__).parents[2]
SMALLEST_PNG = 2_000
LARGEST_PNG = 150_000


def numbers(table: Table, column: str) -> list[float]:
    return [float(cell) for cell in table.column(column) if isinstance(cell, int | float)]


def check_page(report: Report, folder: Path) -> None:
    """The page links every table and figure, and each comparison says where its published figure is from."""
    text = report.write(folder).read_text()
    written = {path.name for path in folder.iterdir()}
    assert written >= {"README.md", "comparison.csv"}
    assert all(f"({name})" in text for name in written - {"README.md", "comparison.csv"})
    pictures = list(folder.glob("*.png"))
    assert pictures
    assert all(SMALLEST_PNG < path.stat().st_size < LARGEST_PNG for path in pictures)
    assert all(one.source and one.published and one.verdict for one in report.comparisons)


def test_qi_and_wei_untrained_networks_come_out_as_published(tmp_path: Path) -> None:
    report = qi_wei.run(qi_wei.SMALL)
    untrained = report.tables["untrained"]
    assert untrained.column(f"ours, seed {qi_wei.SEED}") == [206, 1151, 4113]
    for name in qi_wei.DATA:
        table = report.tables[name.replace(" ", "_")]
        assert table.column(f"16-16-16, seed {qi_wei.SEED}")[0] == 206
    assert numbers(report.tables["make_moons"], "accuracy")[-1] > 0.8
    check_page(report, tmp_path)


def test_hanin_and_rolnick_lines_and_planes_are_near_their_predictions(tmp_path: Path) -> None:
    report = run_hanin_rolnick(SMALL_HANIN_ROLNICK)
    initial = report.tables["initialisation"]
    assert initial.rows[0][2] == 33  # one layer of 32: every line meets each hyperplane once
    assert initial.rows[0][6] == 1 + 32 + 32 * 31 / 2  # and a plane has Zaslavsky's number
    for name in ("lines / N", "planes / (N²/2)"):
        assert all(0.4 < share < 2 for share in numbers(report.tables["training"], name))
    distances = numbers(report.tables["distance"], "distance")
    assert distances[:4] == sorted(distances[:4], reverse=True)
    assert all(0.2 < value < 2 for value in numbers(report.tables["distance"], "distance · N"))
    check_page(report, tmp_path)


def test_wang_means_are_within_the_band_and_one_input_within_the_bound(tmp_path: Path) -> None:
    report = wang.run(wang.SMALL)
    assert set(report.tables["band"].column("within three ±")) == {"yes"}
    assert all(abs(z) < 6 for z in numbers(report.tables["table_1"], "z"))
    line = report.tables["one_input"]
    assert all(most <= bound for most, bound in zip(numbers(line, "most"), numbers(line, "bound"), strict=True))
    assert line.rows[0][5] == 11  # ten breakpoints at most
    check_page(report, tmp_path)


def test_serra_counts_are_exact_and_below_their_bounds(tmp_path: Path) -> None:
    report = serra.run(serra.SMALL)
    table = report.tables["two_layers"]
    counts = [int(str(cell).replace(",", "")) for cell in table.column("regions")]
    for name in ("bound on unstable neurons", "Serra 2018", "Montúfar 2017"):
        assert all(count <= bound for count, bound in zip(counts, numbers(table, name), strict=True))
    assert [one.verdict for one in report.comparisons[:3]] == ["the same"] * 3
    check_page(report, tmp_path)


@pytest.mark.parametrize("name", ["qi_wei", "hanin_rolnick", "wang", "serra"])
def test_the_full_form_was_run_and_is_shown(name: str) -> None:
    folder = ROOT / "experiments" / "results" / name
    assert "The full form" in (folder / "README.md").read_text()
    assert all(path.stat().st_size < LARGEST_PNG for path in folder.glob("*.png"))
    document = (ROOT / "docs" / "experiments.md").read_text()
    shown = [path for path in folder.glob("*.png") if f"{name}/{path.name}" in document]
    assert shown
