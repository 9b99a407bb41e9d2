from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import relucensus_client
from relucensus_client import Client, CountOptions, Job, Regions
from relucensus_client.cli import app

VERBS = ["count", "regions", "verify", "submit", "status", "wait", "events", "cancel", "retry", "delete", "upload"]
VERBS += ["certificate", "list", "picture", "geometry", "distance"]
GUIDE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_every_verb_is_documented(verb: str) -> None:
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [verb, "--help"]).stdout
    options = set(re.findall(r"--[a-z-]+", shown)) - {"--help"}
    assert options
    assert [option for option in sorted(options) if option not in GUIDE] == []


def test_every_verb_is_documented() -> None:
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["--help"]).stdout
    verbs = re.findall(r"^│ ([a-z]+) ", shown, re.MULTILINE)
    assert len(verbs) == len(VERBS) + 5
    assert [verb for verb in verbs if not re.search(rf"`{verb}[ `]|relucensus {verb}", GUIDE)] == []


def test_every_error_and_every_option_of_a_count_is_documented() -> None:
    errors = {
        name
        for name in relucensus_client.__all__
        if isinstance(kind := vars(relucensus_client)[name], type) and issubclass(kind, relucensus_client.ClientError)
    }
    assert [name for name in sorted(errors | set(CountOptions.__annotations__)) if f"`{name}`" not in GUIDE] == []


@pytest.mark.parametrize("kind", [Client, Job, Regions])
def test_every_method_of_clients_jobs_and_regions_is_documented(kind: type) -> None:
    methods = [name for name in vars(kind) if not name.startswith("_")]
    assert methods
    assert [name for name in methods if not re.search(rf"\b{name}\b", GUIDE)] == []


def test_the_python_examples_are_python() -> None:
    examples = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(examples) == 5
    for example in examples:
        compile(example, "docs/client.md", "exec")
