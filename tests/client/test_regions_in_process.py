"""`relucensus regions`: a file with one row a region, and the exit status of a count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relucensus_client.cli import app

CASES = Path(__file__).parent.parent / "cases"
BOX = ("--lower", "-1", "--upper", "1")


def run(output: Path, *arguments: str) -> Result:
    command = ["regions", str(CASES / "planar_8x3.onnx"), "--output", str(output), *arguments]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, command)


def test_every_region_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "regions.ndjson"
    answer = run(path, *BOX, "--format", "ndjson")
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert answer.stderr == f"40 regions written to {path}\n"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({tuple(row["pattern"]) for row in rows}) == len(rows) == 40


def test_parquet_is_written_unless_another_format_is_asked_for(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "regions.parquet"
    answer = run(path, *BOX, "--columns", "digest, bias")
    assert answer.exit_code == 0
    assert parquet.read_table(path).column_names == ["digest", "bias"]


def test_a_limit_that_is_reached_gives_status_3_and_a_file_with_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "regions.ndjson"
    answer = run(path, *BOX, "--format", "ndjson", "--regions", "5")
    assert (answer.exit_code, answer.stderr) == (3, f"5 regions written to {path}\n")
    assert len(path.read_text().splitlines()) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "csv", *BOX), "format is 'csv'"),
        (("--columns", "volume", *BOX), "column 'volume' does not exist"),
        (("--lower", "1", "--upper", "-1"), "above upper"),
        ((), "the domain is given by none"),
        (("--regions", "0", *BOX), "limit regions is 0"),
    ],
)
def test_bad_input_gives_status_2_and_no_file(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    answer = run(tmp_path / "regions", *arguments)
    assert answer.exit_code == 2
    assert message in answer.stderr
    assert list(tmp_path.iterdir()) == []
