"""Index the reservations that are open, instead of every certificate by its state and time of reservation.

SQLite preferred an index in which nearly all certificates have one value, `issued`, to that of their serial numbers.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_OPEN = sa.text("state = 'reserved'")


def upgrade() -> None:
    """Bring the schema from 0016 to 0017."""
    op.drop_index(op.f("ix_certificate_state"), table_name="certificate")
    op.drop_index(op.f("ix_certificate_reserved_at"), table_name="certificate")
    op.create_index(
        op.f("ix_certificate_open"), "certificate", ["reserved_at"], sqlite_where=_OPEN, postgresql_where=_OPEN
    )


def downgrade() -> None:
    """Bring the schema from 0017 back to 0016."""
    op.drop_index(op.f("ix_certificate_open"), table_name="certificate")
    op.create_index(op.f("ix_certificate_reserved_at"), "certificate", ["reserved_at"])
    op.create_index(op.f("ix_certificate_state"), "certificate", ["state"])
