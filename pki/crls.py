"""Revocation as a CRL says it: complete, direct CRLs of the issuer itself, current at the moment asked for.

Partitioned, indirect and delta CRLs carry critical extensions that are not processed here, so such a list proves
nothing and a certificate that only it could cover is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import CRLEntryExtensionOID

from pki.constraints import comparable_name
from pki.errors import PathError
from pki.path_rules import extension
from pki.paths import Node
from pki.reading import UNREADABLE, tolerant
from pki.signatures import SignatureRefusedError, verify_crl

MAX_CRL_BYTES = 64 * 1024 * 1024  # a million entries
MAX_CRLS = 512
_UNDERSTOOD_IN_ENTRIES = frozenset({CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.INVALIDITY_DATE})


def load_crl(data: bytes) -> x509.CertificateRevocationList:
    """Return a PEM or DER CRL; raises PathError `path.crl-malformed`."""
    if len(data) > MAX_CRL_BYTES:
        raise PathError(f"CRL is larger than {MAX_CRL_BYTES} bytes", code="path.crl-malformed")
    load = x509.load_pem_x509_crl if b"-----BEGIN" in data[:4096] else x509.load_der_x509_crl
    try:
        with tolerant():
            crl = load(data)
            _ = (crl.issuer, crl.last_update_utc, crl.next_update_utc)
            for found in crl.extensions:
                _ = found.value
    except UNREADABLE as cause:
        raise PathError("CRL cannot be read", code="path.crl-malformed") from cause
    return crl


def revocation_seen(
    path: tuple[Node, ...], crls: Sequence[x509.CertificateRevocationList], *, at: datetime
) -> str | None:
    """Return why the path cannot be shown to be free of revoked certificates, or None (RFC 5280 section 6.3).

    The anchor is trusted by configuration and has no CRL above it. Raises PathError `path.budget`.
    """
    if len(crls) > MAX_CRLS:
        raise PathError(f"more than {MAX_CRLS} CRLs", code="path.budget")
    for each, issuer in pairwise(path):
        seen = _status(each, issuer, crls, at.astimezone(UTC))
        if seen is not None:
            return seen
    return None


def _status(each: Node, issuer: Node, crls: Sequence[x509.CertificateRevocationList], at: datetime) -> str | None:
    covered = False
    serial = each.certificate.serial_number
    for crl in crls:
        if comparable_name(crl.issuer) != each.issuer:
            continue
        if _is_delta(crl):  # what it adds to the complete list is not processed, so the complete list is not the truth
            return f"a delta CRL stands beside those that cover serial {serial:x}"
        if not _usable(crl, issuer, at):
            continue
        covered = True
        with tolerant():
            entry = crl.get_revoked_certificate_by_serial_number(serial)
        if entry is not None:
            return f"serial {serial:x} is revoked since {entry.revocation_date_utc:%Y-%m-%dT%H:%M:%SZ}"
    return None if covered else f"no usable CRL covers serial {serial:x}"


def _is_delta(crl: x509.CertificateRevocationList) -> bool:
    return any(isinstance(found.value, x509.DeltaCRLIndicator) for found in crl.extensions)


def _usable(crl: x509.CertificateRevocationList, issuer: Node, at: datetime) -> bool:
    usage = extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.value.crl_sign:  # RFC 5280 section 6.3.3 (f)
        return False
    moment = at.replace(microsecond=0)
    if crl.next_update_utc is None or not crl.last_update_utc <= moment <= crl.next_update_utc:
        return False
    return _complete(crl) and _signed(crl, issuer)


def _complete(crl: x509.CertificateRevocationList) -> bool:
    """Whether nothing critical limits the list, it is numbered (section 5.2.3), and entries hold no surprises."""
    if any(found.critical for found in crl.extensions):
        return False
    if not any(isinstance(found.value, x509.CRLNumber) for found in crl.extensions):
        return False
    return not _odd_entries(crl)


def _odd_entries(crl: x509.CertificateRevocationList) -> bool:
    """Whether an entry has a critical extension that is not processed, such as another certificate issuer."""
    with tolerant():
        try:
            return any(
                found.critical and found.oid not in _UNDERSTOOD_IN_ENTRIES
                for entry in crl
                for found in entry.extensions
            )
        except UNREADABLE:
            return True


def _signed(crl: x509.CertificateRevocationList, issuer: Node) -> bool:
    try:
        verify_crl(crl, issuer.certificate.public_key())
    except (SignatureRefusedError, ValueError, UnsupportedAlgorithm):
        return False
    return True
