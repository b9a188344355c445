"""One certificate revocation list as path validation asks of it: its scope, its currency, and its entries.

What a list says about itself decides whether it may be believed at all (RFC 5280 section 5.2); who signed it and
which certificates it speaks for is in pki.crls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from pki.constraints import ComparableName, comparable_name
from pki.errors import PathError
from pki.reading import UNREADABLE, extension, tolerant

MAX_CRL_BYTES = 64 * 1024 * 1024  # a million entries
ALL_REASONS = frozenset(x509.ReasonFlags) - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}

_UNDERSTOOD = frozenset({ExtensionOID.ISSUING_DISTRIBUTION_POINT, ExtensionOID.DELTA_CRL_INDICATOR})
_UNDERSTOOD_IN_ENTRIES = frozenset({CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.INVALIDITY_DATE})
_CERTIFICATE_ISSUER = CRLEntryExtensionOID.CERTIFICATE_ISSUER
_BEGIN = b"-----BEGIN"
_PEM = re.compile(rb"-----BEGIN X509 CRL-----[^-]*-----END X509 CRL-----")
_CRITICAL = b"\x01\x01\xff"  # BOOLEAN TRUE: without these octets no entry holds a critical extension
_Value = TypeVar("_Value", bound=x509.ExtensionType)


def load_crls(data: bytes) -> tuple[x509.CertificateRevocationList, ...]:
    """Return every CRL of `data`, which is PEM (one or more) or one DER CRL; raises PathError `path.crl-malformed`.

    A list that was passed over could be the one that revokes: so what else stands in PEM, or ends early, is refused.
    """
    if _BEGIN not in data:
        return (load_crl(data),)
    blocks = _PEM.findall(data)
    if len(blocks) != data.count(_BEGIN):
        raise PathError("a PEM block of the file is no whole CRL", code="path.crl-malformed")
    return tuple(map(load_crl, blocks))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One revoked certificate: since when, and why (None: unspecified)."""

    since: datetime
    reason: x509.ReasonFlags | None


@dataclass(slots=True, kw_only=True, eq=False)
class RevocationList:
    """A list with what is asked of it again and again, computed once."""

    crl: x509.CertificateRevocationList
    issuer: ComparableName
    number: int | None
    base: int | None
    authority_key_id: bytes | None
    point: x509.IssuingDistributionPoint | None
    defect: str | None
    _indirect: Mapping[tuple[ComparableName, int], Entry] | None = field(default=None)

    @property
    def reasons(self) -> frozenset[x509.ReasonFlags]:
        """The reasons for which it lists certificates."""
        some = self.point.only_some_reasons if self.point else None
        return ALL_REASONS if some is None else frozenset(some)

    @property
    def indirect(self) -> bool:
        """Whether it may list certificates of other issuers (section 5.2.5)."""
        return self.point is not None and self.point.indirect_crl

    def is_current(self, at: datetime) -> bool:
        """Return whether `at` (aware UTC) is from its thisUpdate to its nextUpdate, to the second."""
        moment, end = at.replace(microsecond=0), self.crl.next_update_utc
        return end is not None and self.crl.last_update_utc <= moment <= end

    def entry(self, serial: int, issuer: ComparableName) -> Entry | None:
        """Return what it says of the certificate `serial` of `issuer`."""
        if self.indirect:
            if self._indirect is None:
                self._indirect = _indirect_entries(self.crl, self.issuer)
            return self._indirect.get((issuer, serial))
        if issuer != self.issuer:
            return None
        with tolerant():
            found = self.crl.get_revoked_certificate_by_serial_number(serial)
        return None if found is None else _entry(found)


def revocation_list(crl: x509.CertificateRevocationList) -> RevocationList:
    """Return the list with its scope read; `defect` says why it proves nothing, if so."""
    number, base = _value(crl, x509.CRLNumber), _value(crl, x509.DeltaCRLIndicator)
    key = _value(crl, x509.AuthorityKeyIdentifier)
    return RevocationList(
        crl=crl,
        issuer=comparable_name(crl.issuer),
        number=number.crl_number if number else None,
        base=base.crl_number if base else None,
        authority_key_id=key.key_identifier if key else None,
        point=_value(crl, x509.IssuingDistributionPoint),
        defect=_defect(crl),
    )


def _value(crl: x509.CertificateRevocationList, kind: type[_Value]) -> _Value | None:
    found = extension(crl.extensions, kind)
    return found.value if found else None


def _defect(crl: x509.CertificateRevocationList) -> str | None:
    for found in crl.extensions:
        if found.critical is not (found.oid in _UNDERSTOOD):
            if found.critical:
                return f"it has critical extension {found.oid.dotted_string}"
            if found.oid in _UNDERSTOOD:  # sections 5.2.4, 5.2.5: always critical, or others would misread the list
                return f"extension {found.oid.dotted_string} is not critical"
    if _value(crl, x509.CRLNumber) is None:
        return "it has no number"  # section 5.2.3
    return _odd_entries(crl)


def _odd_entries(crl: x509.CertificateRevocationList) -> str | None:
    """Return why the entries cannot be trusted (section 5.3): a critical extension not processed, or unreadable."""
    if _CRITICAL not in crl.tbs_certlist_bytes:
        return None
    point = _value(crl, x509.IssuingDistributionPoint)
    understood = _UNDERSTOOD_IN_ENTRIES | ({_CERTIFICATE_ISSUER} if point and point.indirect_crl else frozenset())
    with tolerant():
        try:
            odd = any(found.critical and found.oid not in understood for entry in crl for found in entry.extensions)
        except UNREADABLE:
            return "an entry cannot be read"
    return "an entry has a critical extension that is not processed" if odd else None


def _indirect_entries(
    crl: x509.CertificateRevocationList, issuer: ComparableName
) -> Mapping[tuple[ComparableName, int], Entry]:
    """Return the entries by issuer and serial; an issuer holds until the next one is named (section 5.3.3)."""
    entries: dict[tuple[ComparableName, int], Entry] = {}
    with tolerant():
        for found in crl:
            named = extension(found.extensions, x509.CertificateIssuer)
            if named is not None:
                names = named.value.get_values_for_type(x509.DirectoryName)
                issuer = comparable_name(names[0]) if names else ()
            entries[issuer, found.serial_number] = _entry(found)
    return entries


def _entry(found: x509.RevokedCertificate) -> Entry:
    try:
        reason = extension(found.extensions, x509.CRLReason)
    except UNREADABLE:
        return Entry(since=found.revocation_date_utc, reason=None)
    return Entry(since=found.revocation_date_utc, reason=reason.value.reason if reason else None)
