"""Where the decision of a network changes, against the network's own outputs at points."""

import time
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from relucensus import Box, Network, Problem, polygons_of
from relucensus.errors import InvalidRequest
from relucensus.geometry.decision import decision_segments

STEPS = 41
Floats = NDArray[np.float64]


def random_network(seed: int, sizes: list[int]) -> Network:
    rng = np.random.default_rng(seed)
    return Network.from_arrays([(rng.normal(size=(n, m)), rng.normal(size=n) / 4) for m, n in pairwise(sizes)])


def outputs_at(network: Network, points: Floats) -> Floats:
    values = points
    for layer in network.hidden:
        values = np.maximum(values @ layer.weights.T + layer.bias, 0)
    return np.asarray(values @ network.output.weights.T + network.output.bias)


def decision_segments_of(network: Network, outputs: tuple[int, int] | None = None) -> Floats:
    return decision_segments(polygons_of(Problem(network, Box.from_bounds(-1, 1, 2))), outputs)


def middles_between_decisions(network: Network) -> Floats:
    """Between neighbours on a grid at which the decision is not the same."""
    ticks = np.linspace(-1, 1, STEPS)
    grid = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1)
    found = outputs_at(network, grid.reshape(-1, 2)).reshape(STEPS, STEPS, -1)
    decided = found.argmax(axis=2) if found.shape[2] > 1 else found[:, :, 0] >= 0
    middles = []
    for here, there in ((np.s_[1:, :], np.s_[:-1, :]), (np.s_[:, 1:], np.s_[:, :-1])):
        middles.append((grid[here] + grid[there])[decided[here] != decided[there]] / 2)
    return np.concatenate(middles)


def distances(points: Floats, segments: Floats) -> Floats:
    """Of each point to the nearest segment."""
    start, along = segments[:, 0], segments[:, 1] - segments[:, 0]
    lengths = np.maximum((along**2).sum(axis=1), 1e-300)
    share = np.clip(((points[:, None] - start) * along).sum(axis=2) / lengths, 0, 1)
    return np.asarray(np.linalg.norm(points[:, None] - start - share[..., None] * along, axis=2).min(axis=1))


@pytest.mark.parametrize("outputs", [1, 2, 3, 7])
@pytest.mark.parametrize("seed", [0, 1, 3])
def test_the_decision_changes_there_and_nowhere_else(seed: int, outputs: int) -> None:
    network = random_network(seed, [2, 10, 8, outputs])
    segments = decision_segments_of(network)
    found = np.sort(outputs_at(network, segments.mean(axis=1)), axis=1)
    gaps = found[:, -1] - found[:, -2] if outputs > 1 else np.abs(found[:, 0])
    assert (gaps < 1e-9).all()
    middles = middles_between_decisions(network)
    assert len(middles)
    assert (distances(middles, segments) <= 1 / (STEPS - 1) + 1e-9).all()


def test_two_outputs_are_compared_whatever_the_others_are() -> None:
    network = random_network(0, [2, 10, 8, 7])
    segments = decision_segments_of(network, (1, 4))
    found = outputs_at(network, segments.mean(axis=1))
    assert len(segments)
    assert np.allclose(found[:, 1], found[:, 4])


@pytest.mark.parametrize("outputs", [(0, 0), (0, 3), (-1, 1)])
def test_outputs_that_do_not_exist_are_refused(outputs: tuple[int, int]) -> None:
    with pytest.raises(InvalidRequest, match="needed are two different numbers from 0 to 2"):
        decision_segments_of(random_network(0, [2, 4, 3]), outputs)


def test_many_outputs_take_no_more_than_a_moment() -> None:
    polygons = polygons_of(Problem(random_network(1, [2, 24, 24, 400]), Box.from_bounds(-1, 1, 2)))
    started = time.process_time()
    assert len(decision_segments(polygons))
    assert time.process_time() - started < 10
