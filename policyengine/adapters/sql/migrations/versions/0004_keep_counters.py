"""Keep the highest counters seen of each device; the next check-in of each starts them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from 0003 to 0004."""
    with op.batch_alter_table("device_state", schema=None) as batch_op:
        batch_op.add_column(sa.Column("counters", sa.Text(), nullable=True))


def downgrade() -> None:
    """Bring the schema from 0004 back to 0003."""
    with op.batch_alter_table("device_state", schema=None) as batch_op:
        batch_op.drop_column("counters")
