"""`Job.certificate`, `CountResult.verify` and the command line: proofs of counts, from a service or in this process."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from relucensus import command
from relucensus_client import (
    AsyncClient,
    Client,
    Conflict,
    ConnectionFailed,
    CountResult,
    InvalidArgument,
    MissingPart,
    NotFound,
    VerificationFailed,
    _parts,
    count,
)
from relucensus_client.cli import app

MODEL = Path(__file__).parents[1] / "cases" / "planar_8x3.onnx"
REQUEST = {"domain": {"kind": "box", "lower": -1, "upper": 1}}
BROKEN = httpx.RemoteProtocolError("peer closed connection without sending complete message body")


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's functions, whatever is installed."""
    functions: dict[str, Any] = {"count": command.count_file, "verify": command.verify_file}
    monkeypatch.setattr(_parts, "load", lambda group, name: functions[name])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], bytes]:
    """A result as a service gives it, and its certificate."""
    path = tmp_path_factory.mktemp("made") / "certificate.gz"
    answer = command.count_file(MODEL.read_bytes(), REQUEST, certificate=str(path))
    assert answer["error"] is None
    return answer["result"] | {"certificate": "/count/job-1/certificate"}, path.read_bytes()


Made = tuple[dict[str, Any], bytes]


@pytest.fixture
def answering(service: Any, documents: Any, made: Made) -> Any:
    """A service that has counted with a certificate."""
    done = documents.finished(result=made[0])

    def answer(request: httpx.Request) -> httpx.Response:
        service.requests.append(request)
        if request.url.path.endswith("/certificate"):
            return httpx.Response(200, content=made[1], headers={"Content-Type": "application/gzip"})
        return httpx.Response(200, json=done)

    service.transport = httpx.MockTransport(answer)
    return service


def test_a_certificate_comes_as_bytes_or_goes_to_a_file(answering: Any, made: Made, tmp_path: Path) -> None:
    with Client("http://service.test", transport=answering.transport) as client:
        job = client.submit(MODEL, lower=-1, upper=1, certificate=True)
        assert json.loads(answering.parts(0)["request"][1])["certificate"] is True
        assert job.certificate() == made[1]
        job.certificate(tmp_path / "file.gz")
        assert (tmp_path / "file.gz").read_bytes() == made[1]
    assert answering.asked[-2:] == ["GET /count/job-1/certificate"] * 2


def test_a_result_fetches_and_verifies_its_certificate_though_the_client_is_closed(answering: Any) -> None:
    with Client("http://service.test", transport=answering.transport) as client:
        result = client.count(MODEL, lower=-1, upper=1, certificate=True)
    proven = result.verify(MODEL)
    assert proven.counts == {name: count.value for name, count in result.counts.items()}
    assert proven.network == result.network.digest
    assert answering.asked[-1] == "GET /count/job-1/certificate"


def test_an_asynchronous_client_has_the_same_verb(answering: Any, made: Made, tmp_path: Path) -> None:
    async def fetched() -> CountResult:
        async with AsyncClient("http://service.test", transport=answering.transport) as client:
            job = await client.submit(MODEL, lower=-1, upper=1, certificate=True)
            assert await job.certificate() == made[1]
            await job.certificate(tmp_path / "file.gz")
            return await job.wait()

    result = asyncio.run(fetched())
    with pytest.raises(InvalidArgument, match="is not on this machine; give its path or its bytes"):
        result.verify(MODEL)
    assert result.verify(MODEL, tmp_path / "file.gz") == result.verify(MODEL, made[1])


def test_where_a_certificate_comes_from_is_no_part_of_a_result(answering: Any, made: Made) -> None:
    with Client("http://service.test", transport=answering.transport, api_key="secret") as client:
        result = client.count(MODEL, lower=-1, upper=1)
    assert result == CountResult.model_validate(made[0])
    assert b"secret" not in pickle.dumps(result)
    assert pickle.loads(pickle.dumps(result)) == result


def changed(result: dict[str, Any], **changes: Any) -> CountResult:
    return CountResult.model_validate(result | changes)


def test_a_certificate_that_proves_something_else_is_refused(made: Made) -> None:
    result, certificate = made
    more = {**result["counts"], "activation_regions": {"value": 41, "status": "exact"}}
    with pytest.raises(VerificationFailed, match="proves 40 for activation_regions, the result says 41"):
        changed(result, counts=more).verify(MODEL, certificate)
    with pytest.raises(VerificationFailed, match="domain"):
        changed(result, domain={"kind": "box", "lower": [-1.0, -1.0], "upper": [1.0, 2.0]}).verify(MODEL, certificate)
    with pytest.raises(VerificationFailed, match="network"):
        changed(result).verify(MODEL.with_name("planar_16x3.onnx"), certificate)
    with pytest.raises(VerificationFailed):
        changed(result).verify(MODEL, certificate[:-20])
    with pytest.raises(VerificationFailed):
        changed(result).verify(MODEL, b"no certificate")
    other = {**result["network"], "digest": "sha256:" + "0" * 64}
    with pytest.raises(VerificationFailed, match="the certificate is about"):
        changed(result, network=other).verify(MODEL, certificate)


