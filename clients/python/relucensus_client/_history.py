"""The history of a training: one row for each snapshot and definition, as rows, tables, files and a plot."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from relucensus_client import _parts
from relucensus_client._models import EXACT
from relucensus_client._regions import replacing

COLUMNS: Final = ("step", "epoch", "definition", "count", "upper_bound", "status", "reason", "engine", "seconds")
_INTEGERS: Final = ("step", "epoch", "count", "upper_bound")
_TEXTS: Final = ("definition", "status", "reason", "engine")
_LARGEST: Final = 2**63 - 1


class History:
    """Counts over a training, tidy: a mapping for each snapshot and definition, in the order of the snapshots.

    step, epoch:         when the snapshot was taken; `epoch` is None where it was not given
    definition:          what was counted
    count, upper_bound:  the number; unless it is exact, it is proven to exist, and `upper_bound` is the most that could
    status:              ``"exact"`` or ``"lower_bound"``; where `count` is None: ``"open"`` (not counted yet),
                         ``"skipped"`` (the backlog was full), ``"failed"``, ``"cancelled"``, or ``"missing"`` (not
                         counted when the monitor was closed)
    reason:              why there is no count, in words
    engine, seconds:     what counted, and how long it took
    and a column for everything that was measured: ``accuracy``, ``loss``, …
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        known = [dict(row) for row in rows]
        measured = dict.fromkeys(name for row in known for name in row if name not in COLUMNS)
        self._columns = (*COLUMNS, *measured)
        self._rows = [{name: row.get(name) for name in self._columns} for row in known]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        counted = sum(row["count"] is not None for row in self._rows)
        return f"<History {len(self)} rows, {counted} with a count: {', '.join(self.columns)}>"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self._columns

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of the columns that the training gave."""
        return self._columns[len(COLUMNS) :]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows, each with every column."""
        return [dict(row) for row in self._rows]

    def of(self, definition: str) -> History:
        """The rows of one definition."""
        return History(row for row in self._rows if row["definition"] == definition)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`; steps, epochs and counts are of the type Int64, which knows of missing values.

        Raises:
            MissingPart: pandas is not installed.
        """
        pandas = _parts.package("pandas", "History.to_pandas")
        columns = {name: self._values(name) for name in self.columns}
        return pandas.DataFrame(
            {name: pandas.Series(values, dtype=self._kind(name, "Int64")) for name, values in columns.items()}
        )

    def to_arrow(self) -> Any:
        """A `pyarrow.Table`. Integers of 64 bits; a column with one that is larger is text.

        Raises:
            MissingPart: pyarrow is not installed.
        """
        pyarrow = _parts.package("pyarrow", "History.to_arrow")
        fields, arrays = [], []
        for name in self.columns:
            kind = pyarrow.type_for_alias(self._kind(name, "int64").replace("object", "string"))
            values = self._values(name)
            if name in _INTEGERS and kind == pyarrow.string():
                values = [None if value is None else str(value) for value in values]
            fields.append((name, kind))
            arrays.append(pyarrow.array(values, kind))
        return pyarrow.table(arrays, schema=pyarrow.schema(fields))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes a file with a line for each row; what is None is empty.

        Raises:
            InvalidArgument: there can be no such file.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        with replacing(Path(path)) as file:
            file.write(text.getvalue().encode())

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Writes the table of `to_arrow` as a Parquet file.

        Raises:
            InvalidArgument: there can be no such file.
            MissingPart: pyarrow is not installed.
        """
        _parts.package("pyarrow", "History.to_parquet")
        table = self.to_arrow()
        with replacing(Path(path)) as file:
            _parts.package("pyarrow.parquet", "History.to_parquet").write_table(table, file)

    def plot(
        self, axes: Any = None, *, measured: str | None = "accuracy", theme: Literal["light", "dark"] = "light"
    ) -> Any:
        """Draws the counts against the step, a line for each definition, and returns the axes.

        `measured` is a column to draw on an axis of its own at the right, where there is one of that name. Snapshots
        that have no count are crosses on the bottom line.

        Raises:
            MissingPart: matplotlib is not installed.
        """
        from relucensus_client import drawing  # noqa: PLC0415 - needs an extra

        axes = drawing.draw_history(self.rows, axes, theme=theme)
        lost = list(dict.fromkeys(row["step"] for row in self._rows if row["count"] is None))
        ink, faint = axes.xaxis.label.get_color(), next(iter(axes.spines.values())).get_edgecolor()
        if lost:
            at_bottom = axes.get_xaxis_transform()
            axes.plot(
                lost, [0.0] * len(lost), "x", color=ink, ms=6, transform=at_bottom, clip_on=False, label="no count"
            )
        if measured in self.measured:
            self._plot_measured(axes, str(measured), ink, faint)
        if self._rows and all(row["epoch"] == row["step"] for row in self._rows):
            axes.set_xlabel("epoch")
        if self._rows:
            below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.11), "ncols": 3}
            axes.legend(frameon=False, labelcolor=ink, fontsize=8, **below)
        return axes

    def _plot_measured(self, axes: Any, name: str, ink: Any, faint: Any) -> None:
        values = {row["step"]: row[name] for row in self._rows if row[name] is not None}
        right = axes.twinx()
        right.plot(list(values), list(values.values()), color=ink, lw=1.0, ls=":")
        right.set_ylabel(name, color=ink)
        right.tick_params(colors=ink, labelsize=8)
        for spine in right.spines.values():
            spine.set_color(faint)
        axes.plot([], [], color=ink, lw=1.0, ls=":", label=f"{name} (right)")

    def _values(self, name: str) -> list[Any]:
        return [row[name] for row in self._rows]

    def _kind(self, name: str, integer: str) -> str:
        """The type of a column, in words that pandas and pyarrow know."""
        if name in _TEXTS:
            return "object"
        if name in _INTEGERS:
            fits = all(value is None or abs(value) <= _LARGEST for value in self._values(name))
            return integer if fits else "object"
        return "float64"


def counted_rows(
    when: Mapping[str, Any], definitions: Iterable[str], answer: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The rows of one snapshot: `when` and what was measured, and what is known of its count.

    `answer` has the `counts`, `engine` and `seconds` of a result, or a `status` and a `reason`.
    """
    counts = answer.get("counts", {})
    rows = []
    for definition in definitions:
        count = counts.get(definition, {})
        row = dict.fromkeys(COLUMNS) | dict(when) | {"definition": definition}
        if count:
            exact = count["status"] == EXACT
            bound = count["value"] if exact else count.get("upper_bound")
            row |= {"count": count["value"], "upper_bound": bound, "status": count["status"]}
            row |= {"engine": answer.get("engine"), "seconds": answer.get("seconds")}
        else:
            row |= {"status": answer["status"], "reason": answer["reason"]}
        rows.append(row)
    return rows
