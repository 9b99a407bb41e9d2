"""Models, jobs, their frontier and settlements, runners.

Revision: 0001, the first
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the schema here."""
    _create_models()
    _create_jobs()
    _create_cubes()
    _create_settlements()
    op.create_table(
        "runners",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("heartbeat_at", sa.Double(), nullable=False),
        sa.Column("workers", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_runners"),
    )


def _create_models() -> None:
    op.create_table(
        "models",
        sa.Column("digest", sa.String(80), nullable=False, comment="sha256 of the exact weights"),
        sa.Column("file_sha256", sa.String(80), nullable=False),
        sa.Column(
            "activation", sa.String(20), nullable=False, comment="the activation asked for when the file was read"
        ),
        sa.Column("file", sa.LargeBinary(), nullable=False),
        sa.Column("network", sa.LargeBinary(), nullable=False, comment="Network.to_bytes()"),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_models"),
    )
    op.create_index("ix_models_file_sha256", "models", ["file_sha256"])


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("model", sa.String(80), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("engine", sa.String(20)),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("finished_at", sa.Double()),
        sa.Column("seconds_spent", sa.Double(), nullable=False),
        sa.Column("regions", sa.BigInteger(), nullable=False),
        sa.Column("conclusion_attempts", sa.Integer(), nullable=False),
        sa.Column("runner", sa.String(100), comment="who holds the lease"),
        sa.Column("lease_token", sa.BigInteger(), nullable=False, comment="grows with every claim"),
        sa.Column("lease_expires_at", sa.Double()),
        sa.Column("heartbeat_at", sa.Double()),
        sa.Column("result", sa.JSON()),
        sa.Column("error", sa.JSON()),
        sa.ForeignKeyConstraint(["model"], ["models.digest"], name="fk_jobs_model"),
        sa.PrimaryKeyConstraint("number", name="pk_jobs"),
        sa.UniqueConstraint("id", name="uq_jobs_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_index("ix_jobs_model", "jobs", ["model"])


def _create_cubes() -> None:
    op.create_table(
        "cubes",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("job_number", _NUMBER, nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False, comment="Cube.to_text()"),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.Column("at_most", sa.Text(), nullable=False, comment="hexadecimal: it may have thousands of digits"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("returns", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.ForeignKeyConstraint(["job_number"], ["jobs.number"], name="fk_cubes_job_number", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_cubes"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_cubes_job_number_phase", "cubes", ["job_number", "phase"])


def _create_settlements() -> None:
    op.create_table(
        "settlements",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("job_number", _NUMBER, nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False, comment="the cube that was settled"),
        sa.Column("regions", sa.BigInteger(), nullable=False),
        sa.Column("prefixes", sa.JSON(), nullable=False),
        sa.Column("patterns", sa.BigInteger()),
        sa.Column("affine_maps", sa.LargeBinary(), nullable=False),
        sa.Column("mergeable", sa.LargeBinary(), nullable=False),
        sa.Column("statistics", sa.JSON(), nullable=False),
        sa.Column("committed_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job_number"], ["jobs.number"], name="fk_settlements_job_number", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_settlements"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_settlements_job_number_phase", "settlements", ["job_number", "phase"])


def downgrade() -> None:
    """Bring the schema back."""
    for table in ("settlements", "cubes", "jobs", "models", "runners"):
        op.drop_table(table)
