"""What an experiment leaves behind: a page in Markdown, its tables in CSV as well, its figures in PNG."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from experiments.plots import save

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """Rows under columns."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def markdown(self) -> str:
        """The table, numbers with separators and at most four digits behind a point."""
        numeric = [all(isinstance(row[i], int | float | None) for row in self.rows) for i in range(len(self.columns))]
        rule = ["--:" if right else "---" for right in numeric]
        lines = [self.columns, rule, *([_shown(cell) for cell in row] for row in self.rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def column(self, name: str) -> list[Cell]:
        """The cells under a column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


@dataclass(frozen=True)
class Compared:
    """A published figure beside ours."""

    what: str
    published: str
    source: str
    ours: str
    verdict: str


@dataclass
class Report:
    """A page that grows: write it with `write`."""

    title: str
    tables: dict[str, Table] = field(default_factory=dict)
    comparisons: list[Compared] = field(default_factory=list)
    _figures: dict[str, Figure] = field(default_factory=dict)
    _blocks: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Add a paragraph."""
        self._blocks.append(text)

    def add_table(self, name: str, caption: str, columns: Sequence[str], rows: Sequence[tuple[Cell, ...]]) -> Table:
        """Add a table and return it."""
        table = Table(name, caption, tuple(columns), tuple(rows))
        self.tables[name] = table
        self._blocks.append(f"**{caption}** ([CSV]({name}.csv))\n\n{table.markdown()}")
        return table

    def add_figure(self, name: str, caption: str, figure: Figure) -> None:
        """Add a figure."""
        self._figures[name] = figure
        self._blocks.append(f"![{caption}]({name}.png)\n\n*{caption}*")

    def compare(self, what: str, published: str, source: str, ours: str, verdict: str) -> None:
        """Put a published figure beside ours."""
        self.comparisons.append(Compared(what, published, source, ours, verdict))

    def write(self, folder: Path) -> Path:
        """Write everything into a folder and return the page's path."""
        folder.mkdir(parents=True, exist_ok=True)
        compared = Table(
            "comparison",
            "Published figures and ours",
            ("what", "published", "source", "ours", "verdict"),
            tuple((one.what, one.published, one.source, one.ours, one.verdict) for one in self.comparisons),
        )
        for table in (*self.tables.values(), compared):
            with (folder / f"{table.name}.csv").open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([table.columns, *table.rows])
        for name, figure in self._figures.items():
            save(figure, folder / f"{name}.png")
        page = folder / "README.md"
        head = [f"# {self.title}", f"## {compared.caption}", compared.markdown(), "## Measurements"]
        page.write_text("\n\n".join([*head, *self._blocks]) + "\n")
        return page


def _shown(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.1f}" if abs(cell) >= 1000 else f"{cell:.4g}"
    return f"{cell:,}" if isinstance(cell, int) else cell
