"""Test vectors of the format `eat`: a CWT, a JWT, or a bundle with detached claims, known by its file's name.

A case that names no challenge is about something else, so it is judged by the first nonce of its own token, if that
has a sound one; and a case that names no time is judged at the token's `iat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.eat import appraisal as eat
from policyengine.attestation.eat import bundle
from policyengine.attestation.eat import claims as eat_claims
from policyengine.attestation.eat import json as eat_json
from policyengine.attestation.eat.envelope import CWT, JWT
from policyengine.attestation.formats import Verified
from policyengine.attestation.vectors.case import EPOCH, Case, Files, Judged, nonce_of

_BY_NAME = {".jwt": JWT, "bundle.cbor": bundle.CBOR, "bundle.json": bundle.JSON}
_LATEST = 253402300799  # the end of the year 9999, the last that `datetime` knows


def judge(case: Case, files: Files, anchors: TrustAnchors) -> Judged:
    """Return what became of `case`; claims are compared by their keys on the wire."""
    (name,) = case["files"]
    media_type = next((found for ending, found in _BY_NAME.items() if name.endswith(ending)), CWT)
    said = _appraised(files[name], media_type, b"", anchors, EPOCH)
    is_text = "eat_nonce" in said.decoded
    claims = eat_json.canonical(said.decoded) if is_text else said.decoded
    nonce = nonce_of(case) if case.get("nonce") else own_nonce(claims)
    found = _appraised(files[name], media_type, nonce, anchors, moment_of(case, claims))
    shown = dict(found.decoded)
    if found.accepted and isinstance(shown.get(eat_claims.NONCE), list | tuple):
        shown[eat_claims.NONCE] = nonce  # of several nonces, the one that was ours
    return Judged(accepted=found.accepted, failed=found.failed, facts=found.facts, claims=shown)


def _appraised(evidence: bytes, media_type: str, nonce: bytes, anchors: TrustAnchors, now: datetime) -> Verified:
    return eat.appraise(evidence, media_type=media_type, nonce=nonce, anchors=anchors, endorsements=None, now=now)


def own_nonce(claims: Mapping[Any, Any]) -> bytes:
    """Return the nonce in `claims`, the first of several, or no bytes."""
    value = claims.get(eat_claims.NONCE)
    first = value[0] if isinstance(value, list | tuple) and value else value
    return first if isinstance(first, bytes) else b""


def moment_of(case: Case, claims: Mapping[Any, Any]) -> datetime:
    """Return the time at which `case` is judged: its own, or when its token was issued, or EPOCH."""
    if case.get("at"):
        return datetime.fromisoformat(case["at"])
    issued = claims.get(eat_claims.IAT)
    return datetime.fromtimestamp(issued, UTC) if type(issued) is int and 0 <= issued <= _LATEST else EPOCH
