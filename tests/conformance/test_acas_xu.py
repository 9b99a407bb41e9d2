"""Networks of the ACAS Xu benchmark on the box of property 3 of VNN-COMP, shrunk about its centre."""

import numpy as np
import pytest

from known_cases import ACAS_XU, NO_ACAS_XU
from relucensus import Box, Definition, Problem, Status, count_regions, read_model

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


@pytest.mark.acasxu
@pytest.mark.skipif(ACAS_XU is None, reason=NO_ACAS_XU)
@pytest.mark.parametrize(("name", "known"), [("1_9", 293), ("3_3", 7935)])
def test_skeleton_counts_the_whole_box(name: str, known: int) -> None:
    assert ACAS_XU is not None
    network = read_model((ACAS_XU / f"ACASXU_run2a_{name}_batch_2000.onnx").read_bytes()).network
    problem = Problem(network, Box(LOWER.copy(), UPPER.copy()), (Definition.ACTIVATION_REGIONS,))
    result = count_regions(problem, engine="skeleton")
    assert result.status is Status.EXACT
    assert result.counts[Definition.ACTIVATION_REGIONS].value == known
    assert result.statistics.handed_over == 0
