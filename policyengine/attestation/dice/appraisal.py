"""DICE: certificates of every boot layer, and proof that the last layer's key is at hand (TCG, Open DICE, RIoT).

A chain holds no nonce, so alone it could be sent by anyone who ever saw it. Evidence here is therefore a COSE_Sign1 by
the last layer's key over our challenge, with the chain in its protected header: X.509 as `x5chain` (label 33, leaf
first), or CDI certificates in CBOR as `dice-chain` (root first). In order: read envelope and certificates; judge the
path (`path`, `cdi`); the signature with the leaf's key as the only candidate, and only if the path holds;
the challenge; and only if nothing failed, facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast

from cryptography import x509

from policyengine.attestation import cose
from policyengine.attestation.anchors import TrustAnchors, TrustedKey
from policyengine.attestation.challenge import check_challenge
from policyengine.attestation.checks import Check, nothing_failed, stated_in
from policyengine.attestation.cose import ForeignEnvelope, Sign1, check_sign1, read_sign1, x5chain
from policyengine.attestation.dice import claims as dice_claims
from policyengine.attestation.dice import rules as dice_rules
from policyengine.attestation.dice.cdi import (
    ALGORITHMS,
    MAX_CERTIFICATES,
    CdiCertificate,
    judge_cdi_chain,
    read_cdi_certificate,
)
from policyengine.attestation.dice.certificate import DiceCertificate, signing_key
from policyengine.attestation.dice.facts import Layers, add_facts
from policyengine.attestation.dice.path import DicePath, judge_path, read_chain
from policyengine.attestation.dice.rules import (
    BASIC_CONSTRAINTS,
    CRITICAL,
    DEVICE_ID,
    KEY_IDENTIFIERS,
    MEASURED,
    NONCE,
    PATH_LENGTH,
    POSSESSION,
    VALIDITY,
)
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.formats import Format, Freshness, KeyBinding, Verified
from policyengine.attestation.media_type import MediaType
from policyengine.attestation.signatures import Algorithm
from policyengine.model.endorsements import ReferenceValues
from policyengine.model.ids import Digest, digest_of

NAME = "dice"
MEDIA_TYPE = "application/vnd.policyengine.dice+cose"
DICE_CHAIN = "dice-chain"  # protected header: an array of CDI certificates, root first

Chain = tuple[DiceCertificate, ...] | tuple[CdiCertificate, ...]


class JudgedChain(NamedTuple):
    """A chain of either encoding: its checks, and what it says if they hold; `layers` by certificate, root first.

    `leaf` is the key that the chain says is its last layer's: nothing follows from it unless the chain holds. `device`
    is the key that names the device for longer than one firmware: see `claims.device_key`.
    """

    checks: tuple[Check, ...]
    profile: str
    leaf: TrustedKey | None
    device: TrustedKey | None
    anchor: str | None
    layers: Layers
    path: tuple[x509.Certificate, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the leaf's key may be believed."""
        return self.leaf is not None and nothing_failed(self.checks)


def appraise(
    evidence: bytes,
    *,
    media_type: str,
    nonce: bytes,
    anchors: TrustAnchors,
    endorsements: ReferenceValues | None,
    now: datetime,
) -> Verified:
    """Return what can be believed of a DICE device; raises MalformedEvidenceError if it does not parse."""
    message = read_sign1(evidence)
    chain = _chain(message)
    judged = judge(chain, anchors=anchors, now=now)
    signers = {} if judged.leaf is None else {judged.leaf.kind: (judged.leaf,)}
    signed = check_sign1(message, signers=signers, algorithms=ALGORITHMS, signature=POSSESSION)
    checks = (*signed.checks, *judged.checks, check_challenge(message, nonce, NONCE))
    digest = digest_of(evidence)
    facts: dict[str, object] = {}
    binding = None
    signer = signed.signer if judged.holds else None
    if signer and signed.algorithm and judged.device is not None and nothing_failed(checks):
        facts = _envelope_facts(judged, judged.device, signed.algorithm, digest)
        add_facts(facts, judged.layers, endorsements=endorsements, now=now)
        binding = KeyBinding(
            key=signer.key,
            thumbprint=signer.thumbprint,
            proof="dice.possession",
            chain=judged.path,
            device=judged.device.key,
        )
    return Verified(
        media_type=media_type,
        facts=facts,
        complete=("software",) if binding else (),
        decoded={"challenge": message.payload, "chain": chain} if isinstance(message, Sign1) else {},
        naming=_named,
        key_binding=binding,
        signer=signer.thumbprint if signer else None,
        checks=checks,
        digest=digest,
        # The signature covers our challenge together with the chain, so all of it is as new as the challenge.
        freshness=Freshness.NONCE,
    )


