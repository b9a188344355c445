"""What an export is made of: the names of its members, and each record as one line of canonical JSON.

Members of records have a list of their records' digests beside them, so that a record which changed can be named.
Documents that a digest names (decisions, facts, priors) stand as they are, a line each. All that is about one device is
in the segments of one number, a parcel, which can be verified without the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policyengine.model.base64url import base64url, from_base64url
from policyengine.model.canonical import canonical
from policyengine.model.decision import Tier
from policyengine.model.ids import DeviceId, Digest, digest_of
from policyengine.model.policy import Phase, Waiver
from policyengine.model.times import format_timestamp, parse_timestamp
from policyengine.services.exports.ports import Placed, PlacedCertificate
from policyengine.services.records import Activation, BundleRecord, DecisionRecord, Device, Verdict
from policyengine.transparency.leaf import Leaf

FORMAT = "policyengine/evidence-export/v1"
SIGNED = "policyengine evidence export v1"  # first line of the signed note: no checkpoint starts like that
SEGMENT = 500  # documents of one member: a verifier that looks for one unpacks so many

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
CHECKPOINT, PROOF, VKEY = "log/checkpoint", "log/proof", "log/vkey"
CAS, RESULT_KEYS = "keys/ca.pem", "keys/results.jwks"
REPORT, OSCAL, READ_ME = "report.html", "assessment-results.json", "README.txt"

# Folders of records; those of PARCEL have a segment for each step of devices.
DEVICES, DECISIONS, DOCUMENTS = "devices", "decisions", "documents"
FACTS, PRIORS, VERDICTS = "facts", "priors", "verdicts"
CERTIFICATES, RESULTS, LEAVES = "certificates", "attestation-results", "leaves"
BUNDLES, WAIVERS = "bundles", "waivers"
PARCEL = (DEVICES, DECISIONS, DOCUMENTS, VERDICTS, CERTIFICATES, RESULTS)

CSV = {name: f"csv/{name}.csv" for name in ("controls", "findings", "decisions", "waivers", "acts")}


def segment(folder: str, number: int) -> str:
    """Return the name of a folder's segment, counted from 1."""
    return f"{folder}/{number:06d}.jsonl"


def digests_of(member: str) -> str:
    """Return the name of the list of digests beside a member of records."""
    return member.rpartition(".")[0] + ".sha256"


def bundle_member(digest: Digest) -> str:
    """Return the name of the member that a bundle is."""
    return f"{BUNDLES}/{digest[7:]}.json"


def device_line(device: Device) -> bytes:
    """Return a registry row, as the registry has it when the export is made."""
    enrolled = device.enrolled_at
    return canonical(
        {
            "id": device.id,
            "vendor": device.vendor,
            "model": device.model,
            "serial": device.serial,
            "class": device.device_class,
            "site": device.site,
            "zone": device.zone,
            "labels": dict(device.labels),
            "criticality": device.criticality,
            "lifecycle": device.lifecycle.value,
            "enrolled_at": None if enrolled is None else format_timestamp(enrolled),
        }
    )


def decision_line(placed: Placed) -> bytes:
    """Return a decision without its document, which the digest `document` names; `facts_own` is text byte for byte."""
    record = placed.record
    return canonical(
        {
            "decision_id": record.decision_id,
            "device": record.device_id,
            "decided_at": format_timestamp(record.decided_at),
            "phase": record.phase.value,
            "tier": record.tier.name.lower(),
            "decided_tier": record.decided_tier.name.lower(),
            "previous_tier": None if record.previous_tier is None else record.previous_tier.name.lower(),
            "bundle": record.bundle,
            "facts": record.facts_digest,
            "facts_shared": record.facts_shared,
            "facts_own": record.facts_own.decode(),
            "prior": record.prior,
            "document": digest_of(record.document),
            "leaf": placed.leaf,
        }
    )


