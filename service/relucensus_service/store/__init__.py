"""The database: the truth about models, jobs, their frontier and what was settled."""

from __future__ import annotations

from dataclasses import dataclass

from relucensus_service.store.database import Database
from relucensus_service.store.frontier import Committed, FrontierStore
from relucensus_service.store.jobs import Jobs
from relucensus_service.store.leases import Leases
from relucensus_service.store.models import Models, NewModel, StoredModel

__all__ = ["Committed", "Database", "FrontierStore", "Jobs", "Leases", "Models", "NewModel", "Store", "StoredModel"]


@dataclass(frozen=True, slots=True)
class Store:
    """All queries, by what they are about."""

    database: Database
    models: Models
    jobs: Jobs
    leases: Leases
    frontier: FrontierStore

    @classmethod
    def on(cls, database: Database, *, lease_seconds: float = 15.0) -> Store:
        """The queries on this database."""
        leases = Leases(database, lease_seconds)
        return cls(database, Models(database), Jobs(database), leases, FrontierStore(database, leases))
