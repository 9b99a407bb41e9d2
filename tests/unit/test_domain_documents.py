"""Domains as they appear in requests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from relucensus import Box, Slice
from relucensus.errors import InvalidDomain
from relucensus.values.domain import domain_from_json


def test_a_box_and_a_slice_survive_the_way_through_json() -> None:
    box = domain_from_json(Box.from_bounds(-1, [1, 2], 2).to_json(), 2)
    assert isinstance(box, Box)
    np.testing.assert_array_equal(box.upper, [1, 2])
    plane = Slice.through([[0, 0, 0], [1, 0, 0], [0, 2, 0]], lower=-1, upper=[1, 3])
    found = domain_from_json(plane.to_json(), 3)
    assert isinstance(found, Slice)
    assert found.to_json() == plane.to_json()


def test_a_domain_without_a_kind_is_a_box() -> None:
    assert isinstance(domain_from_json({"lower": 0, "upper": 1}, 3), Box)


LINE = {"kind": "slice", "origin": [0, 0], "directions": [[1, 1]], "lower": 0, "upper": 1}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"kind": "ball"}, "kind 'ball' does not exist; known are box, slice"),
        ({"kind": ["box"]}, "does not exist"),
        ({"lower": 0}, "the box has lower; needed are lower, upper"),
        ({"kind": "slice", "lower": 0, "upper": 1}, "the slice has lower, upper; needed are origin, directions"),
        (LINE | {"more": 1}, "the slice has directions, lower, more"),
        (LINE | {"origin": [0, 0, 0]}, "origin has shape"),
        (LINE | {"origin": [0, 0, 0], "directions": [[1, 1, 1]]}, "has 3 coordinates, the network has 2 inputs"),
        (LINE | {"directions": [[1, 1], [1]]}, "must be lists of numbers"),
        (LINE | {"directions": []}, "directions"),
        (LINE | {"directions": [[1, float("nan")]]}, "directions[0, 1] is nan"),
        (LINE | {"origin": [0, float("inf")]}, "origin[1] is inf"),
        (LINE | {"upper": [1, 1]}, "upper has shape [2]"),
        (LINE | {"upper": -1}, "lower[0] = 0.0 is above upper[0]"),
    ],
)
def test_a_document_that_is_no_domain_of_the_network_is_refused(document: Any, words: str) -> None:
    with pytest.raises(InvalidDomain) as caught:
        domain_from_json(document, 2)
    assert words in str(caught.value)
