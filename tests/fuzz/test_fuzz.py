"""The short forms of the fuzzers; `python tests/fuzz/readers.py` and `python tests/fuzz/api.py` are the long ones."""

from __future__ import annotations

from pathlib import Path

from fuzz import api, readers


def test_a_mutated_file_is_a_network_or_refused(tmp_path: Path) -> None:
    found = readers.campaign(tmp_path, seed=0, files=5000)
    assert found.failures == ()
    assert found.files == 5000
    assert 100 < found.networks < 4900, "the mutations change nothing, or break everything"


def test_every_answer_of_the_api_is_one_that_its_document_describes(tmp_path: Path) -> None:
    run = api.fuzz(tmp_path, seed=0, examples=8)
    assert run.returncode == 0, run.stdout
