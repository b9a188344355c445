"""`pki inspect`: what files say in words, what is broken in them, and that private keys stay private."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

from pki.errors import PkiError
from pki.explain_files import UnknownFileError, explain_file
from pki.explained import Explained
from tests.unit.pki.making import KEYS, NOW, Chain, csr
from tests.unit.pki.test_crls import HELD, LEAF, crl, numbered, scope

SOUND = Chain()
PEM, DER = Encoding.PEM, Encoding.DER


def explained(data: bytes) -> Explained:
    (one,) = explain_file(data, now=NOW)
    return one


def private(encoding: Encoding, form: PrivateFormat, secret: bytes | None = None) -> bytes:
    return KEYS[0].private_bytes(encoding, form, BestAvailableEncryption(secret) if secret else NoEncryption())


def asked() -> bytes:
    return ocsp.OCSPRequestBuilder().add_certificate(LEAF, SOUND.issuing(), hashes.SHA256()).build().public_bytes(DER)


PUBLIC = KEYS[0].public_key().public_bytes(DER, PublicFormat.SubjectPublicKeyInfo)
ANSWER = (
    ocsp.OCSPResponseBuilder()
    .add_response(
        cert=LEAF,
        issuer=SOUND.issuing(),
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.REVOKED,
        this_update=NOW,
        next_update=NOW + timedelta(hours=1),
        revocation_time=NOW,
        revocation_reason=x509.ReasonFlags.key_compromise,
    )
    .responder_id(ocsp.OCSPResponderEncoding.HASH, SOUND.issuing())
    .add_extension(x509.OCSPNonce(b"n" * 32), critical=False)
    .sign(KEYS[1], hashes.SHA256())
    .public_bytes(DER)
)
HELD_LIST = crl("issuing", KEYS[1], revoked=(LEAF,), entry_extensions=HELD)
DELTA = crl("issuing", KEYS[1], extensions=numbered(8, 7))
PARTITION = crl("issuing", KEYS[1], extensions=(*numbered(7), (scope(only_contains_user_certs=True), True)))

KINDS: dict[str, tuple[bytes, str, str]] = {
    "certificate": (SOUND.leaf().public_bytes(DER), "certificate", "end-entity certificate"),
    "certificate-in-base64": (
        b"".join(SOUND.leaf().public_bytes(PEM).splitlines()[1:-1]),
        "certificate",
        "end-entity certificate",
    ),
    "ca": (SOUND.root().public_bytes(PEM), "certificate", "root CA certificate"),
    "request": (csr(KEYS[0]), "request", "certificate request (PKCS#10)"),
    "crl": (HELD_LIST.public_bytes(DER), "crl", "complete revocation list"),
    "crl-delta": (DELTA.public_bytes(PEM), "crl", "delta revocation list"),
    "crl-partition": (PARTITION.public_bytes(PEM), "crl", "partitioned revocation list"),
    "ocsp-request": (asked(), "ocsp-request", "OCSP request"),
    "ocsp-response": (ANSWER, "ocsp-response", "OCSP response"),
    "ocsp-refusal": (
        ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED).public_bytes(DER),
        "ocsp-response",
        "OCSP response",
    ),
    "public-key": (PUBLIC, "public-key", "public key"),
    "pkcs8": (private(DER, PrivateFormat.PKCS8), "private-key", "private key"),
    "sec1": (private(DER, PrivateFormat.TraditionalOpenSSL), "private-key", "private key"),
    "sec1-pem": (private(PEM, PrivateFormat.TraditionalOpenSSL), "private-key", "ec private key"),
    "encrypted": (private(DER, PrivateFormat.PKCS8, b"secret"), "private-key", "private key, encrypted"),
    "encrypted-pem": (private(PEM, PrivateFormat.PKCS8, b"secret"), "private-key", "private key, encrypted"),
    "pkcs12": (
        pkcs12.serialize_key_and_certificates(b"gw", KEYS[2], SOUND.leaf(), None, BestAvailableEncryption(b"secret")),
        "pkcs12",
        "PKCS#12 store",
    ),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_file_of_this_kind_is_named(kind: str) -> None:
    data, expected, heading = KINDS[kind]
    found = explained(data)
    assert (found.kind, found.heading) == (expected, heading)
    assert found.defects == ()


def test_a_chain_is_explained_certificate_by_certificate() -> None:
    chain = SOUND.leaf().public_bytes(PEM) + SOUND.issuing().public_bytes(PEM)
    assert [each.heading for each in explain_file(chain, now=NOW)] == ["end-entity certificate", "CA certificate"]


def test_a_pkcs7_message_is_explained_with_its_certificates() -> None:
    message = pkcs7.serialize_certificates([SOUND.leaf(), SOUND.issuing()], DER)
    assert [each.kind for each in explain_file(message, now=NOW)] == ["pkcs7", "certificate", "certificate"]


def test_nothing_of_a_private_key_is_shown() -> None:
    number = KEYS[0].private_numbers().private_value
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        for encoding in (PEM, DER):
            shown = repr(explained(private(encoding, form)))
            assert f"{number:x}" not in shown
            assert str(number) not in shown
            assert "not encrypted" in shown


def test_a_held_certificate_is_said_to_be_held() -> None:
    assert any("certificateHold" in meaning for _, meaning in explained(HELD_LIST.public_bytes(DER)).lines)


def test_an_answer_says_what_was_revoked_and_why() -> None:
    assert any("keyCompromise" in meaning for _, meaning in explained(ANSWER).lines)


def test_the_nonce_of_an_answer_is_named() -> None:
    """RFC 9654 section 2.1."""
    assert ("nonce", "32 octets, to be those of the request") in explained(ANSWER).lines


def warned(certificate: x509.Certificate) -> str:
    return " ".join(explained(certificate.public_bytes(DER)).warnings)


def test_a_sound_certificate_has_no_warning() -> None:
    assert explained(SOUND.issuing().public_bytes(DER)).warnings == ()


def test_what_a_careful_reader_would_ask_about_is_a_warning() -> None:
    assert "not valid now" in warned(Chain(leaf_end=NOW - timedelta(seconds=1)).leaf())
    assert "SHA224" in warned(Chain(leaf_hash=hashes.SHA224()).leaf())
    assert "critical extension 1.2.3.4" in warned(
        Chain(
            leaf_extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]
        ).leaf()
    )


def test_a_request_without_possession_is_a_defect_and_still_explained() -> None:
    broken = bytearray(csr(KEYS[0]))
    broken[-1] ^= 1
    found = explained(bytes(broken))
    assert found.defects == ("request does not prove possession of its key",)
    assert ("asks for subject", "CN=asked") in found.lines


def test_an_unreadable_block_does_not_hide_the_next() -> None:
    broken = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    first, second = explain_file(broken + SOUND.leaf().public_bytes(PEM), now=NOW)
    assert first.defects
    assert not second.defects


def test_a_block_that_was_cut_is_told_of_beside_the_whole_ones() -> None:
    """RFC 7468 section 3: a block ends with its own line."""
    whole = SOUND.leaf().public_bytes(PEM)
    sound, cut = explain_file(whole + whole[:200], now=NOW)
    assert (sound.defects, cut.defects) == ((), ("a PEM block begins and does not end",))


@pytest.mark.parametrize("label", ["DSA PARAMETERS", "RSA PUBLIC KEY"])
def test_numbers_alone_are_called_no_private_key(label: str) -> None:
    """RFC 3279 section 2.3.2 and RFC 8017 appendix A.1.1: three INTEGERs, and two."""
    numbers = b"\x02\x01\x05" * (3 if label == "DSA PARAMETERS" else 2)
    body = base64.b64encode(b"\x30" + bytes([len(numbers)]) + numbers).decode()
    found = explained(f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode())
    assert (found.kind, found.warnings) == ("numbers", ())


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"\n", "empty"), (b"hello", "neither PEM nor DER"), (b"\x30\x09\x02\x01\x01", "begins like DER")],
    ids=["empty", "text", "cut"],
)
def test_what_is_no_file_of_ours_is_told_apart(data: bytes, said: str) -> None:
    with pytest.raises(UnknownFileError, match=said):
        explain_file(data, now=NOW)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nMAA=\n", b"\x30\x00", b"\x30\x03\x02\x01"]
)
def test_a_file_of_nothing_known_is_refused(data: bytes) -> None:
    with pytest.raises(UnknownFileError):
        explain_file(data, now=NOW)


ODD = ("invalid", "bad", "duplicate", "dup", "malformed", "negative")


def test_no_odd_file_of_others_ends_in_a_traceback_and_broken_ones_are_reported(vectors: Path) -> None:
    files = [file for folder in ("pyca", "cmp", "pqc", "idevid") for file in (vectors / "pki" / folder).rglob("*.*")]
    assert len(files) > 80
    for file in files:
        try:
            found = explain_file(file.read_bytes(), now=NOW)
        except UnknownFileError:
            continue
        odd = any(word in file.stem.replace("-", "_").split("_") for word in ODD)
        # a list's signature is not in the file to check; `resp-invalid-signature-oid` is a warning, not a defect
        assert not odd or any(each.defects or each.warnings for each in found), file.name


EVERY = [data for data, _, _ in KINDS.values()]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(EVERY), st.integers(min_value=0), st.integers(min_value=0, max_value=255), st.booleans())
def test_a_changed_byte_or_a_cut_is_explained_or_refused(data: bytes, place: int, value: int, cut: bool) -> None:
    position = place % len(data)
    changed = data[:position] if cut else data[:position] + bytes((value,)) + data[position + 1 :]
    try:
        explain_file(changed, now=NOW)
    except PkiError as refused:
        assert refused.code == "inspect.unknown"


def test_an_ed25519_key_is_known() -> None:
    public = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(PEM, PublicFormat.SubjectPublicKeyInfo)
    assert ("key", "ed25519, 256 bits") in explained(public).lines


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"anchors": ["-----BEGIN CERTIFICATE-----AA-----END CERTIFICATE-----"]}', "JSON"),
        (b"eyJhbGciOiJFUzI1NiJ9.e30.AAAA\n", "`pki trust`"),
    ],
)
def test_other_files_of_ours_are_called_what_they_are(content: bytes, said: str) -> None:
    with pytest.raises(UnknownFileError, match=said):
        explain_file(content, now=NOW)


def test_a_certificate_of_a_day_has_hours_left() -> None:
    encoded = Chain(leaf_end=NOW + timedelta(hours=5)).leaf().public_bytes(Encoding.DER)
    assert dict(explain_file(encoded, now=NOW)[0].lines)["validity"].endswith(", 5 hours left")
