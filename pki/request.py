"""Certification requests: parsed, bounded, and believed only for the key whose possession they prove.

What a request asks for (subject, alternative names, extensions) is shown to policies as facts of group `csr` and never
reaches a certificate; that comes from the profile alone. Whether it asked to be a CA is kept too: who issues says no.
"""

from __future__ import annotations

import base64
import binascii
import re

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from pki import der
from pki.certificates import alternative_names, name_text
from pki.errors import DerError, IssuanceError, RequestError
from pki.keys import SubjectKey, accepted_key, spki_of, subject_key
from pki.ports import Signer
from pki.reading import UNREADABLE, extension, tolerant
from pki.signatures import SignatureRefusedError, check_signature, verify_request

MAX_REQUEST_BYTES = 16 * 1024  # room for attestation evidence in an attribute; more belongs in a check-in
MAX_REQUEST_NAMES = 64  # facts are bounded lists, and a cut list would hide a name from a policy
_POSSESSION = b"policyengine: the holder of this key asks for a certificate\x00"
_PEM = re.compile(
    rb"-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END (?:NEW )?CERTIFICATE REQUEST-----"
)
_SEAL = object()


class ProvenKey:
    """A public key whose holder proved possession; made by `parse_request` and `held_key` only."""

    __slots__ = ("key",)

    def __init__(self, key: SubjectKey, *, seal: object) -> None:
        if seal is not _SEAL:
            raise IssuanceError("possession of the key was not proven", code="issue.unproven")
        self.key = key


class ProvenRequest(ProvenKey):
    """A certification request with a valid self-signature; `subject` and `san` are what it asked for, as text.

    `ca` is whether it asked for CA:TRUE.
    """

    __slots__ = ("ca", "san", "subject")

    def __init__(self, key: SubjectKey, *, subject: str, san: tuple[str, ...], ca: bool, seal: object) -> None:
        super().__init__(key, seal=seal)
        self.subject = subject
        self.san = san
        self.ca = ca


def parse_request(encoded: bytes) -> ProvenRequest:
    """Return a DER PKCS#10 request whose key is on the allow-list and signed it (RFC 2986).

    Raises RequestError (`csr.malformed`, `csr.oversized`, `csr.possession`) or KeyRefusedError (`key.*`).
    """
    if len(encoded) > MAX_REQUEST_BYTES:
        raise RequestError(f"request is larger than {MAX_REQUEST_BYTES} bytes", code="csr.oversized")
    key, holder = accepted_key(_key_info(encoded))
    try:
        with tolerant():
            request = x509.load_der_x509_csr(encoded)
            verify_request(request, holder)  # by the key that would be certified, whatever else was read as one
            extensions = request.extensions
            asked, names = name_text(request.subject), alternative_names(extensions)
            basic = extension(extensions, x509.BasicConstraints)
    except SignatureRefusedError as cause:
        raise RequestError("request does not prove possession of its key", code="csr.possession") from cause
    except UNREADABLE as cause:
        raise RequestError("request cannot be read") from cause
    if len(names) > MAX_REQUEST_NAMES:
        raise RequestError(f"request asks for more than {MAX_REQUEST_NAMES} names", code="csr.oversized")
    return ProvenRequest(key, subject=asked, san=names, ca=basic is not None and basic.value.ca, seal=_SEAL)


def request_der(data: bytes) -> bytes:
    """Return the DER of a request in PEM or DER; raises RequestError for PEM that is not well formed."""
    found = _PEM.search(data)
    if found is None:
        return data
    try:
        return base64.b64decode(b"".join(found.group(1).split()), validate=True)
    except binascii.Error as cause:
        raise RequestError("request is not well-formed PEM") from cause


def _key_info(encoded: bytes) -> bytes:
    """Return the exact SubjectPublicKeyInfo of a request: CertificationRequestInfo's third field."""
    try:
        outer = der.children(der.whole(encoded, der.SEQUENCE).content)
        fields = der.children(outer[0].content) if len(outer) == 3 and outer[0].tag == der.SEQUENCE else ()
    except DerError as cause:
        raise RequestError(f"request cannot be read: {cause.message}") from cause
    if len(fields) < 3:
        raise RequestError("request has no public key")
    return fields[2].encoded


def held_key(signer: Signer) -> ProvenKey:
    """Return the signer's key, proven by a signature it makes now.

    Raises KeyRefusedError for a key off the list, RequestError `csr.possession` if the two halves do not match.
    """
    spki = spki_of(signer.public_key)
    challenge = _POSSESSION + spki
    try:
        check_signature(signer.public_key, oid=signer.algorithm.oid, signature=signer.sign(challenge), data=challenge)
    except (InvalidSignature, SignatureRefusedError) as cause:
        raise RequestError("signer does not hold the key it shows", code="csr.possession") from cause
    return ProvenKey(subject_key(spki), seal=_SEAL)


def csr_facts(request: ProvenRequest) -> dict[str, object]:
    """Return the facts of group `csr`; names are what the device asked for, never what it gets."""
    return {
        "key_type": request.key.type.value,
        "key_bits": request.key.bits,
        "subject": request.subject,
        "san": request.san,
    }
