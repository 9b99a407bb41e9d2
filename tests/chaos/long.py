"""Kill a hundred processes and more while jobs are counted: `python tests/chaos/long.py --kills 100`.

On SQLite and on PostgreSQL (RELUCENSUS_TEST_POSTGRES, else the server on this machine). Ends with status 1 if a job was
lost or has other counts than it must have.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.campaign import Campaign
from chaos.system import System
from chaos.workloads import certified, long, merging, small
from relucensus_service.store import Database
from relucensus_service.store.schema import upgrade

POSTGRES = os.environ.get("RELUCENSUS_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/chaos.db"
        return
    admin = create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    name = f"relucensus_{uuid.uuid4().hex[:12]}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield admin.url.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def _campaign(kind: str, kills: int, every: float, seed: int) -> list[str]:
    workloads = [long("planar_16x3", "milp"), merging(), long("four_16x2", "tree"), *small()]
    workloads += [certified(merging()), certified(long("four_16x2", "tree"))]
    with tempfile.TemporaryDirectory() as name, _database(kind, Path(name)) as url:
        database = Database(url)
        upgrade(database)
        database.close()
        started = time.monotonic()
        with System(url, Path(name), seed=seed) as system:
            campaign = Campaign(system)
            campaign.run(workloads, kills=kills, every=every, patience=900)
        seconds = time.monotonic() - started
    struck = ", ".join(f"{name} {number}" for name, number in sorted(Counter(system.kills).items()))
    print(f"{kind}: {len(campaign.accepted)} jobs, {len(system.kills)} kills ({struck}) in {seconds:.0f} s")  # noqa: T201
    return campaign.wrong


def main() -> int:
    """Run both campaigns; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--every", type=float, default=1.5, help="seconds between two kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    asked = parser.parse_args()
    wrong = []
    for kind in asked.database or ["sqlite", "postgresql"]:
        wrong += _campaign(kind, asked.kills, asked.every, asked.seed)
    for line in wrong:
        print(line)  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
