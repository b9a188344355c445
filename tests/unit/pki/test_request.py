"""Requests: proof of possession, the allow-list of keys, bounds, and what policies are told."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import der
from pki.errors import IssuanceError, KeyRefusedError, PkiError, RequestError
from pki.keys import KeyType, subject_key
from pki.request import ProvenKey, csr_facts, held_key, parse_request, request_der
from pki.signatures import SignatureAlgorithm
from pki.software import SoftwareSigner
from tests.unit.pki.making import KEYS, csr, name

RSA = rsa.generate_private_key(65537, 2048)


def signed(key: object, digest: hashes.HashAlgorithm | None) -> bytes:
    return x509.CertificateSigningRequestBuilder().subject_name(name("gw")).sign(key, digest).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("key", "digest", "kind", "bits"),
    [
        (KEYS[0], hashes.SHA256(), KeyType.P256, 256),
        (ec.generate_private_key(ec.SECP384R1()), hashes.SHA384(), KeyType.P384, 384),
        (ed25519.Ed25519PrivateKey.generate(), None, KeyType.ED25519, 256),
        (RSA, hashes.SHA256(), KeyType.RSA, 2048),
    ],
    ids=["p256", "p384", "ed25519", "rsa"],
)
def test_a_request_for_a_key_on_the_list_is_read(key: object, digest: object, kind: KeyType, bits: int) -> None:
    request = parse_request(signed(key, digest))
    assert (request.key.type, request.key.bits) == (kind, bits)


def test_policies_are_told_what_the_device_asks_for() -> None:
    extensions = [(x509.SubjectAlternativeName([x509.DNSName("a.example")]), False)]
    assert csr_facts(parse_request(csr(KEYS[0], extensions=extensions))) == {
        "key_type": "p256",
        "key_bits": 256,
        "subject": "CN=asked",
        "san": ("dns:a.example",),
    }


def test_control_characters_in_names_are_shown_escaped() -> None:
    """Facts hold no NUL; a policy can still see that one was asked for."""
    assert parse_request(csr(KEYS[0], subject="a\x00b")).subject == r"CN=a\00b"


def test_a_request_that_another_key_signed_proves_nothing() -> None:
    """RFC 2986 section 4.2."""
    encoded = csr(KEYS[0])
    own, other = (key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for key in KEYS[:2])
    with pytest.raises(RequestError) as refused:
        parse_request(encoded.replace(own, other))
    assert refused.value.code == "csr.possession"


def test_a_request_signed_with_sha224_proves_nothing() -> None:
    with pytest.raises(RequestError) as refused:
        parse_request(signed(KEYS[0], hashes.SHA224()))
    assert refused.value.code == "csr.possession"


def test_an_oversized_request_is_refused_unread() -> None:
    with pytest.raises(RequestError) as refused:
        parse_request(bytes(16 * 1024 + 1))
    assert refused.value.code == "csr.oversized"


def test_a_request_for_hundreds_of_names_is_refused() -> None:
    names = x509.SubjectAlternativeName([x509.DNSName(f"n{number}.example") for number in range(65)])
    with pytest.raises(RequestError) as refused:
        parse_request(csr(KEYS[0], extensions=[(names, False)]))
    assert refused.value.code == "csr.oversized"


def spki(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pss_spki() -> bytes:
    """RFC 4055 section 1.2: an RSA key bound to RSASSA-PSS."""
    bits = der.children(der.whole(spki(RSA.public_key()), der.SEQUENCE).content)[1].encoded
    return der.sequence(der.sequence(der.oid("1.2.840.113549.1.1.10")), bits)


def compressed_spki() -> bytes:
    point = KEYS[0].public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    algorithm = der.sequence(der.oid("1.2.840.10045.2.1"), der.oid("1.2.840.10045.3.1.7"))
    return der.sequence(algorithm, der.bit_string(point))


def rsa_spki(exponent: int, bits: int = 2048) -> bytes:
    modulus = (1 << (bits - 1)) + (1 << (bits // 2)) + 1
    return spki(rsa.RSAPublicNumbers(exponent, modulus).public_key())


def raw_rsa_spki(exponent: int) -> bytes:
    number = der.sequence(der.integer((1 << 2047) + 1), der.integer(exponent))
    return der.sequence(der.sequence(der.oid("1.2.840.113549.1.1.1"), b"\x05\x00"), der.bit_string(number))


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (spki(ec.generate_private_key(ec.SECP224R1()).public_key()), "key.curve"),
        (spki(ec.generate_private_key(ec.SECP521R1()).public_key()), "key.curve"),
        (spki(ed448.Ed448PrivateKey.generate().public_key()), "key.type"),
        (spki(dsa.generate_private_key(1024).public_key()), "key.type"),
        (rsa_spki(65537, 1024), "key.rsa-size"),
        (rsa_spki(65537, 2047), "key.rsa-size"),
        (rsa_spki(3), "key.rsa-exponent"),
        (raw_rsa_spki(1), "key.malformed"),
        (pss_spki(), "key.encoding"),
        (compressed_spki(), "key.encoding"),
        (spki(KEYS[0].public_key()) + b"\x00", "key.malformed"),
        (b"", "key.malformed"),
        (bytes(2000), "key.malformed"),
    ],
    ids=[
        "p224",
        "p521",
        "ed448",
        "dsa",
        "rsa-1024",
        "rsa-2047",
        "rsa-e-3",
        "rsa-e-1",
        "rsa-pss",
        "compressed-point",
        "trailing-byte",
        "empty",
        "huge",
    ],
)
def test_a_key_off_the_list_is_refused(encoded: bytes, code: str) -> None:
    with pytest.raises(KeyRefusedError) as refused:
        subject_key(encoded)
    assert refused.value.code == code


def test_possession_cannot_be_claimed() -> None:
    with pytest.raises(IssuanceError):
        ProvenKey(parse_request(csr(KEYS[0])).key, seal=object())


def test_a_signer_that_shows_another_key_does_not_hold_it() -> None:
    class Impostor:
        public_key = KEYS[0].public_key()
        algorithm = SignatureAlgorithm.ECDSA_P256

        def sign(self, data: bytes) -> bytes:
            return SoftwareSigner(KEYS[1]).sign(data)

    with pytest.raises(RequestError) as refused:
        held_key(Impostor())
    assert refused.value.code == "csr.possession"


def test_a_signer_says_nothing_of_its_key() -> None:
    assert repr(SoftwareSigner(KEYS[0])) == "SoftwareSigner(ecdsa-with-SHA256)"


def test_pem_and_der_are_the_same_request() -> None:
    encoded = csr(KEYS[0])
    pem = x509.load_der_x509_csr(encoded).public_bytes(Encoding.PEM)
    assert request_der(pem) == request_der(encoded) == encoded


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_bytes_that_are_no_request_are_refused(data: bytes) -> None:
    with pytest.raises(PkiError):
        parse_request(data)


def test_a_signature_that_is_not_of_whole_octets_proves_nothing() -> None:
    """An ECDSA signature may end in zero bits; a count of unused bits is then a second encoding (X.690 section 8.6)."""
    encoded = next(found for found in (csr(KEYS[0]) for _ in range(1000)) if found[-1] % 2 == 0)
    signature = der.children(der.whole(encoded, der.SEQUENCE).content)[2]
    header = len(encoded) - len(signature.content)
    assert parse_request(encoded)
    with pytest.raises(RequestError):
        parse_request(encoded[:header] + b"\x01" + encoded[header + 1 :])


VALID = csr(KEYS[0], extensions=[(x509.BasicConstraints(ca=True, path_length=None), True)])


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0, max_value=len(VALID) * 8 - 1))
def test_a_flipped_bit_never_proves_possession(position: int) -> None:
    flipped = bytearray(VALID)
    flipped[position // 8] ^= 1 << position % 8
    with pytest.raises(PkiError):
        parse_request(bytes(flipped))
