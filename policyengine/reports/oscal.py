"""OSCAL assessment results (NIST OSCAL 1.2.1) of an evidence export: a finding a control, its numbers as properties.

A finding's state is only `satisfied` or `not-satisfied`; that some devices are unknown or waived stands in properties
under our namespace, and each waiver is a risk with status `deviation-approved`. Devices are counted, not listed: the
records of the export list them. Identifiers are computed from the export, so that the same export gives the same text.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping

from policyengine.model.times import format_timestamp
from policyengine.reports.assessment import Assessment, ControlRow, WaiverRow

VERSION = "1.2.1"
NAMESPACE = "https://policyengine.dev/ns/oscal"
_UUIDS = uuid.UUID("6f1d2a4e-3a55-5c0e-9f53-0d9a3f4c7b21")  # a namespace of our own (RFC 9562 section 5.5)
_NO_TOKEN = re.compile(r"[^A-Za-z0-9._-]")


def as_oscal(found: Assessment) -> str:
    """Return `found` as one assessment-results document."""
    seed = (
        f"{found.origin} {found.framework} {format_timestamp(found.start)} {format_timestamp(found.end)} {found.scope}"
    )
    document = {
        "uuid": _uuid(seed, "results"),
        "metadata": {
            "title": "Assessment results of devices by their evidence",
            "last-modified": format_timestamp(found.end),
            "version": "1",
            "oscal-version": VERSION,
            "remarks": "Computed from recorded decisions; informative, and no claim of conformity.",
        },
        "import-ap": {"href": "#" + _uuid(seed, "plan"), "remarks": "The plan is the policy bundles in the export."},
        "results": [_result(found, seed)],
        "back-matter": {
            "resources": [
                {
                    "uuid": _uuid(seed, "plan"),
                    "title": "Policy bundles in force in the period",
                    "rlinks": [{"href": f"bundles/{bundle.digest[7:]}.json"} for bundle in found.bundles],
                }
                if found.bundles
                else {"uuid": _uuid(seed, "plan"), "title": "No policy bundle was in force"}
            ]
        },
    }
    return json.dumps({"assessment-results": document}, indent=1, ensure_ascii=False)


def control_token(control: str) -> str:
    """Return a control's id as OSCAL takes it: `etsi:5.3-2` is `etsi-5.3-2` (a token, never with a digit first)."""
    token = _NO_TOKEN.sub("-", control)
    return token if token[:1].isalpha() or token[:1] == "_" else f"c-{token}"


def _result(found: Assessment, seed: str) -> Mapping[str, object]:
    selected = [{"control-id": control_token(row.id)} for row in found.controls]
    result: dict[str, object] = {
        "uuid": _uuid(seed, "result"),
        "title": f"Devices in scope: {found.scope}",
        "description": f"{found.devices} devices, {found.decisions} decisions, log of {found.log_size} leaves.",
        "start": format_timestamp(found.start),
        "end": format_timestamp(found.end),
        "reviewed-controls": {
            "control-selections": [{"include-controls": selected} if selected else {"include-all": {}}]
        },
    }
    if found.controls:
        result["observations"] = [_observation(row, found, seed) for row in found.controls]
    if found.waivers:
        result["risks"] = [_risk(row, seed) for row in found.waivers]
    if found.controls:
        result["findings"] = [_finding(row, found, seed) for row in found.controls]
    return result


def _observation(row: ControlRow, found: Assessment, seed: str) -> Mapping[str, object]:
    counts = {"pass": row.passed, "fail": row.failed, "unknown": row.unknown, "waived": row.waived}
    counts |= {"devices": row.devices, "failed-in-period": row.failed_in_period}
    properties = [_property(name, str(count)) for name, count in counts.items()]
    if row.weakest is not None:
        properties.append(_property("weakest-source", row.weakest))
    return {
        "uuid": _uuid(seed, "observation", row.id),
        "title": row.title or row.id,
        "description": ", ".join(row.rules) or "No rule speaks to this control.",
        "props": properties,
        "methods": ["TEST"],
        "types": ["control-objective"],
        "relevant-evidence": [
            {"href": "csv/findings.csv", "description": "Every verdict on every device, with its interval."}
        ],
        "collected": format_timestamp(found.end),
    }


def _finding(row: ControlRow, found: Assessment, seed: str) -> Mapping[str, object]:
    met = row.devices > 0 and row.failed == 0 and row.unknown == 0
    finding: dict[str, object] = {
        "uuid": _uuid(seed, "finding", row.id),
        "title": row.title or row.id,
        "description": (
            f"Of {row.devices} devices {row.passed} pass, {row.failed} fail, {row.unknown} unknown,"
            f" {row.waived} waived."
        ),
        "target": {
            "type": "objective-id",
            "target-id": control_token(row.id),
            "status": {"state": "satisfied" if met else "not-satisfied", "reason": _reason(row)},
        },
        "related-observations": [{"observation-uuid": _uuid(seed, "observation", row.id)}],
    }
    risks = [waiver for waiver in found.waivers if set(waiver.rules) & set(row.rules)]
    if risks:
        finding["related-risks"] = [{"risk-uuid": _uuid(seed, "risk", waiver.name)} for waiver in risks]
    return finding


def _reason(row: ControlRow) -> str:
    if row.devices == 0:
        return "other"
    return "fail" if row.failed else "other" if row.unknown else "pass"


def _risk(row: WaiverRow, seed: str) -> Mapping[str, object]:
    return {
        "uuid": _uuid(seed, "risk", row.name),
        "title": f"Waiver {row.name}",
        "description": row.reason or "No reason was given.",
        "statement": f"Approved by {', '.join(row.approvals) or 'nobody named'} until {format_timestamp(row.expires)}.",
        "props": [
            _property("ticket", row.ticket or "none"),
            _property("devices", str(row.devices)),
            *(_property("approved-by", name) for name in row.approvals),
        ],
        "status": "deviation-approved",
        "deadline": format_timestamp(row.expires),
        "mitigating-factors": [
            {
                "uuid": _uuid(seed, "mitigation", row.name),
                "description": row.compensating_control or "No compensating control was named.",
            }
        ],
    }


def _property(name: str, value: str) -> Mapping[str, str]:
    return {"name": name, "ns": NAMESPACE, "value": " ".join(value.split()) or "none"}


def _uuid(seed: str, *parts: str) -> str:
    return str(uuid.uuid5(_UUIDS, "\n".join((seed, *parts))))
