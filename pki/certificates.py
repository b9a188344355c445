"""Certificates as bytes and as facts: bounded reading, exact fields, and what policies may know of one."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from pki import der, keys
from pki.errors import DerError, PathError
from pki.reading import UNREADABLE, extension, tolerant
from pki.signatures import algorithm_name

MAX_CERTIFICATE_BYTES = 64 * 1024  # ML-DSA-87 leaves are 7 kB; the rest is room for long SAN lists of web certificates
MAX_BUNDLE_CERTIFICATES = 1024  # every CA a fleet has ever known; building a path reads only those whose names fit
MAX_SAN = 256  # facts are bounded lists
MAX_SERIAL_OCTETS = 20  # RFC 5280 section 4.1.2.2
MAX_NAME_TEXT = 1024
KEPT_CERTIFICATES = 1024  # parsed ones: CAs and the devices seen last, 16 MB were all of them of the largest in TLS

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_EC_PUBLIC_KEY = der.oid("1.2.840.10045.2.1")
_CONTROL = re.compile("[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawCertificate:
    """The exact encodings of a version 3 certificate's fields (RFC 5280 section 4.1); `rest` holds the extensions."""

    serial: bytes
    algorithm: bytes
    outer_algorithm: bytes
    issuer: bytes
    validity: der.Element
    subject: bytes
    spki: bytes
    rest: bytes


def raw_certificate(encoded: bytes) -> RawCertificate:
    """Return the fields of a DER certificate; raises DerError, also for version 1, which has no version field."""
    (_, algorithm, _), fields = _parts(encoded)
    return _raw(encoded, fields, outer_algorithm=encoded[algorithm[0] : algorithm[2]])


def raw_fields(tbs: bytes, *, outer_algorithm: bytes) -> RawCertificate:
    """Return the fields of a TBSCertificate, signed with `outer_algorithm`; raises DerError as `raw_certificate`."""
    found = der.spans(tbs, 0, len(tbs))
    if len(found) != 1 or tbs[0] != der.SEQUENCE:
        raise DerError("a TBSCertificate is one sequence")
    return _raw(tbs, _fields(tbs, found[0]), outer_algorithm=outer_algorithm)


def key_info(encoded: bytes) -> bytes:
    """Return the exact SubjectPublicKeyInfo of a DER certificate of version 3; raises DerError as `raw_certificate`."""
    _, fields = _parts(encoded)
    return encoded[fields[6][0] : fields[6][2]]


def _parts(encoded: bytes) -> tuple[list[der.Span], list[der.Span]]:
    """Return where the three parts of a certificate and the fields of its TBSCertificate are; raises DerError."""
    found = der.spans(encoded, 0, len(encoded))
    outer = der.spans(encoded, found[0][1], found[0][2]) if len(found) == 1 and encoded[0] == der.SEQUENCE else []
    if len(outer) != 3 or encoded[outer[0][0]] != der.SEQUENCE:
        raise DerError("a certificate has three parts")
    return outer, _fields(encoded, outer[0])


def _fields(data: bytes, tbs: der.Span) -> list[der.Span]:
    fields = der.spans(data, tbs[1], tbs[2])
    if len(fields) < 7 or data[fields[0][0]] != 0xA0 or data[fields[1][0]] != der.INTEGER:
        raise DerError("certificate is not of version 3", code="der.version")
    return fields


def _raw(data: bytes, fields: list[der.Span], *, outer_algorithm: bytes) -> RawCertificate:
    _, serial, algorithm, issuer, validity, subject, spki, *rest = fields
    return RawCertificate(
        serial=data[serial[1] : serial[2]],
        algorithm=data[algorithm[0] : algorithm[2]],
        outer_algorithm=outer_algorithm,
        issuer=data[issuer[0] : issuer[2]],
        validity=der.Element(data[validity[0]], data[validity[1] : validity[2]], data[validity[0] : validity[2]]),
        subject=data[subject[0] : subject[2]],
        spki=data[spki[0] : spki[2]],
        rest=data[rest[0][0] : rest[-1][2]] if rest else b"",
    )


def load_certificate(encoded: bytes) -> x509.Certificate:
    """Return a DER certificate that is well formed in every field and extension.

    Raises PathError `path.malformed` for bytes that are not one version 3 certificate with a positive serial.
    """
    if len(encoded) > MAX_CERTIFICATE_BYTES:
        raise PathError(f"certificate is larger than {MAX_CERTIFICATE_BYTES} bytes", code="path.malformed")
    return _well_formed(encoded)


@lru_cache(maxsize=KEPT_CERTIFICATES)  # a CA's is read with every path, a device's several times in one request
def _well_formed(encoded: bytes) -> x509.Certificate:
    try:
        raw = raw_certificate(encoded)
        _check_raw(raw)
        with tolerant():
            certificate = x509.load_der_x509_certificate(encoded)
            _touch(certificate)
    except DerError as cause:
        raise PathError(f"certificate cannot be read: {cause.message}", code="path.malformed") from cause
    except UNREADABLE as cause:
        raise PathError("certificate cannot be read", code="path.malformed") from cause
    return certificate


def _check_raw(raw: RawCertificate) -> None:
    if raw.algorithm != raw.outer_algorithm:  # RFC 5280 section 4.1.1.2
        raise DerError("the two signature algorithms differ")
    serial = int.from_bytes(raw.serial, "big", signed=True)
    if serial <= 0 or len(raw.serial) > MAX_SERIAL_OCTETS:
        raise DerError("serial number is not positive and at most 20 octets")
    algorithm, _ = der.read(der.whole(raw.spki, der.SEQUENCE).content)
    if algorithm.content.startswith(_EC_PUBLIC_KEY) and algorithm.content[len(_EC_PUBLIC_KEY) :][:1] != b"\x06":
        raise DerError("elliptic curve is not named")  # RFC 5480 section 2.1.1; spelt-out curves hide CVE-2020-0601


