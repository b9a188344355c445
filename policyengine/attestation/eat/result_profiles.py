"""The profiles of attestation results that we read (draft-ietf-rats-ear): ours, and Veraison's before the draft."""

from __future__ import annotations

CURRENT = "tag:ietf.org,2026:rats/ear#03"
VERAISON = "tag:github.com,2023:veraison/ear"
PROFILES = frozenset({CURRENT, VERAISON})
