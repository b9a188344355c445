"""Evidence that rides in a certification request: id-aa-attestation (draft-ietf-lamps-csr-attestation-29, section 4).

AttestationBundle ::= SEQUENCE { attestations SEQUENCE SIZE (1..MAX) OF SEQUENCE { type OBJECT IDENTIFIER, stmt ANY },
                                 certs SEQUENCE SIZE (1..MAX) OF CertificateChoices OPTIONAL }

Only the frame is read here, strictly; what a statement says is for the format that its type names.
"""

from __future__ import annotations

from typing import NamedTuple

from pki import der
from pki.errors import DerError, RequestError

ATTESTATION = "1.2.840.113549.1.9.16.2.59"  # id-aa 59, allocated early under the name id-aa-evidence (section 5.2)
MAX_STATEMENTS = 9  # as many pieces of evidence as a check-in takes, and the challenge that they answer
MAX_CERTIFICATES = 16  # two paths as deep as any that we validate; they are counted, not used
MAX_ATTRIBUTES = 32  # PKCS#9 and every draft since define fewer for requests

_ATTRIBUTES = 0xA0  # CertificationRequestInfo's [0] IMPLICIT SET OF Attribute (RFC 2986 section 4.1)
_OTHER_CERTIFICATE = 0xA3  # CertificateChoices: `other`; but for `certificate` the draft forbids the rest


class Statement(NamedTuple):
    """One AttestationStatement: its type, dotted, and the DER element that its type defines."""

    type: str
    content: der.Element


def statements_in(request: bytes) -> tuple[Statement, ...]:
    """Return the statements that a DER PKCS#10 request carries, in order; none if it has no such attribute.

    Raises RequestError (`csr.evidence`) for two attributes or bundles, and for what the draft's ASN.1 does not allow.
    """
    try:
        found = [values for kind, values in _attributes(request) if kind == ATTESTATION]
        return _statements(_only(found)) if found else ()
    except DerError as cause:
        raise RequestError(
            f"the evidence in the request cannot be read: {cause.message}", code="csr.evidence"
        ) from cause


def _attributes(request: bytes) -> list[tuple[str, tuple[der.Element, ...]]]:
    outer = der.children(der.whole(request, der.SEQUENCE).content)
    fields = der.children(outer[0].content) if outer else ()
    held = [field for field in fields if field.tag == _ATTRIBUTES]
    attributes = der.children(held[0].content) if held else ()
    if len(attributes) > MAX_ATTRIBUTES:
        raise DerError(f"the request has more than {MAX_ATTRIBUTES} attributes")
    return [_attribute(each) for each in attributes]


def _attribute(element: der.Element) -> tuple[str, tuple[der.Element, ...]]:
    kind, values = _pair(element, "an attribute")
    if values.tag != der.SET:
        raise DerError("the values of an attribute are no SET")
    return der.as_oid(kind.content), der.children(values.content)


def _only(found: list[tuple[der.Element, ...]]) -> der.Element:
    """Return the one bundle of the one attribute (COUNTS MAX 1, section 4.3)."""
    if len(found) != 1 or len(found[0]) != 1:
        raise DerError("there is not exactly one attribute of evidence with exactly one bundle")
    return found[0][0]


def _statements(bundle: der.Element) -> tuple[Statement, ...]:
    parts = _list(bundle, "the bundle", most=2)
    found = _list(parts[0], "the list of statements", most=MAX_STATEMENTS)
    for certificate in _list(parts[1], "the list of certificates", most=MAX_CERTIFICATES) if len(parts) > 1 else ():
        if certificate.tag not in {der.SEQUENCE, _OTHER_CERTIFICATE}:
            raise DerError("the bundle holds certificates of a kind that the draft forbids")
    return tuple(_statement(each) for each in found)


def _statement(element: der.Element) -> Statement:
    kind, content = _pair(element, "a statement")
    return Statement(der.as_oid(kind.content), content)


def _pair(element: der.Element, what: str) -> tuple[der.Element, der.Element]:
    parts = _list(element, what, most=2)
    if len(parts) != 2 or parts[0].tag != der.OBJECT_IDENTIFIER:
        raise DerError(f"{what} is not a type and what it says")
    return parts[0], parts[1]


def _list(element: der.Element, what: str, *, most: int) -> tuple[der.Element, ...]:
    parts = der.children(element.content) if element.tag == der.SEQUENCE else ()
    if not 1 <= len(parts) <= most:
        raise DerError(f"{what} is no SEQUENCE of 1 to {most} parts")
    return parts
