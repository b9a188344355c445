"""Find the devices of a site, zone, lifecycle or tier in the order of their ids."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_INDEXES = (
    ("device", "site", "id"),
    ("device", "zone", "id"),
    ("device", "lifecycle", "id"),
    ("device_state", "tier", "device_id"),
)


def upgrade() -> None:
    """Bring the schema from 0012 to 0013."""
    for table, *columns in _INDEXES:
        op.create_index(op.f("_".join(("ix", table, *columns))), table, columns)


def downgrade() -> None:
    """Bring the schema from 0013 back to 0012."""
    for table, *columns in _INDEXES:
        op.drop_index(op.f("_".join(("ix", table, *columns))), table_name=table)
