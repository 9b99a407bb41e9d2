"""The monitor with a made-up solver that a distribution of the test's own provides, in a real process of its own."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from relucensus_client import InvalidArgument, MissingPart, RegionMonitor, _parts

SOLVER = """
import hashlib, os, time
from pathlib import Path

def count_file(data, request, *, files, workers, on_progress):
    if data.startswith(b"wait"):
        while not Path(__file__).with_name("go").exists():
            time.sleep(0.01)
    if data == b"refused":
        return {"result": None, "error": {"title": "Invalid network", "status": 422, "detail": "a weight is nan"}}
    if data == b"bug":
        raise ZeroDivisionError("a bug")
    if data == b"deadly":
        os._exit(3)
    print("something that a library prints")
    value = int(hashlib.sha256(data).hexdigest()[:6], 16)
    counts = {name: {"value": value, "status": "exact"} for name in request["definitions"]}
    if data == b"large":
        counts["activation_regions"] = {"value": 5, "status": "lower_bound", "upper_bound": 2**70}
    return {"result": {"counts": counts, "engine": "made-up", "statistics": {"wall_seconds": 0.25}}, "error": None}
"""
ONE = {"lower": -1, "upper": 1, "definitions": ["activation_regions"], "nice": 0}
STEP = """
import sys, time
from relucensus_client import RegionMonitor
with RegionMonitor(lower=-1, upper=1, nice=0) as monitor:
    monitor.step(b"wait")
    print(monitor._process.pid, monitor._folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution whose solver counts what its file says; a file `go` beside it ends its waiting."""
    (tmp_path / "made_up_solver.py").write_text(SOLVER)
    metadata = tmp_path / "made_up_solver-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: made_up_solver\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{_parts.IN_PROCESS}]\ncount = made_up_solver:count_file\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def monitor(solver: Path) -> Iterator[Callable[..., RegionMonitor]]:
    """Make a monitor; it is closed in the end."""
    made: list[RegionMonitor] = []

    def make(**options: Any) -> RegionMonitor:
        made.append(RegionMonitor(**(ONE | options)))
        return made[-1]

    yield make
    (solver / "go").touch()
    for one in made:
        one.close(20)


Make = Callable[..., RegionMonitor]


def sha(data: bytes) -> int:
    return int(hashlib.sha256(data).hexdigest()[:6], 16)


def until_gone(pid: int) -> None:
    end = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "the counting process is still there"
        time.sleep(0.02)


def test_the_history_has_a_row_for_each_snapshot_and_definition(monitor: Make) -> None:
    following = monitor(definitions=["activation_regions", "linear_regions"])
    assert following.step(b"one", 7, epoch=1, accuracy=0.5)
    assert following.step(b"two", 8, epoch=1, loss=2)
    rows = following.close().rows
    assert [(row["step"], row["epoch"], row["definition"]) for row in rows] == [
        (7, 1, "activation_regions"),
        (7, 1, "linear_regions"),
        (8, 1, "activation_regions"),
        (8, 1, "linear_regions"),
    ]
    assert [row["count"] for row in rows] == [sha(b"one")] * 2 + [sha(b"two")] * 2
    assert {(row["status"], row["engine"], row["seconds"], row["reason"]) for row in rows} == {
        ("exact", "made-up", 0.25, None)
    }
    assert [(row["accuracy"], row["loss"]) for row in rows[1:3]] == [(0.5, None), (None, 2.0)]


@pytest.mark.parametrize(
    ("numbers", "taken"),
    [
        ([{}] * 5, [0, 3]),
        ([{"epoch": number} for number in range(5)], [0, 3]),
        ([{"step": number, "epoch": 0} for number in (5, 6, 8, 9, 12)], [6, 9, 12]),
    ],
)
def test_every_counts_calls_or_epochs_or_steps(monitor: Make, numbers: list[dict[str, int]], taken: list[int]) -> None:
    following = monitor(every=3)
    for number in numbers:
        following.step(b"model", **number)
    assert [row["step"] for row in following.close()] == taken


def test_a_full_backlog_skips_and_the_history_says_so(
    monitor: Make, solver: Path, caplog: pytest.LogCaptureFixture
) -> None:
    following = monitor(backlog=2)
    assert [following.step(f"wait {number}".encode(), accuracy=number) for number in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert [row["status"] for row in following.history()] == ["open", "open", "skipped", "skipped"]
    (solver / "go").touch()
    with caplog.at_level(logging.WARNING):
        rows = following.close().rows
    assert [row["status"] for row in rows] == ["exact", "exact", "skipped", "skipped"]
    assert rows[2]["reason"] == "the backlog was full: 2 snapshots were not counted yet"
    assert [row["accuracy"] for row in rows] == [0, 1, 2, 3]
    assert "2 of 4 snapshots have no count (2 skipped), those of the steps 2, 3" in caplog.text


def test_a_full_backlog_makes_the_loop_wait_if_told_so(monitor: Make, solver: Path) -> None:
    following = monitor(backlog=1, when_full="wait")
    following.step(b"wait 1")
    go = threading.Timer(0.3, (solver / "go").touch)
    go.start()
    assert following.step(b"wait 2")
    assert (solver / "go").exists()
    go.join()
    assert [row["status"] for row in following.close()] == ["exact", "exact"]


def test_what_is_counted_are_the_bytes_of_the_snapshot_and_not_what_training_makes_of_them(
    monitor: Make, solver: Path
) -> None:
    torch = pytest.importorskip("torch")
    from relucensus_client._torch_module import stack_bytes  # noqa: PLC0415 - loads torch

    model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    following = monitor()
    following.step(b"wait", -1)  # so that nothing is read before the changes below
    expected = []
    for step in range(5):
        expected.append(sha(stack_bytes(model)[0]))
        following.step(model, step)
        with torch.no_grad():
            model[0].weight += 1.0
    (solver / "go").touch()
    assert len(set(expected)) == 5
    assert [row["count"] for row in following.close()][1:] == expected


def test_a_failed_count_is_a_row_and_the_others_go_on(monitor: Make) -> None:
    following = monitor()
    for data in (b"refused", b"bug", b"fine"):
        following.step(data)
    rows = following.close().rows
    assert [row["status"] for row in rows] == ["failed", "failed", "exact"]
    assert rows[0]["reason"] == "Invalid network: a weight is nan"
    assert rows[1]["reason"] == "ZeroDivisionError: a bug"


def test_a_snapshot_that_kills_the_process_twice_fails_and_the_others_are_counted(monitor: Make) -> None:
    following = monitor()
    for data in (b"one", b"deadly", b"two"):
        following.step(data)
    rows = following.close().rows
    assert [(row["status"], row["count"]) for row in rows] == [
        ("exact", sha(b"one")),
        ("failed", None),
        ("exact", sha(b"two")),
    ]
    assert rows[1]["reason"] == "the process that counts has died (exit status 3), twice at this snapshot"


def test_a_process_that_is_killed_is_replaced_and_nothing_is_lost(monitor: Make, solver: Path) -> None:
    following = monitor()
    following.step(b"wait 1")
    os.kill(following._process.pid, signal.SIGKILL)
    following.step(b"wait 2")
    (solver / "go").touch()
    assert [row["count"] for row in following.close()] == [sha(b"wait 1"), sha(b"wait 2")]


def test_the_loop_goes_on_while_the_process_does_not_move(monitor: Make) -> None:
    following = monitor(backlog=1000)
    os.kill(following._process.pid, signal.SIGSTOP)
    try:
        for number in range(200):
            assert following.step(b"x" * 100_000 + bytes([number]))
    finally:
        os.kill(following._process.pid, signal.SIGCONT)
    rows = following.close().rows
    assert [row["count"] for row in rows] == [sha(b"x" * 100_000 + bytes([number])) for number in range(200)]


def test_closing_reports_what_is_missing_and_leaves_nothing(monitor: Make, caplog: pytest.LogCaptureFixture) -> None:
    following = monitor()
    following.step(b"one")
    while following.history().rows[0]["status"] == "open":
        time.sleep(0.01)
    following.step(b"wait", 5)
    pid, folder = following._process.pid, following._folder
    assert folder.exists()
    with caplog.at_level(logging.WARNING):
        rows = following.close(0.2).rows
    assert [row["status"] for row in rows] == ["exact", "missing"]
    assert rows[1]["reason"] == "not counted when the monitor was closed"
    assert "1 of 2 snapshots have no count (1 missing), those of the steps 5" in caplog.text
    until_gone(pid)
    assert not folder.exists()
    assert following.close().rows == rows
    with pytest.raises(InvalidArgument, match="closed"):
        following.step(b"one")


def test_an_error_in_the_loop_is_not_kept_waiting(monitor: Make) -> None:
    following = monitor()
    started = time.monotonic()

    def train() -> None:
        with following:
            following.step(b"wait")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert time.monotonic() - started < 15
    assert [row["status"] for row in following.history()] == ["missing"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_training_that_is_stopped_leaves_no_process_and_no_files(solver: Path, how: signal.Signals) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(solver), *sys.path])}
    training = subprocess.Popen(
        [sys.executable, "-c", STEP], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, process_group=0
    )
    assert training.stdout is not None
    pid, folder = training.stdout.readline().decode().split()
    os.killpg(training.pid, how)  # as Ctrl-C does
    said = training.communicate(timeout=30)[1].decode()
    until_gone(int(pid))
    assert not Path(folder).exists()
    if how == signal.SIGINT:
        assert said.count("KeyboardInterrupt") == 1


def test_a_monitor_that_nobody_closes_is_ended_with_it(solver: Path) -> None:
    following = RegionMonitor(**ONE)
    following.step(b"wait")
    pid, folder = following._process.pid, following._folder
    del following
    until_gone(pid)
    assert not folder.exists()


def test_without_a_solver_the_monitor_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parts, "entry_points", lambda **_: [])
    with pytest.raises(MissingPart, match="RegionMonitor without a service needs the solver, which is not installed"):
        RegionMonitor(lower=-1, upper=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"every": 0}, "every is 0"),
        ({"backlog": True}, "backlog is True"),
        ({"when_full": "drop"}, "needed is 'skip' or 'wait'"),
        ({"lower": None}, "domain is not given"),
        ({"fresh": True}, "fresh is for a count on a service"),
        ({"service": "nonsense"}, "url is 'nonsense'"),
        ({"definitions": "activation_regions"}, "needed is a list"),
    ],
)
def test_arguments_that_cannot_work_are_refused_at_once(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        RegionMonitor(**({"lower": -1, "upper": 1} | options))


def test_what_is_measured_and_numbered_has_to_be_numbers(monitor: Make) -> None:
    following = monitor()
    for wrong in ({"count": 1}, {"loss": "high"}, {"step": 1.5}):
        with pytest.raises(InvalidArgument):
            following.step(b"one", **wrong)
    with pytest.raises(InvalidArgument, match="uploaded"):
        following.step("sha256:ab")
    assert following.open == 0
