"""A thousand random small networks of every kind that floating point gets wrong: tree and skeleton against brute."""

from collections.abc import Callable

import pytest

from random_networks import ALL, KINDS, Arrays, drawn
from relucensus import Definition, Problem, Status, count_regions

NETWORKS_A_KIND = 60
FUNCTION = (Definition.ACTIVATION_REGIONS, Definition.LINEAR_REGIONS, Definition.AFFINE_PIECES)


def counts(problem: Problem, engine: str, definitions: tuple[Definition, ...]) -> list[int]:
    result = count_regions(Problem(problem.network, problem.domain, definitions), engine=engine)
    assert result.status is Status.EXACT
    return [count.value for count in result.counts.values()] + list(result.regions_after_layer)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_tree_and_skeleton_count_what_the_oracle_counts(kind: Callable[..., Arrays]) -> None:
    for seed in range(NETWORKS_A_KIND):
        problem = drawn(kind, seed)
        definitions = FUNCTION if seed % 3 else ALL
        oracle = counts(problem, "brute", definitions)
        found = {engine: counts(problem, engine, definitions) for engine in ("tree", "skeleton")}
        assert found == {"tree": oracle, "skeleton": oracle}, f"seed {seed}"
