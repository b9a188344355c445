"""What a certificate or request says, in the words of a colleague: a heading, then lines of (name, meaning)."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.certificates import (
    alternative_names,
    general_name_text,
    is_ca,
    key_description,
    load_certificate,
    name_text,
    raw_certificate,
)
from pki.keys import thumbprint
from pki.request import ProvenRequest
from pki.signatures import algorithm_name

NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280 section 4.1.2.5
Lines = list[tuple[str, str]]

_PURPOSES = {
    ExtendedKeyUsageOID.CLIENT_AUTH: "log in to servers over TLS",
    ExtendedKeyUsageOID.SERVER_AUTH: "be a TLS server",
    ExtendedKeyUsageOID.OCSP_SIGNING: "sign OCSP answers",
    ExtendedKeyUsageOID.CODE_SIGNING: "sign code",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "protect e-mail",
    ExtendedKeyUsageOID.TIME_STAMPING: "sign time stamps",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anything",
}


def explain_certificate(encoded: bytes, *, now: datetime) -> tuple[str, Lines]:
    """Return a heading and lines about a DER certificate; raises PathError `path.malformed`."""
    certificate = load_certificate(encoded)
    kind, bits = key_description(certificate)
    lines = [
        ("subject", name_text(certificate.subject) or "empty: the alternative names say who it is"),
        ("issuer", _issuer(certificate)),
        ("serial", f"{certificate.serial_number:x}"),
        ("validity", _validity(certificate, now)),
        ("key", f"{kind}{f', {bits} bits' if bits else ''}"),
        ("key thumbprint", thumbprint(raw_certificate(encoded).spki)),
        ("signed with", algorithm_name(certificate)),
        *_names(alternative_names(certificate.extensions)),
        *_extensions(certificate),
    ]
    return _heading(certificate), lines


def explain_request(request: ProvenRequest) -> tuple[str, Lines]:
    """Return a heading and lines about a request whose proof of possession holds."""
    return "certificate request (PKCS#10)", [
        ("possession", "proven: the key inside signed the request"),
        ("key", f"{request.key.type.value}, {request.key.bits} bits"),
        ("key thumbprint", request.key.thumbprint),
        ("asks for subject", request.subject or "empty"),
        *[("asks for name", name) for name in request.san],
        ("what counts", "the key only: names and extensions come from the profile"),
    ]


def _heading(certificate: x509.Certificate) -> str:
    if is_ca(certificate):
        return "root CA certificate" if certificate.subject == certificate.issuer else "CA certificate"
    return "device identity that never expires (IDevID)" if _never(certificate) else "end-entity certificate"


def _never(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc == NEVER


def _issuer(certificate: x509.Certificate) -> str:
    text = name_text(certificate.issuer)
    return f"{text} (itself)" if certificate.subject == certificate.issuer else text


def _validity(certificate: x509.Certificate, now: datetime) -> str:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    span = f"{start:%Y-%m-%dT%H:%M:%SZ} to {end:%Y-%m-%dT%H:%M:%SZ}"
    if now < start:
        return f"{span}, not valid yet"
    if now > end:
        return f"{span}, expired {(now - end).days} days ago"
    return f"{span}, valid now, without expiry" if _never(certificate) else f"{span}, {(end - now).days} days left"


def _names(names: tuple[str, ...]) -> Lines:
    return [("name", name) for name in names]


def _extensions(certificate: x509.Certificate) -> Lines:
    lines: Lines = []
    for found in certificate.extensions:
        text = _meaning(found.value)
        if text is not None:
            name, meaning = text
            lines.append((name, f"{meaning}{' (critical)' if found.critical else ''}"))
    return lines


def _meaning(value: x509.ExtensionType) -> tuple[str, str] | None:
    match value:
        case x509.SubjectAlternativeName():
            return None
        case x509.BasicConstraints():
            return "is a CA", _ca(value)
        case x509.KeyUsage():
            return "key may", ", ".join(_bits(value)) or "nothing"
        case x509.ExtendedKeyUsage():
            return "meant to", ", ".join(_PURPOSES.get(usage, usage.dotted_string) for usage in value)
        case x509.SubjectKeyIdentifier():
            return "key identifier", value.digest.hex()
        case x509.AuthorityKeyIdentifier():
            return "issuer's key", value.key_identifier.hex() if value.key_identifier else "named by serial"
        case x509.NameConstraints():
            return "names allowed", _constraints(value)
    return "also carries", value.oid.dotted_string


def _ca(value: x509.BasicConstraints) -> str:
    if not value.ca:
        return "no"
    return "yes" if value.path_length is None else f"yes, with at most {value.path_length} CAs below it"


def _bits(value: x509.KeyUsage) -> list[str]:
    said = {
        "sign data": value.digital_signature,
        "sign for non-repudiation": value.content_commitment,
        "encrypt keys": value.key_encipherment,
        "encrypt data": value.data_encipherment,
        "agree on keys": value.key_agreement,
        "sign certificates": value.key_cert_sign,
        "sign CRLs": value.crl_sign,
    }
    return [text for text, allowed in said.items() if allowed]


def _constraints(value: x509.NameConstraints) -> str:
    permitted = [general_name_text(name) for name in value.permitted_subtrees or ()]
    excluded = [f"not {general_name_text(name)}" for name in value.excluded_subtrees or ()]
    return ", ".join(permitted + excluded)
