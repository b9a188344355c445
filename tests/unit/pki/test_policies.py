"""Certificate policies: demanded, mapped and inhibited along a path (RFC 5280 section 6.1, RFC 9618)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from cryptography import x509

from pki import der
from pki.chain import PathReport, examine_path
from pki.errors import DerError
from pki.path_rules import Leaf, PathRules
from pki.policies import ANY_POLICY, MAX_POLICIES, POLICY_MAPPINGS
from tests.unit.pki.making import NOW, Chain, Extensions

GOLD, SILVER, TIN = "1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2", "1.3.6.1.4.1.99999.3"
DEMANDED = (x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None), True)


def stated(*policies: str) -> tuple[x509.ExtensionType, bool]:
    infos = [x509.PolicyInformation(x509.ObjectIdentifier(policy), None) for policy in policies]
    return x509.CertificatePolicies(infos), False


def mapped(*pairs: tuple[str, str]) -> tuple[x509.ExtensionType, bool]:
    encoded = der.sequence(*(der.sequence(der.oid(issuer), der.oid(subject)) for issuer, subject in pairs))
    return x509.UnrecognizedExtension(POLICY_MAPPINGS, encoded), True


def judged(issuing: Extensions, leaf: Extensions, *, root: Extensions = (), wanted: Sequence[str] = ()) -> PathReport:
    sound = Chain()
    chain = replace(
        sound,
        root_extensions=[*sound.root_extensions, *root],
        issuing_extensions=[*sound.issuing_extensions, *issuing],
        leaf_extensions=[*sound.leaf_extensions, *leaf],
    )
    rules = PathRules(leaf=Leaf.ANY, policies=frozenset(wanted) or None)
    return examine_path(chain.leaf(), intermediates=[chain.issuing()], anchors=[chain.root()], at=NOW, rules=rules)


def failed(report: PathReport) -> list[str]:
    return [check.id for check in report.checks if check.result == "fail"]


ACCEPTED: dict[str, PathReport] = {
    "none-demanded-none-stated": judged([], []),
    "none-demanded-different-ones": judged([stated(GOLD)], [stated(SILVER)]),
    "demanded-and-the-same": judged([stated(GOLD), DEMANDED], [stated(GOLD)]),
    "wanted-and-the-same": judged([stated(GOLD)], [stated(GOLD, TIN)], wanted=[GOLD]),
    "wanted-one-of-two": judged([stated(GOLD)], [stated(GOLD)], wanted=[SILVER, GOLD]),
    "any-above": judged([stated(ANY_POLICY)], [stated(GOLD)], wanted=[GOLD]),
    "any-below": judged([stated(GOLD)], [stated(ANY_POLICY)], wanted=[GOLD]),
    "any-everywhere": judged([stated(ANY_POLICY)], [stated(ANY_POLICY)], wanted=[TIN]),
    "mapped": judged([stated(GOLD), mapped((GOLD, SILVER)), DEMANDED], [stated(SILVER)]),
    "mapped-and-wanted-in-our-terms": judged([stated(GOLD), mapped((GOLD, SILVER))], [stated(SILVER)], wanted=[GOLD]),
    "mapped-under-any": judged([stated(ANY_POLICY), mapped((GOLD, SILVER))], [stated(SILVER)], wanted=[GOLD]),
}
REFUSED: dict[str, PathReport] = {
    "demanded-none-stated": judged([stated(GOLD), DEMANDED], []),
    "demanded-and-different": judged([stated(GOLD), DEMANDED], [stated(SILVER)]),
    "demanded-by-the-anchor": judged([], [], root=[DEMANDED]),
    "wanted-none-stated": judged([], [], wanted=[GOLD]),
    "wanted-another": judged([stated(GOLD)], [stated(GOLD)], wanted=[SILVER]),
    "mapped-and-wanted-in-their-terms": judged(
        [stated(GOLD), mapped((GOLD, SILVER))], [stated(SILVER)], wanted=[SILVER]
    ),
    "mapped-and-not-used": judged([stated(GOLD), mapped((GOLD, SILVER)), DEMANDED], [stated(GOLD)]),
    "mapped-to-any": judged([stated(GOLD), mapped((GOLD, ANY_POLICY))], [stated(SILVER)]),
    "mapped-to-any-by-the-leaf": judged([], [mapped((GOLD, ANY_POLICY))]),
    "mapping-inhibited": judged(
        [stated(GOLD), mapped((GOLD, SILVER)), DEMANDED],
        [stated(SILVER)],
        root=[(x509.PolicyConstraints(None, 0), True)],
    ),
    "any-inhibited": judged([stated(GOLD), DEMANDED, (x509.InhibitAnyPolicy(0), True)], [stated(ANY_POLICY)]),
}


@pytest.mark.parametrize("case", sorted(ACCEPTED))
def test_a_path_with_these_policies_is_accepted(case: str) -> None:
    assert failed(ACCEPTED[case]) == []


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_a_path_with_these_policies_is_refused(case: str) -> None:
    assert failed(REFUSED[case]) == ["path.policies"]


def test_more_policies_than_the_limit_are_a_refusal() -> None:
    crowd = stated(*(f"1.3.6.1.4.1.99999.4.{number}" for number in range(MAX_POLICIES + 1)))
    assert failed(judged([stated(GOLD), crowd][1:], [])) == ["path.budget"]


@pytest.mark.parametrize("encoded", [b"", b"\x30\x00", b"\x30\x02\x30\x00", b"\x30\x04\x30\x02\x06\x00"])
def test_mappings_that_cannot_be_read_are_a_refusal(encoded: bytes) -> None:
    odd = (x509.UnrecognizedExtension(POLICY_MAPPINGS, encoded), False)
    assert failed(judged([odd], [])) == ["path.malformed"]


def test_object_identifiers_come_back_as_written() -> None:
    for dotted in ("1.2.840.113549", "2.5.29.32.0", "2.999.1", "0.9.2342", "1.3.6.1.4.1.99999.1"):
        assert der.dotted(der.whole(der.oid(dotted), der.OBJECT_IDENTIFIER)) == dotted
    with pytest.raises(DerError, match="minimal"):
        der.dotted(der.Element(der.OBJECT_IDENTIFIER, b"\x80\x01", b""))
