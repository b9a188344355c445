"""Keep how many commits a bundle's history has, so that an older bundle is known as one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from 0004 to 0005; bundles published before have no place in an order."""
    with op.batch_alter_table("bundle", schema=None) as batch_op:
        batch_op.add_column(sa.Column("height", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Bring the schema from 0005 to 0004."""
    with op.batch_alter_table("bundle", schema=None, recreate="never") as batch_op:
        batch_op.drop_column("height")
