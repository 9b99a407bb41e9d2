"""`Job.regions`, `region_batches`, `save_regions`: the regions that a service lists."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from relucensus_client import Conflict, ConnectionFailed, InvalidArgument, Job, MissingPart, UnexpectedAnswer

BROKEN = httpx.RemoteProtocolError("peer closed connection without sending complete message body")
FACET = {"normal": ["1", str(2**70)], "offset": "-3", "neurons": [0], "of_box": False}


def line(number: int, **changes: Any) -> bytes:
    row = {
        "pattern": [0, 1, number % 2],
        "interior_point": [number / 3, -1.0],
        "point_is_exact": True,
        "digest": "0f" * 16,
    }
    return json.dumps(row | changes).encode() + b"\n"


def counted(documents: Any, regions: int) -> dict[str, Any]:
    counts = {"activation_regions": {"value": regions, "status": "exact"}}
    result: dict[str, Any] = documents.finished(result=documents.result | {"counts": counts})
    return result


@pytest.fixture
def job(service: Any, documents: Any) -> Any:
    service.answers = [counted(documents, 3)]
    with service.client() as client:
        job = client.job("job-1")
        service.requests.clear()
        yield job


def test_regions_are_arrays_with_every_bit(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.streamed(line(0) + line(1)[:20], line(1)[20:], line(2))]
    regions = job.regions()
    assert len(regions) == 3
    assert regions.columns == ("pattern", "interior_point", "point_is_exact", "digest")
    assert regions["pattern"].dtype == np.uint8
    assert regions["pattern"].tolist() == [[0, 1, 0], [0, 1, 1], [0, 1, 0]]
    assert regions["interior_point"].tolist() == [[0.0, -1.0], [1 / 3, -1.0], [2 / 3, -1.0]]
    assert regions["point_is_exact"].dtype == np.bool_
    assert regions["digest"][2] == "0f" * 16
    assert repr(regions) == "<Regions 3: pattern, interior_point, point_is_exact, digest>"
    assert dict(service.requests[0].url.params) == {"format": "ndjson"}


def test_weights_are_matrices_and_facets_keep_their_integers(job: Job, service: Any, documents: Any) -> None:
    rows = b"".join(
        json.dumps({"weights": [float(n), 2.0], "bias": [0.5], "facets": [FACET] * n}).encode() + b"\n"
        for n in range(3)
    )
    service.answers = [documents.streamed(rows)]
    regions = job.regions(["weights", "bias", "facets"])
    assert regions["weights"].shape == (3, 1, 2)
    assert regions["bias"].shape == (3, 1)
    assert [len(facets) for facets in regions["facets"]] == [0, 1, 2]
    assert int(regions["facets"][1][0]["normal"][1]) == 2**70
    assert service.requests[0].url.params["columns"] == "weights,bias,facets"


def test_batches_come_while_the_service_still_searches(job: Job, service: Any, documents: Any) -> None:
    came: list[int] = []

    class Slow(type(documents.streamed().stream)):  # type: ignore[misc]
        def __iter__(self) -> Any:
            for number in range(3):
                came.append(number)
                yield line(number)

    service.answers = [httpx.Response(200, stream=Slow())]
    batches = job.region_batches(size=1)
    assert next(batches)["interior_point"][0, 0] == 0.0
    assert came == [0]
    assert [len(batch) for batch in batches] == [1, 1]


def test_the_service_may_search_for_an_hour_between_two_regions(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.streamed(line(0) * 3)]
    job.regions()
    assert service.requests[0].extensions["timeout"]["read"] > 3600


def test_a_listing_that_breaks_off_is_never_taken_for_all(
    job: Job, service: Any, documents: Any, tmp_path: Path
) -> None:
    broken = (line(0), line(1)[:30], BROKEN)
    service.answers = [documents.streamed(*broken), documents.streamed(*broken), documents.streamed(*broken)]
    with pytest.raises(ConnectionFailed, match=r"regions of job job-1 broke off .* what came is not all"):
        job.regions()
    batches = job.region_batches(size=1)
    assert len(next(batches)) == 1
    with pytest.raises(ConnectionFailed, match="broke off"):
        next(batches)
    with pytest.raises(ConnectionFailed, match="broke off"):
        job.save_regions(tmp_path / "regions.parquet")
    assert list(tmp_path.iterdir()) == []
    assert len(service.requests) == 3


def test_fewer_regions_than_were_counted_are_not_taken_for_all(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.streamed(line(0) + line(1))]
    with pytest.raises(UnexpectedAnswer, match="2 regions of job job-1 arrived, 3 were counted"):
        job.regions()


@pytest.mark.parametrize(
    "body", [b"<html>\n", b"[1]\n", line(0) + b'{"pattern": [1]}\n', b"7\n", line(0, pattern=[300])]
)
def test_lines_that_are_no_regions_are_reported(job: Job, service: Any, documents: Any, body: bytes) -> None:
    service.answers = [documents.streamed(body)]
    with pytest.raises(UnexpectedAnswer, match="lines that are not regions"):
        job.regions()


def test_a_busy_service_is_asked_again_and_a_refusal_is_an_error(job: Job, service: Any, documents: Any) -> None:
    service.answers = [documents.problem(503), httpx.ReadError("reset"), documents.streamed(line(0) * 3)]
    assert len(job.regions()) == 3
    service.answers = [documents.problem(409, "The job has no exact count")]
    with pytest.raises(Conflict, match="no exact count"):
        job.regions()


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda job, path: job.regions("pattern"), "columns is 'pattern'; needed is a list"),
        (lambda job, path: list(job.region_batches(size=0)), "size is 0"),
        (lambda job, path: job.save_regions(path / "x", format="csv"), "format is 'csv'; known are parquet, ndjson"),
        (lambda job, path: job.save_regions(path / "no" / "x"), "x cannot be written: No such file"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_asking(
    job: Job, service: Any, tmp_path: Path, ask: Any, said: str
) -> None:
    with pytest.raises(InvalidArgument, match=said):
        ask(job, tmp_path)
    assert service.requests == []


def test_a_file_has_what_the_service_sent(job: Job, service: Any, documents: Any, tmp_path: Path) -> None:
    path = tmp_path / "regions.parquet"
    path.write_text("before")
    service.answers = [documents.streamed(b"PAR1", b"\x00\xff", b"PAR1", kind="application/vnd.apache.parquet")]
    job.save_regions(path, columns=["pattern", "bias"])
    assert path.read_bytes() == b"PAR1\x00\xffPAR1"
    assert list(tmp_path.iterdir()) == [path]
    assert dict(service.requests[0].url.params) == {"format": "parquet", "columns": "pattern,bias"}


def test_regions_become_a_data_frame(job: Job, service: Any, documents: Any) -> None:
    pytest.importorskip("pandas")
    service.answers = [documents.streamed(line(0) + line(1) + line(2))]
    frame = job.regions().to_pandas()
    assert list(frame.columns) == ["pattern", "interior_point", "point_is_exact", "digest"]
    assert len(frame) == 3
    assert frame["interior_point"][1].tolist() == [1 / 3, -1.0]
    assert frame["digest"][0] == "0f" * 16


def test_regions_become_an_arrow_table(job: Job, service: Any, documents: Any) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    row = {"pattern": [0, 1], "digest": "ab", "weights": [1.0, 2.0], "facets": [FACET], "point_is_exact": False}
    service.answers = [documents.streamed((json.dumps(row) + "\n").encode() * 3)]
    table = job.regions(list(row)).to_arrow()
    assert table.num_rows == 3
    assert table.to_pylist()[0] == row
    assert table.schema.field("pattern").type == pyarrow.list_(pyarrow.uint8())


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_pandas"), ("pyarrow", "to_arrow")])
def test_a_package_that_is_not_installed_is_named_with_how_to_get_it(
    job: Job, service: Any, documents: Any, monkeypatch: pytest.MonkeyPatch, package: str, method: str
) -> None:
    service.answers = [documents.streamed(line(0) * 3)]
    regions = job.regions()
    monkeypatch.setitem(sys.modules, package, None)
    extra = {"pandas": "pandas", "pyarrow": "parquet"}[package]
    with pytest.raises(MissingPart, match=rf"{method} needs .* '{package}', .* 'relucensus\[{extra}\]'"):
        getattr(regions, method)()
