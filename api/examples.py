"""Examples in the OpenAPI description: made from the schemas, of values that a reader would meet.

A member's value is found by its schema and name (`TokenOut.id`), else by its name, so that one device, its decision and
its bundle go through all examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_DIGEST = "sha256:" + "ab" * 32
_NOW, _LATER = "2026-11-23T12:00:00Z", "2026-12-07T12:00:00Z"
_RULE = "engineering/gateway-integrity#secure-boot"

_VALUES: Mapping[str, object] = {
    "action": "limited",
    "actor": "ci",
    "approvals": ["it", "operations"],
    "aud": "policyengine",
    "binding": "operations/gateway-integrity-plant-a",
    "by": "gw-0002",
    "catalog": "ETSI EN 303 645",
    "ceiling": "quarantine",
    "certain": True,
    "class": "gateway",
    "code": "evidence.stale",
    "commit": "c0ffee",
    "component": "app",
    "controls": ["etsi:5.7-1"],
    "corim": "2QH1...",
    "coverage": 0.98,
    "criticality": "high",
    "cve": "CVE-2026-1234",
    "detail": {"reason": "odd traffic"},
    "device_id": "gw-0001",
    "digest": _DIGEST,
    "edition": "V2.1.1",
    "files": {"reference-values/vendor-acme/gw-200-4.2.1.corim": "2QH1..."},
    "format": "cyclonedx",
    "found_in": "software",
    "framework": "etsi",
    "id": "gw-0001",
    "identity_kind": "idevid",
    "issuer": "3f2a9c",
    "kind": "decision",
    "labels": {"ring": "canary"},
    "lifecycle": "operational",
    "message": "secure boot is false, mode debug",
    "mode": "enforce",
    "model": "gw-200",
    "models": ["gw-200"],
    "name": "app",
    "owner": "engineering",
    "party": "operations",
    "path": "subject",
    "pem": "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n",
    "phase": "operate",
    "phases": ["operate"],
    "policy": "engineering/gateway-integrity",
    "profile": "gateway",
    "proposal": "00112233445566aa",
    "purl": "pkg:generic/app@4.2.1",
    "reason": "odd traffic",
    "reference": _DIGEST,
    "release": "4.2.1",
    "remediation": "Re-provision with the signed production image.",
    "replaces": None,
    "require": 'boot.secure && boot.mode in ["production", "locked"]',
    "required_signoffs": ["vendor-acme", "engineering"],
    "result": "fail",
    "results": {"pass": 193, "fail": 7},
    "rule": _RULE,
    "rules": [_RULE],
    "scope": {"site": ["plant-a"]},
    "secret": "pe_8c1d_...",
    "serial": "AC-00000001",
    "severity": "high",
    "signer": "acme-2026",
    "site": "plant-a",
    "source": "attested",
    "sources": {"attested": 200},
    "state": "in-force",
    "status": "good",
    "status_reason": None,
    "subject": "gw-0001",
    "summary": "quarantine",
    "tier": "limited",
    "ticket": "OPS-412",
    "title": "Software is verified at start-up",
    "token": "pet_...",
    "unknown": 0,
    "vendor": "vendor-acme",
    "version": "4.2.1",
    "weakest_source": "attested",
    "zone": "line-1",
    "check": "psa.nonce",
    "compensating_control": "Isolated VLAN 40",
    "document": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
    "error": None,
    "example": "gw-0001",
    "file": "operations/gateway-integrity-plant-a.yaml",
    "for": "network",
    "gateways": ["gw-0002"],
    "given_up_at": _NOW,
    "hw_version": "rev-c",
    "reporter": None,
    "revoked_at": None,
    "role": "auditor",
    "subject_version": "4.2.1",
    "type": "com.policyengine.device.tier",
    "AuditEventOut.action": "device.quarantine",
    "CertificateOut.serial": "1f00a2",
    "ClauseOut.key": "device",
    "ClauseOut.matches": "in",
    "ClauseOut.values": ["gw-0001"],
    "ControlOut.id": "etsi:5.7-1",
    "ControlOut.source": "ETSI EN 303 645",
    "ControlStandingOut.id": "etsi:5.7-1",
    "ExportOut.state": "running",
    "ProposalOut.serial": "1f00a2",
    "ProposalOut.reason": "keyCompromise",
    "CandidateOut.corim_id": "acme-gw-200-4.2.1",
    "CandidateOut.corim_digest": _DIGEST,
    "PostureOut.token": "eyJhbGciOiJFUzI1NiJ9...",
    "RuleOut.file": "engineering/gateway-integrity.yaml",
    "SharesOut.pass": 0.97,
    "SharesOut.fail": 0.03,
    "TokenIn.name": "night shift",
    "TokenOut.name": "night shift",
    "TokenOut.id": "8c1d",
    "VerdictOut.reason": "rule.false",
    "SecurityEventOut.id": "e7c1",
    "SecurityEventOut.detail": "nonce is not the one that was given",
    "WebhookOut.name": "siem",
    "WaiverOut.waiver": "spare-part",
    "WaiverOut.reason": "Spare part ordered",
    "WaiverOut.expires": _LATER,
    "WaiverOut.file": "waivers/spare-part.yaml",
    "WaiverDetailOut.waiver": "spare-part",
    "WaiverDetailOut.reason": "Spare part ordered",
    "WaiverDetailOut.expires": _LATER,
    "WaiverDetailOut.file": "waivers/spare-part.yaml",
}
_ENDINGS: tuple[tuple[str, object], ...] = (
    ("expires_at", _LATER),
    ("not_after", _LATER),
    ("valid_until", _LATER),
    ("_at", _NOW),
    ("_tier", "limited"),
    ("_by", "ci"),
    ("_id", _DIGEST),
    ("_party", "it"),
    ("_seen", _NOW),
    ("_since", _NOW),
    ("thumbprint", _DIGEST),
    ("bundle", _DIGEST),
)
_MOMENTS = frozenset(
    {"as_of", "at", "expires", "from", "last_used", "not_before", "since", "to", "until", "valid_from"}
)


_DECISION = {"decision_id": _DIGEST, "device_id": "gw-0001", "decided_at": _NOW, "tier": "limited", "bundle": _DIGEST}
_FINDING = {"rule": _RULE, "result": "fail", "reason": "rule.false", "mode": "enforce", "action": "limited"}

# Of answers that are documents with schemas of their own, shortened.
_DOCUMENTS: Mapping[str, object] = {
    "show_facts": {
        "device_id": "gw-0001",
        "facts": {"boot": {"secure": False, "mode": "debug"}},
        "provenance": {"": {"source": "attested", "observed_at": _NOW}},
    },
    "explain_device": {**_DECISION, "findings": [_FINDING], "text": "gw-0001 is limited: secure boot is false"},
    "explain_decision": {**_DECISION, "findings": [_FINDING], "text": "gw-0001 is limited: secure boot is false"},
    "show_decision": {**_DECISION, "findings": [_FINDING]},
    "prove_decision": {"leaf": {"at": 1795435200000000, "kind": "decision", "v": 1}, "index": 4711},
    "announce_devices": {"added": 12},
    "publish_bundle": {"digest": _DIGEST},
    "show_bundle": {"fleet": {"name": "kestrel"}, "policies": {}},
    "show_sbom": {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "app", "version": "4.2.1"}]},
    "retry_dead_letter": None,
    "livez": {"status": "ok"},
    "readyz": {"status": "ready"},
}


def example_for(operation: str, schema: Schema, components: Mapping[str, Schema]) -> object:
    """Return an example of what the endpoint `operation` answers with, or takes, by `schema`."""
    if operation in _DOCUMENTS and "$ref" not in schema:
        return _DOCUMENTS[operation]
    return example_of(schema, components)


def example_of(schema: Schema, components: Mapping[str, Schema], name: str = "", owner: str = "") -> object:
    """Return a value that `schema` allows; `components` are the shapes that it refers to by name."""
    if "$ref" in schema:
        referred = str(schema["$ref"]).rpartition("/")[2]
        return example_of(components[referred], components, name, referred)
    if "enum" in schema:
        return schema["enum"][0]
    known = _known(name, owner)
    for value in (*schema.get("examples", ()), *known):
        if _fits(value, schema, components):
            return value
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], components, name, owner)
    return _made(schema, components, name, owner)


def _known(name: str, owner: str) -> tuple[object, ...]:
    exact = [_VALUES[key] for key in (f"{owner}.{name}", name) if key in _VALUES]
    ended = [value for ending, value in _ENDINGS if name.endswith(ending)]
    return (*exact, *([_NOW] if name in _MOMENTS else ()), *ended)


def _fits(value: object, schema: Schema, components: Mapping[str, Schema]) -> bool:
    """Tell whether a value is of the JSON type that a schema asks for; objects are made member by member."""
    if "anyOf" in schema:
        return any(_fits(value, each, components) for each in schema["anyOf"])
    if "$ref" in schema:
        referred = components[str(schema["$ref"]).rpartition("/")[2]]
        return value in referred.get("enum", ())
    kinds = {"string": str, "object": dict, "array": list, "boolean": bool, "number": float, "null": type(None)}
    kind = schema.get("type")
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "array" and isinstance(value, list):
        return all(_fits(item, schema.get("items", {}), components) for item in value)
    return kind in kinds and isinstance(value, kinds[kind]) and "properties" not in schema


def _made(schema: Schema, components: Mapping[str, Schema], name: str, owner: str) -> object:
    kind = schema.get("type")
    if kind == "array":
        return [example_of(schema.get("items", {}), components, "", owner)]
    if kind == "object":
        members = schema.get("properties", {})
        return {member: example_of(each, components, member, owner) for member, each in members.items()}
    if kind in {"integer", "number"}:
        return schema.get("default", schema.get("minimum", 1))
    if kind == "boolean":
        return schema.get("default", True)
    return name.replace("_", " ") if kind == "string" else None
