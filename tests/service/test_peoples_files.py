"""Small files of what people have, uploaded: what is read is what the library reads, and what is asked is the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from relucensus.readers import read_model

FILES = Path(__file__).parents[1] / "cases" / "files"
CASES: list[dict[str, Any]] = json.loads((FILES / "files.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["file"] for case in CASES])
def test_a_file_is_read_as_the_library_reads_it(client: httpx.Client, case: dict[str, Any]) -> None:
    data = (FILES / case["file"]).read_bytes()
    answer = client.post("/models", files={"model": (case["file"], data)})
    if "counts" in case:
        read = read_model(data)
        assert answer.status_code == 201, answer.text
        assert answer.json()["digest"] == read.network.digest
        assert answer.json()["notes"] == list(read.network.notes)
        return
    assert answer.status_code == 422
    for choice in case.get("answers", {}):
        assert answer.json()["type"] == "urn:relucensus:problem:ambiguous-model"
        assert answer.json()["option"] == case["asked"]
        assert choice in answer.json()["choices"]
        said = {case["asked"]: choice}
        chosen = client.post("/models", files={"model": (case["file"], data)}, params=said)
        assert chosen.json()["digest"] == read_model(data, **said).network.digest
