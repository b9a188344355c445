"""Trust anchors as operators keep them: PEM with any number of keys and certificates, or one of them in DER."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from pki.certificates import is_ca, load_certificate, split_certificates
from pki.errors import PathError
from policyengine.attestation.anchors import EvidenceKey, MlDsaKey, TrustAnchors
from policyengine.attestation.errors import TrustAnchorError

_PEM_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)
_PEM_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_PEM_PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")

Anchor = EvidenceKey | x509.Certificate


def load_anchors(files: Iterable[bytes]) -> TrustAnchors:
    """Return the anchors in `files`. A certificate of a device, which no path can end at, is an anchor by its key.

    Raises TrustAnchorError for a file that holds neither a public key nor a certificate, or a private key.
    """
    found = [anchor for content in files for anchor in _anchors(content)]
    authorities = tuple(each for each in found if isinstance(each, x509.Certificate) and is_ca(each))
    keys = tuple(_key_of(each) for each in found if each not in authorities)
    return TrustAnchors(keys=keys, certificates=authorities)


def _anchors(content: bytes) -> list[Anchor]:
    if _PEM_PRIVATE.search(content):
        raise TrustAnchorError("a private key was given where a public key or certificate belongs")
    if b"-----BEGIN" not in content:
        return [_der(content)]
    keys = [_key(block) for block in _PEM_KEY.findall(content)]
    certificates = _certificates(content) if _PEM_CERTIFICATE in content else []
    if not keys and not certificates:
        raise TrustAnchorError("no public key and no certificate in the file")
    return [*keys, *certificates]


def _der(content: bytes) -> Anchor:
    try:
        return _usable(load_der_public_key(content))
    except (ValueError, UnsupportedAlgorithm):
        return _certificates(content)[0]


def _certificates(content: bytes) -> list[x509.Certificate]:
    try:
        return [load_certificate(each) for each in split_certificates(content)]
    except PathError as cause:
        raise TrustAnchorError("the file holds neither a readable public key nor a readable certificate") from cause


def _key(block: bytes) -> EvidenceKey:
    try:
        return _usable(load_pem_public_key(block))
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise TrustAnchorError("a public key in the file cannot be read") from cause


def _key_of(anchor: Anchor) -> EvidenceKey:
    if not isinstance(anchor, x509.Certificate):
        return anchor
    try:
        return _usable(anchor.public_key())
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise TrustAnchorError("the key of a certificate cannot be read") from cause


def _usable(key: object) -> EvidenceKey:
    if isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey | MlDsaKey):
        return key
    raise TrustAnchorError("a public key is neither EC nor Ed25519 nor RSA nor ML-DSA")
