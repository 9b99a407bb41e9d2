"""Verbs that other parts provide, here by a distribution that each test makes up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relucensus_client import MissingPart, _parts
from relucensus_client.cli import app

Provide = Callable[[str, str, str, str], None]

SERVE = """
from typing import Annotated
import typer

def serve(port: Annotated[int, typer.Option(help="Where to listen.")] = 8000) -> None:
    '''Serve in a made-up way.'''
    typer.echo(f"serving on {port}")
    raise typer.Exit(5 if port == 5 else 0)
"""

COUNT = """
def count_file(data, request, *, files, workers, certificate, on_progress):
    on_progress(3, 2, 1.5)
    if data == b"interrupt":
        raise KeyboardInterrupt
    if data == b"disagree":
        return {"result": None, "error": {"title": "Disagreement", "status": 500, "detail": "3 and 4"}}
    counts = {"activation_regions": {"value": len(data), "status": "exact"}}
    return {"result": {"counts": counts, "engine": request["engine"]}, "error": None}
"""


@pytest.fixture
def provide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Provide:
    """Installs a distribution that registers one function in one group."""
    module = f"made_up_{abs(hash(request.node.name))}"

    def install(group: str, name: str, code: str, function: str) -> None:
        (tmp_path / f"{module}.py").write_text(code)
        metadata = tmp_path / f"{module}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{function}\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


def test_a_provided_verb_gets_its_options_and_keeps_its_exit_status(provide: Provide) -> None:
    provide(_parts.COMMANDS, "serve", SERVE, "serve")
    runner = CliRunner()
    assert runner.invoke(app, ["serve"]).stdout == "serving on 8000\n"
    assert runner.invoke(app, ["serve", "--port", "5"]).exit_code == 5
    assert runner.invoke(app, ["serve", "--port", "x"]).exit_code == 2
    assert runner.invoke(app, ["serve", "--prot", "5"]).exit_code == 2


def test_a_provided_verb_prints_its_own_help(provide: Provide) -> None:
    provide(_parts.COMMANDS, "serve", SERVE, "serve")
    answer = CliRunner().invoke(app, ["serve", "--help"])
    assert answer.exit_code == 0
    assert "Serve in a made-up way." in answer.stdout
    assert "Where to listen." in answer.stdout


def test_a_verb_whose_package_is_not_installed_says_what_to_install(provide: Provide) -> None:
    provide(_parts.COMMANDS, "serve", "import a_package_nobody_has\n", "serve")
    answer = CliRunner().invoke(app, ["serve"])
    assert answer.exit_code == 1
    assert "'a_package_nobody_has', which is not installed: pip install" in answer.stderr


def test_a_verb_that_nobody_provides_says_which_part_is_missing() -> None:
    with pytest.raises(MissingPart, match="`relucensus nonsense` needs the service, which is not installed"):
        _parts.load(_parts.COMMANDS, "nonsense")
    with pytest.raises(MissingPart, match="needs the solver"):
        _parts.load(_parts.IN_PROCESS, "nonsense")


def _count(tmp_path: Path, data: bytes) -> tuple[int, str, str]:
    model = tmp_path / "model"
    model.write_bytes(data)
    answer = CliRunner().invoke(app, ["count", str(model), "--lower", "0", "--upper", "1", "--engine", "mine"])
    return answer.exit_code, answer.stdout, answer.stderr


def test_counting_in_process_asks_what_the_solver_registered(provide: Provide, tmp_path: Path) -> None:
    provide(_parts.IN_PROCESS, "count", COUNT, "count_file")
    expected = "activation regions  3  exact\n\nengine  mine\n"
    assert _count(tmp_path, b"123") == (0, expected, "")


def test_an_error_that_is_not_the_users_exits_with_1(provide: Provide, tmp_path: Path) -> None:
    provide(_parts.IN_PROCESS, "count", COUNT, "count_file")
    assert _count(tmp_path, b"disagree") == (1, "", "error: Disagreement: 3 and 4\n")


def test_ctrl_c_while_counting_in_process_says_that_nothing_is_kept(provide: Provide, tmp_path: Path) -> None:
    provide(_parts.IN_PROCESS, "count", COUNT, "count_file")
    code, _, said = _count(tmp_path, b"interrupt")
    assert code == 130
    assert "Nothing of this count is kept" in said
