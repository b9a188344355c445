"""Rows to values and values to rows, one pair per table that services read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.codec import (
    micros_or_none,
    named,
    named_or_none,
    packed,
    raw,
    raw_or_none,
    time_or_none,
    unpacked,
)
from policyengine.model.canonical import canonical
from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId, folded
from policyengine.model.policy import Phase
from policyengine.services.moments import micros, moment
from policyengine.services.nonces import device_tag
from policyengine.services.records import (
    CertificateRecord,
    CertificateStatus,
    DecisionRecord,
    Device,
    DeviceState,
    Lifecycle,
    Restriction,
    Verdict,
)

Fields = Mapping[str, Any] | RowMapping

# By their stored form: calling an enumeration costs four times as much as looking its member up.
_TIERS = {int(tier): tier for tier in Tier}
_PHASES = {phase.value: phase for phase in Phase}
_LIFECYCLES = {lifecycle.value: lifecycle for lifecycle in Lifecycle}
_STATUSES = {status.value: status for status in CertificateStatus}


def device_row(device: Device) -> dict[str, object]:
    """Return the `device` row of `device`."""
    return {
        "id": device.id,
        "folded": folded(device.id),
        "tag": device_tag(device.id),
        "vendor": device.vendor,
        "model": device.model,
        "serial": device.serial,
        "device_class": device.device_class,
        "hw_version": device.hw_version,
        "site": device.site,
        "zone": device.zone,
        "labels": canonical(dict(device.labels)).decode(),
        "criticality": device.criticality,
        "lifecycle": device.lifecycle.value,
        "created_at": micros(device.created_at),
        "updated_at": micros(device.updated_at),
        "enrolled_at": micros_or_none(device.enrolled_at),
        "gateways": " ".join(device.gateways) or None,
    }


def device_of(row: Fields) -> Device:
    """Return the device in a `device` row."""
    return Device(
        id=DeviceId(row["id"]),
        vendor=row["vendor"],
        model=row["model"],
        serial=row["serial"],
        device_class=row["device_class"],
        hw_version=row["hw_version"],
        site=row["site"],
        zone=row["zone"],
        labels={} if row["labels"] == "{}" else json.loads(row["labels"]),
        criticality=row["criticality"],
        lifecycle=_LIFECYCLES[row["lifecycle"]],
        created_at=moment(row["created_at"]),
        updated_at=moment(row["updated_at"]),
        enrolled_at=time_or_none(row["enrolled_at"]),
        gateways=tuple(map(DeviceId, row["gateways"].split())) if row["gateways"] else (),
    )


def state_row(state: DeviceState) -> dict[str, object]:
    """Return the columns of `device_state` that every write sets; `recheck_at` is cleared by it."""
    return {
        "version": state.version,
        "floor": state.floor,
        "tier": int(state.tier),
        "decided_tier": int(state.decided_tier),
        "decision_id": raw(state.decision_id),
        "outcome": raw(state.outcome),
        "decided_at": micros(state.decided_at),
        "phase": state.phase.value,
        "bundle": raw(state.bundle),
        "generation": state.generation,
        "facts_digest": raw(state.facts_digest),
        "facts_shared": raw(state.facts_shared),
        "facts_own": state.facts_own,
        "input_prior": raw_or_none(state.input_prior),
        "prior": raw(state.prior),
        "verdicts": state.verdicts,
        "valid_until": micros_or_none(state.valid_until),
        "recheck_at": None,
        "last_seen": micros(state.last_seen),
        "restriction": restriction_text(state.restriction),
        "request_digest": state.request_digest,
        "reply": state.reply,
        "counters": json.dumps(state.counters) if state.counters else None,
        "reporter": state.reporter,
    }


# What enrolment pins stays as it is; the current certificate is set on its own.
_PINNED = {"device_id", "key_spki", "key_thumbprint", "identity_kind", "anchor"}
_CURRENT = {"certificate_issuer", "certificate_serial"}
STATE_COLUMNS = [name for name in tables.device_state.c.keys() if name not in _PINNED | _CURRENT]  # noqa: SIM118 - columns


def first_state_row(state: DeviceState) -> dict[str, object]:
    """Return the whole `device_state` row of a device that enrols."""
    return state_row(state) | {
        "device_id": state.device_id,
        "key_spki": state.key_spki,
        "key_thumbprint": state.key_thumbprint,
        "identity_kind": state.identity_kind,
        "anchor": state.anchor,
        "certificate_issuer": None,
        "certificate_serial": None,
    }


def state_of(row: Fields) -> DeviceState:
    """Return the state in a `device_state` row."""
    return DeviceState(
        device_id=DeviceId(row["device_id"]),
        version=row["version"],
        floor=row["floor"],
        key_spki=row["key_spki"],
        key_thumbprint=row["key_thumbprint"],
        identity_kind=row["identity_kind"],
        anchor=row["anchor"],
        tier=_TIERS[row["tier"]],
        decided_tier=_TIERS[row["decided_tier"]],
        decision_id=named(row["decision_id"]),
        outcome=named(row["outcome"]),
        decided_at=moment(row["decided_at"]),
        phase=_PHASES[row["phase"]],
        bundle=named(row["bundle"]),
        generation=row["generation"],
        facts_digest=named(row["facts_digest"]),
        facts_shared=named(row["facts_shared"]),
        facts_own=row["facts_own"],
        input_prior=named_or_none(row["input_prior"]),
        prior=named(row["prior"]),
        verdicts=row["verdicts"],
        valid_until=time_or_none(row["valid_until"]),
        last_seen=moment(row["last_seen"]),
        restriction=restriction_of(row["restriction"]),
        counters=json.loads(row["counters"]) if row["counters"] else {},
        reporter=row["reporter"],
        request_digest=row["request_digest"],
        reply=row["reply"],
    )


def restriction_text(restriction: Restriction | None) -> str | None:
    """Return a restriction as JSON text."""
    if restriction is None:
        return None
    document = {
        "tier": int(restriction.tier),
        "reason": restriction.reason,
        "actor": restriction.actor,
        "since": micros(restriction.since),
    }
    return canonical(document).decode()


def restriction_of(text: str | None) -> Restriction | None:
    """Return the restriction in JSON text."""
    if text is None:
        return None
    document = json.loads(text)
    return Restriction(
        tier=Tier(document["tier"]),
        reason=document["reason"],
        actor=document["actor"],
        since=moment(document["since"]),
    )


def certificate_row(record: CertificateRecord) -> dict[str, object]:
    """Return the columns that turn a reservation into an issued certificate."""
    return {
        "state": "issued",
        "closed_at": micros(record.status_at),
        "tier": int(record.tier),
        "lineage": record.lineage,
        "replaces": record.replaces,
        "key_thumbprint": record.key_thumbprint,
        "not_before": micros(record.not_before),
        "not_after": micros(record.not_after),
        "certificate": record.certificate,
        "status": record.status.value,
        "status_reason": record.status_reason,
        "status_at": micros(record.status_at),
    }


# What the reservation wrote stays as it is.
_RESERVED = {"issuer", "serial", "device_id", "decision_id", "tbs_sha256", "profile", "reserved_at", "close_reason"}
CERTIFICATE_COLUMNS = [name for name in tables.certificate.c.keys() if name not in _RESERVED]  # noqa: SIM118 - columns


def certificate_of(row: Fields) -> CertificateRecord:
    """Return the certificate in an issued `certificate` row."""
    return CertificateRecord(
        issuer=row["issuer"],
        serial=row["serial"],
        device_id=DeviceId(row["device_id"]),
        decision_id=named(row["decision_id"]),
        profile=row["profile"],
        tier=_TIERS[row["tier"]],
        lineage=row["lineage"],
        replaces=row["replaces"],
        key_thumbprint=row["key_thumbprint"],
        not_before=moment(row["not_before"]),
        not_after=moment(row["not_after"]),
        certificate=row["certificate"],
        status=_STATUSES[row["status"]],
        status_reason=row["status_reason"],
        status_at=moment(row["status_at"]),
    )


def decision_row(record: DecisionRecord) -> dict[str, object]:
    """Return the `decision` row of `record`."""
    return {
        "decision_id": raw(record.decision_id),
        "device_id": record.device_id,
        "decided_at": micros(record.decided_at),
        "phase": record.phase.value,
        "tier": int(record.tier),
        "decided_tier": int(record.decided_tier),
        "previous_tier": None if record.previous_tier is None else int(record.previous_tier),
        "bundle": raw(record.bundle),
        "facts_digest": raw(record.facts_digest),
        "facts_shared": raw(record.facts_shared),
        "facts_own": record.facts_own,
        "prior": raw_or_none(record.prior),
        "document": packed(record.document),
    }


def decision_of(row: Fields) -> DecisionRecord:
    """Return the decision in a `decision` row."""
    return DecisionRecord(
        decision_id=named(row["decision_id"]),
        device_id=DeviceId(row["device_id"]),
        decided_at=moment(row["decided_at"]),
        phase=_PHASES[row["phase"]],
        tier=_TIERS[row["tier"]],
        decided_tier=_TIERS[row["decided_tier"]],
        previous_tier=None if row["previous_tier"] is None else _TIERS[row["previous_tier"]],
        bundle=named(row["bundle"]),
        facts_digest=named(row["facts_digest"]),
        facts_shared=named(row["facts_shared"]),
        facts_own=row["facts_own"],
        prior=named_or_none(row["prior"]),
        document=unpacked(row["document"]),
    )


def verdict_of(row: Fields) -> Verdict:
    """Return the interval in a `verdict` row."""
    return Verdict(
        device_id=DeviceId(row["device_id"]),
        rule=row["rule"],
        binding=row["binding"] or None,
        result=row["result"],
        reason=row["reason"],
        mode=row["mode"],
        action=row["action"],
        bundle=named(row["bundle"]),
        decision_id=named(row["decision_id"]),
        failing_since=time_or_none(row["failing_since"]),
        valid_from=moment(row["valid_from"]),
        valid_to=time_or_none(row["valid_to"]),
    )
