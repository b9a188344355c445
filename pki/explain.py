"""What a certificate or request says, in the words of a colleague: a heading, then lines of (name, meaning)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.certificates import (
    alternative_names,
    general_name_text,
    is_ca,
    key_description,
    load_certificate,
    name_text,
    printable,
    thumbprint,
)
from pki.errors import KeyRefusedError, PathError, PkiError
from pki.explained import Explained, Lines, moment_text
from pki.keys import require_sound_rsa
from pki.policies import POLICY_EXTENSIONS
from pki.reading import UNREADABLE, extension, tolerant
from pki.request import parse_request
from pki.signatures import BELIEVED_ALGORITHMS, algorithm_name

NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280 section 4.1.2.5

_PURPOSES = {
    ExtendedKeyUsageOID.CLIENT_AUTH: "log in to servers over TLS",
    ExtendedKeyUsageOID.SERVER_AUTH: "be a TLS server",
    ExtendedKeyUsageOID.OCSP_SIGNING: "sign OCSP answers",
    ExtendedKeyUsageOID.CODE_SIGNING: "sign code",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "protect e-mail",
    ExtendedKeyUsageOID.TIME_STAMPING: "sign time stamps",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anything",
}


def explain_certificate(encoded: bytes, *, now: datetime) -> Explained:
    """Return what a DER certificate says; one that breaks its standard is explained as far as it can be read."""
    try:
        certificate = load_certificate(encoded)
        return Explained(
            kind="certificate",
            heading=_heading(certificate),
            lines=[*_plain(certificate, now), *_extensions(certificate)],
            warnings=certificate_warnings(certificate, now=now),
        )
    except PathError as refused:
        return _broken_certificate(encoded, refused.message, now)


def _broken_certificate(encoded: bytes, why: str, now: datetime) -> Explained:
    """What can still be said: the fields one by one, each only if it can be read."""
    try:
        with tolerant():
            lines = _plain(x509.load_der_x509_certificate(encoded), now)
    except (PkiError, *UNREADABLE):
        lines = []
    return Explained(kind="certificate", heading="certificate that breaks its standard", lines=lines, defects=(why,))


def _plain(certificate: x509.Certificate, now: datetime) -> Lines:
    kind, bits = key_description(certificate)
    return [
        ("subject", name_text(certificate.subject) or "empty: the alternative names say who it is"),
        ("issuer", _issuer(certificate)),
        ("serial", f"{certificate.serial_number:x}"),
        ("validity", _validity(certificate, now)),
        ("key", f"{kind}{f', {bits} bits' if bits else ''}"),
        ("key thumbprint", thumbprint(certificate)),
        ("signed with", algorithm_name(certificate)),
        *_names(certificate),
    ]


def explain_request(encoded: bytes) -> Explained:
    """Return what a DER certification request says, and whether it proves possession of its key."""
    try:
        request = parse_request(encoded)
    except PkiError as refused:
        return _broken_request(encoded, refused.message)
    return Explained(
        kind="request",
        heading="certificate request (PKCS#10)",
        lines=[
            ("possession", "proven: the key inside signed the request"),
            ("key", f"{request.key.type.value}, {request.key.bits} bits"),
            ("key thumbprint", request.key.thumbprint),
            ("asks for subject", request.subject or "empty"),
            *[("asks for name", name) for name in request.san],
            ("what counts", "the key only: names and extensions come from the profile"),
        ],
    )


def _broken_request(encoded: bytes, why: str) -> Explained:
    lines: Lines = []
    try:
        with tolerant():
            request = x509.load_der_x509_csr(encoded)
            kind, bits = key_description(request)
            lines.append(("key", f"{kind}{f', {bits} bits' if bits else ''}"))
            lines.append(("signed with", algorithm_name(request)))
            lines.append(("asks for subject", name_text(request.subject) or "empty"))
            lines += [("asks for name", name) for name in alternative_names(request.extensions)]
    except UNREADABLE:
        lines.append(("the rest", "cannot be read"))
    return Explained(kind="request", heading="certificate request that is refused", lines=lines, defects=(why,))


def certificate_warnings(certificate: x509.Certificate, *, now: datetime) -> tuple[str, ...]:
    """Return what a careful reader would ask about: dates, weak algorithms, a CA that is not fit to be one."""
    found = []
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        found.append("it is not valid now")
    if certificate.not_valid_before_utc > certificate.not_valid_after_utc:
        found.append("it ends before it starts, so it is never valid")
    digest = certificate.signature_algorithm_oid.dotted_string
    if digest not in BELIEVED_ALGORITHMS:
        found.append(f"its signature algorithm {algorithm_name(certificate)} is not believed")
    return (*found, *_key_warnings(certificate), *_extension_warnings(certificate))


def _key_warnings(certificate: x509.Certificate) -> Iterator[str]:
    try:
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            require_sound_rsa(key)
    except KeyRefusedError as refused:
        yield refused.message
    except (ValueError, UnsupportedAlgorithm):
        yield "its key is of a kind that cannot be used here"


def _extension_warnings(certificate: x509.Certificate) -> Iterator[str]:
    extensions = certificate.extensions
    yield from _ca_warnings(certificate) if is_ca(certificate) else _leaf_warnings(extensions)
    if not certificate.subject.rdns and extension(extensions, x509.SubjectAlternativeName) is None:
        yield "it names nobody: no subject, no alternative names"
    if certificate.subject != certificate.issuer and extension(extensions, x509.AuthorityKeyIdentifier) is None:
        yield "it does not say which of its issuer's keys signed it"
    for found in extensions:
        if (
            found.critical
            and isinstance(found.value, x509.UnrecognizedExtension)
            and found.oid not in POLICY_EXTENSIONS
        ):
            yield f"critical extension {found.oid.dotted_string} is unknown here: paths with it are refused"


def _ca_warnings(certificate: x509.Certificate) -> Iterator[str]:
    usage = extension(certificate.extensions, x509.KeyUsage)
    if usage is None:
        yield "it is a CA and does not say what its key may be used for"
    elif not usage.value.key_cert_sign:
        yield "it is a CA and its key may not sign certificates"
    if extension(certificate.extensions, x509.SubjectKeyIdentifier) is None:
        yield "it is a CA without a subject key identifier"


def _leaf_warnings(extensions: x509.Extensions) -> Iterator[str]:
    usage = extension(extensions, x509.KeyUsage)
    if usage is not None and usage.value.key_cert_sign:
        yield "it is no CA, and yet its key may sign certificates"


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
    span = f"{moment_text(start)} to {moment_text(end)}"
    if now < start:
        return f"{span}, not valid yet"
    if now > end:
        return f"{span}, expired {(now - end).days} days ago"
    return f"{span}, valid now, without expiry" if _never(certificate) else f"{span}, {_span_text(end - now)} left"


def _span_text(span: timedelta) -> str:
    """Return a span in days, one of less than two in hours: certificates of a day are usual here."""
    hours = int(span.total_seconds() // 3600)
    if hours >= 48:
        return f"{span.days} days"
    return f"{hours} hour{'' if hours == 1 else 's'}"


def _names(certificate: x509.Certificate) -> Lines:
    return [("name", name) for name in alternative_names(certificate.extensions)]


def _extensions(certificate: x509.Certificate) -> Lines:
    lines: Lines = []
    for found in certificate.extensions:
        text = _meaning(found.value)
        if text is not None:
            name, meaning = text
            lines.append((name, f"{meaning}{' (critical)' if found.critical else ''}"))
    return lines


def _meaning(value: x509.ExtensionType) -> tuple[str, str] | None:
    if isinstance(value, x509.SubjectAlternativeName):
        return None  # said above, among the names
    known = _MEANINGS.get(type(value))
    return ("also carries", value.oid.dotted_string) if known is None else (known[0], known[1](value))


def _ca(value: x509.BasicConstraints) -> str:
    if not value.ca:
        return "no"
    if value.path_length is None:
        return "yes"
    return f"yes, with at most {value.path_length} CA{'' if value.path_length == 1 else 's'} below it"


def _places(value: x509.CRLDistributionPoints) -> Iterator[str]:
    for point in value:
        yield from (printable(general_name_text(name)) for name in point.full_name or ())


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


def _uses(value: x509.ExtendedKeyUsage) -> str:
    return ", ".join(_PURPOSES.get(usage, usage.dotted_string) for usage in value)


def _issuers_key(value: x509.AuthorityKeyIdentifier) -> str:
    return value.key_identifier.hex() if value.key_identifier else "named by serial"


def _answering(value: x509.AuthorityInformationAccess) -> str:
    return ", ".join(printable(general_name_text(each.access_location)) for each in value)


def _policies(value: x509.CertificatePolicies) -> str:
    return ", ".join(info.policy_identifier.dotted_string for info in value)


_MEANINGS: dict[type[x509.ExtensionType], tuple[str, Callable[[Any], str]]] = {
    x509.BasicConstraints: ("is a CA", _ca),
    x509.KeyUsage: ("key may", lambda value: ", ".join(_bits(value)) or "nothing"),
    x509.ExtendedKeyUsage: ("meant to", _uses),
    x509.SubjectKeyIdentifier: ("key identifier", lambda value: value.digest.hex()),
    x509.AuthorityKeyIdentifier: ("issuer's key", _issuers_key),
    x509.NameConstraints: ("names allowed", _constraints),
    x509.CRLDistributionPoints: ("revocation list", lambda value: ", ".join(_places(value)) or "of another issuer"),
    x509.AuthorityInformationAccess: ("ask about it", _answering),
    x509.CertificatePolicies: ("policies", _policies),
    x509.OCSPNoCheck: ("never checked", lambda _: "an OCSP signer's status is not asked for"),
}
