"""The one way in: evidence of any registered format to a verdict, facts and a key binding (RFC 9334 section 8)."""

from __future__ import annotations

from datetime import datetime

from policyengine.attestation import dice, pop, psa, tpm
from policyengine.attestation import media_type as media_types
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.errors import UnsupportedMediaTypeError
from policyengine.attestation.formats import Format, Verified
from policyengine.attestation.media_type import MediaType
from policyengine.errors import quoted
from policyengine.model.endorsements import ReferenceValues

FORMATS: tuple[Format, ...] = (psa.FORMAT, pop.FORMAT, tpm.FORMAT, dice.FORMAT)

_BY_TYPE = {
    (each.essence, frozenset(each.parameters.items())): format_ for format_ in FORMATS for each in format_.media_types
}
_BY_SPELLING = {str(each): format_ for format_ in FORMATS for each in format_.media_types}


def verify(
    evidence: bytes,
    *,
    media_type: str,
    nonce: bytes,
    anchors: TrustAnchors,
    endorsements: ReferenceValues | None,
    now: datetime,
) -> Verified:
    """Return what can be believed of `evidence`, which `media_type` announces (a CMW record type, RFC 9999).

    `nonce` is the challenge as issued, or as bound to a CSR by `model.challenge.bound_nonce`; `now` is aware UTC.
    Pure and total: every byte string gives a result, or MalformedEvidenceError (it does not parse), or
    UnsupportedMediaTypeError. Whether the nonce is still unspent and whose device this is are the caller's to check.
    """
    appraise = format_for(media_type).appraise
    return appraise(evidence, media_type=media_type, nonce=nonce, anchors=anchors, endorsements=endorsements, now=now)


def format_for(media_type: str) -> Format:
    """Return the format registered for `media_type`, parameters included; raises UnsupportedMediaTypeError."""
    return _BY_SPELLING.get(media_type) or _parsed_format(media_types.parse(media_type))


def _parsed_format(parsed: MediaType) -> Format:
    found = _BY_TYPE.get((parsed.essence, frozenset(parsed.parameters.items())))
    if found is None:
        known = ", ".join(f"`{spelling}`" for spelling in sorted(_BY_SPELLING))
        raise UnsupportedMediaTypeError(f"no evidence format for {quoted(str(parsed))}; known are {known}")
    return found
