"""Keep the keys that devices had before they were given others, so that none of them comes back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from 0006 to 0007."""
    op.create_table(
        "former_key",
        sa.Column("key_thumbprint", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_former_key_device_id_device")),
        sa.PrimaryKeyConstraint("key_thumbprint", name=op.f("pk_former_key")),
    )
    op.create_index(op.f("ix_former_key_device_id"), "former_key", ["device_id"])


def downgrade() -> None:
    """Bring the schema from 0007 back to 0006."""
    op.drop_index(op.f("ix_former_key_device_id"), "former_key")
    op.drop_table("former_key")
