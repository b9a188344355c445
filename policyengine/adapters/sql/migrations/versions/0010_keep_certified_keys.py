"""Keep which device a key is certified for, and which keys are compromised."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_FILL = """
INSERT INTO certified_key (key_thumbprint, device_id, compromised_at)
SELECT key_thumbprint, MIN(device_id), MAX(CASE WHEN status_reason = 'keyCompromise' THEN status_at END)
FROM certificate WHERE state = 'issued' AND key_thumbprint IS NOT NULL GROUP BY key_thumbprint
"""


def upgrade() -> None:
    """Bring the schema from 0009 to 0010; of devices that share a key so far, the first keeps it."""
    op.create_table(
        "certified_key",
        sa.Column("key_thumbprint", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("compromised_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_thumbprint", name=op.f("pk_certified_key")),
    )
    op.execute(_FILL)


def downgrade() -> None:
    """Bring the schema from 0010 back to 0009."""
    op.drop_table("certified_key")
