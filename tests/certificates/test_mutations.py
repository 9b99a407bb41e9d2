"""Changed certificates, in a short form; the long one is a command (`mutations`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from certificates import mutations


def test_no_mutant_is_accepted_with_another_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tally = mutations.campaign(seed=1, seconds=12, most=3000, largest=1500)
    assert tally.mutants > 100
    assert set(tally.verdicts) == {"accepted", "refused", "re-signed"}


def test_every_mutation_changes_something() -> None:
    one = mutations.Original.of(mutations.files("correct")[0])
    for mutation in mutations.MUTATIONS:
        streams = {mutation(one, mutations.random.Random(seed)) for seed in range(20)}
        assert len(streams - {one.stream}) > 3, mutation.__name__
