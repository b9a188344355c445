"""Where the documentation explains a check: by the first part of its id, so that a new check of a format has a page."""

from __future__ import annotations

from collections.abc import Mapping

_GENERAL = "docs/evidence.md#checks"
_PAGES: Mapping[str, str] = {
    "binding": "docs/evidence-tpm.md#checks",
    "cbor": _GENERAL,
    "cca": "docs/evidence-cca.md#checks",
    "cmw": "docs/evidence-wrappers.md",
    "cose": _GENERAL,
    "dice": "docs/evidence-dice.md#checks",
    "ear": "docs/evidence-wrappers.md",
    "eat": "docs/evidence-eat.md#checks",
    "eventlog": "docs/evidence-tpm.md#codes-of-malformed-evidence",
    "jose": "docs/evidence-eat.md#checks",
    "pop": _GENERAL,
    "psa": _GENERAL,
    "renewal": "docs/device.md#after-the-certificate-ended",
    "tpm": "docs/evidence-tpm.md#checks",
}
_COUNTERS = "docs/evidence.md#counters"
_EXCEPTIONS: Mapping[str, str] = {"tpm.reset-count": _COUNTERS, "eat.boot-count": _COUNTERS}


def page_of(check_id: str) -> str | None:
    """Return the page and anchor that explain `check_id`, or None for one that has no page (another package's)."""
    return _EXCEPTIONS.get(check_id) or _PAGES.get(check_id.partition(".")[0])
