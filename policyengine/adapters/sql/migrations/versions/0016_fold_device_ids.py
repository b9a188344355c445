"""Register no two devices whose ids differ in case only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_device = sa.table("device", *map(sa.column, ("id", "folded", "created_at")))


def upgrade() -> None:
    """Bring the schema from 0015 to 0016; of ids that differ in case the oldest has the name, the others keep going."""
    op.add_column("device", sa.Column("folded", sa.Text(), nullable=True))
    plain = sa.func.lower(_device.c.id)
    if op.get_bind().dialect.name == "postgresql":
        plain = sa.func.lower(sa.collate(_device.c.id, "C"))  # some locales fold ASCII otherwise
    op.execute(sa.update(_device).values(folded=plain))
    place = sa.func.row_number().over(partition_by=_device.c.folded, order_by=(_device.c.created_at, _device.c.id))
    placed = sa.select(_device.c.id, place.label("place")).subquery()
    later = sa.select(placed.c.id).where(placed.c.place > 1)
    op.execute(sa.update(_device).where(_device.c.id.in_(later)).values(folded=None))
    op.create_index(op.f("ix_device_folded"), "device", ["folded"], unique=True)


def downgrade() -> None:
    """Bring the schema from 0016 back to 0015."""
    op.drop_index(op.f("ix_device_folded"), "device")
    op.drop_column("device", "folded")
