"""The X.509 extension that holds a Conceptual Message Wrapper (RFC 9999 section 4)."""

from __future__ import annotations

from cryptography import x509

from pki import der
from pki.certificates import load_certificate
from pki.errors import DerError, PathError
from policyengine.attestation.cmw.wrapper import Wrapper, read_cbor_wrapper, read_json_wrapper
from policyengine.attestation.errors import MalformedEvidenceError

OID = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.35")  # id-pe-cmw
_UTF8_STRING, _OCTET_STRING = 0x0C, 0x04


def wrapper_of(certificate: bytes) -> Wrapper | None:
    """Return the wrapper in a certificate in DER, None if it has none; whether the certificate is trusted is not said.

    Raises MalformedEvidenceError `cmw.certificate`, or what the wrapper's encoding raises.
    """
    try:
        extensions = load_certificate(certificate).extensions
    except (PathError, ValueError, x509.DuplicateExtension) as cause:
        raise MalformedEvidenceError("cmw.certificate", "the certificate or its extensions cannot be read") from cause
    found = [each.value for each in extensions if each.oid == OID]
    if not found or not isinstance(found[0], x509.UnrecognizedExtension):
        return None
    return read_extension(found[0].value)


def read_extension(value: bytes) -> Wrapper:
    """Return the wrapper in the value of the extension, a CHOICE of UTF8String (JSON) and OCTET STRING (CBOR)."""
    try:
        tag = value[0] if value else 0
        content = der.whole(value, tag).content
    except DerError as cause:
        raise MalformedEvidenceError("cmw.certificate", "the extension is not one DER value") from cause
    if tag == _UTF8_STRING:
        return read_json_wrapper(content)
    if tag == _OCTET_STRING:
        return read_cbor_wrapper(content)
    raise MalformedEvidenceError("cmw.certificate", "the extension is neither UTF8String nor OCTET STRING")
