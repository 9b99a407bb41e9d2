"""The symbols that rows have in the regions of a settlement.

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    comment = "the symbols that every row has in the regions; null before revision 0003"
    op.add_column("settlements", sa.Column("seen", sa.LargeBinary(), comment=comment))


def downgrade() -> None:
    """Bring the schema back."""
    op.drop_column("settlements", "seen")
