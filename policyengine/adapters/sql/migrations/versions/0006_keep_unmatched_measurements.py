"""Keep what verified evidence measured and no release endorses, for people to endorse or reject."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from 0005 to 0006."""
    op.create_table(
        "unmatched_measurement",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_unmatched_measurement_device_id_device")),
        sa.PrimaryKeyConstraint("model", "component", "digest", "device_id", name=op.f("pk_unmatched_measurement")),
    )


def downgrade() -> None:
    """Bring the schema from 0006 back to 0005."""
    op.drop_table("unmatched_measurement")
