"""Trust anchors in the forms that people keep them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from policyengine.attestation.anchor_files import load_anchors
from policyengine.attestation.errors import TrustAnchorError
from tests.unit.attestation.test_pop import ACME, CHAIN, DEVICE, OTHER, der

SPKI = PublicFormat.SubjectPublicKeyInfo


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, SPKI)


def test_several_keys_and_certificates_of_one_pem_file_are_all_anchors() -> None:
    found = load_anchors([pem(DEVICE) + ACME.root.public_bytes(Encoding.PEM) + pem(OTHER)])
    assert (found.keys, found.certificates) == ((DEVICE.public_key(), OTHER.public_key()), (ACME.root,))


def test_a_key_in_der_is_an_anchor() -> None:
    assert load_anchors([DEVICE.public_key().public_bytes(Encoding.DER, SPKI)]).keys == (DEVICE.public_key(),)


def test_a_certificate_in_der_is_an_anchor() -> None:
    assert load_anchors([der(ACME.root)]).certificates == (ACME.root,)


def test_the_certificate_of_a_device_is_an_anchor_by_its_key() -> None:
    """Nothing can be issued below it, so it vouches for its own key only."""
    found = load_anchors([CHAIN[0]])
    assert (found.keys, found.certificates) == ((DEVICE.public_key(),), ())


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"-----BEGIN X509 CRL-----\n"],
)
def test_a_file_without_an_anchor_is_refused(content: bytes) -> None:
    with pytest.raises(TrustAnchorError):
        load_anchors([content])


def test_a_private_key_is_refused_before_anybody_gets_used_to_it() -> None:
    content = DEVICE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(TrustAnchorError, match="private key"):
        load_anchors([content])
