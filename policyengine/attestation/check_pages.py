"""Where the documentation explains a check: by the first part of its id, so that a new check of a format has a page."""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.attestation.malformed_codes import MEANINGS

_GENERAL = "docs/evidence.md#checks"
_PAGES: Mapping[str, str] = {
    "binding": "docs/evidence-tpm.md#checks",
    "cbor": _GENERAL,
    "cca": "docs/evidence-cca.md#checks",
    "cmw": "docs/evidence-wrappers.md#conceptual-message-wrappers",
    "corim": "docs/endorsements.md#checks",
    "cose": _GENERAL,
    "dice": "docs/evidence-dice.md#checks",
    "ear": "docs/evidence-wrappers.md#attestation-results",
    "eat": "docs/evidence-eat.md#checks",
    "eventlog": "docs/evidence-tpm.md#codes-of-malformed-evidence",
    "jose": "docs/evidence-eat.md#checks",
    "pop": _GENERAL,
    "psa": _GENERAL,
    "renewal": "docs/device.md#after-the-certificate-ended",
    "tpm": "docs/evidence-tpm.md#checks",
}
# Codes of bytes that do not parse, where they stand apart from the checks.
_MALFORMED: Mapping[str, str] = {
    "cbor": "docs/evidence.md#codes-of-malformed-evidence",
    "cose": "docs/evidence.md#codes-of-malformed-evidence",
    "psa": "docs/evidence.md#codes-of-malformed-evidence",
    "cca": "docs/evidence.md#codes-of-malformed-evidence",
    "dice": "docs/evidence-dice.md#codes-of-malformed-evidence",
    "eat": "docs/evidence-eat.md#codes-of-malformed-evidence",
    "evidence": "docs/evidence-wrappers.md#conceptual-message-wrappers",
    "jose": "docs/evidence-eat.md#codes-of-malformed-evidence",
    "tpm": "docs/evidence-tpm.md#codes-of-malformed-evidence",
}
_COUNTERS = "docs/evidence.md#counters"
_EXCEPTIONS: Mapping[str, str] = {"tpm.reset-count": _COUNTERS, "eat.boot-count": _COUNTERS}


def page_of(check_id: str) -> str | None:
    """Return the page and anchor that explain a check or a code, or None for one without a page (another package's)."""
    family = check_id.partition(".")[0]
    if check_id in MEANINGS and family in _MALFORMED:
        return _MALFORMED[family]
    return _EXCEPTIONS.get(check_id) or _PAGES.get(family)
