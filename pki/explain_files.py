"""Any PEM or DER file, explained: what each object in it is, and what it says. Never anything of a private key."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import datetime
from itertools import islice

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key, pkcs7

from pki import der, keys
from pki.errors import DerError, PkiError
from pki.explain import explain_certificate, explain_request
from pki.explain_lists import explain_list
from pki.explain_status import explain_status, explain_status_request
from pki.explained import Explained, unreadable
from pki.reading import UNREADABLE, tolerant

MAX_OBJECTS = 1024  # as many as a bundle of certificates may hold

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 #.]{1,40})-----(.*?)-----END \1-----", re.DOTALL)
_HEADER = re.compile(rb"^[A-Za-z0-9-]+:.*$", re.MULTILINE)
_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]{16,}")
_BEGIN = b"-----BEGIN"
_CUT = "a PEM block begins and does not end"
_PRIVATE = b"PRIVATE KEY"
_NUMBERS_ALONE = ((der.INTEGER,) * 2, (der.INTEGER,) * 3)  # a private key has six (DSA) or nine (RSA)
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_JWS = re.compile(rb"eyJ[\w-]*\.[\w-]*\.[\w-]*")  # RFC 7515 section 7.1; a header is a JSON object: `{"`


class UnknownFileError(PkiError):
    """Bytes in which nothing of X.509 was found."""

    code = "inspect.unknown"


def explain_file(data: bytes, *, now: datetime) -> tuple[Explained, ...]:
    """Return every object of a PEM file in order, or the one that DER bytes are.

    Objects that are broken come back with `defects`. Raises UnknownFileError if nothing here is known at all.
    """
    if data.lstrip().startswith((b"{", b"[")):
        raise UnknownFileError("this is JSON, and nothing of X.509")
    blocks = tuple(islice(_PEM.finditer(data), MAX_OBJECTS))
    if blocks:
        found = tuple(each for block in blocks for each in _block(block[1], block[2], now))
        return (*found, *_unfinished(data, blocks))
    if _BEGIN in data:
        raise UnknownFileError(_CUT)
    if not data.strip():
        raise UnknownFileError("the file is empty")
    if _JWS.fullmatch(data.strip()):
        raise UnknownFileError("this is a JWS, and nothing of X.509: `pki trust` checks a trust bundle")
    return _der(_decoded(data), now)


def _unfinished(data: bytes, blocks: tuple[re.Match[bytes], ...]) -> tuple[Explained, ...]:
    """A file that was cut while it was copied still has whole blocks beside the broken one."""
    begun = sum(block[0].count(_BEGIN) for block in blocks)
    return (unreadable("PEM block", _CUT),) if len(blocks) < MAX_OBJECTS and data.count(_BEGIN) > begun else ()


def _decoded(data: bytes) -> bytes:
    """Bare base64, as some tools write and mail leaves over, stands for its bytes."""
    if not _BASE64.fullmatch(data):
        return data
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error:
        return data


def _block(label: bytes, body: bytes, now: datetime) -> tuple[Explained, ...]:
    text = label.decode()
    if _PRIVATE in label:
        what = text.removeprefix("ENCRYPTED ").lower()
        return (_private(f"{what}{', encrypted' if b'ENCRYPTED' in label + body else ''}"),)
    try:
        encoded = base64.b64decode(b"".join(_HEADER.sub(b"", body).split()), validate=True)
    except binascii.Error:
        return (unreadable(text.lower(), "this is not base64"),)
    explain = _LABELLED.get(text)
    return explain(encoded, now) if explain else _unlabelled(text, encoded, now)


def _unlabelled(text: str, encoded: bytes, now: datetime) -> tuple[Explained, ...]:
    try:
        return _der(encoded, now)
    except UnknownFileError:
        return (Explained(kind="unknown", heading=f"`{text}`, {len(encoded)} bytes, which is not explained here"),)


def _der(data: bytes, now: datetime) -> tuple[Explained, ...]:
    if data[:1] != bytes([der.SEQUENCE]):
        raise UnknownFileError("this is neither PEM nor DER")
    try:
        parts = der.children(der.whole(data, der.SEQUENCE).content)
    except DerError as cause:
        raise UnknownFileError(f"this begins like DER and cannot be read: {cause.message}") from cause
    tags = tuple(part.tag for part in parts)
    if tags[:1] == (der.ENUMERATED,):
        return _response(data, now)
    if tags[:1] == (der.OBJECT_IDENTIFIER,):
        return _message(data, now)
    if tags[:1] == (der.INTEGER,):
        return (_numbered(tags),)
    if tags == (der.SEQUENCE, der.BIT_STRING):
        return _public(data, now)
    if tags == (der.SEQUENCE, der.OCTET_STRING):
        return (_private("private key, encrypted"),)
    if tags == (der.SEQUENCE, der.SEQUENCE, der.BIT_STRING):
        return _signed(parts[0], data, now)
    if tags in ((der.SEQUENCE,), (der.SEQUENCE, 0xA0)):
        return _request(data, now)
    raise UnknownFileError("this DER is nothing that is explained here")


def _signed(first: der.Element, data: bytes, now: datetime) -> tuple[Explained, ...]:
    """A certificate, a request or a CRL: told apart by the fields of what is signed."""
    try:
        tags = tuple(part.tag for part in der.children(first.content))
    except DerError as cause:
        raise UnknownFileError(f"this DER cannot be read: {cause.message}") from cause
    if tags[:3] == (der.INTEGER, der.SEQUENCE, der.SEQUENCE) and tags[3:] in ((), (0xA0,)):
        return (explain_request(data),)
    times = {der.UTC_TIME, der.GENERALIZED_TIME}
    if times & set(tags[2:4]):
        return (explain_list(data, now=now),)
    return (explain_certificate(data, now=now),)


def _numbered(tags: tuple[int, ...]) -> Explained:
    if tags[:2] == (der.INTEGER, der.SEQUENCE) and tags[2:3] in ((der.SEQUENCE,), ()):
        return Explained(
            kind="pkcs12",
            heading="PKCS#12 store",
            lines=[("holds", "keys and certificates under a passphrase, which is not asked for here")],
            warnings=("it most likely holds a private key: treat the file as one",),
        )
    if tags in _NUMBERS_ALONE:
        return Explained(kind="numbers", heading="numbers alone: a bare RSA public key, or parameters of DSA or DH")
    return _private("private key")


def _private(what: str) -> Explained:
    warnings = () if "encrypted" in what else ("it is not encrypted: whoever can read the file has the key",)
    lines = [("shown", "nothing: private material is never printed")]
    return Explained(kind="private-key", heading=what, lines=lines, warnings=warnings)


def _public(data: bytes, _now: datetime) -> tuple[Explained, ...]:
    try:
        kind, bits = keys.described(load_der_public_key(data))
    except (ValueError, UnsupportedAlgorithm):
        return (unreadable("public-key", "the key is of no kind that is known here"),)
    lines = [("key", f"{kind}{f', {bits} bits' if bits else ''}"), ("key thumbprint", keys.thumbprint(data))]
    try:
        keys.subject_key(data)
    except PkiError as refused:
        return (Explained(kind="public-key", heading="public key", lines=lines, warnings=(refused.message,)),)
    return (Explained(kind="public-key", heading="public key", lines=lines),)


def _message(data: bytes, now: datetime) -> tuple[Explained, ...]:
    oid = der.children(der.whole(data, der.SEQUENCE).content)[0]
    try:
        if der.dotted(oid) != _SIGNED_DATA:
            return (Explained(kind="pkcs7", heading="PKCS#7 message", lines=[("content", der.dotted(oid))]),)
        with tolerant():
            found = pkcs7.load_der_pkcs7_certificates(data)
            certificates = [each.public_bytes(Encoding.DER) for each in found]
    except (DerError, *UNREADABLE):
        return (unreadable("pkcs7", "the message cannot be read, or holds no certificates"),)
    head = Explained(kind="pkcs7", heading="PKCS#7 message", lines=[("certificates", str(len(certificates)))])
    return (head, *(explain_certificate(each, now=now) for each in certificates[:MAX_OBJECTS]))


def _certificate(data: bytes, now: datetime) -> tuple[Explained, ...]:
    return (explain_certificate(data, now=now),)


def _csr(data: bytes, _now: datetime) -> tuple[Explained, ...]:
    return (explain_request(data),)


def _crl(data: bytes, now: datetime) -> tuple[Explained, ...]:
    return (explain_list(data, now=now),)


def _request(data: bytes, _now: datetime) -> tuple[Explained, ...]:
    return (explain_status_request(data),)


def _response(data: bytes, now: datetime) -> tuple[Explained, ...]:
    return (explain_status(data, now=now),)


_LABELLED: dict[str, Callable[[bytes, datetime], tuple[Explained, ...]]] = {
    "CERTIFICATE": _certificate,
    "X509 CERTIFICATE": _certificate,
    "TRUSTED CERTIFICATE": _certificate,
    "CERTIFICATE REQUEST": _csr,
    "NEW CERTIFICATE REQUEST": _csr,
    "X509 CRL": _crl,
    "PKCS7": _message,
    "CMS": _message,
    "PUBLIC KEY": _public,
}