def test_without_a_certificate_there_is_nothing_to_verify(made: Made, documents: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="ask for one with certificate=True"):
        changed(made[0], certificate=None).verify(MODEL)
    stopped = {"activation_regions": {"value": 3, "status": "lower_bound", "upper_bound": None}}
    with pytest.raises(InvalidArgument, match="only exact counts have one"):
        changed(made[0], certificate=None, counts=stopped).verify(MODEL)
    with pytest.raises(InvalidArgument, match="give the file itself"):
        changed(made[0]).verify("sha256:" + "0" * 64, made[1])
    assert changed(made[0], certificate=_written(tmp_path, made[1])).verify(MODEL).counts["activation_regions"] == 40


def _written(folder: Path, certificate: bytes) -> str:
    path = folder / "written.gz"
    path.write_bytes(certificate)
    return str(path)


def test_what_is_missing_to_verify_is_said(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(_parts, "entry_points", lambda **_: [])
    with pytest.raises(MissingPart, match="needs the solver, which is not installed"):
        changed(made[0]).verify(MODEL, made[1])


def test_a_service_that_refuses_is_understood(service: Any, documents: Any) -> None:
    service.answers = [documents.finished(), documents.problem(404), documents.problem(409)]
    with service.client() as client:
        job = client.job("job-1")
        with pytest.raises(NotFound):
            job.certificate()
        with pytest.raises(Conflict):
            job.certificate()


def test_a_certificate_that_breaks_off_leaves_no_file(service: Any, documents: Any, tmp_path: Path) -> None:
    service.answers = [documents.finished(), documents.streamed(b"some", BROKEN)]
    with service.client() as client, pytest.raises(ConnectionFailed, match="the certificate of job job-1 broke off"):
        client.job("job-1").certificate(tmp_path / "file.gz")
    assert list(tmp_path.iterdir()) == []


def test_counting_by_function_may_be_verified(answering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **options: made(**{**options, "transport": answering.transport}))
    assert count(MODEL, lower=-1, upper=1, certificate=True).verify(MODEL).counts["linear_regions"] == 40


@pytest.fixture
def run() -> Callable[..., Result]:
    runner = CliRunner(env={"RELUCENSUS_URL": None, "RELUCENSUS_API_KEY": None, "COLUMNS": "200"})
    return lambda *arguments: runner.invoke(app, [str(argument) for argument in arguments])


Run = Callable[..., Result]
BOX = ("--lower", "-1", "--upper", "1")


def test_the_command_counts_certifies_and_verifies_in_this_process(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "certificate.gz"
    answer = run("count", MODEL, *BOX, "--certificate", path, "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["certificate"] == str(path)
    assert f"relucensus verify MODEL {path}" in answer.stderr
    checked = run("verify", MODEL, path, *BOX)
    assert (checked.exit_code, "40  proven" in checked.stdout) == (0, True), checked.output


def test_the_command_says_that_a_limit_leaves_no_certificate(run: Run, tmp_path: Path) -> None:
    answer = run("count", MODEL, *BOX, "--certificate", tmp_path / "none.gz", "--regions", "5")
    assert answer.exit_code == 3
    assert "no certificate is written" in answer.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", [(), ("--url", "http://127.0.0.1:9")], ids=["here", "service"])
def test_a_file_that_cannot_be_written_is_bad_input(run: Run, tmp_path: Path, where: tuple[str, ...]) -> None:
    for place in (tmp_path / "missing" / "file.gz", tmp_path):
        answer = run("count", MODEL, *BOX, "--certificate", place, *where)
        assert (answer.exit_code, "cannot be written" in answer.stderr) == (2, True)


def test_the_command_gets_the_certificate_of_a_count_on_a_service(
    run: Run, served: str, service: Any, documents: Any, made: Made, tmp_path: Path
) -> None:
    path = tmp_path / "file.gz"
    binary = httpx.Response(200, content=made[1], headers={"Content-Type": "application/gzip"})
    done = documents.finished(result=made[0])
    service.answers = [httpx.Response(202, json=documents.job()), done, binary]
    answer = run("count", MODEL, *BOX, "--url", served, "--certificate", path)
    assert answer.exit_code == 0, answer.output
    assert service.request_document(0)["certificate"] is True
    assert path.read_bytes() == made[1]
    service.answers = [done, binary]
    assert run("certificate", "job-1", path.with_name("again.gz"), "--url", served).exit_code == 0
    assert path.with_name("again.gz").read_bytes() == made[1]
    service.answers = [httpx.Response(202, json=documents.job())]
    assert run("submit", MODEL, *BOX, "--url", served, "--certificate").exit_code == 0
    assert service.request_document(-1)["certificate"] is True