def _touch(certificate: x509.Certificate) -> None:
    """Read the lazily parsed parts now, so that nothing later can fail on them."""
    _ = (certificate.subject, certificate.issuer, certificate.version)
    _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    for found in certificate.extensions:
        _ = found.value


def is_ca(certificate: x509.Certificate) -> bool:
    """Return whether the certificate says that it is a CA's (RFC 5280 section 4.2.1.9)."""
    basic = extension(certificate.extensions, x509.BasicConstraints)
    return basic is not None and basic.value.ca


def split_certificates(data: bytes) -> tuple[bytes, ...]:
    """Return the DER of every certificate in `data`, which is PEM (one or more) or one DER certificate.

    Raises PathError `path.malformed` for none, or for more than MAX_BUNDLE_CERTIFICATES.
    """
    if not data.lstrip().startswith(b"-----BEGIN") and b"-----BEGIN" not in data:
        return (data,)
    blocks = _PEM.findall(data)
    if not 1 <= len(blocks) <= MAX_BUNDLE_CERTIFICATES:
        raise PathError(f"file holds {len(blocks)} certificates", code="path.malformed")
    try:
        return tuple(base64.b64decode(b"".join(block.split()), validate=True) for block in blocks)
    except binascii.Error as cause:
        raise PathError("certificate is not well-formed PEM", code="path.malformed") from cause


def thumbprint(certificate: x509.Certificate) -> str:
    """Return the `sha256:` thumbprint of its public key, read from the exact bytes; raises DerError."""
    return keys.thumbprint(key_info(certificate.public_bytes(Encoding.DER)))


def certificate_facts(certificate: x509.Certificate) -> dict[str, object]:
    """Return the facts of group `cert` that a certificate itself gives; `profile` and `status` are the registry's.

    Times are aware datetimes, the serial is lowercase hex, alternative names carry their kind (`dns:`, `uri:`...).
    """
    key_type, key_bits = key_description(certificate)
    facts: dict[str, object] = {
        "subject": name_text(certificate.subject),
        "issuer": name_text(certificate.issuer),
        "serial": f"{certificate.serial_number:x}",
        "not_before": certificate.not_valid_before_utc,
        "not_after": certificate.not_valid_after_utc,
        "key_type": key_type,
        "signature_algorithm": algorithm_name(certificate),
        "san": alternative_names(certificate.extensions),
        "key_thumbprint": thumbprint(certificate),
    }
    if key_bits is not None:
        facts["key_bits"] = key_bits
    return facts


def key_description(holder: x509.Certificate | x509.CertificateSigningRequest) -> tuple[str, int | None]:
    """Return (type, bits) of the key inside; an unreadable one is `unknown`."""
    try:
        return keys.described(holder.public_key())
    except (ValueError, UnsupportedAlgorithm):
        known = holder.public_key_algorithm_oid.dotted_string if isinstance(holder, x509.Certificate) else ""
        return _NAMED_ONLY.get(known, "unknown"), None


_NAMED_ONLY = {  # RFC 9935: keys that are never asked to do anything here, so a name is enough
    "2.16.840.1.101.3.4.4.1": "mlkem512",
    "2.16.840.1.101.3.4.4.2": "mlkem768",
    "2.16.840.1.101.3.4.4.3": "mlkem1024",
}


def name_text(name: x509.Name) -> str:
    """Return an RFC 4514 string, most significant first as written, control characters escaped, bounded."""
    return printable(",".join(rdn.rfc4514_string() for rdn in name.rdns))


def printable(text: str) -> str:
    """Return `text` with control characters and lone surrogates as `\\u....`, cut at MAX_NAME_TEXT characters."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", text)[:MAX_NAME_TEXT]


def alternative_names(extensions: x509.Extensions) -> tuple[str, ...]:
    """Return up to MAX_SAN subject alternative names, each with its kind in front."""
    san = extension(extensions, x509.SubjectAlternativeName)
    return tuple(printable(general_name_text(name)) for name in list(san.value if san else ())[:MAX_SAN])


_KINDS: dict[type[x509.GeneralName], str] = {
    x509.DNSName: "dns",
    x509.UniformResourceIdentifier: "uri",
    x509.RFC822Name: "email",
}


def general_name_text(name: x509.GeneralName) -> str:
    """Return a GeneralName with its kind: `dns:`, `uri:`, `email:`, `ip:`, `dn:`, `rid:` or `other:<oid>:<hex>`."""
    if isinstance(name, x509.DNSName | x509.UniformResourceIdentifier | x509.RFC822Name):
        return f"{_KINDS[type(name)]}:{name.value}"
    if isinstance(name, x509.DirectoryName):
        return f"dn:{name_text(name.value)}"
    if isinstance(name, x509.OtherName):
        return f"other:{name.type_id.dotted_string}:{name.value.hex()}"
    if isinstance(name, x509.IPAddress):
        address: IPv4Address | IPv6Address | IPv4Network | IPv6Network = name.value
        return f"ip:{address}"
    return f"rid:{name.value.dotted_string}" if isinstance(name, x509.RegisteredID) else "unknown:"


def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether `issuer`, by its name and key, signed `certificate`; asks nothing else of either of them."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
