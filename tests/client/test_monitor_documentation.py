from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from relucensus_client import History, RegionMonitor
from relucensus_client._history import COLUMNS

GUIDE = (Path(__file__).parents[2] / "docs" / "monitor.md").read_text()


@pytest.mark.parametrize("kind", [RegionMonitor, History])
def test_every_method_is_documented(kind: type) -> None:
    methods = [name for name in vars(kind) if not name.startswith("_") and name not in ("open", "closed")]
    assert len(methods) > 4
    assert [name for name in methods if not re.search(rf"\b{name}\b", GUIDE)] == []


def test_every_argument_and_every_column_is_documented() -> None:
    named = [name for name in inspect.signature(RegionMonitor).parameters if name != "options"]
    assert [name for name in (*named, *COLUMNS) if f"`{name}`" not in GUIDE] == []


def test_the_examples_are_python_and_the_picture_is_there() -> None:
    examples = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        compile(example, "docs/monitor.md", "exec")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", GUIDE):
        assert (Path(__file__).parents[2] / "docs" / target).exists(), target
