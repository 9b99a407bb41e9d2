from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from relucensus_client.cli import app

COMMAND = str(Path(sys.executable).with_name("relucensus"))
EVENTS = {"Content-Type": "text/event-stream"}
BOX = ["--lower", "-1,-2", "--upper", "1"]


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner(env={"RELUCENSUS_URL": None, "RELUCENSUS_API_KEY": None, "COLUMNS": "200", **environment}).invoke(
        app, list(arguments)
    )


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"123")
    return str(path)


def test_help_lists_every_verb_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from relucensus_client.cli import app;"
        "text = CliRunner().invoke(app, ['--help']).output;"
        "verbs = 'count regions verify submit status wait events cancel retry delete upload certificate list'.split();"
        "verbs += 'serve api runner migrate keys'.split();"
        "heavy = {'torch', 'onnx', 'highspy', 'pyomo', 'numpy', 'relucensus', 'relucensus_service'};"
        "print([verb for verb in verbs if f' {verb} ' not in text], sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[] []"


def test_count_on_a_service_prints_the_counts(served: str, service: Any, documents: Any, model: str) -> None:
    service.answers = [httpx.Response(202, json=documents.job()), documents.job(), documents.finished()]
    answer = run("count", model, *BOX, "--engine", "milp", "--definitions", "activation_regions, x", "--url", served)
    assert answer.exit_code == 0
    assert service.request_document(0) == {
        "domain": {"kind": "box", "lower": [-1.0, -2.0], "upper": 1.0},
        "engine": "milp",
        "definitions": ["activation_regions", "x"],
    }
    lines = [line.rstrip() for line in answer.stdout.splitlines()]
    assert lines[:2] == [
        "activation regions  1,152,921,504,606,846,977  exact",
        "linear regions                          1,234  exact",
    ]
    assert lines[3:] == [
        "network                   2 inputs, hidden 8-8 (16 neurons, 3 of them stable)",
        "regions after each layer  7 then 1,234",
        "engine                    milp",
        "time                      1.50 s",
        "",
        "Bounds from the literature:",
        "montufar 2017             5,000",
        "montufar 2017 (unstable)  400",
    ]


def test_json_is_the_result_alone_on_stdout(served: str, service: Any, documents: Any, model: str) -> None:
    service.answers = [documents.job(), documents.finished()]
    answer = run("count", model, *BOX, "--url", served, "--json")
    assert json.loads(answer.stdout) == documents.result
    assert answer.stderr == ""


def test_every_option_reaches_the_request(served: str, service: Any, documents: Any, model: str) -> None:
    service.answers = [documents.job()]
    options = {
        "--strategy": "plain",
        "--seconds": "1.5",
        "--regions": "10",
        "--cross-check": "brute",
        "--activation": "relu",
        "--deadline": "2030-01-31T12:00:00Z",
        "--idempotency-key": "mine-1",
        "--api-key": "rlc_1",
    }
    words = [word for pair in options.items() for word in pair]
    answer = run("submit", model, *BOX, "--url", served, "--fresh", *words)
    assert (answer.exit_code, answer.stdout) == (0, "job-1\n")
    assert service.request_document() == {
        "domain": {"kind": "box", "lower": [-1.0, -2.0], "upper": 1.0},
        "strategy": "plain",
        "limits": {"seconds": 1.5, "regions": 10, "deadline": service.request_document()["limits"]["deadline"]},
        "cross_check": "brute",
        "activation": "relu",
        "fresh": True,
    }
    deadline = datetime.fromisoformat(service.request_document()["limits"]["deadline"])
    assert deadline == datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert service.requests[0].headers["Idempotency-Key"] == "mine-1"
    assert service.requests[0].headers["Authorization"] == "Bearer rlc_1"


def test_a_lower_bound_says_at_most_and_exits_with_3(served: str, service: Any, documents: Any, model: str) -> None:
    service.answers = [documents.finished(result=documents.lower_bound)]
    for answer in (run("count", model, *BOX, "--url", served), run("wait", "job-1", "--url", served)):
        assert answer.exit_code == 3
        assert "activation regions  50  lower bound, at most 900" in answer.stdout


