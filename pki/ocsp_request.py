"""OCSP requests, read strictly: which certificates are asked about, and a nonce (RFC 6960 section 4.1, RFC 9654).

    OCSPRequest ::= SEQUENCE { tbsRequest, optionalSignature [0] OPTIONAL }
    TBSRequest  ::= SEQUENCE { version [0] DEFAULT v1, requestorName [1] OPTIONAL, requestList, requestExtensions [2] }

A request's signature is not checked: what is answered is public.
"""

from __future__ import annotations

from dataclasses import dataclass

from pki import der
from pki.errors import DerError, PkiError

MAX_REQUEST_BYTES = 4096  # RFC 5019 expects 255 octets for one certificate; room for some, and for a signature
MAX_CERTIFICATES = 16  # asked about in one request; each costs a look-up
MIN_NONCE_OCTETS, MAX_NONCE_OCTETS = 1, 128  # RFC 9654 section 2.1
NONCE = "1.3.6.1.5.5.7.48.1.2"
DIGESTS = {  # RFC 5019 uses SHA-1 to name a key; nothing is signed with it
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_EXTENSIONS, _NAME, _VERSION = 0xA2, 0xA1, 0xA0


class OcspRequestError(PkiError):
    """A request that is not one, or asks for what no responder here gives."""

    code = "ocsp.malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertId:
    """One certificate: its issuer by digests of name and key, and its serial; `encoded` is the exact CertID."""

    digest: str | None
    digest_oid: str
    issuer_name: bytes
    issuer_key: bytes
    serial: int
    encoded: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspRequest:
    """What is asked; `nonce` is what the answer must repeat, None where there is none."""

    asked: tuple[CertId, ...]
    nonce: bytes | None


def parse_ocsp_request(data: bytes) -> OcspRequest:
    """Return the DER request; raises OcspRequestError (`ocsp.malformed`, `ocsp.oversized`, `ocsp.critical`)."""
    if len(data) > MAX_REQUEST_BYTES:
        raise OcspRequestError(f"request is larger than {MAX_REQUEST_BYTES} bytes", code="ocsp.oversized")
    try:
        outer = der.children(der.whole(data, der.SEQUENCE).content)
        if not outer or outer[0].tag != der.SEQUENCE or [part.tag for part in outer[1:]] not in ([], [0xA0]):
            raise OcspRequestError("this is no request")
        return _request(list(der.children(outer[0].content)))
    except DerError as cause:
        raise OcspRequestError(f"request cannot be read: {cause.message}") from cause


def _request(fields: list[der.Element]) -> OcspRequest:
    if fields and fields[0].tag == _VERSION:
        raise OcspRequestError("the version is not 1, or is spelt out")  # DER leaves a default out
    if fields and fields[0].tag == _NAME:
        fields.pop(0)
    if not fields or fields[0].tag != der.SEQUENCE or [part.tag for part in fields[1:]] not in ([], [_EXTENSIONS]):
        raise OcspRequestError("the list of requests is missing, or something unknown follows it")
    asked = der.children(fields[0].content)
    if not 1 <= len(asked) <= MAX_CERTIFICATES:
        raise OcspRequestError(f"request asks about {len(asked)} certificates", code="ocsp.oversized")
    extensions = _extensions(fields[1]) if len(fields) > 1 else {}
    return OcspRequest(asked=tuple(_single(each) for each in asked), nonce=_nonce(extensions.get(NONCE)))


def _single(element: der.Element) -> CertId:
    parts = _parts(element, der.SEQUENCE)
    if not parts or [part.tag for part in parts[1:]] not in ([], [0xA0]):
        raise OcspRequestError("one of the requests is malformed")
    if len(parts) == 2:
        _extensions(parts[1])
    return _cert_id(parts[0])


def _cert_id(element: der.Element) -> CertId:
    parts = _parts(element, der.SEQUENCE)
    if [part.tag for part in parts] != [der.SEQUENCE, der.OCTET_STRING, der.OCTET_STRING, der.INTEGER]:
        raise OcspRequestError("a certificate is not named as RFC 6960 says")
    algorithm = der.children(parts[0].content)
    if not algorithm or [part.encoded for part in algorithm[1:]] not in ([], [b"\x05\x00"]):
        raise OcspRequestError("the digest algorithm is malformed")
    oid = der.dotted(algorithm[0])
    return CertId(
        digest=DIGESTS.get(oid),
        digest_oid=oid,
        issuer_name=parts[1].content,
        issuer_key=parts[2].content,
        serial=_integer(parts[3].content),
        encoded=element.encoded,
    )


def _integer(content: bytes) -> int:
    if not content or (len(content) > 1 and content[0] in {0x00, 0xFF} and (content[0] ^ content[1]) & 0x80 == 0):
        raise OcspRequestError("a serial number is not minimal")
    return int.from_bytes(content, "big", signed=True)


def _extensions(element: der.Element) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in _parts(der.whole(element.content, der.SEQUENCE), der.SEQUENCE):
        oid, critical, value = _extension(_parts(part, der.SEQUENCE))
        if oid in found:
            raise OcspRequestError(f"extension {oid} stands twice")
        if critical and oid != NONCE:
            raise OcspRequestError(f"critical extension {oid} is not processed", code="ocsp.critical")
        found[oid] = value
    return found


def _extension(parts: tuple[der.Element, ...]) -> tuple[str, bool, bytes]:
    critical = len(parts) == 3 and parts[1].encoded == der.boolean_true()
    if len(parts) != 2 + critical or parts[-1].tag != der.OCTET_STRING:
        raise OcspRequestError("an extension is malformed")
    return der.dotted(parts[0]), critical, parts[-1].content


def _nonce(value: bytes | None) -> bytes | None:
    if value is None:
        return None
    nonce = der.whole(value, der.OCTET_STRING).content
    if not MIN_NONCE_OCTETS <= len(nonce) <= MAX_NONCE_OCTETS:
        raise OcspRequestError(f"a nonce has {MIN_NONCE_OCTETS} to {MAX_NONCE_OCTETS} octets, not {len(nonce)}")
    return nonce


def _parts(element: der.Element, tag: int) -> tuple[der.Element, ...]:
    if element.tag != tag:
        raise OcspRequestError(f"expected tag {tag:#04x}, found {element.tag:#04x}")
    return der.children(element.content)
