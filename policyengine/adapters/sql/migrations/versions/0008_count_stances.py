"""Keep each device's stance towards controls over time, and sums of them that answer for the whole fleet at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_COUNTED = ("control", "model", "result", "source")


def upgrade() -> None:
    """Bring the schema from 0007 to 0008."""
    op.create_table(
        "stance",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger(), nullable=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("stance", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "valid_from", name=op.f("pk_stance")),
    )
    op.create_index(op.f("ix_stance_valid_from_model_stance"), "stance", ["valid_from", "model", "stance"])
    op.create_index(op.f("ix_stance_valid_to_model_stance"), "stance", ["valid_to", "model", "stance"])
    op.create_index(op.f("ix_stance_site_zone"), "stance", ["site", "zone"])
    op.create_index(op.f("ix_stance_stance_valid_to"), "stance", ["stance", "valid_to"])
    op.create_table(
        "stance_cell",
        sa.Column("stance", sa.LargeBinary(), nullable=False),
        sa.Column("control", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stance", "control", name=op.f("pk_stance_cell")),
    )
    op.create_index(op.f("ix_stance_cell_control_result"), "stance_cell", ["control", "result"])
    op.create_table(
        "stance_tally",
        sa.Column("framework", sa.Text(), nullable=False),
        sa.Column("bucket", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _COUNTED),
        sa.Column("delta", sa.BigInteger(), nullable=False),
        sa.Column("weight", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("framework", "bucket", *_COUNTED, name=op.f("pk_stance_tally")),
    )


def downgrade() -> None:
    """Bring the schema from 0008 back to 0007."""
    op.drop_table("stance_tally")
    op.drop_table("stance_cell")
    op.drop_table("stance")
