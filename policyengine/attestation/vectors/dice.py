"""Test vectors of the format `dice`: chains in files, and a proof of possession beside them, to a verdict.

`chain.pem` is leaf first, without the root; `root.pem` is the trust anchor; `cert0.cbor`, `cert1.cbor`... are CDI
certificates, root first, and `uds.cbor` the certificate whose key is the anchor. Other makers prove possession in
their own way, which `pop` of the index describes: here `pop.sig`, an ECDSA or Ed25519 signature over `dice-pop:` and
the nonce. A case with a nonce needs that proof; one without judges the chain alone. `evidence.cbor` is evidence as we
take it, with the anchors in `root.pem` or the index's `key`.
"""

from __future__ import annotations

import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256

from pki.certificates import split_certificates
from pki.errors import PathError
from policyengine.attestation.anchor_files import load_anchors
from policyengine.attestation.anchors import EvidenceKey, TrustAnchors
from policyengine.attestation.challenge import MIN_NONCE_BYTES
from policyengine.attestation.checks import Check, Outcome
from policyengine.attestation.dice import appraisal as dice
from policyengine.attestation.dice import claims as dice_claims
from policyengine.attestation.dice.cdi import read_cdi_certificate
from policyengine.attestation.dice.path import read_chain
from policyengine.attestation.dice.rules import POSSESSION
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.vectors.case import Case, Files, Judged, judged, moment, nonce_of
from policyengine.attestation.verifier import verify

EVIDENCE = "evidence.cbor"
_PREFIX = b"dice-pop:"
_CDI = re.compile(r"cert(\d+)\.cbor")


def judge(case: Case, files: Files, anchors: TrustAnchors) -> Judged:
    """Return what becomes of one case; raises MalformedEvidenceError."""
    trusted = load_anchors([files["root.pem"]]) if "root.pem" in files else anchors
    if EVIDENCE in files:
        return judged(
            verify(
                files[EVIDENCE],
                media_type=dice.MEDIA_TYPE,
                nonce=nonce_of(case),
                anchors=trusted,
                endorsements=None,
                now=moment(case),
            )
        )
    if "uds.cbor" in files:
        trusted = TrustAnchors(keys=(read_cdi_certificate(files["uds.cbor"]).key.key,))
    chain = _chain(files)
    found = dice.judge(chain, anchors=trusted, now=moment(case))
    checks = (
        *found.checks,
        _possession(None if found.leaf is None else found.leaf.key, files.get("pop.sig"), nonce_of(case)),
    )
    failed = tuple(check.id for check in checks if check.result is Outcome.FAIL)
    return Judged(accepted=found.holds and not failed, failed=failed, claims=dice_claims.claims(chain))


def _chain(files: Files) -> dice.Chain:
    if "chain.pem" in files:
        try:
            return read_chain(split_certificates(files["chain.pem"]))
        except PathError as cause:
            raise MalformedEvidenceError("dice.certificate", cause.message) from cause
    numbered = sorted((int(found[1]), name) for name in files if (found := _CDI.fullmatch(name)))
    return dice.read_cdi_chain([files[name] for _, name in numbered])


def _possession(key: EvidenceKey | None, proof: bytes | None, nonce: bytes) -> Check:
    if not nonce and proof is None:
        return POSSESSION.absent
    if key is None:
        return POSSESSION.unreached
    if proof is None or len(nonce) < MIN_NONCE_BYTES:
        return POSSESSION.failed("no proof of possession, or a challenge that is too short")
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(proof, _PREFIX + nonce, ec.ECDSA(SHA256()))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(proof, _PREFIX + nonce)
        else:
            return POSSESSION.failed("a key that signs no challenge")
    except InvalidSignature:
        return POSSESSION.failed("not the leaf's signature over this nonce")
    return POSSESSION.passed