def decision_from(line: Mapping[str, Any], document: bytes) -> DecisionRecord:
    """Return the decision of a line and its document; raises KeyError, ValueError, PolicyEngineError for no line."""
    previous = line["previous_tier"]
    return DecisionRecord(
        decision_id=Digest(line["decision_id"]),
        device_id=DeviceId(line["device"]),
        decided_at=parse_timestamp(line["decided_at"]),
        phase=Phase(line["phase"]),
        tier=Tier[line["tier"].upper()],
        decided_tier=Tier[line["decided_tier"].upper()],
        previous_tier=None if previous is None else Tier[previous.upper()],
        bundle=Digest(line["bundle"]),
        facts_digest=Digest(line["facts"]),
        facts_shared=Digest(line["facts_shared"]),
        facts_own=line["facts_own"].encode(),
        prior=None if line["prior"] is None else Digest(line["prior"]),
        document=document,
    )


def verdict_line(found: Verdict) -> bytes:
    """Return a verdict interval; `valid_to` null: it had not ended when the period did."""
    return canonical(
        {
            "device": found.device_id,
            "rule": found.rule,
            "binding": found.binding,
            "result": found.result,
            "reason": found.reason,
            "mode": found.mode,
            "action": found.action,
            "bundle": found.bundle,
            "decision_id": found.decision_id,
            "failing_since": None if found.failing_since is None else format_timestamp(found.failing_since),
            "valid_from": format_timestamp(found.valid_from),
            "valid_to": None if found.valid_to is None else format_timestamp(found.valid_to),
        }
    )


def certificate_line(placed: PlacedCertificate) -> bytes:
    """Return an issued certificate, DER in base64url; what became of it later is in the log's leaves."""
    record = placed.record
    return canonical(
        {
            "issuer": record.issuer,
            "serial": record.serial,
            "device": record.device_id,
            "decision": record.decision_id,
            "profile": record.profile,
            "lineage": record.lineage,
            "replaces": record.replaces,
            "certificate": base64url(record.certificate),
            "leaf": placed.leaf,
        }
    )


def leaf_line(leaf: Leaf) -> bytes:
    """Return a leaf laid open; `record` is text byte for byte, salt and hash are base64url."""
    return canonical(
        {
            "index": leaf.index,
            "at_us": leaf.at_us,
            "kind": leaf.kind,
            "record": leaf.record.decode(),
            "salt": base64url(leaf.salt),
            "leaf_hash": base64url(leaf.leaf_hash),
        }
    )


def leaf_from(line: Mapping[str, Any]) -> Leaf:
    """Return the leaf of a line; raises KeyError, ValueError for what is none."""
    salt, hashed = from_base64url(line["salt"]), from_base64url(line["leaf_hash"])
    if salt is None or hashed is None:
        raise ValueError("salt or hash is no base64url")
    return Leaf(
        index=line["index"],
        at_us=line["at_us"],
        kind=line["kind"],
        record=line["record"].encode(),
        salt=salt,
        leaf_hash=hashed,
    )


def bundle_line(record: BundleRecord, activations: list[Activation]) -> bytes:
    """Return where a bundle comes from and when it was put in force."""
    return canonical(
        {
            "digest": record.digest,
            "commit": record.commit,
            "published_at": format_timestamp(record.published_at),
            "published_by": record.published_by,
            "activations": [
                {
                    "generation": each.generation,
                    "activated_at": format_timestamp(each.activated_at),
                    "actor": each.actor,
                }
                for each in activations
            ],
        }
    )


def waiver_line(waiver: Waiver, bundles: Sequence[Digest]) -> bytes:
    """Return an exception as the latest of `bundles` has it: `approvals` are the parties that approved it."""
    return canonical(
        {
            "waiver": waiver.name,
            "policy": waiver.policy,
            "rules": sorted(waiver.rules),
            "where": [
                {"key": clause.key, "values": list(clause.values), "negated": clause.negated}
                for clause in waiver.where.clauses
            ],
            "approvals": list(waiver.approvals),
            "reason": waiver.reason,
            "ticket": waiver.ticket,
            "compensating_control": waiver.compensating_control,
            "expires": format_timestamp(waiver.expires),
            "source": {"file": waiver.place.file, "line": waiver.place.line},
            "bundles": list(bundles),
        }
    )
