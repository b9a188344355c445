"""Keep which gateways may speak for a device, and which one did last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from 0013 to 0014; so far every device spoke itself."""
    op.add_column("device", sa.Column("gateways", sa.Text(), nullable=True))
    op.add_column("device_history", sa.Column("gateways", sa.Text(), nullable=True))
    op.add_column("device_state", sa.Column("reporter", sa.Text(), nullable=True))
    op.create_index(op.f("ix_device_state_reporter"), "device_state", ["reporter"])


def downgrade() -> None:
    """Bring the schema from 0014 back to 0013."""
    op.drop_index(op.f("ix_device_state_reporter"), "device_state")
    op.drop_column("device_state", "reporter")
    op.drop_column("device_history", "gateways")
    op.drop_column("device", "gateways")
