"""Revocation of a path by CRLs: complete, partitioned, indirect and delta lists (RFC 5280 section 6.3).

For every certificate below the anchor, in order:

1. its distribution points, then its issuer itself, name the lists that may speak for it (pki.crl_scope)
2. a list counts if its form is sound (pki.crl_lists), it is current, and its signer is on the path, or has a path of
   its own to the same anchor
3. a delta list of the same scope changes what its complete list says; a complete list that a newer delta has left
   behind proves nothing
4. of several lists that speak for the same reasons, the latest decides: an older one may still be current, and not
   know yet of a revocation
5. the lists together must cover every reason, else the certificate counts as not covered, which is a refusal
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from pki.constraints import ComparableName
from pki.crl_lists import ALL_REASONS, Entry, RevocationList, revocation_list
from pki.crl_scope import Point, covers, points_of, same_scope
from pki.errors import PathError
from pki.paths import Node
from pki.signatures import SignatureRefusedError, verify_crl

MAX_CRLS = 512
MAX_CRL_SIGNATURES = 128  # checks in one validation; as many as path building may make

Lists = Mapping[ComparableName, tuple[RevocationList, ...]]


class Signers(Protocol):
    """Finds who else may have signed a list: certificates at hand, and whether one has a path to the anchor."""

    def named(self, name: ComparableName) -> Iterable[Node]:
        """Return the certificates at hand with this subject."""
        ...

    def is_trusted(self, signer: Node, anchor: Node) -> bool:
        """Return whether a valid path, itself free of revocation, leads from `signer` to `anchor`."""
        ...


def by_issuer(crls: Sequence[x509.CertificateRevocationList]) -> Lists:
    """Return the lists under their issuers' names; raises PathError `path.budget` for more than MAX_CRLS."""
    if len(crls) > MAX_CRLS:
        raise PathError(f"more than {MAX_CRLS} CRLs", code="path.budget")
    found: dict[ComparableName, list[RevocationList]] = {}
    for crl in crls:
        one = revocation_list(crl)
        found.setdefault(one.issuer, []).append(one)
    return {issuer: tuple(same) for issuer, same in found.items()}


