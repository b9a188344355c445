"""Detached CMS signatures over a file (RFC 5652 section 5): one signer, signed attributes, strict DER.

1. read ContentInfo and SignedData; the content is beside it, not in it
2. find the signer's certificate among those inside, by issuer and serial number or by subject key identifier
3. the signed attributes name the type of the content and its digest, each once (section 11)
4. the signature over the signed attributes verifies with the certificate's key (section 5.4)

Left to the caller: whether a path leads from the signer to somebody who is trusted.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from pki import der
from pki.certificates import load_certificate, raw_certificate
from pki.errors import DerError, PathError, PkiError
from pki.reading import extension
from pki.signatures import SignatureRefusedError, check_signature

MAX_MESSAGE_BYTES = 64 * 1024  # a signature and its chain have some kilobytes, with ML-DSA some tens
MAX_CERTIFICATES = 16  # one chain, and cross-certificates

_TEXT_FORMS = (b"-----BEGIN", b"MIME-Version")  # what `openssl cms` writes unless told otherwise
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_DIGESTS = {  # RFC 5754 section 2
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_RSA = "1.2.840.113549.1.1.1"  # RFC 3370 section 3.2: the digest algorithm says the rest
_RSA_WITH = {
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
}
_SIGNED_ATTRIBUTES = 0xA0
_CERTIFICATES, _LISTS = 0xA0, 0xA1
_KEY_ID = 0x80


class CmsError(PkiError):
    """A message that is no detached signature over the content: `cms.malformed`, `cms.signer`, `cms.digest`..."""

    code = "cms.malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Whose key signed, and the other certificates that came along; made by `verify_detached` only."""

    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _SignerInfo:
    """The fields of a SignerInfo (RFC 5652 section 5.3) that matter; `attributes` are their DER as a SET OF."""

    sid: der.Element
    digest: str
    attributes: bytes
    algorithm: str
    signature: bytes


