"""Arm CCA attestation tokens: a platform token and a realm token, bound by a key (the draft, section 4.10).

The platform's key signs a hash of the realm's key as its challenge; the realm's key signs our challenge. Each step is
worth nothing without the other, so all of them are judged, in order:

1. `cca.collection`: tag 399 over exactly the two tokens.
2. The platform token as a COSE_Sign1 by a trusted key (`cose.*`), and its claims.
3. `cca.realm-key`: the realm's key, which its own token carries, is one we can use.
4. `cca.binding`: the platform's challenge is the hash of that key.
5. `cca.realm-signature`: that key signed the realm token; it is believed for no other reason than step 4.
6. The realm's claims, our challenge among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec

from policyengine.attestation import cbor, cose
from policyengine.attestation.anchors import TrustAnchors, signers_of
from policyengine.attestation.cca import claims as cca_claims
from policyengine.attestation.cca.facts import add_facts
from policyengine.attestation.checks import Check, Requirement, described, failures, nothing_failed, stated_in
from policyengine.attestation.cose import ForeignEnvelope, Sign1, check_sign1, read_sign1
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.formats import Format, Freshness, KeyBinding, Verified
from policyengine.attestation.media_type import MediaType, announced_profile
from policyengine.attestation.signatures import ES256, ES384, ES512, Algorithm, Signed
from policyengine.model.endorsements import ReferenceValues
from policyengine.model.ids import digest_of

NAME = "cca"
TAG, PLATFORM, REALM = 399, 44234, 44241
MEDIA_TYPE = f'application/eat+cwt; eat_profile="{cca_claims.PLATFORM_PROFILE}"'
ANY_PROFILE = "application/eat-collection"  # with a `profile` it names one
ALGORITHMS: Mapping[int, Algorithm] = {each.id: each for each in (ES256, ES384, ES512)}

COLLECTION = Requirement(
    id="cca.collection",
    clause=f"{cca_claims.DRAFT} section 4.1",
    expected="tag 399 over a platform token and a realm token",
)
REALM_KEY = Requirement(
    id="cca.realm-key",
    clause=f"{cca_claims.DRAFT} section 4.8.7",
    expected="a point or COSE_Key on P-256, P-384 or P-521",
)
BINDING = Requirement(
    id="cca.binding",
    clause=f"{cca_claims.DRAFT} section 4.10",
    expected="a platform challenge that is the stated hash of the realm key",
)
REALM_SIGNATURE = Requirement(
    id="cca.realm-signature", clause=f"{cca_claims.DRAFT} section 4.10", expected="a COSE_Sign1 by the realm key"
)

_read_collection = cbor.reader(TAG)
_read_claims = cbor.reader(0, 1, 32, 37, 111)
_read_key = cbor.reader()
# SEC 1 section 2.3.3 by length, RFC 9053 table 18 by number.
_BY_POINT = {65: ec.SECP256R1(), 97: ec.SECP384R1(), 133: ec.SECP521R1()}
_BY_NUMBER = {1: (ec.SECP256R1(), ES256), 2: (ec.SECP384R1(), ES384), 3: (ec.SECP521R1(), ES512)}
_VERIFY = 2  # a key operation (RFC 9052 table 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    """One of the two tokens; `claims` is None where no COSE_Sign1 stands."""

    message: Sign1 | ForeignEnvelope
    claims: cca_claims.Claims | None


def appraise(
    evidence: bytes,
    *,
    media_type: str,
    nonce: bytes,
    anchors: TrustAnchors,
    endorsements: ReferenceValues | None,
    now: datetime,
) -> Verified:
    """Return what can be believed of a CCA token; raises MalformedEvidenceError if it does not parse."""
    tokens = _tokens(evidence)
    platform, realm = tokens or (_NO_TOKEN, _NO_TOKEN)
    signed = check_sign1(platform.message, signers=anchors.signers, algorithms=ALGORITHMS) if tokens else _UNSIGNED
    checks = (
        COLLECTION.passed if tokens else COLLECTION.failed("another structure"),
        *signed.checks,
        *cca_claims.check_platform(platform.claims, announced_profile(media_type)),
        *_bound(platform, realm),
        *cca_claims.check_realm(realm.claims, nonce),
    )
    digest = digest_of(evidence)
    facts: dict[str, object] = {}
    binding = None
    if signed.signer and platform.claims and realm.claims and nothing_failed(checks):
        facts = _envelope_facts(signed, platform.claims, digest)
        add_facts(facts, platform.claims, realm.claims, endorsements=endorsements, now=now)
        binding = KeyBinding(key=signed.signer.key, thumbprint=signed.signer.thumbprint, proof="cca.platform-signature")
    return Verified(
        media_type=media_type,
        facts=facts,
        complete=("software",) if binding else (),
        decoded={"platform": platform.claims or {}, "realm": realm.claims or {}},
        naming=dict,
        key_binding=binding,
        signer=signed.signer.thumbprint if signed.signer else None,
        checks=checks,
        digest=digest,
        freshness=Freshness.NONCE,
    )


_UNSIGNED = Signed(checks=(), signer=None, algorithm=None)
_NO_TOKEN = _Token(message=ForeignEnvelope(tag=TAG), claims=None)


def _tokens(evidence: bytes) -> tuple[_Token, _Token] | None:
    item = _read_collection(evidence)
    if type(item) is not cbor2.CBORTag or not isinstance(item.value, Mapping) or item.value.keys() != {PLATFORM, REALM}:
        return None
    contents = (item.value[PLATFORM], item.value[REALM])
    if not all(type(each) is bytes for each in contents):
        return None
    platform, realm = (_token(each) for each in contents)
    return platform, realm


def _token(content: bytes) -> _Token:
    message = read_sign1(content)
    if isinstance(message, ForeignEnvelope):
        return _Token(message=message, claims=None)
    claims = _read_claims(message.payload)
    if not isinstance(claims, Mapping):
        raise MalformedEvidenceError("cca.claims", "a payload is not a map of claims")
    return _Token(message=message, claims=claims)


def _bound(platform: _Token, realm: _Token) -> tuple[Check, Check, Check]:
    """Return the outcome of steps 3 to 5."""
    if realm.claims is None:
        return REALM_KEY.unreached, BINDING.unreached, REALM_SIGNATURE.unreached
    stated = realm.claims.get(cca_claims.REALM_KEY)
    key = _key(stated)
    return (
        REALM_KEY.passed if key else REALM_KEY.failed(described(stated)),
        binding_of(platform.claims, realm.claims),
        _realm_signature(realm.message, key) if key else REALM_SIGNATURE.unreached,
    )


def binding_of(platform: cca_claims.Claims | None, realm: cca_claims.Claims) -> Check:
    """Return the outcome of step 4."""
    if platform is None:
        return BINDING.unreached
    challenge, key = platform.get(cca_claims.CHALLENGE), realm.get(cca_claims.REALM_KEY)
    algorithm = realm.get(cca_claims.REALM_KEY_HASH)
    new = cca_claims.HASHES.get(algorithm) if type(algorithm) is str else None
    if new is None or type(key) is not bytes or challenge != new(key).digest():
        return BINDING.failed(described(challenge))
    return BINDING.passed


def _realm_signature(message: Sign1 | ForeignEnvelope, key: ec.EllipticCurvePublicKey) -> Check:
    signed = check_sign1(message, signers=signers_of((key,)), algorithms=ALGORITHMS)
    failed = failures(signed.checks)
    if failed or signed.signer is None:
        return REALM_SIGNATURE.failed(f"{failed[0].id}: {failed[0].seen}" if failed else "not verified")
    return REALM_SIGNATURE.passed


def _key(stated: object) -> ec.EllipticCurvePublicKey | None:
    """Return the realm's key: an uncompressed point, as Arm's firmware sends it, or a COSE_Key, as the draft has it."""
    if type(stated) is not bytes:
        return None
    if stated.startswith(b"\x04"):
        curve, point = _BY_POINT.get(len(stated)), stated
    else:
        curve, point = _cose_key(stated)
    if curve is None:
        return None
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    except ValueError:
        return None


def _cose_key(stated: bytes) -> tuple[ec.EllipticCurve | None, bytes]:
    """Return curve and point of an EC2 COSE_Key with both coordinates (RFC 9053 section 7.1.1)."""
    key = _read_key(stated)
    if not isinstance(key, Mapping) or key.get(1) != 2:
        return None, b""
    number, x, y = key.get(-1), key.get(-2), key.get(-3)
    curve, algorithm = _BY_NUMBER.get(number, (None, None)) if type(number) is int else (None, None)
    if curve is None or algorithm is None or type(x) is not bytes or type(y) is not bytes:
        return None, b""
    uses = key.get(4, (_VERIFY,))
    if key.get(3, algorithm.id) != algorithm.id or not isinstance(uses, list | tuple) or _VERIFY not in uses:
        return None, b""
    size = (curve.key_size + 7) // 8
    return (curve, b"\x04" + x + y) if len(x) == len(y) == size else (None, b"")


def _envelope_facts(signed: Signed, platform: cca_claims.Claims, digest: str) -> dict[str, object]:
    algorithm, signer = signed.algorithm, signed.signer
    return {
        "evidence": {
            "format": NAME,
            "profile": platform[cca_claims.PROFILE],
            "verified": True,
            **({"algorithm": algorithm.name} if algorithm else {}),
            "digest": digest,
        },
        "identity": {"kind": "iak", **({"key_thumbprint": signer.thumbprint} if signer else {}), "verified": True},
    }


FORMAT = Format(
    name=NAME,
    media_types=(
        *(MediaType(essence="application/eat+cwt", parameters={"eat_profile": name}) for name in cca_claims.PROFILES),
        *(MediaType(essence=ANY_PROFILE, parameters={"profile": name}) for name in cca_claims.PROFILES),
        MediaType(essence=ANY_PROFILE),
    ),
    appraise=appraise,
    requirements=stated_in(vars(cca_claims), vars(cose), globals()),
)