def test_status_prints_progress_and_takes_the_address_from_the_environment(
    served: str, service: Any, documents: Any
) -> None:
    service.answers = [documents.job()]
    answer = run("status", "job-1", RELUCENSUS_URL=served)
    assert answer.exit_code == 0
    assert "10 regions so far, 4 cubes open, 2 regions/s" in answer.stdout
    assert json.loads(run("status", "job-1", "--json", RELUCENSUS_URL=served).stdout) == documents.job()


def test_status_prints_the_error_of_a_failed_job(served: str, service: Any, documents: Any) -> None:
    error = {"title": "Solver failure", "status": 500, "detail": "no answer"}
    service.answers = [documents.job(state="failed", done=True, error=error)]
    answer = run("status", "job-1", "--url", served)
    assert "Solver failure: no answer" in answer.stdout


def test_cancel_asks_once_and_prints_the_job(served: str, service: Any, documents: Any) -> None:
    service.answers = [documents.job(), documents.job(state="cancelling")]
    answer = run("cancel", "job-1", "--url", served)
    assert answer.exit_code == 0
    assert "cancelling" in answer.stdout
    assert [request.method for request in service.requests] == ["GET", "POST"]


def test_retry_prints_the_job_that_goes_on(served: str, service: Any, documents: Any) -> None:
    stopped = documents.finished(result=documents.lower_bound)
    service.answers = [stopped, httpx.Response(202, json=documents.job(state="queued"))]
    answer = run("retry", "job-1", "--json", "--url", served)
    assert json.loads(answer.stdout)["state"] == "queued"
    assert service.asked[-1] == "POST /count/job-1/retry"
    service.answers = [documents.finished(), documents.problem(409, "There is nothing to go on with")] * 2
    assert run("retry", "job-1", "--url", served).exit_code == 2


def test_delete_says_nothing_unless_there_is_no_such_job(served: str, service: Any, documents: Any) -> None:
    service.answers = [documents.job(), httpx.Response(204), documents.problem(404, "There is no such job")]
    assert (run("delete", "job-1", "--url", served).output, service.asked[-1]) == ("", "DELETE /count/job-1")
    answer = run("delete", "job-2", "--url", served)
    assert (answer.exit_code, answer.stderr) == (2, "error: There is no such job: because of that\n")


def test_upload_prints_the_digest(served: str, service: Any, documents: Any, model: str) -> None:
    kept = documents.result["network"] | {"format": "onnx"}
    service.answers = [httpx.Response(201, json=kept)]
    assert run("upload", model, "--activation", "abs", "--url", served).stdout == "sha256:ab\n"
    assert (service.asked, str(service.requests[0].url.params)) == (["POST /models"], "activation=abs")
    assert json.loads(run("upload", model, "--json", "--url", served).stdout) == kept


def test_events_prints_a_line_each_time_and_the_result_at_last(served: str, service: Any, documents: Any) -> None:
    done = documents.finished(result=documents.lower_bound)
    stream = documents.event("progress", 1, documents.job()) + documents.event("done", 2, done)
    service.answers = [documents.job(), httpx.Response(200, headers=EVENTS, content=stream)] * 2
    answer = run("events", "job-1", "--url", served)
    assert answer.exit_code == 3
    assert answer.stdout.splitlines()[:4] == [
        "running     10 regions so far, 4 cubes open, 2 regions/s",
        "succeeded",
        "",
        "activation regions  50  lower bound, at most 900",
    ]
    lines = run("events", "job-1", "--json", "--url", served).stdout.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["running", "succeeded"]


def test_the_regions_of_a_job_go_to_a_file(served: str, service: Any, documents: Any, tmp_path: Path) -> None:
    path = tmp_path / "regions.ndjson"
    service.answers = [documents.finished(), httpx.Response(200, content=b'{"digest": "aa"}\n')]
    words = ["--job", "job-1", "--output", str(path), "--format", "ndjson", "--columns", "digest, bias"]
    answer = run("regions", *words, RELUCENSUS_URL=served)
    assert (answer.exit_code, answer.stderr) == (0, f"the regions of job job-1 are written to {path}\n")
    assert path.read_bytes() == b'{"digest": "aa"}\n'
    assert dict(service.requests[-1].url.params) == {"format": "ndjson", "columns": "digest,bias"}


