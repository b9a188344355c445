"""Keep the encoded list entry of every certificate that is revoked or on hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

from pki.crl_encoding import EntryReason, encode_entry

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STEP = 10_000  # rows at a time; a list of years must not fill memory
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REASONS = {
    "keyCompromise": EntryReason.KEY_COMPROMISE,
    "affiliationChanged": EntryReason.AFFILIATION_CHANGED,
    "superseded": EntryReason.SUPERSEDED,
    "cessationOfOperation": EntryReason.CESSATION_OF_OPERATION,
    "privilegeWithdrawn": EntryReason.PRIVILEGE_WITHDRAWN,
}
_certificate = sa.table(
    "certificate", *map(sa.column, ("issuer", "serial", "status", "status_reason", "status_at", "not_after"))
)
_revocation = sa.table("revocation", *map(sa.column, ("issuer", "serial", "entry", "changed_at", "not_after")))


def upgrade() -> None:
    """Bring the schema from 0002 to 0003; what is revoked or on hold by then is encoded."""
    op.create_table(
        "revocation",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "serial", name=op.f("pk_revocation")),
    )
    connection = op.get_bind()
    found = connection.execute(sa.select(_certificate).where(_certificate.c.status.in_(("hold", "revoked"))))
    while rows := found.fetchmany(STEP):
        connection.execute(sa.insert(_revocation), [_encoded(row) for row in rows])


def downgrade() -> None:
    """Bring the schema from 0003 back to 0002."""
    op.drop_table("revocation")


def _encoded(row: sa.Row[tuple[object, ...]]) -> dict[str, object]:
    held = row.status == "hold"
    reason = EntryReason.CERTIFICATE_HOLD if held else _REASONS.get(row.status_reason, EntryReason.UNSPECIFIED)
    since = _EPOCH + timedelta(microseconds=row.status_at)
    return {
        "issuer": row.issuer,
        "serial": row.serial,
        "entry": encode_entry(int(row.serial, 16), since=since, reason=reason),
        "changed_at": row.status_at,
        "not_after": row.not_after,
    }
