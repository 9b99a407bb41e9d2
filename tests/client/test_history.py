from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from relucensus_client import History, InvalidArgument

EXACT = {"count": 49, "upper_bound": 49, "status": "exact", "engine": "tree", "seconds": 0.5}
SKIPPED = {"status": "skipped", "reason": 'the backlog was "full", so'}
BOUND = {"count": 50, "upper_bound": 2**70, "status": "lower_bound", "engine": "tree", "seconds": 1.0}


def row(step: int, definition: str = "activation_regions", **more: Any) -> dict[str, Any]:
    return {"step": step, "epoch": None, "definition": definition, **more}


@pytest.fixture
def history() -> History:
    return History(
        [
            row(0, **EXACT, accuracy=0.5),
            row(0, "linear_regions", **EXACT, accuracy=0.5),
            row(10, **SKIPPED, accuracy=0.75),
            row(10, "linear_regions", **SKIPPED, accuracy=0.75),
            row(20, **EXACT, accuracy=1.0),
            row(20, "linear_regions", **EXACT, accuracy=1.0),
        ]
    )


def test_rows_have_every_column(history: History) -> None:
    assert len(history) == len(list(history)) == 6
    assert history.measured == ("accuracy",)
    assert all(tuple(one) == history.columns for one in history)
    assert [one["step"] for one in history.of("linear_regions")] == [0, 10, 20]
    assert "6 rows, 4 with a count" in repr(history)


def test_csv_is_read_back_as_it_was(history: History, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "history.csv"
    history.to_csv(path)
    frame = history.to_pandas()
    assert str(frame["count"].dtype) == "Int64"
    read = pandas.read_csv(path, dtype=frame.dtypes.to_dict())
    same = [table.astype(object).where(table.notna(), None) for table in (read, frame)]
    pandas.testing.assert_frame_equal(*same)
    with path.open(newline="") as file:
        assert list(csv.DictReader(file))[2]["reason"] == SKIPPED["reason"]


def test_parquet_is_read_back_as_it_was(history: History, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "history.parquet"
    history.to_parquet(path)
    read = parquet.read_table(path)
    assert read.equals(history.to_arrow())
    assert read.to_pylist() == history.rows
    assert {name: str(read.schema.field(name).type) for name in ("step", "epoch", "count", "accuracy", "reason")} == {
        "step": "int64",
        "epoch": "int64",
        "count": "int64",
        "accuracy": "double",
        "reason": "string",
    }


def test_bounds_beyond_64_bits_stay_exact(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    history = History([row(0, **BOUND)])
    history.to_parquet(tmp_path / "history.parquet")
    assert parquet.read_table(tmp_path / "history.parquet").to_pylist()[0]["upper_bound"] == str(2**70)
    history.to_csv(tmp_path / "history.csv")
    assert str(2**70) in (tmp_path / "history.csv").read_text()
    pytest.importorskip("pandas")
    assert history.to_pandas()["upper_bound"][0] == 2**70


def test_an_empty_history_is_a_table_too(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    assert History([]).to_arrow().num_rows == 0
    History([]).to_csv(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text().startswith("step,epoch,definition,count,")


def test_a_file_that_cannot_be_written_is_refused(history: History, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="cannot be written"):
        history.to_csv(tmp_path / "no such folder" / "history.csv")


def test_the_plot_has_counts_what_was_measured_and_what_is_missing(history: History) -> None:
    pytest.importorskip("matplotlib")
    axes = history.plot()
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["activation regions", "linear regions", "no count", "accuracy (right)"]
    lines = {line.get_label(): list(line.get_xdata()) for line in axes.get_lines()}
    assert lines["activation regions"] == [0, 20]
    assert lines["no count"] == [10]
    (right,) = (other for other in axes.figure.axes if other is not axes)
    assert list(right.get_lines()[0].get_ydata()) == [0.5, 0.75, 1.0]
    assert len(history.plot(measured=None, theme="dark").figure.axes) == 1
