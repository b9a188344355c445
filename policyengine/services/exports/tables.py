"""The export's CSV tables: each row follows from one record, so that a verifier can write it again and compare."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from policyengine.model.times import format_timestamp
from policyengine.reports.assessment import ControlRow, WaiverRow
from policyengine.services.moments import moment
from policyengine.transparency.leaf import Leaf

Cells = Sequence[str | int | None]

_DECISION = ("decision_id", "device", "decided_at", "phase", "tier", "decided_tier", "previous_tier", "bundle", "facts")
_FINDING = (
    *("device", "rule", "binding", "result", "reason", "mode", "action"),
    *("valid_from", "valid_to", "failing_since", "bundle", "decision_id"),
)

HEADS: Mapping[str, Cells] = {
    "controls": (
        *("control", "title", "source", "edition", "rules", "devices", "pass", "fail", "unknown", "waived"),
        *("failed_in_period", "weakest_source"),
    ),
    "findings": (*_FINDING, "controls"),
    "decisions": (*_DECISION, "evidence"),
    "waivers": ("waiver", "policy", "rules", "approved_by", "reason", "ticket", "instead", "expires", "devices"),
    "acts": ("at", "actor", "action", "subject", "detail"),
}


def decision_cells(line: Mapping[str, Any]) -> Cells:
    """Return a decision's row; `evidence` are the digests of the evidence behind its facts."""
    origins = orjson.loads(line["facts_own"])["origins"]
    evidence = sorted({kept["evidence_digest"] for kept, *_ in origins if "evidence_digest" in kept})
    return (*(line[name] for name in _DECISION), " ".join(evidence))


def finding_cells(line: Mapping[str, Any], controls: Sequence[str]) -> Cells:
    """Return a verdict interval's row, with the controls of the export that its rule speaks to."""
    return (*(line[name] for name in _FINDING), " ".join(controls))


def act_cells(leaf: Leaf) -> Cells:
    """Return the row of an administrative act's leaf."""
    record = json.loads(leaf.record)
    detail = json.dumps(record["detail"], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return (format_timestamp(moment(leaf.at_us)), record["actor"], record["action"], record["subject"], detail)


def control_cells(row: ControlRow) -> Cells:
    """Return a control's row."""
    counts = (row.devices, row.passed, row.failed, row.unknown, row.waived, row.failed_in_period)
    return (row.id, row.title, row.source, row.edition, " ".join(row.rules), *counts, row.weakest)


def waiver_cells(row: WaiverRow) -> Cells:
    """Return a waiver's row."""
    return (
        *(row.name, row.policy, " ".join(row.rules), " ".join(row.approvals), row.reason, row.ticket),
        *(row.compensating_control, format_timestamp(row.expires), row.devices),
    )
