"""Certificates put together by the library: from one count, from slices in any order, of every kind of domain."""

import gzip
import random
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from known_cases import NETWORKS, network_problem
from relucensus import Box, Budget, Definition, Network, Problem, Slice, Status, count_regions, verify
from relucensus.census import settle
from relucensus.certify import frame_of
from relucensus.conclusion import conclude_certified
from relucensus.engines.protocol import OpenCube
from relucensus.errors import InvalidRequest
from relucensus.frontier import Tally
from relucensus.values.pattern import Cube

PLANAR = network_problem(next(case for case in NETWORKS if case["name"] == "planar_8x3"))
MERGING = Network.from_arrays(
    [
        ([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0.0, 0.25, 0.5]),
        ([[1.0, -1.0, 0.0], [0.0, 0.0, -1.0]], [-0.5, 0.25]),
        ([[1.0, 0.0]], [0.0]),
    ]
)


def values(result: Any) -> dict[str, int]:
    return {definition.value: count.value for definition, count in result.counts.items()}


def test_a_count_with_a_certificate_writes_one_that_proves_it(tmp_path: Path) -> None:
    path = tmp_path / "planar.gz"
    result = count_regions(PLANAR, certificate=path)
    assert result.certificate == str(path)
    assert values(result) == values(count_regions(PLANAR))
    proven = verify(PLANAR.network, path)
    assert proven.counts == values(result)
    assert proven.domain.to_json() == result.domain
    assert [file.name for file in tmp_path.iterdir()] == ["planar.gz"]


def test_a_certificate_proves_merged_regions_too(tmp_path: Path) -> None:
    problem = Problem(MERGING, Box.from_bounds(-1, 1, 2))
    result = count_regions(problem, certificate=tmp_path / "merging.gz")
    assert values(result)["linear_regions"] < values(result)["activation_regions"]
    assert verify(MERGING, tmp_path / "merging.gz").counts == values(result) == values(count_regions(problem))


def test_only_what_was_asked_for_is_claimed_besides_activation_regions(tmp_path: Path) -> None:
    problem = Problem(MERGING, Box.from_bounds(-1, 1, 2), (Definition.AFFINE_PIECES,))
    result = count_regions(problem, certificate=tmp_path / "pieces.gz")
    assert set(values(result)) == {"affine_pieces"}
    assert set(verify(MERGING, tmp_path / "pieces.gz").counts) == {"activation_regions", "affine_pieces"}
    assert b'"joins"' not in gzip.decompress((tmp_path / "pieces.gz").read_bytes())


DOMAINS = {
    "a box beside the origin": Box(np.array([0.1, 0.3]), np.array([0.7, 0.30000001])),
    "a fixed coordinate": Box(np.array([-1.0, 0.25]), np.array([1.0, 0.25])),
    "a point": Box(np.array([0.1, 0.2]), np.array([0.1, 0.2])),
    "a slice": Slice(np.array([0.1, -0.2]), np.array([[1.0, 0.5]]), Box.from_bounds(-1, 2, 1)),
}


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS.keys())
def test_the_frame_fits_every_domain(domain: Any, tmp_path: Path) -> None:
    problem = Problem(PLANAR.network, domain)
    frame, free = frame_of(problem), problem.free
    assert len(frame.reference) == len(frame.widths) == free.network.inputs
    assert len(frame.exponents) == free.network.neurons
    result = count_regions(problem, certificate=tmp_path / "certificate.gz")
    assert verify(PLANAR.network, tmp_path / "certificate.gz").counts == values(result)


def test_a_network_without_hidden_layers_has_a_certificate(tmp_path: Path) -> None:
    affine = Network.from_arrays([([[1.0, 2.0]], [0.5])])
    count_regions(Problem(affine, Box.from_bounds(0, 1, 2)), certificate=tmp_path / "affine.gz")
    assert set(verify(affine, tmp_path / "affine.gz").counts.values()) == {1}


def test_slices_in_any_order_make_one_certificate() -> None:
    problem = Problem(PLANAR.network, PLANAR.domain, certificate=True)
    order = random.Random(3)
    tally, frontier = Tally(), [OpenCube(Cube(), 1, 2**24)]
    while frontier:
        order.shuffle(frontier)
        settlement = settle(problem, frontier.pop(), engine="tree", budget=Budget(regions=3))
        tally = tally.plus(settlement)
        frontier += settlement.open
    assert len(tally.parts) > 5
    result, binding = conclude_certified(problem, tally, engine="tree")
    parts = list(tally.parts)
    order.shuffle(parts)
    data = b"".join(binding.round(parts))
    assert verify(PLANAR.network, BytesIO(data)).counts == values(result)
    assert gzip.decompress(data).endswith(b'{"end":%d}\n' % len(parts))


def test_threads_that_share_the_work_share_the_certificate(tmp_path: Path) -> None:
    problem = network_problem(next(case for case in NETWORKS if case["name"] == "planar_16x3"))
    result = count_regions(problem, certificate=tmp_path / "shared.gz", workers=2)
    assert verify(problem.network, tmp_path / "shared.gz").counts == values(result)


def test_a_limit_leaves_no_certificate(tmp_path: Path) -> None:
    result = count_regions(PLANAR, certificate=tmp_path / "none.gz", budget=Budget(regions=5))
    assert result.status is Status.LOWER_BOUND
    assert result.certificate is None
    assert list(tmp_path.iterdir()) == []


def test_a_second_engine_confirms_what_is_certified(tmp_path: Path) -> None:
    result = count_regions(PLANAR, certificate=tmp_path / "checked.gz", cross_check="skeleton")
    assert result.cross_checked_by == "skeleton"
    assert verify(PLANAR.network, tmp_path / "checked.gz").counts == values(result)


@pytest.mark.parametrize("place", ["missing/file.gz", "."])
def test_a_place_that_takes_no_file_is_refused_before_anything_is_counted(place: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be written"):
        count_regions(PLANAR, certificate=tmp_path / place, on_progress=lambda _: pytest.fail("counted"))


def test_what_is_never_certified_is_refused(tmp_path: Path) -> None:
    problem = Problem(PLANAR.network, PLANAR.domain, (Definition.CLOSED_LINEAR_REGIONS,))
    with pytest.raises(InvalidRequest, match="does not cover closed_linear_regions"):
        count_regions(problem, certificate=tmp_path / "never.gz")
