"""The one way in: evidence of any registered format to a verdict, facts and a key binding (RFC 9334 section 8)."""

from __future__ import annotations

from datetime import datetime

from policyengine.attestation import pop
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.cca import appraisal as cca
from policyengine.attestation.dice import appraisal as dice
from policyengine.attestation.eat import appraisal as eat
from policyengine.attestation.eat import result as ear
from policyengine.attestation.formats import Format, Verified
from policyengine.attestation.psa import appraisal as psa
from policyengine.attestation.registry import Registry
from policyengine.attestation.tpm import appraisal as tpm
from policyengine.model.endorsements import ReferenceValues

FORMATS: tuple[Format, ...] = (
    psa.FORMAT,
    eat.FORMAT,
    eat.UNSIGNED_FORMAT,
    cca.FORMAT,
    pop.FORMAT,
    tpm.FORMAT,
    dice.FORMAT,
)
BUILT_IN = Registry(FORMATS)
READABLE = BUILT_IN.extended((ear.FORMAT,))  # results too, which people may read and no check-in takes for evidence


def verify(
    evidence: bytes,
    *,
    media_type: str,
    nonce: bytes,
    anchors: TrustAnchors,
    endorsements: ReferenceValues | None,
    now: datetime,
    registry: Registry = BUILT_IN,
) -> Verified:
    """Return what can be believed of `evidence`, which `media_type` announces (a CMW record type, RFC 9999).

    `nonce` is the challenge as issued, or as bound to a CSR by `model.challenge.bound_nonce`; `now` is aware UTC.
    Pure and total: every byte string gives a result, or MalformedEvidenceError (it does not parse), or
    UnsupportedMediaTypeError. Whether the nonce is still unspent and whose device this is are the caller's to check.
    """
    appraise = registry.format_for(media_type).appraise
    return appraise(evidence, media_type=media_type, nonce=nonce, anchors=anchors, endorsements=endorsements, now=now)
