"""Create every table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema from None to 0001."""
    op.create_table(
        "api_token",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=True),
        sa.Column("models", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
    )
    op.create_table(
        "audit_event",
        sa.Column("log_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("log_index", name=op.f("pk_audit_event")),
    )
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_event_subject"), ["subject"], unique=False)

    op.create_table(
        "bundle",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("commit_id", sa.Text(), nullable=True),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_bundle")),
    )
    with op.batch_alter_table("bundle", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bundle_published_at"), ["published_at"], unique=False)

    op.create_table(
        "certificate",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.LargeBinary(), nullable=False),
        sa.Column("tbs_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("reserved_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=True),
        sa.Column("tier", sa.SmallInteger(), nullable=True),
        sa.Column("lineage", sa.Integer(), nullable=True),
        sa.Column("replaces", sa.Text(), nullable=True),
        sa.Column("key_thumbprint", sa.Text(), nullable=True),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column("not_after", sa.BigInteger(), nullable=True),
        sa.Column("certificate", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("status_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("issuer", "serial", name=op.f("pk_certificate")),
        sa.UniqueConstraint("device_id", "lineage", name=op.f("uq_certificate_device_id_lineage")),
    )
    with op.batch_alter_table("certificate", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_certificate_reserved_at"), ["reserved_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_certificate_serial"), ["serial"], unique=False)
        batch_op.create_index(batch_op.f("ix_certificate_state"), ["state"], unique=False)

    op.create_table(
        "decision",
        sa.Column("decision_id", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("decided_tier", sa.SmallInteger(), nullable=False),
        sa.Column("previous_tier", sa.SmallInteger(), nullable=True),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.Column("facts_digest", sa.LargeBinary(), nullable=False),
        sa.Column("facts_shared", sa.LargeBinary(), nullable=False),
        sa.Column("facts_own", sa.LargeBinary(), nullable=False),
        sa.Column("prior", sa.LargeBinary(), nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decision")),
    )
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_decision_decided_at_decision_id"), ["decided_at", "decision_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_decision_device_id_decided_at"), ["device_id", "decided_at"], unique=False)

    op.create_table(
        "device",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("device_class", sa.Text(), nullable=True),
        sa.Column("hw_version", sa.Text(), nullable=True),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("zone", sa.Text(), nullable=True),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("criticality", sa.Text(), nullable=True),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device")),
        sa.UniqueConstraint("tag", name=op.f("uq_device_tag")),
    )
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_device_model_id"), ["model", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_vendor_serial"), ["vendor", "serial"], unique=False)

    op.create_table(
        "document",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_document")),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("run_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=True),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_job_done_at_run_at"), ["done_at", "run_at"], unique=False)

    op.create_table(
        "log_head",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_head")),
    )
    op.create_table(
        "log_leaf",
        sa.Column("log_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_index", name=op.f("pk_log_leaf")),
    )
    op.create_table(
        "security_event",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=True),
        sa.Column("check_id", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_event")),
    )
    with op.batch_alter_table("security_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_security_event_device_id"), ["device_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_security_event_last_at"), ["last_at"], unique=False)

    op.create_table(
        "spent_nonce",
        sa.Column("nonce_hash", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("nonce_hash", name=op.f("pk_spent_nonce")),
    )
    with op.batch_alter_table("spent_nonce", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_spent_nonce_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "verdict",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("binding", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.Column("decision_id", sa.LargeBinary(), nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("device_id", "rule", "binding", "valid_from", name=op.f("pk_verdict")),
    )
    with op.batch_alter_table("verdict", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_verdict_rule_valid_to"), ["rule", "valid_to"], unique=False)

    op.create_table(
        "activation",
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("activated_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["bundle.digest"], name=op.f("fk_activation_digest")),
        sa.PrimaryKeyConstraint("generation", name=op.f("pk_activation")),
    )
    with op.batch_alter_table("activation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_activation_digest"), ["digest"], unique=False)

    op.create_table(
        "device_state",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=False),
        sa.Column("key_spki", sa.LargeBinary(), nullable=False),
        sa.Column("key_thumbprint", sa.Text(), nullable=False),
        sa.Column("identity_kind", sa.Text(), nullable=False),
        sa.Column("anchor", sa.Text(), nullable=True),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("decided_tier", sa.SmallInteger(), nullable=False),
        sa.Column("decision_id", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.LargeBinary(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("facts_digest", sa.LargeBinary(), nullable=False),
        sa.Column("facts_shared", sa.LargeBinary(), nullable=False),
        sa.Column("facts_own", sa.LargeBinary(), nullable=False),
        sa.Column("input_prior", sa.LargeBinary(), nullable=True),
        sa.Column("prior", sa.LargeBinary(), nullable=False),
        sa.Column("verdicts", sa.LargeBinary(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("recheck_at", sa.BigInteger(), nullable=True),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.Column("restriction", sa.Text(), nullable=True),
        sa.Column("request_digest", sa.LargeBinary(), nullable=True),
        sa.Column("reply", sa.LargeBinary(), nullable=True),
        sa.Column("certificate_issuer", sa.Text(), nullable=True),
        sa.Column("certificate_serial", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_device_state_device_id")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device_state")),
    )
    with op.batch_alter_table("device_state", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_device_state_decision_id"), ["decision_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_state_key_thumbprint"), ["key_thumbprint"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_state_recheck_at"), ["recheck_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_state_valid_until"), ["valid_until"], unique=False)

    op.create_table(
        "enrolment_token",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("key_thumbprint", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("redeemed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_enrolment_token_device_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_enrolment_token")),
    )
    with op.batch_alter_table("enrolment_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrolment_token_device_id"), ["device_id"], unique=False)

    op.execute("INSERT INTO log_head (id, size) VALUES (1, 0)")  # an empty log; transactions lock this row


def downgrade() -> None:
    """Bring the schema from 0001 back to None."""
    with op.batch_alter_table("enrolment_token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_enrolment_token_device_id"))

    op.drop_table("enrolment_token")
    with op.batch_alter_table("device_state", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_device_state_valid_until"))
        batch_op.drop_index(batch_op.f("ix_device_state_recheck_at"))
        batch_op.drop_index(batch_op.f("ix_device_state_key_thumbprint"))
        batch_op.drop_index(batch_op.f("ix_device_state_decision_id"))

    op.drop_table("device_state")
    with op.batch_alter_table("activation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_activation_digest"))

    op.drop_table("activation")
    with op.batch_alter_table("verdict", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_verdict_rule_valid_to"))

    op.drop_table("verdict")
    with op.batch_alter_table("spent_nonce", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_spent_nonce_expires_at"))

    op.drop_table("spent_nonce")
    with op.batch_alter_table("security_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_security_event_last_at"))
        batch_op.drop_index(batch_op.f("ix_security_event_device_id"))

    op.drop_table("security_event")
    op.drop_table("log_leaf")
    op.drop_table("log_head")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_job_done_at_run_at"))

    op.drop_table("job")
    op.drop_table("document")
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_device_vendor_serial"))
        batch_op.drop_index(batch_op.f("ix_device_model_id"))

    op.drop_table("device")
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_decision_device_id_decided_at"))
        batch_op.drop_index(batch_op.f("ix_decision_decided_at_decision_id"))

    op.drop_table("decision")
    with op.batch_alter_table("certificate", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_certificate_state"))
        batch_op.drop_index(batch_op.f("ix_certificate_serial"))
        batch_op.drop_index(batch_op.f("ix_certificate_reserved_at"))

    op.drop_table("certificate")
    with op.batch_alter_table("bundle", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_bundle_published_at"))

    op.drop_table("bundle")
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_event_subject"))

    op.drop_table("audit_event")
    op.drop_table("api_token")
