"""Certification requests that carry evidence, as a device makes them for EST (draft-ietf-lamps-csr-attestation-29)."""

from __future__ import annotations

from collections.abc import Sequence

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from pki import der

ATTESTATION = "1.2.840.113549.1.9.16.2.59"  # id-aa-attestation
WRAPPER = "1.3.6.1.5.5.7.1.35"  # id-pe-cmw, of RFC 9999 section 4
CHALLENGE_TYPE = "application/vnd.policyengine.challenge"

_ATTRIBUTES = 0xA0


def bundle_of(messages: Sequence[tuple[str, bytes]]) -> bytes:
    """Return an AttestationBundle of messages, each its media type and its bytes, in wrappers."""
    wrapped = (der.octet_string(cbor2.dumps([kind, value], canonical=True)) for kind, value in messages)
    return der.sequence(der.sequence(*(der.sequence(der.oid(WRAPPER), each) for each in wrapped)))


def with_evidence(csr: bytes, key: ec.EllipticCurvePrivateKey, *bundles: bytes) -> bytes:
    """Return the PKCS#10 `csr` (DER) with `bundles` as its evidence, one where all is well, signed again by `key`."""
    info, algorithm, _ = der.children(der.whole(csr, der.SEQUENCE).content)
    version, subject, spki, attributes = der.children(info.content)
    evidence = der.sequence(der.oid(ATTESTATION), der.set_of(*bundles))
    every = sorted([*(each.encoded for each in der.children(attributes.content)), evidence])
    held = der.tlv(_ATTRIBUTES, b"".join(every))
    signed = der.sequence(version.encoded, subject.encoded, spki.encoded, held)
    return der.sequence(signed, algorithm.encoded, der.bit_string(key.sign(signed, ec.ECDSA(hashes.SHA256()))))
