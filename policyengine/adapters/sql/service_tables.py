"""What our CA certified beside devices; `tables` says how it is written."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, PrimaryKeyConstraint, Table, Text

from policyengine.adapters.sql.naming import metadata

service_certificate = Table(
    "service_certificate",
    metadata,
    Column("issuer", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("issued_by", Text, nullable=False),
    Column("key_thumbprint", Text, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_reason", Text),
    Column("status_at", BigInteger, nullable=False),
    Column("log_index", BigInteger, nullable=False),
    PrimaryKeyConstraint("issuer", "serial"),
    Index(None, "serial"),
)
