"""OCSP: requests read strictly, answers that another implementation reads, and who is answered for."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from pki import der
from pki.authority import issue
from pki.builtin import ocsp_signer_terms
from pki.crl_encoding import EntryReason
from pki.errors import IssuanceError
from pki.ocsp_request import MAX_CERTIFICATES, NONCE, OcspRequestError, parse_ocsp_request
from pki.ocsp_response import Answered, OcspSigner, Refusal, Status
from pki.request import held_key
from pki.software import SoftwareSigner
from tests.unit.pki.making import KEYS, NOW, Chain, entropy, order, world

WORLD = world()
KEY = SoftwareSigner(KEYS[3])
CERTIFICATE = issue(
    WORLD.authority,
    WORLD.ledger,
    order(terms=ocsp_signer_terms(), key=held_key(KEY)),
    now=NOW,
    entropy=entropy("ocsp"),
).certificate
SIGNER = OcspSigner(certificate=CERTIFICATE, issuer=WORLD.issuing, signer=KEY)
LEAF = issue(WORLD.authority, WORLD.ledger, order(), now=NOW, entropy=entropy("leaf")).certificate
WHEN = Answered(at=NOW, until=NOW + timedelta(hours=1))
Builder = ocsp.OCSPRequestBuilder


def asked(
    change: Callable[[Builder], Builder] = lambda builder: builder, digest: hashes.HashAlgorithm | None = None
) -> bytes:
    builder = Builder().add_certificate(LEAF, WORLD.issuing, digest or hashes.SHA256())
    return change(builder).build().public_bytes(Encoding.DER)


def answered(status: Status | None, request: bytes | None = None) -> ocsp.OCSPResponse:
    return ocsp.load_der_ocsp_response(SIGNER.answer(parse_ocsp_request(request or asked()), [status], WHEN))


@pytest.mark.parametrize("digest", [hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_a_request_by_another_implementation_is_read(digest: hashes.HashAlgorithm) -> None:
    (one,) = parse_ocsp_request(asked(digest=digest)).asked
    assert one.serial == LEAF.serial_number
    assert SIGNER.speaks_for(one)


def test_a_nonce_is_read_and_repeated() -> None:
    """RFC 9654."""
    request = asked(lambda builder: builder.add_extension(x509.OCSPNonce(b"n" * 32), critical=False))
    assert parse_ocsp_request(request).nonce == b"n" * 32
    found = answered(Status(), request).extensions.get_extension_for_class(x509.OCSPNonce)
    assert found.value.nonce == b"n" * 32


@pytest.mark.parametrize("size", [0, 129])
def test_a_nonce_outside_its_bounds_is_refused(size: int) -> None:
    request = asked(lambda builder: builder.add_extension(x509.OCSPNonce(b"n" * size), critical=False))
    with pytest.raises(OcspRequestError, match="nonce"):
        parse_ocsp_request(request)


def test_a_critical_extension_that_is_not_processed_is_refused() -> None:
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
    with pytest.raises(OcspRequestError) as refused:
        parse_ocsp_request(asked(lambda builder: builder.add_extension(odd, critical=True)))
    assert refused.value.code == "ocsp.critical"


CERT_ID = parse_ocsp_request(asked()).asked[0].encoded
SINGLE = der.sequence(CERT_ID)


def request(*fields: bytes, after: bytes = b"") -> bytes:
    return der.sequence(der.sequence(*fields), after)


def nonce(*octets: bytes) -> bytes:
    each = (der.sequence(der.oid(NONCE), der.octet_string(der.octet_string(value))) for value in octets)
    return der.context(2, der.sequence(*each))


MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "not-a-sequence": b"\x04\x00",
    "without-certificates": request(der.sequence()),
    "too-many-certificates": request(der.sequence(*[SINGLE] * (MAX_CERTIFICATES + 1))),
    "version-2": request(der.context(0, der.integer(1)), der.sequence(SINGLE)),
    "version-1-spelt-out": request(der.context(0, der.integer(0)), der.sequence(SINGLE)),
    "nonce-twice": request(der.sequence(SINGLE), nonce(b"a", b"b")),
    "something-after-the-signature": request(der.sequence(SINGLE), after=der.integer(1)),
    "trailing-bytes": request(der.sequence(SINGLE)) + b"\x00",
    "serial-not-minimal": re.sub(
        rb"\x02\x11\x01.", b"\x02\x11\x00\x01", request(der.sequence(SINGLE)), flags=re.DOTALL
    ),
    "larger-than-the-limit": request(der.sequence(SINGLE), nonce(b"n" * 5000)),
}


@pytest.mark.parametrize("defect", sorted(MALFORMED))
def test_a_request_with_this_defect_is_refused(defect: str) -> None:
    with pytest.raises(OcspRequestError):
        parse_ocsp_request(MALFORMED[defect])


@given(st.binary(max_size=200))
def test_bytes_that_are_no_request_are_refused(data: bytes) -> None:
    with pytest.raises(OcspRequestError):
        parse_ocsp_request(data)


def test_a_good_certificate_is_said_to_be_good_until_the_next_answer() -> None:
    found = answered(Status())
    assert found.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert (found.this_update_utc, found.next_update_utc) == (WHEN.at, WHEN.until)
    assert found.serial_number == LEAF.serial_number


@pytest.mark.parametrize("reason", [EntryReason.KEY_COMPROMISE, EntryReason.CERTIFICATE_HOLD, EntryReason.UNSPECIFIED])
def test_a_revoked_certificate_is_said_to_be_revoked(reason: EntryReason) -> None:
    found = answered(Status(revoked_at=NOW - timedelta(days=1), reason=reason))
    assert found.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert found.revocation_time_utc == NOW - timedelta(days=1)
    stated = found.revocation_reason
    assert stated is None if reason is EntryReason.UNSPECIFIED else stated.name == reason.name.lower()


def test_a_serial_that_was_never_issued_is_unknown() -> None:
    assert answered(None).certificate_status is ocsp.OCSPCertStatus.UNKNOWN


def test_the_signature_is_the_delegated_responders() -> None:
    found = answered(Status())
    (inside,) = found.certificates
    assert inside == CERTIFICATE
    key = inside.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(found.signature, found.tbs_response_bytes, ec.ECDSA(hashes.SHA256()))


def test_the_responders_certificate_is_for_answers_only_and_never_checked() -> None:
    """RFC 6960 section 4.2.2.2."""
    uses = CERTIFICATE.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [use.dotted_string for use in uses] == ["1.3.6.1.5.5.7.3.9"]
    assert CERTIFICATE.extensions.get_extension_for_class(x509.OCSPNoCheck)


def test_a_certificate_of_another_issuer_is_not_answered_for() -> None:
    theirs = Builder().add_certificate(Chain().leaf(), WORLD.root, hashes.SHA256()).build()
    assert not SIGNER.speaks_for(parse_ocsp_request(theirs.public_bytes(Encoding.DER)).asked[0])


@pytest.mark.parametrize(
    ("certificate", "key"),
    [(LEAF, SoftwareSigner(KEYS[2])), (CERTIFICATE, SoftwareSigner(KEYS[0]))],
    ids=["not-for-ocsp", "another-key"],
)
def test_only_a_certificate_for_ocsp_with_its_key_makes_a_responder(
    certificate: x509.Certificate, key: SoftwareSigner
) -> None:
    with pytest.raises(IssuanceError):
        OcspSigner(certificate=certificate, issuer=WORLD.issuing, signer=key)


@pytest.mark.parametrize("refusal", list(Refusal))
def test_a_refusal_is_read_by_another_implementation(refusal: Refusal) -> None:
    assert ocsp.load_der_ocsp_response(refusal.der).response_status.value == refusal.value
