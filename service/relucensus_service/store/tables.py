"""The tables. Queries live beside this file, changes of the schema under `migrations`."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

_Number = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up only in a column declared INTEGER

models: Final = Table(
    "models",
    metadata,
    Column("digest", String(80), primary_key=True, comment="sha256 of the exact weights"),
    Column("file", LargeBinary, nullable=False),
    Column("network", LargeBinary, nullable=False, comment="Network.to_bytes()"),
    Column("summary", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
)

readings: Final = Table(
    "readings",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("owner", String(40), nullable=False, comment="the API key; empty text where access is open"),
    Column("file_sha256", String(80), nullable=False),
    Column("asked", String(80), nullable=False, comment="a digest of all that the reading depends on"),
    Column("digest", ForeignKey("models.digest", ondelete="CASCADE"), nullable=False),
    Column("summary", JSON, nullable=False),
    Column("sent_at", Double, nullable=False, comment="when the file was sent last"),
    UniqueConstraint("owner", "file_sha256", "asked"),
    Index("ix_readings_digest_owner", "digest", "owner"),
    sqlite_autoincrement=True,
)

jobs: Final = Table(
    "jobs",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("state", String(20), nullable=False, index=True),
    Column("model", ForeignKey("models.digest"), nullable=False, index=True),
    Column("request", JSON, nullable=False),
    Column("engine", String(20)),
    Column("phase", Integer, nullable=False, default=0),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("seconds_spent", Double, nullable=False, default=0.0),
    Column("regions", BigInteger, nullable=False, default=0),
    Column("conclusion_attempts", Integer, nullable=False, default=0),
    Column("runner", String(100), comment="who holds the lease"),
    Column("lease_token", BigInteger, nullable=False, default=0, comment="grows with every claim"),
    Column("lease_expires_at", Double),
    Column("heartbeat_at", Double),
    Column("result", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    Column("exact", Boolean, nullable=False, server_default=false(), comment="the result is all that was asked for"),
    Column("owner", String(40), comment="the API key that asked; empty where access is open"),
    Column("question", String(80), comment="equal for requests that have the same exact answer"),
    Column("answered_from", String(40), comment="the job whose result was given"),
    Column("deadline", Double),
    Column("seconds_before", Double, nullable=False, server_default="0", comment="spent before the last retry"),
    Column("regions_before", BigInteger, nullable=False, server_default="0"),
    Column("notes", JSON(none_as_null=True), comment="what was assumed of the file that was sent"),
    Index("ix_jobs_owner_number", "owner", "number"),
    Index("ix_jobs_question", "question"),
    Index("ix_jobs_finished_at", "finished_at"),
    sqlite_autoincrement=True,
)

cubes: Final = Table(
    "cubes",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("job_number", ForeignKey("jobs.number", ondelete="CASCADE"), nullable=False),
    Column("phase", Integer, nullable=False),
    Column("prefix", Text, nullable=False, comment="Cube.to_text()"),
    Column("found", BigInteger, nullable=False),
    Column("at_most", Text, nullable=False, comment="hexadecimal: it may have thousands of digits"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("returns", Integer, nullable=False, default=0),
    Column("last_error", Text),
    Index("ix_cubes_job_number_phase", "job_number", "phase"),
    sqlite_autoincrement=True,  # an id is never used twice, so a late result cannot meet another cube
)

settlements: Final = Table(
    "settlements",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("job_number", ForeignKey("jobs.number", ondelete="CASCADE"), nullable=False),
    Column("phase", Integer, nullable=False),
    Column("prefix", Text, nullable=False, comment="the cube that was settled"),
    Column("regions", BigInteger, nullable=False),
    Column("prefixes", JSON, nullable=False),
    Column("patterns", BigInteger),
    Column("affine_maps", LargeBinary, nullable=False),
    Column("mergeable", LargeBinary, nullable=False),
    Column("seen", LargeBinary, comment="the symbols that every row has in the regions; null before revision 0003"),
    Column("statistics", JSON, nullable=False),
    Column("committed_at", Double, nullable=False),
    Index("ix_settlements_job_number_phase", "job_number", "phase"),
    sqlite_autoincrement=True,
)

certificates: Final = Table(
    "certificates",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("job_number", ForeignKey("jobs.number", ondelete="CASCADE"), nullable=False),
    Column("place", Integer, nullable=False, comment="0 the opening, 1 a part, 2 the closing"),
    Column("size", BigInteger, nullable=False, comment="bytes of data"),
    Column("data", LargeBinary, nullable=False, comment="one gzip member or more"),
    Index("ix_certificates_job_number_place", "job_number", "place"),
    sqlite_autoincrement=True,
)

runners: Final = Table(
    "runners",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("started_at", Double, nullable=False),
    Column("heartbeat_at", Double, nullable=False),
    Column("workers", Integer, nullable=False),
    Column("slices", BigInteger, nullable=False, server_default="0", comment="settlements committed since its start"),
    Column("regions", BigInteger, nullable=False, server_default="0"),
    Column("failures", BigInteger, nullable=False, server_default="0", comment="pieces of work that failed"),
    Column("taken_over", BigInteger, nullable=False, server_default="0", comment="jobs whose lease had expired"),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("open_jobs", Integer, comment="jobs that are not done, at most"),
    Column("upload_bytes", BigInteger, comment="a day, at most"),
    Column("cpu_seconds", Double, comment="a day, at most"),
)

usage: Final = Table(
    "usage",
    metadata,
    Column("owner", String(40), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False, comment="days since 1970, UTC"),
    Column("upload_bytes", BigInteger, nullable=False, server_default="0"),
    Column("cpu_seconds", Double, nullable=False, server_default="0"),
)

uploads: Final = Table(
    "uploads",
    metadata,
    Column("owner", String(40), primary_key=True),
    Column("digest", ForeignKey("models.digest", ondelete="CASCADE"), primary_key=True, index=True),
)
