"""The short form of the campaign; `python tests/chaos/long.py` is the long one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.campaign import Campaign
from chaos.system import System
from chaos.workloads import certified, long, merging, small
from relucensus_service.store import Database
from relucensus_service.store.schema import upgrade


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_whatever_is_killed_every_accepted_job_ends_with_the_exact_counts(
    kind: str, new_postgres: Callable[[], str], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/chaos.db" if kind == "sqlite" else new_postgres()
    database = Database(url)
    upgrade(database)
    database.close()
    workloads = [long("planar_16x3", "milp"), merging(), long("planar_32x3", "tree"), *list(small())[:3]]
    workloads[2:2] = [certified(long("five_12x2", "tree")), certified(merging())]
    with System(url, tmp_path, seed=sum(map(ord, kind))) as system:
        campaign = Campaign(system)
        campaign.run(workloads, kills=4, every=1.0, patience=150)
    assert campaign.wrong == [], system.kills
    assert len(campaign.accepted) >= len(workloads)
