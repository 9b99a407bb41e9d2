"""The pieces of certificates.

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "certificates",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("job_number", number, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False, comment="0 the opening, 1 a part, 2 the closing"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="bytes of data"),
        sa.Column("data", sa.LargeBinary(), nullable=False, comment="one gzip member or more"),
        sa.ForeignKeyConstraint(["job_number"], ["jobs.number"], name="fk_certificates_job_number", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_certificates"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_certificates_job_number_place", "certificates", ["job_number", "place"])


def downgrade() -> None:
    """Bring the schema back."""
    op.drop_table("certificates")
