"""OCSP answers, encoded and signed by a delegated responder (RFC 6960 section 4.2, RFC 5019).

The responder's certificate is issued by the CA it answers for, is meant for OCSP signing only, and says that its own
status is not asked for. Its key signs nothing but answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki import der
from pki.certificates import raw_certificate
from pki.crl_encoding import EntryReason
from pki.errors import IssuanceError
from pki.keys import key_bits, spki_of, thumbprint
from pki.ocsp_request import DIGESTS, NONCE, CertId, OcspRequest
from pki.ports import Signer
from pki.reading import extension

OCSP_SIGNING = x509.oid.ExtendedKeyUsageOID.OCSP_SIGNING
_BASIC = "1.3.6.1.5.5.7.48.1.1"


class Refusal(Enum):
    """An answer without a status (RFC 6960 section 4.2.1); the value is its code. It is never signed."""

    MALFORMED_REQUEST = 1
    INTERNAL_ERROR = 2
    TRY_LATER = 3
    UNAUTHORIZED = 6

    @property
    def der(self) -> bytes:
        """The whole response."""
        return der.sequence(der.tlv(der.ENUMERATED, bytes((self.value,))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is said of one certificate: good, or revoked (or on hold) since when and why."""

    revoked_at: datetime | None = None
    reason: EntryReason = EntryReason.UNSPECIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The moments of an answer: made and true at `at`, to be asked again at `until` (aware)."""

    at: datetime
    until: datetime


class OcspSigner:
    """Signs answers for the certificates of one issuer."""

    __slots__ = ("_certificates", "_issuer", "_responder", "_signer", "not_after")

    def __init__(self, *, certificate: x509.Certificate, issuer: x509.Certificate, signer: Signer) -> None:
        """Raise IssuanceError `issue.signer` unless `certificate` is the signer's, for OCSP, and from `issuer`."""
        encoded = certificate.public_bytes(Encoding.DER)
        raw, above = raw_certificate(encoded), raw_certificate(issuer.public_bytes(Encoding.DER))
        uses = extension(certificate.extensions, x509.ExtendedKeyUsage)
        if thumbprint(raw.spki) != thumbprint(spki_of(signer.public_key)) or raw.issuer != above.subject:
            raise IssuanceError("the responder's certificate is not the signer's", code="issue.signer")
        if uses is None or OCSP_SIGNING not in uses.value:
            raise IssuanceError("the responder's certificate is not for OCSP", code="issue.signer")
        self._signer = signer
        self._certificates = der.context(0, der.sequence(encoded))
        self._responder = der.context(2, der.octet_string(hashlib.sha1(key_bits(raw.spki)).digest()))  # noqa: S324
        self._issuer = {
            name: (hashlib.new(name, above.subject).digest(), hashlib.new(name, key_bits(above.spki)).digest())
            for name in DIGESTS.values()
        }
        self.not_after = certificate.not_valid_after_utc

    def speaks_for(self, asked: CertId) -> bool:
        """Return whether the certificate asked about is one of the issuer's."""
        if asked.digest is None:
            return False
        return self._issuer[asked.digest] == (asked.issuer_name, asked.issuer_key)

    def answer(self, request: OcspRequest, statuses: Sequence[Status | None], when: Answered) -> bytes:
        """Return the signed response: one status for each certificate asked about, None for unknown ones.

        A nonce is repeated (RFC 9654).
        """
        singles = [_single(asked.encoded, status, when) for asked, status in zip(request.asked, statuses, strict=True)]
        data = der.sequence(
            self._responder, _generalized(when.at), der.sequence(*singles), _response_extensions(request.nonce)
        )
        signature = der.bit_string(self._signer.sign(data))
        basic = der.sequence(data, self._signer.algorithm.identifier, signature, self._certificates)
        content = der.sequence(der.oid(_BASIC), der.octet_string(basic))
        return der.sequence(der.tlv(der.ENUMERATED, b"\x00"), der.context(0, content))


def _single(cert_id: bytes, status: Status | None, when: Answered) -> bytes:
    until = der.context(0, _generalized(when.until))
    return der.sequence(cert_id, _cert_status(status), _generalized(when.at), until)


def _cert_status(status: Status | None) -> bytes:
    if status is None:
        return der.context_primitive(2, b"")
    if status.revoked_at is None:
        return der.context_primitive(0, b"")
    reason = b""
    if status.reason is not EntryReason.UNSPECIFIED:
        reason = der.context(0, der.tlv(der.ENUMERATED, bytes((status.reason.value,))))
    return der.context(1, _generalized(status.revoked_at) + reason)


def _response_extensions(nonce: bytes | None) -> bytes:
    if nonce is None:
        return b""
    repeated = der.sequence(der.oid(NONCE), der.octet_string(der.octet_string(nonce)))
    return der.context(1, der.sequence(repeated))


def _generalized(moment: datetime) -> bytes:
    utc = moment.astimezone(UTC)
    return der.tlv(der.GENERALIZED_TIME, f"{utc.year:04d}{utc:%m%d%H%M%SZ}".encode())
