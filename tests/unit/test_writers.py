"""Regions in files: what is written can be read back, and nothing half-finished stays behind."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from known_cases import NETWORKS, network_problem
from relucensus import Budget, iterate_regions, write_regions
from relucensus.errors import InvalidRequest, MissingPackage
from relucensus.regions import RegionDescription
from relucensus.writers import COLUMNS, DEFAULT_COLUMNS, FORMATS, Written

PROBLEM = network_problem(next(case for case in NETWORKS if case["name"] == "planar_8x3"))


def rows_of(path: Path, format_: str) -> list[dict[str, Any]]:
    if format_ == "parquet":
        return parquet.read_table(path).to_pylist()  # type: ignore[no-any-return]
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("format_", FORMATS)
def test_what_was_written_is_read_back(tmp_path: Path, format_: str) -> None:
    path = tmp_path / "regions"
    progress: list[int] = []
    written = write_regions(PROBLEM, path, format=format_, columns=COLUMNS, on_progress=progress.append)
    assert written == Written(40, complete=True)
    assert progress == [40]
    rows = rows_of(path, format_)
    assert [list(row) for row in rows] == [list(COLUMNS)] * 40
    for row, region in zip(rows, iterate_regions(PROBLEM), strict=True):
        assert row["pattern"] == [symbol for layer in region.pattern for symbol in layer]
        assert row["interior_point"] == region.point.tolist()
        assert row["point_is_exact"] is True
        assert bytes.fromhex(row["digest"]) == region.digest
        assert row["weights"] == region.weights.ravel().tolist()
        assert row["bias"] == region.bias.tolist()
        for name, expected in (("half_spaces", region.half_spaces), ("facets", region.facets)):
            assert [
                (tuple(map(int, one["normal"])), int(one["offset"]), tuple(one["neurons"]), one["of_box"])
                for one in row[name]
            ] == [(one.normal, one.offset, one.neurons, one.of_box) for one in expected]
    assert sorted(tmp_path.iterdir()) == [path]


def test_parquet_is_written_in_row_groups_as_the_search_goes_on(tmp_path: Path) -> None:
    problem = network_problem(next(case for case in NETWORKS if case["name"] == "planar_64x3"))
    written = write_regions(problem, tmp_path / "many", columns=["pattern", "digest"], budget=Budget(regions=5000))
    assert written == Written(5000, complete=False)
    file = parquet.ParquetFile(tmp_path / "many")
    assert (file.num_row_groups, file.metadata.num_rows, file.schema_arrow.names) == (2, 5000, ["pattern", "digest"])


def test_an_error_on_the_way_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "regions.ndjson"
    path.write_text("old")

    def broken() -> Iterator[RegionDescription]:
        yield from list(iterate_regions(PROBLEM))[:3]
        raise RuntimeError("lost")

    for format_ in FORMATS:
        with pytest.raises(RuntimeError, match="lost"):
            write_regions(broken(), path, format=format_)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    regions = list(iterate_regions(PROBLEM))
    assert write_regions(regions[:3], path, format="ndjson") == Written(3, complete=None)
    assert len(rows_of(path, "ndjson")) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "csv"}, "format is 'csv'; known are parquet, ndjson"),
        ({"columns": ["volume"]}, "column 'volume' does not exist"),
        ({"columns": []}, "needed is at least one"),
        ({"columns": ["digest", "digest"]}, "none named twice"),
    ],
)
def test_options_that_do_not_exist_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        write_regions(PROBLEM, tmp_path / "regions", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_and_a_budget_too_late_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be written: No such file or directory"):
        write_regions(PROBLEM, tmp_path / "none" / "regions")
    with pytest.raises(InvalidRequest, match="a budget is given with regions"):
        write_regions(iterate_regions(PROBLEM), tmp_path / "regions", budget=Budget(regions=1))


def test_without_pyarrow_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackage, match=r"pip install 'relucensus\[parquet\]'"):
        write_regions(PROBLEM, tmp_path / "regions")
    assert write_regions(PROBLEM, tmp_path / "regions", format="ndjson", columns=DEFAULT_COLUMNS).regions == 40
