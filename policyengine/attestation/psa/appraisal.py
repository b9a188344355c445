"""PSA attestation tokens (RFC 9783) of its profile and of the two older ones, with COSE_Sign1 or COSE_Mac0.

The order of work: read the envelope (`cose.read_sign1`), judge it (`cose.check_sign1`), read the claims, judge them
(`claims.check_claims`), and only if nothing failed turn them into facts. Reading can raise; judging never does.

The token's key is found by trying the anchors the caller gave: the caller knows which key the device with this
Instance ID has (RFC 9783 section 5.2), and nothing in the token may choose another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from policyengine.attestation import cbor, cose, cose_mac0
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.checks import Check, nothing_failed, stated_in
from policyengine.attestation.cose import ForeignEnvelope, Sign1, check_sign1, read_sign1
from policyengine.attestation.cose_mac0 import MAC0, Authenticated, check_mac0, mac0_of
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.formats import Format, Freshness, KeyBinding, Verified
from policyengine.attestation.media_type import MediaType, announced_profile
from policyengine.attestation.psa import claims as psa_claims
from policyengine.attestation.psa.facts import add_facts
from policyengine.attestation.psa.profiles import PROFILE_2, PROFILES, Profile, declared
from policyengine.attestation.psa.software import Inventory, inventory
from policyengine.attestation.signatures import ES256, ES384, ES512, Algorithm, Signed
from policyengine.model.endorsements import ReferenceValues
from policyengine.model.ids import Digest, digest_of

NAME = "psa"
MEDIA_TYPE = "application/psa-attestation-token"
# RFC 9783 section 5.2: what the profile lets a token use with COSE_Sign1.
ALGORITHMS: Mapping[int, Algorithm] = {each.id: each for each in (ES256, ES384, ES512)}

# Unknown claims must not be an error (RFC 9783 section 5.1.3), so the tags of common claim types pass, inert:
# times, URIs, UUIDs and OIDs (RFC 8949 section 3.4, RFC 9562, RFC 9090).
_read_claims = cbor.reader(0, 1, 32, 37, 111)

_CLAIM_NAMES = {
    psa_claims.PROFILE: "profile",
    psa_claims.NONCE: "nonce",
    psa_claims.CLIENT_ID: "client_id",
    psa_claims.INSTANCE_ID: "instance_id",
    psa_claims.IMPLEMENTATION_ID: "implementation_id",
    psa_claims.CERTIFICATION_REFERENCE: "cert_ref",
    psa_claims.LIFECYCLE: "lifecycle",
    psa_claims.BOOT_SEED: "boot_seed",
    psa_claims.SOFTWARE: "software",
    psa_claims.VSI: "vsi",
}
_COMPONENT_NAMES = {
    psa_claims.TYPE: "type",
    psa_claims.VALUE: "measurement",
    psa_claims.VERSION: "version",
    psa_claims.SIGNER: "signer_id",
    psa_claims.DESCRIPTION: "measurement_description",
}


def appraise(
    evidence: bytes,
    *,
    media_type: str,
    nonce: bytes,
    anchors: TrustAnchors,
    endorsements: ReferenceValues | None,
    now: datetime,
) -> Verified:
    """Return what can be believed of a PSA token; raises MalformedEvidenceError if it does not parse."""
    message = read_sign1(evidence)
    if isinstance(message, ForeignEnvelope) and message.tag == MAC0:
        message = mac0_of(message)
        signed: Signed | Authenticated = check_mac0(message, secrets=anchors.secrets)
    else:
        signed = check_sign1(message, signers=anchors.signers, algorithms=ALGORITHMS)
    said = _claims(message)
    profile = _profile(said, media_type)
    claims, software, judged = _judged(said, profile, nonce)
    checks = signed.checks + judged
    digest = digest_of(evidence)
    facts: dict[str, object] = {}
    binding = None
    if profile and signed.signer and signed.algorithm and nothing_failed(checks):
        facts = _envelope_facts(profile, signed.signer.thumbprint, signed.algorithm, digest)
        add_facts(facts, claims, software, endorsements=endorsements, now=now)
        binding = KeyBinding(signed.signer.key, signed.signer.thumbprint, "psa.iak-signature")
    complete = ("software",) if "software" in facts else ()
    thumbprint = signed.signer.thumbprint if signed.signer else None
    return Verified(media_type, facts, complete, claims, _named, binding, thumbprint, checks, digest, _FRESHNESS)


_FRESHNESS = Freshness.NONCE
_UNREAD = Inventory("not reached")


def _claims(message: Sign1 | ForeignEnvelope) -> psa_claims.Claims | None:
    if isinstance(message, ForeignEnvelope):
        return None
    claims = _read_claims(message.payload)
    if type(claims) is not dict:
        raise MalformedEvidenceError("psa.claims", "the payload is not a map of claims")
    return claims


def _profile(said: psa_claims.Claims | None, media_type: str) -> Profile | None:
    """Return the profile that the claims declare, unless the media type announces another one."""
    profile = declared(said) if said is not None else None
    announced = announced_profile(media_type)
    return profile if profile and (announced is None or announced == profile.name) else None


def _judged(
    said: psa_claims.Claims | None, profile: Profile | None, nonce: bytes
) -> tuple[psa_claims.Claims, Inventory, tuple[Check, ...]]:
    if said is None:
        return {}, _UNREAD, psa_claims.UNREACHED
    if profile is None:
        return said, _UNREAD, psa_claims.unknown_profile(said.get(psa_claims.PROFILE, said.get(-75000)))
    claims = profile.canonical(said)
    software = inventory(claims.get(psa_claims.SOFTWARE))
    return claims, software, psa_claims.check_claims(claims, nonce, profile, software.problem)


def _envelope_facts(profile: Profile, thumbprint: str, algorithm: Algorithm, digest: Digest) -> dict[str, object]:
    return {
        "evidence": {
            "format": NAME,
            "profile": profile.name,
            "verified": True,
            "algorithm": algorithm.name,
            "digest": digest,
        },
        "identity": {"kind": "iak", "key_thumbprint": thumbprint, "verified": True},
    }


def _named(claims: Mapping[Any, Any]) -> dict[str, object]:
    """Return the known claims by name, values as decoded."""
    named: dict[str, object] = {name: claims[key] for key, name in _CLAIM_NAMES.items() if key in claims}
    state = psa_claims.lifecycle_state(claims.get(psa_claims.LIFECYCLE))
    if state:
        named["lifecycle_state"] = state
    if isinstance(named.get("software"), list):
        named["software"] = [_named_component(component) for component in claims[psa_claims.SOFTWARE]]
    return named


def _named_component(component: Any) -> object:
    if not isinstance(component, dict):
        return component
    return {name: component[key] for key, name in _COMPONENT_NAMES.items() if key in component}


FORMAT = Format(
    name=NAME,
    # The announced profile must be the token's own. The types without one stood for all profiles before RFC 9782.
    media_types=(
        *(MediaType(essence="application/eat+cwt", parameters={"eat_profile": name}) for name in PROFILES),
        MediaType(essence="application/eat-cwt", parameters={"profile": PROFILE_2}),
        MediaType(essence=MEDIA_TYPE),
    ),
    appraise=appraise,
    requirements=stated_in(vars(cose), vars(cose_mac0), vars(psa_claims), globals()),
)