def _envelope_facts(judged: JudgedChain, device: TrustedKey, algorithm: Algorithm, digest: Digest) -> dict[str, object]:
    identity = {"kind": "dice", "key_thumbprint": device.thumbprint, "verified": True}
    return {
        "evidence": {
            "format": NAME,
            "profile": judged.profile,
            "verified": True,
            "algorithm": algorithm.name,
            "digest": digest,
        },
        "identity": identity | ({"anchor": judged.anchor} if judged.anchor else {}),
    }


def _chain(message: Sign1 | ForeignEnvelope) -> Chain:
    if isinstance(message, ForeignEnvelope):
        return ()
    cbor_chain = message.headers.get(DICE_CHAIN)
    certificates = x5chain(message)
    if cbor_chain is None:
        return read_chain(certificates)
    if certificates:
        raise MalformedEvidenceError("dice.certificate", "there are two chains, X.509 and CBOR")
    return read_cdi_chain(cbor_chain)


def read_cdi_chain(value: Any) -> tuple[CdiCertificate, ...]:
    """Return CDI certificates, root first; raises MalformedEvidenceError."""
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_CERTIFICATES:
        raise MalformedEvidenceError("dice.certificate", f"a CDI chain is not 1 to {MAX_CERTIFICATES} certificates")
    if any(type(each) is not bytes for each in value):
        raise MalformedEvidenceError("dice.certificate", "a CDI certificate is not a byte string")
    return tuple(read_cdi_certificate(each) for each in value)


def judge(chain: Chain, *, anchors: TrustAnchors, now: datetime) -> JudgedChain:
    """Return what becomes of a chain by itself; whether it is fresh is for the caller to prove."""
    # INVARIANT: the first certificate tells the encoding of all, see `Chain`
    if chain and isinstance(chain[0], CdiCertificate):
        return _judge_cbor(chain, anchors)
    return _judge_x509(cast(tuple[DiceCertificate, ...], chain), anchors, now)


def _judge_x509(chain: tuple[DiceCertificate, ...], anchors: TrustAnchors, now: datetime) -> JudgedChain:
    found = judge_path(chain, anchors=anchors, now=now)
    path = found.path
    if path is None:
        leaf = signing_key(chain[0].spki) if chain else None
        return _untrusted((*found.checks, MEASURED.unreached), dice_claims.profile(chain), leaf)
    layers = tuple([each.extensions.layers for each in reversed(path.certificates)])
    return JudgedChain(
        checks=(*found.checks, _measured(layers)),
        profile=dice_claims.profile(path.certificates),
        leaf=signing_key(path.certificates[0].spki),
        device=signing_key(dice_claims.device_key(path)),
        anchor=path.anchor,
        layers=layers,
        path=_certificates(path),
    )


def _judge_cbor(chain: tuple[CdiCertificate, ...], anchors: TrustAnchors) -> JudgedChain:
    found = judge_cdi_chain(chain, anchors=anchors)
    named, signed, usage = found.checks
    of_x509 = [each.absent for each in (VALIDITY, BASIC_CONSTRAINTS, PATH_LENGTH)]
    others = [each.absent for each in (CRITICAL, KEY_IDENTIFIERS, DEVICE_ID)]
    layers = tuple([each.layers for each in found.certificates])
    checks = (named, signed, *of_x509, usage, *others, _measured(layers))
    if found.root is None:
        return _untrusted(checks, dice_claims.OPEN, chain[-1].key)
    return JudgedChain(
        checks=checks,
        profile=dice_claims.OPEN,
        leaf=found.certificates[-1].key,
        device=found.root,
        anchor=found.root.thumbprint,
        layers=layers,
    )


def _untrusted(checks: tuple[Check, ...], profile: str, leaf: TrustedKey | None) -> JudgedChain:
    return JudgedChain(checks=checks, profile=profile, leaf=leaf, device=None, anchor=None, layers=())


def _measured(layers: Layers) -> Check:
    return MEASURED.passed if any(layers) else MEASURED.failed("no certificate has a DICE extension")


def _certificates(path: DicePath) -> tuple[x509.Certificate, ...]:
    """Return the path for those who ask whose it is, the anchor last; () when that is a bare key."""
    if path.authority_certificate is None:
        return ()
    try:
        sent = tuple(x509.load_der_x509_certificate(each.encoded) for each in path.certificates)
    except ValueError as cause:
        raise MalformedEvidenceError("dice.certificate", "a certificate has a field that cannot be read") from cause
    return (*sent, path.authority_certificate)


def _named(decoded: Mapping[Any, Any]) -> dict[str, object]:
    challenge = {"challenge": decoded["challenge"]} if "challenge" in decoded else {}
    return challenge | dice_claims.claims(decoded.get("chain", ()))


FORMAT = Format(
    name=NAME,
    media_types=(MediaType(essence=MEDIA_TYPE),),
    appraise=appraise,
    requirements=stated_in(vars(cose), vars(dice_rules)),
)
