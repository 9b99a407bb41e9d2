"""API keys with their usage and uploads; deadlines, retries and known answers of jobs; figures of runners.

Revision: 0002, after 0001
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OF_JOBS = ("exact", "owner", "question", "answered_from", "deadline", "seconds_before", "regions_before")
_OF_RUNNERS = {
    "slices": "settlements committed since its start",
    "regions": None,
    "failures": "pieces of work that failed",
    "taken_over": "jobs whose lease had expired",
}


def upgrade() -> None:
    """Bring the schema here."""
    _extend_jobs()
    for name, comment in _OF_RUNNERS.items():
        op.add_column("runners", _commented(name, sa.BigInteger(), comment))
    _create_api_keys()


def _commented(name: str, kind: Any, comment: str | None, server_default: Any = "0") -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=server_default, comment=comment)


def _extend_jobs() -> None:
    for column in (
        _commented("exact", sa.Boolean(), "the result is all that was asked for", server_default=sa.false()),
        sa.Column("owner", sa.String(40), comment="the API key that asked; empty where access is open"),
        sa.Column("question", sa.String(80), comment="equal for requests that have the same exact answer"),
        sa.Column("answered_from", sa.String(40), comment="the job whose result was given"),
        sa.Column("deadline", sa.Double()),
        _commented("seconds_before", sa.Double(), "spent before the last retry"),
        sa.Column("regions_before", sa.BigInteger(), nullable=False, server_default="0"),
    ):
        op.add_column("jobs", column)
    op.create_index("ix_jobs_owner_number", "jobs", ["owner", "number"])
    op.create_index("ix_jobs_question", "jobs", ["question"])
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"])
    # What merges was dropped at the end of these jobs: if asked to go on, they have to begin anew.
    done = "SELECT number FROM jobs WHERE state IN ('succeeded', 'failed', 'cancelled')"
    for table in ("cubes", "settlements"):
        op.execute(sa.text(f"DELETE FROM {table} WHERE job_number IN ({done})"))


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double()),
        sa.Column("open_jobs", sa.Integer(), comment="jobs that are not done, at most"),
        sa.Column("upload_bytes", sa.BigInteger(), comment="a day, at most"),
        sa.Column("cpu_seconds", sa.Double(), comment="a day, at most"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_table(
        "usage",
        sa.Column("owner", sa.String(40), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False, comment="days since 1970, UTC"),
        sa.Column("upload_bytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("cpu_seconds", sa.Double(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("owner", "day", name="pk_usage"),
    )
    op.create_table(
        "uploads",
        sa.Column("owner", sa.String(40), nullable=False),
        sa.Column("digest", sa.String(80), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["models.digest"], name="fk_uploads_digest", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("owner", "digest", name="pk_uploads"),
    )
    op.create_index("ix_uploads_digest", "uploads", ["digest"])


def downgrade() -> None:
    """Bring the schema back."""
    for table in ("uploads", "usage", "api_keys"):
        op.drop_table(table)
    for index in ("ix_jobs_owner_number", "ix_jobs_question", "ix_jobs_finished_at"):
        op.drop_index(index, "jobs")
    for table, names in (("jobs", _OF_JOBS), ("runners", _OF_RUNNERS)):
        with op.batch_alter_table(table) as batch:
            for name in names:
                batch.drop_column(name)
