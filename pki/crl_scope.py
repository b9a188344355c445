"""Which certificates a CRL speaks for: distribution points against issuing distribution points (RFC 5280 6.3.3 (b))."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography import x509

from pki.certificates import is_ca
from pki.constraints import ComparableName, comparable_name
from pki.crl_lists import ALL_REASONS, RevocationList
from pki.paths import Node
from pki.reading import extension

MAX_POINTS = 64  # distribution points of one certificate; real ones have a few

PointName = tuple[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where a certificate says its status is found: any of `names` (none: any), by one of `issuers`."""

    names: frozenset[PointName]
    issuers: frozenset[ComparableName]
    indirect: bool
    reasons: frozenset[x509.ReasonFlags]


def points_of(each: Node) -> Iterator[Point]:
    """Yield the certificate's distribution points, then the one that every certificate has: its issuer."""
    found = extension(each.certificate.extensions, x509.CRLDistributionPoints)
    for stated in list(found.value if found else ())[:MAX_POINTS]:
        yield _point(stated, each)
    yield Point(
        names=frozenset({_directory(each.issuer)}),
        issuers=frozenset({each.issuer}),
        indirect=False,
        reasons=ALL_REASONS,
    )


def _point(stated: x509.DistributionPoint, each: Node) -> Point:
    issuers = [name.value for name in stated.crl_issuer or () if isinstance(name, x509.DirectoryName)]
    base = issuers[0] if issuers else each.certificate.issuer
    names = _names(stated.full_name, stated.relative_name, base)
    if not names:  # section 4.2.1.13: without a name, the point is found under its issuer's
        names = frozenset(_directory(comparable_name(issuer)) for issuer in issuers)
    return Point(
        names=names,
        issuers=frozenset(map(comparable_name, issuers)) if stated.crl_issuer else frozenset({each.issuer}),
        indirect=stated.crl_issuer is not None,
        reasons=ALL_REASONS if stated.reasons is None else frozenset(stated.reasons),
    )


def covers(found: RevocationList, point: Point, each: Node) -> bool:
    """Return whether the list is of `point`, and `each` of the kind of certificate it lists."""
    if found.issuer not in point.issuers or (point.indirect and not found.indirect):
        return False
    scope = found.point
    if scope is None:
        return True
    names = _names(scope.full_name, scope.relative_name, found.crl.issuer)
    if names and not names & point.names:
        return False
    if scope.only_contains_attribute_certs:
        return False
    return not (scope.only_contains_user_certs if is_ca(each.certificate) else scope.only_contains_ca_certs)


def same_scope(delta: RevocationList, complete: RevocationList) -> bool:
    """Return whether `delta` changes what `complete` lists (section 6.3.3 (c))."""
    return (
        delta.issuer == complete.issuer
        and delta.authority_key_id == complete.authority_key_id
        and delta.point == complete.point
    )


def _names(
    full: Iterable[x509.GeneralName] | None, relative: x509.RelativeDistinguishedName | None, base: x509.Name
) -> frozenset[PointName]:
    if relative is not None:
        return frozenset({_directory(comparable_name(x509.Name([*base.rdns, relative])))})
    return frozenset(_comparable(name) for name in full or ())


def _comparable(name: x509.GeneralName) -> PointName:
    if isinstance(name, x509.DirectoryName):
        return _directory(comparable_name(name.value))
    return type(name).__name__, name.value


def _directory(name: ComparableName) -> PointName:
    return "DirectoryName", name
