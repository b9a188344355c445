"""Keep what one party proposed to revoke until another confirms it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from 0008 to 0009."""
    op.create_table(
        "revocation_proposal",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed_party", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_revocation_proposal_device_id_device")),
        sa.PrimaryKeyConstraint("issuer", "serial", name=op.f("pk_revocation_proposal")),
    )


def downgrade() -> None:
    """Bring the schema from 0009 back to 0008."""
    op.drop_table("revocation_proposal")
