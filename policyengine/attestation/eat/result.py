"""Attestation results of other verifiers and of ours (EAR, draft-ietf-rats-ear), as JWT and as CWT, new and old.

A result is no evidence: it says what somebody believed of a device, not what the device is. So this format is not among
those of a check-in; `verifier.READABLE` has it, for people and for relying parties.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.checks import nothing_failed, stated_in
from policyengine.attestation.eat import result_claims
from policyengine.attestation.eat.envelope import CWT, JWT, announced_by, read_token
from policyengine.attestation.eat.result_profiles import PROFILES
from policyengine.attestation.eat.submods import Encoding
from policyengine.attestation.formats import Format, Freshness, KeyBinding, Verified
from policyengine.attestation.media_type import MediaType
from policyengine.model.endorsements import ReferenceValues
from policyengine.model.ids import digest_of

NAME = "ear"


def appraise(
    evidence: bytes,
    *,
    media_type: str,
    nonce: bytes,
    anchors: TrustAnchors,
    endorsements: ReferenceValues | None,  # noqa: ARG001 - a result measures nothing that could be compared
    now: datetime,
) -> Verified:
    """Return whether a result can be believed; raises MalformedEvidenceError if it does not parse."""
    essence, announced = announced_by(media_type)
    token = read_token(evidence, essence, anchors)
    raw = token.raw
    if raw is None:
        judged = tuple(each.unreached for each in result_claims.ALL)
    else:
        claims = result_claims.from_cbor(raw) if token.encoding is Encoding.CBOR else result_claims.from_json(raw)
        judged = result_claims.check_claims(claims, announced=announced, nonce=nonce, now=now)
    checks = (*token.signed.checks, *judged)
    signer = token.signed.signer
    digest = digest_of(evidence)
    believed = signer is not None and raw is not None and nothing_failed(checks)
    return Verified(
        media_type=media_type,
        facts={"evidence": {"format": NAME, "verified": True, "digest": digest}} if believed else {},
        complete=(),
        decoded=raw or {},
        naming=_named,
        key_binding=KeyBinding(key=signer.key, thumbprint=signer.thumbprint, proof="ear.signature")
        if believed and signer
        else None,
        signer=signer.thumbprint if signer else None,
        checks=checks,
        digest=digest,
        freshness=Freshness.NONE,
    )


def _named(claims: Mapping[Any, Any]) -> dict[str, object]:
    return (
        dict(result_claims.from_cbor(claims)) if 265 in claims else {str(key): value for key, value in claims.items()}
    )


FORMAT = Format(
    name=NAME,
    media_types=tuple(
        MediaType(essence=essence, parameters={"eat_profile": profile})
        for essence in (CWT, JWT)
        for profile in sorted(PROFILES)
    ),
    appraise=appraise,
    requirements=stated_in(vars(result_claims), globals()),
)
