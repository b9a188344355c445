"""Path validation for device identities: explicit anchors, explicit time, bounded work (RFC 5280 section 6).

Own rules, because those at hand are for web servers: a device certificate needs no alternative name, may be valid
until 99991231235959Z, and its CAs use constraints that web validators refuse. In order:

1. read the certificate, the anchors and the intermediates; what cannot be read is no part of a path
2. find paths whose every signature verifies (pki.paths), at most MAX_SIGNATURE_CHECKS of them
3. hold each path to every rule (pki.path_rules)
4. if CRLs are given, every certificate below the anchor must be covered and not revoked (pki.crls)

`validate_path` returns a path or raises; `examine_path` is its twin for people and lists every check.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from cryptography import x509

from pki.constraints import ComparableName
from pki.crls import Lists, Revocation, by_issuer
from pki.errors import PathError
from pki.path_rules import RULES, Leaf, PathRules, Question
from pki.paths import Node, Search, by_subject, node, readable

MAX_PATHS = 16  # complete paths examined; more means somebody built a maze
KEPT_POOLS = 64  # a bundle's anchors of each kind, and the CAs that devices of one vendor send along
KEPT_CHECKS = 64  # one for each rule: what passes says the same of every path
DEVICE_LEAF = PathRules()
ANY_LEAF = PathRules(leaf=Leaf.ANY)

Certificate = bytes | x509.Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of a path: its id, its clause, what was expected, and what was seen when it failed."""

    id: str
    result: Literal["pass", "fail"]
    clause: str
    expected: str
    seen: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatedPath:
    """A path that holds: `chain` is leaf first, anchor last. Made by `validate_path` only."""

    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    checks: tuple[Check, ...]

    @property
    def anchor(self) -> x509.Certificate:
        """The trust anchor the path ends in."""
        return self.chain[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathReport:
    """What was found, accepted or not; `chain` is empty when no path reaches an anchor."""

    accepted: bool
    chain: tuple[x509.Certificate, ...]
    checks: tuple[Check, ...]


def validate_path(
    leaf: Certificate,
    *,
    intermediates: Iterable[Certificate],
    anchors: Iterable[Certificate],
    at: datetime,
    rules: PathRules = DEVICE_LEAF,
    crls: Sequence[x509.CertificateRevocationList] = (),
) -> ValidatedPath:
    """Return the first path from `leaf` to one of `anchors` that keeps every rule at `at` (aware).

    Validity includes both of its ends, to the second, as RFC 5280 says; unlike the product's own limits. Raises
    PathError whose code is the first failed check: `path.anchor`, `path.signature`, `path.validity`...
    """
    report = examine_path(leaf, intermediates=intermediates, anchors=anchors, at=at, rules=rules, crls=crls)
    if not report.accepted:
        failed = next(check for check in report.checks if check.result == "fail")
        raise PathError(f"certificate path is refused: {failed.seen}", code=failed.id, checks=report.checks)
    return ValidatedPath(leaf=report.chain[0], chain=report.chain, checks=report.checks)


def examine_path(
    leaf: Certificate,
    *,
    intermediates: Iterable[Certificate],
    anchors: Iterable[Certificate],
    at: datetime,
    rules: PathRules = DEVICE_LEAF,
    crls: Sequence[x509.CertificateRevocationList] = (),
) -> PathReport:
    """Return every check of the best path; never raises for what the certificates say.

    The best path is the first accepted one, else the one with the fewest failed checks.
    """
    try:
        start = node(leaf)
        search = Search(
            intermediates=_pool(tuple(intermediates)),
            anchors=_pool(tuple(anchors)),
            max_depth=rules.max_depth,
        )
        judge = Judge(search=search, rules=rules, lists=by_issuer(crls), at=at.astimezone(UTC))
        return judge.best(start)
    except PathError as error:
        return refused(error)


@lru_cache(maxsize=KEPT_POOLS)
def _pool(certificates: tuple[Certificate, ...]) -> Mapping[ComparableName, tuple[Node, ...]]:
    return by_subject(readable(certificates))


def refused(error: PathError) -> PathReport:
    """Return the report of a validation that `error` stopped before any path was judged."""
    expected = _STOPPED.get(error.code, "input that can be read")
    check = Check(id=error.code, result="fail", clause="RFC 5280 section 6.1", expected=expected, seen=error.message)
    return PathReport(accepted=False, chain=(), checks=(check,))


_STOPPED = {
    "path.malformed": "one DER certificate of version 3",
    "path.budget": "a path that is found and checked within the limits of work",
}


@dataclass(slots=True, kw_only=True)
class Judge:
    """One validation: the search, the rules, the lists, and what was found out about signers of lists."""

    search: Search
    rules: PathRules
    lists: Lists
    at: datetime
    _trusted: dict[int, bool] = field(default_factory=dict)
    _asking: list[int] = field(default_factory=list)
    _revocation: Revocation = field(init=False)

    def __post_init__(self) -> None:
        """Give the lists their signers, which are found among the same certificates."""
        self._revocation = Revocation(lists=self.lists, signers=self, at=self.at)

    def best(self, start: Node) -> PathReport:
        """Return the first accepted path from `start`, else the one with the fewest failed checks."""
        best: PathReport | None = None
        for path in _limited(self.search.paths(start)):
            report = self._report(path)
            if report.accepted:
                return report
            if best is None or _failures(report) < _failures(best):
                best = report
        return best or PathReport(accepted=False, chain=(), checks=(_no_path(self.search),))

    def named(self, name: ComparableName) -> Iterable[Node]:
        """Return the certificates at hand with this subject."""
        return self.search.named(name)

    def is_trusted(self, signer: Node, anchor: Node) -> bool:
        """Return whether a path that holds, and is free of revocation, leads from `signer` to `anchor`."""
        asked = id(signer)
        if (
            asked in self._asking
        ):  # a list may speak of its own signer (NIST PKITS 4.14.30); longer circles prove nothing
            return self._asking[-1] == asked
        if asked not in self._trusted:
            self._asking.append(asked)
            paths = _limited(self.search.paths(signer))
            self._trusted[asked] = any(path[-1] is anchor and self._holds(path) for path in paths)
            self._asking.pop()
        return self._trusted[asked]

    def _holds(self, path: tuple[Node, ...]) -> bool:
        question = Question(path=path, rules=replace(ANY_LEAF, max_depth=self.rules.max_depth), at=self.at)
        return all(rule.check(question) is None for rule in RULES) and self._revocation.seen(path) is None

    def _report(self, path: tuple[Node, ...]) -> PathReport:
        question = Question(path=path, rules=self.rules, at=self.at)
        checks = [
            _check("path.anchor", "RFC 5280 section 6.1.1 (d)", "a chain of names to a given anchor", None),
            _check("path.signature", _SIGNATURE_CLAUSE, "every signature, in an accepted algorithm", None),
            *(_check(rule.id, rule.citation, rule.expected, rule.check(question)) for rule in RULES),
        ]
        if self.lists:
            seen = self._revocation.seen(path)
            checks.append(
                _check("path.revocation", "RFC 5280 section 6.3", "covered by a current CRL, not revoked", seen)
            )
        accepted = all(check.result == "pass" for check in checks)
        return PathReport(accepted=accepted, chain=tuple(each.certificate for each in path), checks=tuple(checks))


_SIGNATURE_CLAUSE = "RFC 5280 section 6.1.3 (a)(1)"


def _limited(paths: Iterator[tuple[Node, ...]]) -> Iterator[tuple[Node, ...]]:
    for tried, path in enumerate(paths):
        if tried >= MAX_PATHS:
            raise PathError(f"more than {MAX_PATHS} paths lead to an anchor", code="path.budget")
        yield path


def _failures(report: PathReport) -> int:
    return sum(check.result == "fail" for check in report.checks)


def _check(name: str, clause: str, expected: str, seen: str | None) -> Check:
    if seen is None:
        return _passed(name, clause, expected)
    return Check(id=name, result="fail", clause=clause, expected=expected, seen=seen)


@lru_cache(maxsize=KEPT_CHECKS)
def _passed(name: str, clause: str, expected: str) -> Check:
    return Check(id=name, result="pass", clause=clause, expected=expected)


def _no_path(search: Search) -> Check:
    if search.too_deep:
        return _check("path.depth", "RFC 5280 section 6.1", "a chain within the depth limit", "a longer chain")
    if search.refused is not None:
        expected = "every signature, in an accepted algorithm"
        return _check("path.signature", _SIGNATURE_CLAUSE, expected, search.refused.message)
    seen = "no such chain among the certificates given"
    return _check("path.anchor", "RFC 5280 section 6.1.1 (d)", "a chain of names to a given anchor", seen)
