"""Index when certificates end, so that those about to are found without going through all of them."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from 0017 to 0018."""
    op.create_index(op.f("ix_certificate_not_after"), "certificate", ["not_after"])


def downgrade() -> None:
    """Bring the schema from 0018 back to 0017."""
    op.drop_index(op.f("ix_certificate_not_after"), table_name="certificate")
