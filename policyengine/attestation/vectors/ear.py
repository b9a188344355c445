"""Test vectors of the format `ear`: a result as CWT or JWT, known by its file's name, of any profile we read."""

from __future__ import annotations

from datetime import datetime

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.eat import result as ear
from policyengine.attestation.eat.envelope import CWT, JWT
from policyengine.attestation.formats import Verified
from policyengine.attestation.vectors.case import EPOCH, Case, Files, Judged, nonce_of
from policyengine.attestation.vectors.eat import moment_of


def judge(case: Case, files: Files, anchors: TrustAnchors) -> Judged:
    """Return what became of `case`; claims are compared by their keys on the wire."""
    (name,) = case["files"]
    said = _appraised(case, files[name], anchors, EPOCH)
    claims = {6: said.decoded["iat"]} if "iat" in said.decoded else said.decoded
    found = _appraised(case, files[name], anchors, moment_of(case, claims))
    return Judged(accepted=found.accepted, failed=found.failed, facts=found.facts, claims=found.decoded)


def _appraised(case: Case, evidence: bytes, anchors: TrustAnchors, now: datetime) -> Verified:
    media_type = JWT if case["files"][0].endswith(".jwt") else CWT
    nonce = nonce_of(case)
    return ear.appraise(evidence, media_type=media_type, nonce=nonce, anchors=anchors, endorsements=None, now=now)
