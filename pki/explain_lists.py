"""What a revocation list says, in the words of a colleague."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import islice

from cryptography import x509

from pki.certificates import general_name_text, name_text, printable
from pki.crl_lists import RevocationList, load_crl, revocation_list
from pki.errors import PathError
from pki.explained import Explained, Lines, moment_text, unreadable
from pki.reading import UNREADABLE, extension, tolerant
from pki.signatures import BELIEVED_ALGORITHMS, algorithm_name

MAX_ENTRIES_READ = 10_000  # entries whose reasons are counted; each costs microseconds, and lists have millions
MAX_ENTRIES_SHOWN = 10


def explain_list(data: bytes, *, now: datetime) -> Explained:
    """Return what a CRL says; its signature is not checked, because its issuer's key is not in it."""
    try:
        found = revocation_list(load_crl(data))
        size = _size(found.crl)
    except PathError as refused:
        return unreadable("crl", refused.message)
    defects = [found.defect] if found.defect else []
    try:
        entries = _entries(found.crl, size)
    except UNREADABLE:
        entries, defects = [], [*defects, "an entry cannot be read"]
    return Explained(
        kind="crl",
        heading=_heading(found),
        lines=[*_plain(found, size), *entries],
        defects=tuple(defects),
        warnings=_warnings(found, now),
    )


def _size(crl: x509.CertificateRevocationList) -> int:
    try:
        with tolerant():
            return len(crl)
    except UNREADABLE as cause:
        raise PathError("the entries cannot be read", code="path.crl-malformed") from cause


def _heading(found: RevocationList) -> str:
    if found.base is not None:
        return "delta revocation list"
    return "partitioned revocation list" if found.point is not None else "complete revocation list"


def _plain(found: RevocationList, size: int) -> Lines:
    crl = found.crl
    lines = [
        ("issuer", name_text(crl.issuer)),
        ("issuer's key", found.authority_key_id.hex() if found.authority_key_id else "not named"),
        ("number", str(found.number) if found.number is not None else "none"),
        ("made", moment_text(crl.last_update_utc)),
        ("next", moment_text(crl.next_update_utc) if crl.next_update_utc else "not said"),
        ("signed with", f"{algorithm_name(crl)}, not checked here"),
        ("entries", str(size)),
    ]
    if found.base is not None:
        lines.append(("changes since", f"list number {found.base}"))
    return [*lines, *_scope(found.point)]


def _scope(point: x509.IssuingDistributionPoint | None) -> Lines:
    if point is None:
        return []
    said = {
        "certificates of end entities only": point.only_contains_user_certs,
        "certificates of CAs only": point.only_contains_ca_certs,
        "attribute certificates only": point.only_contains_attribute_certs,
        "certificates of other issuers too": point.indirect_crl,
    }
    lines = [("covers", text) for text, holds in said.items() if holds]
    lines += [("found at", printable(general_name_text(name))) for name in point.full_name or ()]
    if point.only_some_reasons is not None:
        reasons = sorted(reason.value for reason in point.only_some_reasons)
        lines.append(("covers", f"these reasons only: {', '.join(reasons)}"))
    return lines


def _entries(crl: x509.CertificateRevocationList, size: int) -> Lines:
    lines: Lines = []
    reasons: Counter[str] = Counter()
    with tolerant():
        for entry in islice(crl, MAX_ENTRIES_READ):
            reason = extension(entry.extensions, x509.CRLReason)
            text = reason.value.reason.value if reason else "unspecified"
            reasons[text] += 1
            if size <= MAX_ENTRIES_SHOWN:
                lines.append(
                    ("revoked", f"{entry.serial_number:x} at {moment_text(entry.revocation_date_utc)}, {text}")
                )
    if size > MAX_ENTRIES_SHOWN:
        of = "" if size <= MAX_ENTRIES_READ else f" of the first {MAX_ENTRIES_READ}"
        lines += [(f"reasons{of}", f"{count} {text}") for text, count in reasons.most_common()]
    return lines


def _warnings(found: RevocationList, now: datetime) -> tuple[str, ...]:
    said = []
    if found.crl.next_update_utc is None:
        said.append("it does not say when the next list comes, so nobody can tell whether it is current")
    elif not found.is_current(now):
        said.append("it is not current")
    if found.crl.signature_algorithm_oid.dotted_string not in BELIEVED_ALGORITHMS:
        said.append(f"its signature algorithm {algorithm_name(found.crl)} is not believed")
    if found.authority_key_id is None:
        said.append("it does not say which of its issuer's keys signed it")
    return tuple(said)
