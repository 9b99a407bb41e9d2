"""What was read from each file, as it was asked to be read; the notes of a job.

What was remembered of files before is forgotten: it did not have all that a file can be asked.

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "readings",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("owner", sa.String(40), nullable=False, comment="the API key; empty text where access is open"),
        sa.Column("file_sha256", sa.String(80), nullable=False),
        sa.Column("asked", sa.String(80), nullable=False, comment="a digest of all that the reading depends on"),
        sa.Column("digest", sa.String(80), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=False, comment="when the file was sent last"),
        sa.ForeignKeyConstraint(["digest"], ["models.digest"], name="fk_readings_digest", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_readings"),
        sa.UniqueConstraint("owner", "file_sha256", "asked", name="uq_readings_owner_file_sha256_asked"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_readings_digest_owner", "readings", ["digest", "owner"])
    op.drop_index("ix_models_file_sha256", "models")
    op.drop_column("models", "file_sha256")
    op.drop_column("models", "activation")
    op.add_column("jobs", sa.Column("notes", sa.JSON(), comment="what was assumed of the file that was sent"))


def downgrade() -> None:
    """Bring the schema back."""
    op.drop_column("jobs", "notes")
    op.add_column("models", sa.Column("activation", sa.String(20), nullable=False, server_default=""))
    op.add_column("models", sa.Column("file_sha256", sa.String(80), nullable=False, server_default=""))
    op.create_index("ix_models_file_sha256", "models", ["file_sha256"])
    op.drop_table("readings")
