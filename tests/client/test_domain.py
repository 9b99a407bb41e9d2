"""Domains as callers give them: boxes, slices and their files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relucensus_client import InvalidArgument, Slice
from relucensus_client._cli_domain import given_domain
from relucensus_client._domain import domain_document
from relucensus_client._requests import count_request

LINE = {"kind": "slice", "origin": [0.0, 1.0], "directions": [[1.0, 2.0]], "lower": 0.0, "upper": 1.0}


@pytest.mark.parametrize(
    "domain",
    [
        Slice([0, 1], [[1, 2]]),
        Slice(np.array([0, 1]), np.array([[1, 2]])),  # type: ignore[arg-type]
        Slice.through([[0, 1], [1, 3]]),
        Slice.through([np.array([0, 1]), np.array([1, 3])]),
        {"kind": "slice", "origin": (0, 1), "directions": np.array([[1, 2]]), "lower": 0, "upper": 1},
    ],
)
def test_a_slice_may_be_given_in_many_ways(domain: Any) -> None:
    assert count_request(None, None, {}, domain) == {"domain": LINE}


def test_a_plane_goes_through_three_points_and_may_be_bounded() -> None:
    plane = Slice.through([[0, 0, 0], [1, 0, 2], [0, 1, 0]], lower=[-1, 0], upper=2).to_json()
    assert plane["directions"] == [[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]]
    assert (plane["lower"], plane["upper"]) == ([-1.0, 0.0], 2.0)


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        (Slice([0, math.nan], [[1, 2]]), r"origin\[1\] is nan"),
        (Slice([0, 1], [[1, "x"]]), r"directions\[0\]\[1\] is 'x'"),  # type: ignore[list-item]
        (Slice([0, 1], 5), "directions is 5; needed is a list"),  # type: ignore[arg-type]
        (Slice([0, 1], [[1, 2]], upper=math.inf), "upper is inf"),
        ({"kind": "box", "lower": math.nan, "upper": 1}, "lower is nan"),
        (5, "domain is a int; needed is a Slice or a mapping"),
    ],
)
def test_a_domain_with_a_wrong_number_is_refused_by_name(domain: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        domain_document(None, None, domain)


@pytest.mark.parametrize("points", [[], [[1, 2]], [[1, 2], [1]]])
def test_points_that_span_nothing_are_refused(points: Any) -> None:
    with pytest.raises(InvalidArgument, match="goes through points of lengths"):
        Slice.through(points)


@pytest.mark.parametrize(
    ("lower", "upper", "domain", "said"),
    [
        (None, None, None, "the domain is not given"),
        (0, None, None, "the domain is not given"),
        (0, 1, Slice([0], [[1]]), "the domain is given twice"),
    ],
)
def test_exactly_one_domain_is_needed(lower: Any, upper: Any, domain: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        count_request(lower, upper, {}, domain)


@pytest.mark.parametrize(
    "document",
    [
        {"origin": [0, 1], "directions": [[1, 2]]},
        LINE,
        {"points": [[0, 1], [1, 3]], "lower": 0},
    ],
)
def test_a_slice_may_be_a_file(tmp_path: Path, document: Any) -> None:
    path = tmp_path / "slice.json"
    path.write_text(json.dumps(document))
    assert given_domain(None, None, str(path), None) == LINE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", "is not an object with origin and directions, or points"),
        ('{"origin": [0], "directions": [[1]], "points": []}', "is not an object with"),
        ('{"points": 5}', "is not a list"),
        ('{"points": [[NaN], [1]]}', r"point 0\[0\] is nan"),
    ],
)
def test_a_file_that_is_no_slice_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "slice.json"
    path.write_text(text)
    with pytest.raises(InvalidArgument, match=said):
        given_domain(None, None, str(path), None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((None, None, None, None), "given by none; needed is"),
        (("0", "1", "x", None), "given by --lower/--upper and --slice; needed is"),
        ((None, None, "x", "y"), "given by --slice and --vnnlib"),
        (("0", None, None, None), "half a box"),
        ((None, None, "/nothing/there", None), "file /nothing/there cannot be read"),
        (("0", "1", None, None, 1), "--box is for the boxes of a VNN-LIB file"),
        (("0", "x", None, None), "--upper is 'x'"),
    ],
)
def test_exactly_one_domain_is_needed_on_the_command_line(options: Any, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        given_domain(*options)
