"""Tokens as CWT and as JWT, read and their envelopes judged; what the claims mean is for those who asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cbor2

from policyengine.attestation import cbor
from policyengine.attestation import media_type as media_types
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.cose import SIGN1, ForeignEnvelope, Sign1, check_sign1, message_of, read_sign1
from policyengine.attestation.cose_mac0 import MAC0, Authenticated, check_mac0
from policyengine.attestation.eat import claims as eat_claims
from policyengine.attestation.eat import json as eat_json
from policyengine.attestation.eat.submods import Encoding
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.jose import check_jws, json_object, read_jws
from policyengine.attestation.signatures import BY_ID, BY_NAME, Signed

CWT, JWT = "application/eat+cwt", "application/eat+jwt"
CWT_TAG = 61  # RFC 8392 section 6: around a COSE tag
JWT_TYPES = frozenset({"jwt", "eat+jwt"})

# Claims may hold times, URIs, UUIDs, OIDs and CoSWID tags; all stay inert.
_read_claims = cbor.reader(0, 1, 32, 37, 111, 1398229316)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token read and its envelope judged: raw claims as sent, and the same in CBOR form; None if not reached."""

    signed: Signed | Authenticated
    raw: Mapping[Any, Any] | None
    claims: eat_claims.Claims
    encoding: Encoding


@lru_cache(maxsize=64)  # the spellings in use are a handful
def announced_by(media_type: str) -> tuple[str, str | None]:
    """Return the essence of `media_type` and the profile it announces."""
    parsed = media_types.parse(media_type)
    return parsed.essence, parsed.parameters.get("eat_profile")


def read_token(evidence: bytes, essence: str, anchors: TrustAnchors) -> Token:
    """Return the token of media type `essence`; raises MalformedEvidenceError."""
    return read_cwt(evidence, anchors) if essence == CWT else read_jwt(evidence, anchors)


def read_cwt(evidence: bytes, anchors: TrustAnchors) -> Token:
    """Return a CWT, bare or under tag 61; raises MalformedEvidenceError."""
    message = _without_cwt_tag(read_sign1(evidence))
    if isinstance(message, Sign1) and message.tag == MAC0:
        signed: Signed | Authenticated = check_mac0(message, secrets=anchors.secrets)
    else:
        signed = check_sign1(message, signers=anchors.signers, algorithms=BY_ID)
    if isinstance(message, ForeignEnvelope):
        return Token(signed=signed, raw=None, claims={}, encoding=Encoding.CBOR)
    claims = cbor_claims(message.payload)
    return Token(signed=signed, raw=claims, claims=claims, encoding=Encoding.CBOR)


def cbor_claims(payload: bytes) -> Mapping[Any, Any]:
    """Return the map of claims that `payload` is in CBOR; raises MalformedEvidenceError."""
    claims = _read_claims(payload)
    if not isinstance(claims, Mapping):
        raise MalformedEvidenceError("eat.claims", "the payload is not a map of claims")
    return claims


def json_claims(payload: bytes) -> Mapping[Any, Any]:
    """Return the claims that `payload` states in JSON, in the form that CBOR has; raises MalformedEvidenceError."""
    return eat_json.canonical(json_object(payload, "the claims"))


def _without_cwt_tag(message: Sign1 | ForeignEnvelope) -> Sign1 | ForeignEnvelope:
    """Return the COSE message, under tag 61 or bare; a CWT tag around anything but a COSE tag stays foreign."""
    tag, content = (message.tag, message.content) if isinstance(message, ForeignEnvelope) else (None, None)
    if tag == CWT_TAG and type(content) is cbor2.CBORTag:
        tag, content = content.tag, content.value
    return message_of(content, tag) if tag in {SIGN1, MAC0} else message


def read_jwt(evidence: bytes, anchors: TrustAnchors) -> Token:
    """Return a JWT; raises MalformedEvidenceError."""
    message = read_jws(evidence)
    signed = check_jws(message, signers=anchors.signers, algorithms=BY_NAME, types=JWT_TYPES)
    raw = json_object(message.payload, "the payload")
    return Token(signed=signed, raw=raw, claims=eat_json.canonical(raw), encoding=Encoding.JSON)
