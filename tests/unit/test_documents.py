"""The documents: their links resolve, their examples run, and they name what the code names."""

from __future__ import annotations

import doctest
import json
import re
from pathlib import Path

import pytest

from relucensus import Definition
from relucensus.values.names import ENGINES, STRATEGIES

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_EXAMPLES = ["README.md", "docs/definitions.md", "docs/engines.md", "docs/geometry.md", "docs/library.md"]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
COLUMNS = ("activation_regions", "linear_regions", "affine_pieces", "activation_patterns", "closed_linear_regions")


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


def prose(document: Path) -> str:
    """The text without its code blocks."""
    return FENCED.sub("", document.read_text())


def linked_files(document: Path) -> set[Path]:
    """The files of this repository that the document points to."""
    targets = {target.partition("#")[0] for target in LINK.findall(prose(document)) if "://" not in target}
    return {(document.parent / target).resolve() for target in targets if target}


def anchors(document: Path) -> set[str]:
    """The anchors that the document's headings have on a page."""
    headings = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "CHANGELOG.md"], ids=named)
def test_every_relative_link_resolves(document: Path) -> None:
    assert sorted(str(target) for target in linked_files(document) if not target.exists()) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_into_a_document_names_a_heading(document: Path) -> None:
    for link in LINK.findall(prose(document)):
        target, _, anchor = link.partition("#")
        if "://" not in target and anchor:
            assert anchor in anchors((document.parent / target).resolve() if target else document), link


def test_every_document_is_linked_from_another() -> None:
    linked = {target for document in DOCUMENTS for target in linked_files(document) if target != document}
    assert [named(document) for document in DOCUMENTS[1:] if document.resolve() not in linked] == []


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_run_and_print_what_is_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / name).read_text()
    examples = "\n".join(block for language, block in FENCED.findall(text) if language == "pycon")
    test = doctest.DocTestParser().get_doctest(examples, {}, name, name, 0)
    report: list[str] = []
    outcome = doctest.DocTestRunner().run(test, out=report.append)
    assert outcome.attempted > 0
    assert outcome.failed == 0, "".join(report)


def test_every_session_is_in_a_document_whose_examples_run() -> None:
    assert [named(document) for document in DOCUMENTS if "```pycon" in document.read_text()] == WITH_EXAMPLES


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_python_examples_that_need_a_service_are_python(document: Path) -> None:
    for language, block in FENCED.findall(document.read_text()):
        if language == "python":
            compile(block, named(document), "exec")


@pytest.mark.parametrize("name", [definition.value for definition in Definition])
def test_every_definition_is_defined(name: str) -> None:
    for document in ("README.md", "docs/definitions.md"):
        assert f"| `{name}` |" in (ROOT / document).read_text()


@pytest.mark.parametrize("name", [*ENGINES, *STRATEGIES])
def test_every_engine_and_every_strategy_is_described(name: str) -> None:
    for document in ("README.md", "docs/engines.md"):
        assert f"`{name}`" in (ROOT / document).read_text()


def test_the_counts_in_the_table_of_examples_are_the_known_ones() -> None:
    known = {case["name"]: case["counts"] for case in json.loads((ROOT / "tests/cases/known_answers.json").read_text())}
    rows = re.findall(r"^\| `(\w+)` \| (\d[\d |]*\d) \|", (ROOT / "docs/definitions.md").read_text(), re.MULTILINE)
    shown = {name: [int(count) for count in counts.split("|")] for name, counts in rows}
    assert len(shown) > 10
    assert shown == {name: [known[name][definition] for definition in COLUMNS] for name in shown}
