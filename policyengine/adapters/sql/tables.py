"""Every table. Times are microseconds since 1970 (BIGINT), digests raw SHA-256, JSON canonical text.

INVARIANT: nothing here that SQLite or PostgreSQL alone could run; the migration chain creates exactly this metadata.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from policyengine.adapters.sql.history_tables import certificate_status, device_history, registry_columns
from policyengine.adapters.sql.naming import metadata
from policyengine.adapters.sql.service_tables import service_certificate

# made elsewhere, named from here as all tables are
__all__ = ["certificate_status", "device_history", "metadata", "service_certificate"]

OPEN = text("state = 'reserved'")  # written out, not bound: an index over these rows serves what says the same

device = Table(
    "device",
    metadata,
    Column("id", Text, primary_key=True),
    Column("folded", Text),  # the id without case, of which there is one; null: it was registered beside another before
    Column("tag", LargeBinary, nullable=False, unique=True),  # the 16 bytes by which a nonce names it
    Column("vendor", Text, nullable=False),
    Column("model", Text, nullable=False),
    *registry_columns(),
    Index(None, "folded", unique=True),
    Index(None, "vendor", "serial"),
    Index(None, "model", "id"),
    Index(None, "site", "id"),
    Index(None, "zone", "id"),
    Index(None, "lifecycle", "id"),
)

device_state = Table(
    "device_state",
    metadata,
    Column("device_id", Text, ForeignKey("device.id"), primary_key=True),
    Column("version", BigInteger, nullable=False),  # counts writes; each write names the one it saw
    Column("floor", BigInteger, nullable=False),  # issue time of the last spent nonce
    Column("key_spki", LargeBinary, nullable=False),
    Column("key_thumbprint", Text, nullable=False, index=True),
    Column("identity_kind", Text, nullable=False),
    Column("anchor", Text),
    Column("tier", SmallInteger, nullable=False),
    Column("decided_tier", SmallInteger, nullable=False),
    Column("decision_id", LargeBinary, nullable=False, index=True),
    Column("outcome", LargeBinary, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("phase", Text, nullable=False),
    Column("bundle", LargeBinary, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("facts_digest", LargeBinary, nullable=False),
    Column("facts_shared", LargeBinary, nullable=False),
    Column("facts_own", LargeBinary, nullable=False),
    Column("input_prior", LargeBinary),
    Column("prior", LargeBinary, nullable=False),
    Column("verdicts", LargeBinary, nullable=False),  # digest of what all rules say: equal means nothing changed
    Column("valid_until", BigInteger, index=True),
    Column("recheck_at", BigInteger, index=True),  # set by another device's change; decide again at once
    Column("last_seen", BigInteger, nullable=False),
    Column("restriction", Text),
    Column("request_digest", LargeBinary),
    Column("reply", LargeBinary),
    Column("counters", Text),  # JSON: the highest values seen of facts that never go back; null: none
    Column("certificate_issuer", Text),
    Column("certificate_serial", Text),
    Column("reporter", Text, index=True),  # the gateway through which it spoke last; null: it spoke itself
    Index(None, "tier", "device_id"),
)

enrolment_token = Table(
    "enrolment_token",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("device_id", Text, ForeignKey("device.id"), nullable=False, index=True),
    Column("key_thumbprint", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("redeemed_at", BigInteger),
)

former_key = Table(
    "former_key",
    metadata,
    Column("key_thumbprint", Text, primary_key=True),
    Column("device_id", Text, ForeignKey("device.id"), nullable=False, index=True),
    Column("floor", BigInteger, nullable=False),  # of the device when the key ended: no older nonce enrols it again
    Column("ended_at", BigInteger, nullable=False),
)

certified_key = Table(
    "certified_key",
    metadata,
    Column("key_thumbprint", Text, primary_key=True),
    Column("device_id", Text, nullable=False),  # the one device that certificates name with this key
    Column("compromised_at", BigInteger),  # a certificate of this key was revoked for it: there is no further one
)

spent_nonce = Table(
    "spent_nonce",
    metadata,
    Column("nonce_hash", LargeBinary, primary_key=True),
    Column("device_id", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

verdict = Table(
    "verdict",
    metadata,
    Column("device_id", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("binding", Text, nullable=False),  # empty: no binding matched
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_to", BigInteger),  # half-open; null: still so
    Column("result", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("bundle", LargeBinary, nullable=False),
    Column("decision_id", LargeBinary, nullable=False),
    Column("failing_since", BigInteger),
    PrimaryKeyConstraint("device_id", "rule", "binding", "valid_from"),
    Index(None, "rule", "valid_to"),
)

stance = Table(
    "stance",
    metadata,
    Column("device_id", Text, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_to", BigInteger),  # half-open; null: still so
    Column("model", Text, nullable=False),
    Column("site", Text, nullable=False),  # empty: the registry has none
    Column("zone", Text, nullable=False),
    Column("stance", LargeBinary, nullable=False),
    PrimaryKeyConstraint("device_id", "valid_from"),
    Index(None, "valid_from", "model", "stance"),
    Index(None, "valid_to", "model", "stance"),
    Index(None, "site", "zone"),
    Index(None, "stance", "valid_to"),
)

stance_cell = Table(
    "stance_cell",
    metadata,
    Column("stance", LargeBinary, nullable=False),
    Column("control", Text, nullable=False),  # empty: the device itself, for the population
    Column("result", Text, nullable=False),
    Column("source", Text, nullable=False),
    PrimaryKeyConstraint("stance", "control"),
    Index(None, "control", "result"),
)

stance_tally = Table(
    "stance_tally",
    metadata,
    Column("framework", Text, nullable=False),  # what stands before the colon of the control
    Column("bucket", BigInteger, nullable=False),  # which 2^39 microseconds; -1: what holds now
    Column("control", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("delta", BigInteger, nullable=False),  # devices that came to this, less those that left it
    Column("weight", BigInteger, nullable=False),  # each delta times 1,024 microseconds since the bucket began
    PrimaryKeyConstraint("framework", "bucket", "control", "model", "result", "source"),
)

decision = Table(
    "decision",
    metadata,
    Column("decision_id", LargeBinary, primary_key=True),
    Column("device_id", Text, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("phase", Text, nullable=False),
    Column("tier", SmallInteger, nullable=False),
    Column("decided_tier", SmallInteger, nullable=False),
    Column("previous_tier", SmallInteger),
    Column("bundle", LargeBinary, nullable=False),
    Column("facts_digest", LargeBinary, nullable=False),
    Column("facts_shared", LargeBinary, nullable=False),
    Column("facts_own", LargeBinary, nullable=False),
    Column("prior", LargeBinary),
    Column("document", LargeBinary, nullable=False),  # zlib
    Column("log_index", BigInteger),  # of its leaf; null: recorded before there were places
    Index(None, "device_id", "decided_at"),
    Index(None, "decided_at", "decision_id"),
)

document = Table(
    "document",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),  # zlib
)

bundle = Table(
    "bundle",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("commit_id", Text),
    Column("published_at", BigInteger, nullable=False, index=True),
    Column("published_by", Text, nullable=False),
    Column("height", BigInteger),
)

activation = Table(
    "activation",
    metadata,
    Column("generation", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, ForeignKey("bundle.digest"), nullable=False, index=True),
    Column("activated_at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
)

certificate = Table(
    "certificate",
    metadata,
    Column("issuer", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("state", Text, nullable=False),  # reserved, issued, aborted
    Column("device_id", Text, nullable=False),
    Column("decision_id", LargeBinary, nullable=False),
    Column("tbs_sha256", LargeBinary, nullable=False),
    Column("profile", Text, nullable=False),
    Column("reserved_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("close_reason", Text),
    Column("tier", SmallInteger),
    Column("lineage", Integer),
    Column("replaces", Text),
    Column("key_thumbprint", Text),
    Column("not_before", BigInteger),
    Column("not_after", BigInteger),
    Column("certificate", LargeBinary),
    Column("status", Text),
    Column("status_reason", Text),
    Column("status_at", BigInteger),
    Column("log_index", BigInteger),  # of the leaf of its issue
    PrimaryKeyConstraint("issuer", "serial"),
    UniqueConstraint("device_id", "lineage"),
    Index(None, "serial"),
    Index(None, "not_after"),
    # INVARIANT: none by state alone: nearly all are `issued`, and SQLite would go through them for each serial number
    Index("ix_certificate_open", "reserved_at", sqlite_where=OPEN, postgresql_where=OPEN),
)

revocation = Table(
    "revocation",
    metadata,
    Column("issuer", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("entry", LargeBinary),  # as a revocation list holds it; null: released, for delta lists to say so
    Column("changed_at", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),  # of the certificate: later lists leave it out
    PrimaryKeyConstraint("issuer", "serial"),
)

security_event = Table(
    "security_event",
    metadata,
    Column("id", Text, primary_key=True),
    Column("code", Text, nullable=False),
    Column("device_id", Text, index=True),
    Column("check_id", Text),
    Column("detail", Text, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False, index=True),
    Column("count", BigInteger, nullable=False),
)

revocation_proposal = Table(
    "revocation_proposal",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("serial", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("device_id", Text, ForeignKey("device.id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("proposed_party", Text, nullable=False),
    Column("proposed_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

api_token = Table(
    "api_token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("party", Text),
    Column("models", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("last_used", BigInteger),
    Column("revoked_at", BigInteger),
    Column("secret_hash", LargeBinary, nullable=False),
)

audit_event = Table(
    "audit_event",
    metadata,
    Column("log_index", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False, index=True),
    Column("detail", Text, nullable=False),
)

log_leaf = Table(
    "log_leaf",
    metadata,
    Column("log_index", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("record", LargeBinary, nullable=False),
)

log_head = Table(
    "log_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),  # roots of the full subtrees of the tree, largest first
)

log_subtree = Table(
    "log_subtree",
    metadata,
    Column("level", SmallInteger, nullable=False, autoincrement=False),  # of tiles: 1 holds roots of 256 leaves
    Column("tree_index", BigInteger, nullable=False, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "tree_index"),
)

unmatched_measurement = Table(
    "unmatched_measurement",
    metadata,
    Column("model", Text, nullable=False),
    Column("component", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("device_id", Text, ForeignKey("device.id"), nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    PrimaryKeyConstraint("model", "component", "digest", "device_id"),
)

job = Table(
    "job",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("run_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("locked_until", BigInteger),
    Column("done_at", BigInteger),
    Column("error", Text),
    Index(None, "done_at", "run_at"),
)

filed = Table(
    "filed",
    metadata,
    Column("kind", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("original", LargeBinary, nullable=False),  # digests of documents: what was sent,
    Column("content", LargeBinary, nullable=False),  # and what was read out of it
    Column("filed_by", Text, nullable=False),
    Column("party", Text),
    Column("filed_at", BigInteger, nullable=False),
    Column("log_index", BigInteger, nullable=False, index=True),
    PrimaryKeyConstraint("kind", "model", "release", "name"),
)