@dataclass(slots=True, kw_only=True)
class Revocation:
    """One validation's view of the lists; `at` is aware UTC. Every signature is checked once."""

    lists: Lists
    signers: Signers
    at: datetime
    _verified: dict[tuple[int, int], bool] = field(default_factory=dict)

    def seen(self, path: tuple[Node, ...]) -> str | None:
        """Return why the path cannot be shown to be free of revoked certificates, or None.

        The anchor is trusted by configuration and has no CRL above it. Raises PathError `path.budget`.
        """
        for position, each in enumerate(path[:-1]):
            seen = self._status(each, path[position + 1 :])
            if seen is not None:
                return seen
        return None

    def _status(self, each: Node, issuers: tuple[Node, ...]) -> str | None:
        serial = each.certificate.serial_number
        covered: frozenset[x509.ReasonFlags] = frozenset()
        for answer in sorted(self._answers(each, issuers), key=_latest, reverse=True):
            if answer.reasons <= covered:
                continue
            if answer.entry is not None:
                return _revoked(serial, answer.entry)
            covered |= answer.reasons
        if covered == ALL_REASONS:
            return None
        return f"no usable CRL covers serial {serial:x}{' for every reason' if covered else ''}"

    def _answers(self, each: Node, issuers: tuple[Node, ...]) -> Iterator[_Answer]:
        for point in points_of(each):
            for found in self._complete(point, each, issuers):
                delta = self._delta(found, issuers)
                yield _Answer(
                    reasons=point.reasons & found.reasons,
                    at=max(one.crl.last_update_utc for one in (found, delta) if one is not None),
                    number=found.number or 0,
                    entry=_entry(found, delta, each),
                )

    def _complete(self, point: Point, each: Node, issuers: tuple[Node, ...]) -> Iterator[RevocationList]:
        for issuer in point.issuers:
            for found in self.lists.get(issuer, ()):
                if found.base is None and covers(found, point, each) and self._usable(found, issuers):
                    yield from (found,) if self._is_newest(found, issuers) else ()

    def _usable(self, found: RevocationList, issuers: tuple[Node, ...]) -> bool:
        return found.defect is None and found.is_current(self.at) and self._signed(found, issuers)

    def _is_newest(self, complete: RevocationList, issuers: tuple[Node, ...]) -> bool:
        """Whether no delta is newer than what it could be combined with: that list would be known to be out of date."""
        newer = [delta for delta in self._deltas(complete, issuers) if _after(delta, complete)]
        return not newer or any(_combines(delta, complete) for delta in newer)

    def _deltas(self, complete: RevocationList, issuers: tuple[Node, ...]) -> list[RevocationList]:
        beside = self.lists.get(complete.issuer, ())
        return [
            found
            for found in beside
            if found.base is not None and same_scope(found, complete) and self._usable(found, issuers)
        ]

    def _delta(self, complete: RevocationList, issuers: tuple[Node, ...]) -> RevocationList | None:
        """Return the newest delta that changes what `complete` says."""
        deltas = [delta for delta in self._deltas(complete, issuers) if _combines(delta, complete)]
        return max(deltas, key=lambda delta: delta.number or 0, default=None)

    def _signed(self, found: RevocationList, issuers: tuple[Node, ...]) -> bool:
        """Whether an issuer on the path signed the list, or another of its name that reaches the same anchor."""
        on_path = [each for each in issuers if each.subject == found.issuer]
        if any(self._signed_by(found, each) for each in on_path):
            return True
        anchor = issuers[-1]
        return any(
            self._signed_by(found, each) and self.signers.is_trusted(each, anchor)
            for each in self.signers.named(found.issuer)
            if each not in on_path
        )

    def _signed_by(self, found: RevocationList, signer: Node) -> bool:
        usage = signer.extension(x509.KeyUsage)
        if usage is not None and not usage.value.crl_sign:  # section 6.3.3 (f)
            return False
        edge = (id(found), id(signer))
        if edge not in self._verified:
            if len(self._verified) >= MAX_CRL_SIGNATURES:
                raise PathError("revocation needs more signature checks than the limit", code="path.budget")
            self._verified[edge] = _verifies(found.crl, signer)
        return self._verified[edge]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What one list and its delta say of a certificate: for which reasons, as of when, and its entry, if it has one."""

    reasons: frozenset[x509.ReasonFlags]
    at: datetime
    number: int
    entry: Entry | None


def _latest(answer: _Answer) -> tuple[datetime, int, bool]:
    return answer.at, answer.number, answer.entry is not None  # of two made at once, the one that revokes


def _entry(complete: RevocationList, delta: RevocationList | None, each: Node) -> Entry | None:
    serial = each.certificate.serial_number
    stated = complete.entry(serial, each.issuer)
    changed = delta.entry(serial, each.issuer) if delta is not None else None
    if changed is None or changed.reason is not x509.ReasonFlags.remove_from_crl:
        return changed or stated
    # Section 5.3.1: what a delta removes was on hold, or has expired; nothing else that is revoked comes back.
    return None if stated is None or stated.reason is x509.ReasonFlags.certificate_hold else stated


def _revoked(serial: int, entry: Entry) -> str:
    state = "on hold" if entry.reason is x509.ReasonFlags.certificate_hold else "revoked"
    return f"serial {serial:x} is {state} since {entry.since:%Y-%m-%dT%H:%M:%SZ}"


def _after(delta: RevocationList, complete: RevocationList) -> bool:
    return (delta.number or 0) > (complete.number or 0)


def _combines(delta: RevocationList, complete: RevocationList) -> bool:
    """Section 5.2.4: the complete list is not older than the base, and older than the delta."""
    return _after(delta, complete) and (delta.base or 0) <= (complete.number or 0)


def _verifies(crl: x509.CertificateRevocationList, signer: Node) -> bool:
    try:
        verify_crl(crl, signer.certificate.public_key())
    except (SignatureRefusedError, ValueError, UnsupportedAlgorithm):
        return False
    return True