@pytest.mark.parametrize(("name", "format_"), [("r.ndjson", "ndjson"), ("r.jsonl", "ndjson"), ("r.out", "parquet")])
def test_the_name_of_the_file_says_how_regions_are_written(
    served: str, service: Any, documents: Any, tmp_path: Path, name: str, format_: str
) -> None:
    service.answers = [documents.finished(), httpx.Response(200, content=b"x")]
    assert run("regions", "--job", "job-1", "--output", str(tmp_path / name), RELUCENSUS_URL=served).exit_code == 0
    assert service.requests[-1].url.params["format"] == format_


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--job", "job-1", "--lower", "0"], "--job has its model, domain and limits already"),
        (["net.onnx", "--job", "job-1"], "--job has its model"),
        ([], "needed is MODEL"),
        (["net.onnx", "--url", "http://127.0.0.1:9"], "needed is MODEL"),
    ],
)
def test_regions_are_of_a_model_here_or_of_a_job_there(arguments: list[str], said: str, tmp_path: Path) -> None:
    answer = run("regions", *arguments, "--output", str(tmp_path / "regions"))
    assert (answer.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert said in answer.stderr


def test_list_prints_one_line_a_job(served: str, service: Any, documents: Any) -> None:
    page = {"jobs": [documents.job(id="a"), documents.job(id="b"), documents.job(id="c")], "next_cursor": "n"}
    service.answers = [page]
    answer = run("list", "--limit", "2", "--state", "running", "--url", served)
    assert [line.split()[:2] for line in answer.stdout.splitlines()] == [["a", "running"], ["b", "running"]]
    run("list", "--state", "running, queued", "--limit", "2", "--url", served)
    assert service.requests[-1].url.params.get_list("state") == ["running", "queued"]
    assert len(json.loads(run("list", "--limit", "2", "--json", "--url", served).stdout)) == 2
    service.answers = [{"jobs": [], "next_cursor": None}]
    assert run("list", "--url", served).exit_code == 0


@pytest.mark.parametrize(
    ("status", "code"), [(404, 2), (413, 2), (415, 2), (422, 2), (409, 2), (400, 2), (429, 1), (500, 1)]
)
def test_a_refusal_exits_with_2_unless_the_service_is_at_fault(
    served: str, service: Any, documents: Any, status: int, code: int
) -> None:
    refusal = documents.problem(status, "There is no such job", "job-9 is unknown")
    refusal.headers["Retry-After"] = "3600"
    service.answers = [refusal]
    answer = run("wait", "job-9", "--url", served)
    assert (answer.exit_code, answer.stdout) == (code, "")
    assert answer.stderr == "error: There is no such job: job-9 is unknown\n"


@pytest.mark.parametrize(("status", "code"), [(422, 2), (500, 1), (None, 1)])
def test_a_failed_job_exits_by_its_problem(
    served: str, service: Any, documents: Any, status: int | None, code: int
) -> None:
    error = {"title": "Unsupported problem", "status": status, "detail": "too many neurons"}
    service.answers = [documents.job(state="failed", done=True, error=error)]
    answer = run("wait", "job-1", "--url", served)
    assert answer.exit_code == code
    assert answer.stderr == "error: job job-1 failed: Unsupported problem: too many neurons\n"


def test_waiting_no_longer_than_asked_exits_with_1(served: str, service: Any, documents: Any) -> None:
    service.answers = [documents.job()]
    answer = run("wait", "job-1", "--timeout", "0.1", "--url", served)
    assert answer.exit_code == 1
    assert "it goes on" in answer.stderr


def test_a_service_that_is_not_there_exits_with_1_and_says_how_to_start_one() -> None:
    answer = run("status", "job-1", "--url", "http://127.0.0.1:9")
    assert answer.exit_code == 1
    assert "relucensus serve" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lower", "x", "--upper", "1"], "--lower is 'x'"),
        (["--lower", "-1,", "--upper", "1"], "--lower is '-1,'"),
        (["--lower", "", "--upper", "1"], "--lower is ''"),
        (["--lower", "nan", "--upper", "1"], "lower is nan"),
        (["--lower", "0,-inf", "--upper", "1"], "lower[1] is -inf"),
        (["--lower", "0", "--upper", "1", "--seconds", "nan"], "limit seconds is nan"),
        (["--lower", "0", "--upper", "1", "--regions", "1.5"], "--regions"),
        (["--lower", "0"], "--upper"),
        (["--lower", "0", "--upper", "1", "--nonsense"], "--nonsense"),
        (["--lower", "0", "--upper", "1", "--url", "nowhere"], "url is 'nowhere'"),
        (["--lower", "0", "--upper", "1", "--deadline", "soon"], "--deadline is 'soon'"),
        (["--lower", "0", "--upper", "1", "--deadline", "2030-01-31"], "for a count on a service"),
        (["--lower", "0", "--upper", "1", "--fresh"], "for a count on a service"),
    ],
)
def test_a_request_that_makes_no_sense_exits_with_2(model: str, arguments: list[str], said: str) -> None:
    answer = run("count", model, *arguments)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert said in answer.stderr


