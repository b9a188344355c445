"""Proof of possession by an IDevID (IEEE 802.1AR section 5): a COSE_Sign1 over our challenge, chain in its header.

The message says nothing but the challenge, so that signing one can never be mistaken for signing anything else. In
order: read the envelope and the certificates; `pop.chain`, the path from the leaf to one of the caller's anchors at
`now`; the COSE checks with the leaf's key as the only candidate, and only if that path holds; `pop.nonce`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pki.certificates import load_certificate
from pki.chain import ValidatedPath, validate_path
from pki.errors import PathError
from pki.keys import PublicKey
from policyengine.attestation import cose
from policyengine.attestation.anchors import TrustAnchors, TrustedKey, signers_of
from policyengine.attestation.challenge import MIN_NONCE_BYTES, check_challenge
from policyengine.attestation.checks import Check, Requirement, nothing_failed, stated_in
from policyengine.attestation.cose import ForeignEnvelope, Sign1, check_sign1, read_sign1, x5chain
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.formats import Format, Freshness, KeyBinding, Verified
from policyengine.attestation.media_type import MediaType
from policyengine.attestation.signatures import EDDSA, ES256, ES384, ES512, Algorithm, Signed
from policyengine.model.endorsements import ReferenceValues
from policyengine.model.ids import Digest, digest_of

NAME = "pop"
MEDIA_TYPE = "application/vnd.policyengine.pop+cose"

ALGORITHMS: Mapping[int, Algorithm] = {each.id: each for each in (ES256, ES384, ES512, EDDSA)}

CHAIN = Requirement(
    id="pop.chain", clause="RFC 9360 section 2", expected="protected x5chain, leaf first, to a trusted IDevID authority"
)
NONCE = Requirement(
    id="pop.nonce", clause="RFC 9334 section 10.2", expected=f"the challenge, at least {MIN_NONCE_BYTES} bytes"
)
SIGNATURE = Requirement(
    id="pop.signature", clause="RFC 9052 section 4.4", expected="a signature by the key of the IDevID certificate"
)


def appraise(
    evidence: bytes,
    *,
    media_type: str,
    nonce: bytes,
    anchors: TrustAnchors,
    endorsements: ReferenceValues | None,  # noqa: ARG001 - the proof measures nothing that could be compared
    now: datetime,
) -> Verified:
    """Return whether the holder of an IDevID signed our challenge; raises MalformedEvidenceError."""
    message = read_sign1(evidence)
    certificates = _certificates(message)
    path, chain = _path(certificates, anchors.certificates, now)
    key = _key(path.leaf) if path else None
    signers = signers_of((key,)) if key else {}
    signed = check_sign1(message, signers=signers, algorithms=ALGORITHMS, signature=SIGNATURE)
    checks = (*signed.checks, chain, check_challenge(message, nonce, NONCE))
    digest = digest_of(evidence)
    facts, binding = _believed(signed, path, digest) if nothing_failed(checks) else ({}, None)
    return Verified(
        media_type=media_type,
        facts=facts,
        complete=(),
        decoded=_claims(message, certificates),
        naming=dict,
        key_binding=binding,
        signer=signed.signer.thumbprint if signed.signer else None,
        checks=checks,
        digest=digest,
        freshness=Freshness.PROOF_OF_POSSESSION,
    )


def _certificates(message: Sign1 | ForeignEnvelope) -> tuple[x509.Certificate, ...]:
    if isinstance(message, ForeignEnvelope):
        return ()
    try:
        return tuple(load_certificate(each) for each in x5chain(message))
    except PathError as cause:
        raise MalformedEvidenceError("cose.x5chain", f"in x5chain, {cause.message}") from cause


def _path(
    certificates: tuple[x509.Certificate, ...], anchors: tuple[x509.Certificate, ...], now: datetime
) -> tuple[ValidatedPath | None, Check]:
    if not certificates:
        return None, CHAIN.failed("no certificate in the protected header")
    leaf, *intermediates = certificates
    try:
        path = validate_path(leaf, intermediates=intermediates, anchors=anchors, at=now)
    except PathError as refused:
        return None, CHAIN.failed(f"{refused.code}: {refused.message}")
    return path, CHAIN.passed


def _key(leaf: x509.Certificate) -> PublicKey | None:
    try:
        key = leaf.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey) else None


def _believed(
    signed: Signed, path: ValidatedPath | None, digest: Digest
) -> tuple[Mapping[str, object], KeyBinding | None]:
    signer: TrustedKey | None = signed.signer
    if signer is None or signed.algorithm is None or path is None:  # INVARIANT: no failed check means all three
        return {}, None
    facts = {
        "evidence": {"format": NAME, "verified": True, "algorithm": signed.algorithm.name, "digest": digest},
        "identity": {
            "kind": "idevid",
            "key_thumbprint": signer.thumbprint,
            "anchor": path.anchor.subject.rfc4514_string(),
            "verified": True,
        },
    }
    binding = KeyBinding(key=signer.key, thumbprint=signer.thumbprint, proof="idevid.pop", chain=path.chain)
    return facts, binding


def _claims(message: Sign1 | ForeignEnvelope, certificates: tuple[x509.Certificate, ...]) -> dict[str, object]:
    """Return the challenge and who the leaf certificate says this is: attributes by name, each a tuple of values."""
    claims: dict[str, object] = {} if isinstance(message, ForeignEnvelope) else {"challenge": message.payload}
    if certificates:
        leaf = certificates[0]
        claims |= {
            "subject": _attributes(leaf.subject),
            "issuer": _attributes(leaf.issuer),
            "serial": f"{leaf.serial_number:x}",
            "not_before": leaf.not_valid_before_utc,
            "not_after": leaf.not_valid_after_utc,
        }
    return claims


# X.520 attribute types by the names RFC 4519 gives them; others by OID.
_ATTRIBUTES = {
    x509.NameOID.COMMON_NAME: "CN",
    x509.NameOID.SERIAL_NUMBER: "serialNumber",
    x509.NameOID.ORGANIZATION_NAME: "O",
    x509.NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    x509.NameOID.COUNTRY_NAME: "C",
    x509.NameOID.LOCALITY_NAME: "L",
    x509.NameOID.STATE_OR_PROVINCE_NAME: "ST",
}


def _attributes(name: x509.Name) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for attribute in name:
        key = _ATTRIBUTES.get(attribute.oid, attribute.oid.dotted_string)
        value = attribute.value if isinstance(attribute.value, str) else attribute.value.hex()
        found[key] = (*found.get(key, ()), value)
    return found


FORMAT = Format(
    name=NAME,
    media_types=(MediaType(essence=MEDIA_TYPE),),
    appraise=appraise,
    requirements=stated_in(vars(cose), globals()),
)
