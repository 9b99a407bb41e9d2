"""The symbols that rows have in the regions of a settlement.

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema here."""
    comment = "the symbols that every row has in the regions; null before revision 0002"
    op.add_column("settlements", sa.Column("seen", sa.LargeBinary(), comment=comment))


def downgrade() -> None:
    """Bring the schema back."""
    op.drop_column("settlements", "seen")
