"""Verdicts as JSON documents, and values on one line for people; byte strings are `hex:...`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from policyengine.attestation.check_pages import page_of
from policyengine.attestation.checks import Check, Outcome
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.formats import Verified
from policyengine.attestation.malformed_codes import clause_of

MAX_TEXT = 240  # of one value in an annotated line


def verdict_document(verified: Verified) -> dict[str, object]:
    """Return the stable shape that `evidence verify` prints, and the decoded claims."""
    return {
        "accepted": verified.accepted,
        "media_type": verified.media_type,
        "facts": plain(verified.facts),
        "key": None if verified.signer is None else {"thumbprint": verified.signer},
        "checks": [check_document(check) for check in verified.checks],
        "claims": plain(verified.claims),
        "digest": verified.digest,
    }


def malformed_document(error: MalformedEvidenceError, media_type: str) -> dict[str, object]:
    """Return the same shape for bytes that do not parse: refused, by the one check that says why."""
    check = Check(
        id=error.code,
        result=Outcome.FAIL,
        clause=clause_of(error.code),
        expected="well-formed evidence",
        seen=error.message,
    )
    checks = [check_document(check)]
    return {"accepted": False, "media_type": media_type, "facts": {}, "key": None, "checks": checks}


def check_document(check: Check) -> dict[str, str]:
    """Return one check of a verdict; one that failed says where it is explained."""
    document = {
        "id": check.id,
        "result": check.result.value,
        "clause": check.clause,
        "expected": check.expected,
        "seen": check.seen,
    }
    page = page_of(check.id) if check.result is Outcome.FAIL else None
    return document if page is None else document | {"documentation": page}


def plain(value: object) -> object:
    """Return `value` for JSON: bytes as `hex:...`, times as RFC 3339, tuples as lists, keys as text."""
    if isinstance(value, bytes):
        return f"hex:{value.hex()}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def shown(value: object) -> str:
    """Return `value` on one line of at most MAX_TEXT characters, nothing in it unprintable."""
    # What a device writes must not move the cursor of the person who reads it.
    plainly = plain(value)
    whole = plainly if isinstance(plainly, str) else json.dumps(plainly, ensure_ascii=False)
    text = "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in whole[: MAX_TEXT + 1])
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
