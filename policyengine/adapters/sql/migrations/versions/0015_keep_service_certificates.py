"""Keep the certificates of our own services, so that they can be revoked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from 0014 to 0015; the next start of a server fills the table from the ceremony's log."""
    op.create_table(
        "service_certificate",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=False),
        sa.Column("key_thumbprint", sa.Text(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("status_at", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "serial", name=op.f("pk_service_certificate")),
    )
    op.create_index(op.f("ix_service_certificate_serial"), "service_certificate", ["serial"])


def downgrade() -> None:
    """Bring the schema from 0015 back to 0014."""
    op.drop_index(op.f("ix_service_certificate_serial"), "service_certificate")
    op.drop_table("service_certificate")