def test_a_missing_file_exits_with_2() -> None:
    answer = run("count", "no/such.onnx", *BOX)
    assert answer.exit_code == 2
    assert answer.stderr == "error: model file no/such.onnx cannot be read: No such file or directory\n"


def test_a_digest_needs_a_service() -> None:
    answer = run("count", "sha256:ab", *BOX)
    assert answer.exit_code == 2
    assert "--url" in answer.stderr


def test_ctrl_c_while_waiting_exits_with_130_and_leaves_the_job(served: str, service: Any, documents: Any) -> None:
    service.answers = [documents.job()]
    waiting = subprocess.Popen([COMMAND, "wait", "job-1", "--url", served], stderr=subprocess.PIPE, text=True)
    while len(service.requests) < 3:
        time.sleep(0.05)
        assert waiting.poll() is None
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert "Job job-1 goes on" in said
    assert "Traceback" not in said
    assert {request.method for request in service.requests} == {"GET"}


def test_output_may_be_cut_off_by_a_pipe(served: str, service: Any, documents: Any) -> None:
    service.answers = [documents.finished()]
    shell = f"'{COMMAND}' wait job-1 --json --url {served} | head -c 1"
    answer = subprocess.run(shell, shell=True, capture_output=True, text=True, check=True, env=dict(os.environ))
    assert (answer.stdout, answer.stderr) == ("{", "")


def test_a_slice_and_a_property_reach_the_service_as_domains(
    served: str, service: Any, documents: Any, model: str, tmp_path: Path
) -> None:
    line, box = tmp_path / "line.json", tmp_path / "box.vnnlib"
    line.write_text('{"points": [[0, 0], [1, 2]], "upper": 3}')
    box.write_text("(declare-const X_0 Real) (assert (<= X_0 0.5)) (assert (>= X_0 -0.5))")
    service.answers = [documents.job()]
    assert run("submit", model, "--slice", str(line), "--url", served).exit_code == 0
    assert service.request_document()["domain"] == {
        "kind": "slice",
        "origin": [0.0, 0.0],
        "directions": [[1.0, 2.0]],
        "lower": 0.0,
        "upper": 3.0,
    }
    service.requests.clear()
    service.answers = [documents.job(), documents.finished()]
    assert run("count", model, "--vnnlib", str(box), "--url", served).exit_code == 0
    assert service.request_document(0)["domain"] == {"kind": "box", "lower": [-0.5], "upper": [0.5]}


def test_a_command_without_a_domain_is_refused_with_status_2(model: str) -> None:
    answer = run("count", model)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "needed is --lower with --upper, --slice or --vnnlib" in answer.stderr
