"""Ctrl-C, and tasks that are cancelled: what happens to the job, and what is said about it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from relucensus_client import InvalidArgument

COMMAND = str(Path(sys.executable).with_name("relucensus"))


def test_ctrl_c_may_cancel_the_job(service: Any, documents: Any, capsys: pytest.CaptureFixture[str]) -> None:
    service.answers = [
        documents.job(),
        KeyboardInterrupt(),
        httpx.Response(202, json=documents.job(state="cancelling")),
    ]
    with service.client() as client, pytest.raises(KeyboardInterrupt):
        client.count(b"123", lower=0, upper=1, on_interrupt="cancel")
    assert service.asked == ["POST /count", "GET /count/job-1", "POST /count/job-1/cancel"]
    said = capsys.readouterr().err
    assert "Job job-1 was asked to stop; what it has counted becomes its result" in said
    assert "relucensus wait job-1 --url http://service.test" in said


def test_a_job_that_could_not_be_cancelled_goes_on_and_that_is_said(
    service: Any, documents: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    service.answers = [documents.job(), KeyboardInterrupt(), httpx.ConnectError("refused")]
    with service.client() as client, pytest.raises(KeyboardInterrupt):
        client.count(b"123", lower=0, upper=1, on_interrupt="cancel")
    assert len(service.requests) == 3
    said = capsys.readouterr().err
    assert "The job could not be cancelled: the service at http://service.test gave no answer (refused)" in said
    assert "Job job-1 goes on at http://service.test" in said


def test_ctrl_c_while_submitting_says_that_there_may_be_a_job(service: Any, capsys: pytest.CaptureFixture[str]) -> None:
    service.answers = [KeyboardInterrupt()]
    with service.client() as client, pytest.raises(KeyboardInterrupt):
        client.submit(b"123", lower=0, upper=1, idempotency_key="mine-1")
    said = capsys.readouterr().err
    assert "http://service.test may have begun a job" in said
    assert "mine-1" in said


def test_what_else_ctrl_c_should_do_is_refused(service: Any, documents: Any) -> None:
    service.answers = [documents.job()]
    with service.client() as client:
        with pytest.raises(InvalidArgument, match="'detach' or 'cancel'"):
            client.job("job-1").wait(on_interrupt="explode")
        with pytest.raises(InvalidArgument, match="'detach' or 'cancel'"):
            client.count(b"123", lower=0, upper=1, on_interrupt="explode")
    assert service.asked == ["GET /count/job-1"]


@pytest.mark.parametrize("on_interrupt", ["detach", "cancel"])
def test_a_cancelled_task_leaves_or_cancels_the_job_and_its_error_says_so(
    service: Any, documents: Any, capsys: pytest.CaptureFixture[str], on_interrupt: Any
) -> None:
    service.answers = [documents.job()]

    async def work() -> list[str]:
        async with service.async_client() as client:
            job = await client.job("job-1")
            waiting = asyncio.create_task(job.wait(on_interrupt=on_interrupt))
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await waiting
            return caught.value.__notes__

    (note,) = asyncio.run(work())
    if on_interrupt == "cancel":
        assert service.asked[-1] == "POST /count/job-1/cancel"
        assert "Job job-1 was asked to stop" in note
    else:
        assert "POST /count/job-1/cancel" not in service.asked
        assert "Job job-1 goes on" in note
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "said", "asked"),
    [
        (["wait", "job-1", "--cancel-on-interrupt"], "Job job-1 was asked to stop", "POST /count/job-1/cancel"),
        (["events", "job-1"], "No longer following. Job job-1 goes on at ", "GET /count/job-1"),
    ],
)
def test_ctrl_c_on_the_command_line(
    served: str, service: Any, documents: Any, arguments: list[str], said: str, asked: str
) -> None:
    service.answers = [documents.job()]
    process = subprocess.Popen(
        [COMMAND, *arguments, "--url", served], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    while len(service.requests) < 3:
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said in error
    assert "Traceback" not in error
    assert service.asked[-1] == asked