def verify_detached(message: bytes, content: bytes, *, types: frozenset[str]) -> Signer:
    """Return who signed `content`, whose type is one of `types` (dotted OIDs).

    Raises CmsError: `cms.malformed`, `cms.type`, `cms.attached`, `cms.signer`, `cms.attributes`, `cms.digest`,
    `cms.algorithm`, `cms.signature`.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise CmsError(f"the signature has {len(message)} bytes, the limit is {MAX_MESSAGE_BYTES}")
    if message.startswith(_TEXT_FORMS):
        raise CmsError("the signature is text (PEM or S/MIME), DER is expected: `-outform DER`")
    try:
        kind, certificates, info = _signed_data(message)
        if kind not in types:
            raise CmsError(f"content of type `{kind}` is signed, not a file of this kind", code="cms.type")
        signer = _signer(info.sid, certificates)
        _check_attributes(info, kind, content)
    except (DerError, PathError) as cause:
        raise CmsError(f"the signature cannot be read: {cause.message}") from cause
    _check_signature(info, signer)
    return Signer(certificate=signer, others=tuple(each for each in certificates if each is not signer))


def _signed_data(message: bytes) -> tuple[str, tuple[x509.Certificate, ...], _SignerInfo]:
    outer = der.children(der.whole(message, der.SEQUENCE).content)
    if len(outer) != 2 or der.dotted(outer[0]) != _SIGNED_DATA or outer[1].tag != 0xA0:
        raise CmsError("this is no signed data", code="cms.type")
    fields = list(der.children(der.whole(outer[1].content, der.SEQUENCE).content))
    if len(fields) < 4 or [each.tag for each in fields[:3]] != [der.INTEGER, der.SET, der.SEQUENCE]:
        raise CmsError("signed data lacks its version, digest algorithms or content")
    inner = der.children(fields[2].content)
    if len(inner) != 1:
        raise CmsError("the content is inside the signature: a detached one is expected", code="cms.attached")
    rest = {each.tag: each for each in fields[3:]}
    if len(rest) != len(fields) - 3 or not rest.keys() <= {_CERTIFICATES, _LISTS, der.SET} or der.SET not in rest:
        raise CmsError("signed data has other fields than certificates, lists and signers")
    certificates = der.children(rest[_CERTIFICATES].content) if _CERTIFICATES in rest else ()
    if len(certificates) > MAX_CERTIFICATES:
        raise CmsError(f"{len(certificates)} certificates are inside, the limit is {MAX_CERTIFICATES}")
    signers = der.children(rest[der.SET].content)
    if len(signers) != 1:
        raise CmsError(f"{len(signers)} have signed, exactly one is expected", code="cms.signer")
    return der.dotted(inner[0]), tuple(load_certificate(each.encoded) for each in certificates), _info(signers[0])


def _info(signer: der.Element) -> _SignerInfo:
    fields = der.children(signer.content)
    if len(fields) < 5:
        raise CmsError("a signer lacks fields")
    _, sid, digest, attributes, algorithm, *rest = fields
    if attributes.tag != _SIGNED_ATTRIBUTES:
        raise CmsError("there are no signed attributes", code="cms.attributes")
    if not rest or rest[0].tag != der.OCTET_STRING:
        raise CmsError("a signer has no signature")
    return _SignerInfo(
        sid=sid,
        digest=_DIGESTS.get(_algorithm(digest), ""),
        attributes=der.tlv(der.SET, attributes.content),  # RFC 5652 section 5.4: signed under the tag of a SET OF
        algorithm=_algorithm(algorithm),
        signature=rest[0].content,
    )


def _algorithm(identifier: der.Element) -> str:
    parts = der.children(identifier.content)
    if identifier.tag != der.SEQUENCE or not parts:
        raise CmsError("an algorithm has no identifier")
    return der.dotted(parts[0])


def _signer(sid: der.Element, certificates: Sequence[x509.Certificate]) -> x509.Certificate:
    found = [each for each in certificates if _is_named(sid, each)]
    if len(found) != 1:
        raise CmsError("the signer's certificate is not inside, exactly once", code="cms.signer")
    return found[0]


def _is_named(sid: der.Element, certificate: x509.Certificate) -> bool:
    if sid.tag == _KEY_ID:
        known = extension(certificate.extensions, x509.SubjectKeyIdentifier)
        return known is not None and known.value.digest == sid.content
    raw = raw_certificate(certificate.public_bytes(Encoding.DER))
    return sid.tag == der.SEQUENCE and sid.content == raw.issuer + der.tlv(der.INTEGER, raw.serial)


def _check_attributes(info: _SignerInfo, kind: str, content: bytes) -> None:
    """Raise CmsError unless the type and the digest are signed, each once and with one value (section 11)."""
    if not info.digest:
        raise CmsError("the digest is none of SHA-256, SHA-384 and SHA-512", code="cms.algorithm")
    named: dict[str, der.Element] = {}
    for attribute in der.children(der.whole(info.attributes, der.SET).content):
        name, values = _attribute(attribute)
        if name in {_CONTENT_TYPE, _MESSAGE_DIGEST} and (name in named or len(values) != 1):
            raise CmsError("a signed attribute stands there twice", code="cms.attributes")
        if values:
            named[name] = values[0]
    if not {_CONTENT_TYPE, _MESSAGE_DIGEST} <= named.keys() or der.dotted(named[_CONTENT_TYPE]) != kind:
        raise CmsError("type and digest of the content are not both signed", code="cms.attributes")
    digest = named[_MESSAGE_DIGEST]
    if digest.tag != der.OCTET_STRING or not hmac.compare_digest(
        digest.content, hashlib.new(info.digest, content).digest()
    ):
        raise CmsError("it signs another file than this one", code="cms.digest")


def _attribute(attribute: der.Element) -> tuple[str, tuple[der.Element, ...]]:
    parts = der.children(attribute.content)
    if attribute.tag != der.SEQUENCE or len(parts) != 2 or parts[1].tag != der.SET:
        raise CmsError("a signed attribute is not a name and its values")
    return der.dotted(parts[0]), der.children(parts[1].content)


def _check_signature(info: _SignerInfo, signer: x509.Certificate) -> None:
    algorithm = _RSA_WITH[info.digest] if info.algorithm == _RSA else info.algorithm
    try:
        check_signature(signer.public_key(), oid=algorithm, signature=info.signature, data=info.attributes)
    except SignatureRefusedError as cause:
        raise CmsError(cause.message, code="cms.algorithm") from cause
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as cause:
        raise CmsError("the signature does not verify", code="cms.signature") from cause
