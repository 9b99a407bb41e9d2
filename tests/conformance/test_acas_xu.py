"""Networks of the ACAS Xu benchmark on the box of property 3 of VNN-COMP, shrunk about its centre."""

import numpy as np
import pytest

from known_cases import ACAS_XU, NO_ACAS_XU
from relucensus import Box, Count, Definition, Problem, Status, count_regions, read_model

LOWER = np.array([-0.303531156, -0.009549297, 0.493380324, 0.3, 0.3])
UPPER = np.array([-0.298552812, 0.009549297, 0.5, 0.5, 0.5])


@pytest.mark.acasxu
@pytest.mark.skipif(ACAS_XU is None, reason=NO_ACAS_XU)
@pytest.mark.parametrize(("name", "known"), [("1_9", 13), ("3_3", 110)])
def test_a_quarter_of_the_box_has_its_known_count(name: str, known: int) -> None:
    assert ACAS_XU is not None
    network = read_model((ACAS_XU / f"ACASXU_run2a_{name}_batch_2000.onnx").read_bytes()).network
    centre, reach = (LOWER + UPPER) / 2, (UPPER - LOWER) / 8
    result = count_regions(Problem(network, Box(centre - reach, centre + reach)), engine="milp")
    assert result.status is Status.EXACT
    assert result.counts[Definition.ACTIVATION_REGIONS].value == known


def whole_box(name: str) -> Problem:
    assert ACAS_XU is not None
    network = read_model((ACAS_XU / f"ACASXU_run2a_{name}_batch_2000.onnx").read_bytes()).network
    return Problem(network, Box(LOWER.copy(), UPPER.copy()), (Definition.ACTIVATION_REGIONS,))


@pytest.mark.acasxu
@pytest.mark.skipif(ACAS_XU is None, reason=NO_ACAS_XU)
@pytest.mark.parametrize("engine", ["tree", "skeleton"])
@pytest.mark.parametrize(("name", "known"), [("1_9", 293), ("3_3", 7935)])
def test_the_whole_box_has_its_known_count(name: str, known: int, engine: str) -> None:
    result = count_regions(whole_box(name), engine=engine)
    assert result.counts[Definition.ACTIVATION_REGIONS] == Count(known)
    assert result.regions_after_layer[-1] == known
    assert result.statistics.handed_over == 0


@pytest.mark.acasxu
@pytest.mark.skipif(ACAS_XU is None, reason=NO_ACAS_XU)
@pytest.mark.parametrize(("first", "second"), [("skeleton", "tree"), ("auto", "skeleton")])
def test_two_engines_confirm_each_other(first: str, second: str) -> None:
    result = count_regions(whole_box("3_3"), engine=first, cross_check=second)
    assert result.counts[Definition.ACTIVATION_REGIONS] == Count(7935)
    assert result.cross_checked_by == second
