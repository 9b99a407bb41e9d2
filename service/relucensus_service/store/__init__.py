"""The database: the truth about models, jobs, their frontier and what was settled."""

from __future__ import annotations

from dataclasses import dataclass

from relucensus_service.store.certificates import Certificates, Piece
from relucensus_service.store.database import Database
from relucensus_service.store.figures import Census, Figures
from relucensus_service.store.frontier import Committed, FrontierStore
from relucensus_service.store.jobs import Jobs, QueueFull, QueueLimits
from relucensus_service.store.keys import ApiKey, Keys, Quota, QuotaUsedUp
from relucensus_service.store.leases import Leases, RunnerBeat, RunnerFigures
from relucensus_service.store.models import Models, NewModel, StoredModel
from relucensus_service.store.retention import Forgotten, Retention, RetentionStore

__all__ = [
    "ApiKey",
    "Census",
    "Certificates",
    "Committed",
    "Database",
    "Figures",
    "Forgotten",
    "FrontierStore",
    "Jobs",
    "Keys",
    "Leases",
    "Models",
    "NewModel",
    "Piece",
    "QueueFull",
    "QueueLimits",
    "Quota",
    "QuotaUsedUp",
    "Retention",
    "RetentionStore",
    "RunnerBeat",
    "RunnerFigures",
    "Store",
    "StoredModel",
]


@dataclass(frozen=True, slots=True)
class Store:
    """All queries, by what they are about."""

    database: Database
    models: Models
    jobs: Jobs
    leases: Leases
    frontier: FrontierStore
    certificates: Certificates
    keys: Keys
    retention: RetentionStore
    figures: Figures

    @classmethod
    def on(cls, database: Database, *, lease_seconds: float = 15.0) -> Store:
        """The queries on this database."""
        leases = Leases(database, lease_seconds)
        return cls(
            database,
            Models(database),
            Jobs(database),
            leases,
            FrontierStore(database, leases),
            Certificates(database),
            Keys(database),
            RetentionStore(database),
            Figures(database),
        )
