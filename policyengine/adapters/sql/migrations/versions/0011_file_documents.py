"""Keep which documents of suppliers and feeds are in use."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from 0010 to 0011."""
    op.create_table(
        "filed",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("original", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("filed_by", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=True),
        sa.Column("filed_at", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "model", "release", "name", name=op.f("pk_filed")),
    )
    op.create_index(op.f("ix_filed_log_index"), "filed", ["log_index"])


def downgrade() -> None:
    """Bring the schema from 0011 back to 0010."""
    op.drop_table("filed")
