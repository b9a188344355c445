"""What registry and CA said at any moment, kept beside what they say now; `tables` says how it is written."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from policyengine.adapters.sql.naming import metadata


def registry_columns() -> tuple[Column[Any], ...]:
    """Return what the registry says of a device beside what it is: the columns of now and of any moment."""
    return (
        Column("serial", Text, nullable=False),
        Column("device_class", Text),
        Column("hw_version", Text),
        Column("site", Text),
        Column("zone", Text),
        Column("labels", Text, nullable=False),
        Column("criticality", Text),
        Column("lifecycle", Text, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        Column("enrolled_at", BigInteger),
        Column("gateways", Text),  # ids with spaces between: who may speak for it; null: nobody
    )


device_history = Table(
    "device_history",
    metadata,
    Column("device_id", Text, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_to", BigInteger),  # half-open; null: still so
    *registry_columns(),
    Column("identity_kind", Text),  # null: the device had no state
    Column("key_thumbprint", Text),
    Column("restriction", Text),
    PrimaryKeyConstraint("device_id", "valid_from"),
)

certificate_status = Table(
    "certificate_status",
    metadata,
    Column("log_index", BigInteger, primary_key=True, autoincrement=False),
    Column("issuer", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_reason", Text),
    Column("status_at", BigInteger, nullable=False),
    Index(None, "issuer", "serial"),
)
