from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import relucensus_client
from relucensus_client import CountOptions
from relucensus_client.cli import app

GUIDE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()


@pytest.mark.parametrize("verb", ["count", "regions", "submit", "status", "wait", "cancel", "list"])
def test_every_option_of_every_verb_is_documented(verb: str) -> None:
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [verb, "--help"]).stdout
    options = set(re.findall(r"--[a-z-]+", shown)) - {"--help"}
    assert options
    assert [option for option in sorted(options) if option not in GUIDE] == []


def test_every_verb_is_documented() -> None:
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["--help"]).stdout
    verbs = re.findall(r"^│ ([a-z]+) ", shown, re.MULTILINE)
    assert len(verbs) == 12
    assert [verb for verb in verbs if f"`{verb}`" not in GUIDE and f"relucensus {verb}" not in GUIDE] == []


def test_every_error_and_every_option_of_a_count_is_documented() -> None:
    errors = {
        name
        for name in relucensus_client.__all__
        if isinstance(kind := vars(relucensus_client)[name], type) and issubclass(kind, relucensus_client.ClientError)
    }
    assert [name for name in sorted(errors | set(CountOptions.__annotations__)) if f"`{name}`" not in GUIDE] == []


def test_the_python_examples_are_python() -> None:
    examples = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        compile(example, "docs/client.md", "exec")
