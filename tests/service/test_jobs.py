import pytest

from relucensus.engines.protocol import OpenCube
from relucensus.values.pattern import Cube
from relucensus_service.jobs import Frontier, FrontierCube, IllegalTransition, Job, JobState, root_cube

LEGAL = {
    (JobState.QUEUED, JobState.RUNNING),
    (JobState.QUEUED, JobState.CANCELLING),
    (JobState.RUNNING, JobState.CANCELLING),
    (JobState.RUNNING, JobState.SUCCEEDED),
    (JobState.RUNNING, JobState.FAILED),
    (JobState.CANCELLING, JobState.CANCELLED),
    (JobState.CANCELLING, JobState.FAILED),
    (JobState.SUCCEEDED, JobState.QUEUED),
    (JobState.FAILED, JobState.QUEUED),
    (JobState.CANCELLED, JobState.QUEUED),
}


def job(state: JobState) -> Job:
    return Job("j", 1, state, "sha256:0", {}, {}, None, 0, created_at=0.0)


@pytest.mark.parametrize("before", JobState)
@pytest.mark.parametrize("after", JobState)
def test_only_the_drawn_transitions_are_possible(before: JobState, after: JobState) -> None:
    if (before, after) in LEGAL:
        assert job(before).moved_to(after).state is after
    else:
        with pytest.raises(IllegalTransition, match=before.value):
            job(before).moved_to(after)


def test_done_states_are_the_three_ends() -> None:
    assert {state for state in JobState if state.done} == {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


@pytest.mark.parametrize("state", JobState)
def test_cancelling_twice_or_too_late_changes_nothing(state: JobState) -> None:
    once = job(state).cancelled()
    assert once.cancelled() == once
    assert once.state in (state, JobState.CANCELLING)


def test_a_cancelled_job_concludes_as_cancelled() -> None:
    assert job(JobState.CANCELLING).concluded().state is JobState.CANCELLED
    assert job(JobState.RUNNING).concluded().state is JobState.SUCCEEDED


def cube(number: int, text: str) -> FrontierCube:
    return FrontierCube(number, OpenCube(Cube.from_text(text), 1, 99))


def test_the_frontier_gives_the_deepest_cube_first_and_counts_what_is_taken() -> None:
    frontier = Frontier.of([cube(1, "0"), cube(2, "101"), cube(3, "11")])
    taken = frontier.take()
    assert taken is not None
    assert taken.id == 2
    assert (len(frontier), frontier.taken) == (3, 1)
    frontier.settle(2, [cube(4, "1010"), cube(5, "1011")])
    assert (len(frontier), frontier.taken) == (4, 0)


def test_a_cube_put_back_is_taken_again() -> None:
    frontier = Frontier.of([cube(1, "0")])
    taken = frontier.take()
    assert taken is not None
    assert frontier.take() is None
    frontier.put_back(taken)
    assert frontier.take() == taken


def test_the_root_cube_bounds_the_number_of_patterns() -> None:
    root = root_cube(100)
    assert (root.cube.depth, root.found, root.at_most) == (0, 1, 2**100)
